//! Places of which so many may be taken at once, counted exactly over all threads: connections, descriptors.
//!
//! A place is taken before there is something to put in it, so the limit is never overrun. Taking and giving
//! back are one atomic each; only when somebody waits is a lock taken, and who has waited longest is woken.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use tokio::sync::Notify;

/// So many places. What is counted by them is for their owner to say.
pub struct Places {
    taken: AtomicUsize,
    limit: AtomicUsize,
    waiting: AtomicUsize,
    freed: Notify,
}

/// A place that is taken, given back when it is dropped.
pub struct Place(Arc<Places>);

impl Places {
    /// So many, all free. `usize::MAX`: any number.
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            taken: AtomicUsize::new(0),
            limit: AtomicUsize::new(limit),
            waiting: AtomicUsize::new(0),
            freed: Notify::new(),
        })
    }

    /// From now on there are so many. Those that are taken stay so, even if they are more.
    pub fn set_limit(&self, limit: usize) {
        if self.limit.swap(limit, SeqCst) < limit {
            self.freed.notify_waiters();
        }
    }

    /// How many there are.
    pub fn limit(&self) -> usize {
        self.limit.load(SeqCst)
    }

    /// How many are taken.
    pub fn taken(&self) -> usize {
        self.taken.load(SeqCst)
    }

    /// Whether none is free.
    pub fn is_full(&self) -> bool {
        self.taken() >= self.limit()
    }

    /// A place, if one is free.
    pub fn take(self: &Arc<Self>) -> Option<Place> {
        let more = |taken: usize| (taken < self.limit()).then(|| taken + 1);
        self.taken.fetch_update(SeqCst, SeqCst, more).ok().map(|_| Place(Arc::clone(self)))
    }

    /// A place, as soon as one is free. Who waits first is served first.
    pub async fn wait(self: &Arc<Self>) -> Place {
        let _waiting = Waiting::begin(&self.waiting);
        loop {
            let mut freed = std::pin::pin!(self.freed.notified());
            // Before looking: a place that is given back from now on is heard of.
            freed.as_mut().enable();
            if let Some(place) = self.take() {
                return place;
            }
            freed.await;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, SeqCst);
        // Who begins to wait counts itself before it looks, so one of the two sees the other.
        if self.0.waiting.load(SeqCst) > 0 {
            self.0.freed.notify_one();
        }
    }
}

/// Somebody who waits, counted while it exists.
pub struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    /// One more waits.
    pub fn begin(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, SeqCst);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_limit_is_never_overrun_and_all_of_it_is_used() {
        let (places, most) = (Places::new(3), AtomicUsize::new(0));
        let inside = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..2000 {
                        let Some(_place) = places.take() else { continue };
                        most.fetch_max(inside.fetch_add(1, SeqCst) + 1, SeqCst);
                        inside.fetch_sub(1, SeqCst);
                    }
                });
            }
        });
        assert!(most.load(SeqCst) <= 3);
        let all: Vec<_> = (0..3).map(|_| places.take().unwrap()).collect();
        assert!(places.take().is_none() && places.is_full());
        drop(all);
        assert!(places.take().is_some());
    }

    #[test]
    fn a_place_that_is_given_back_goes_to_who_has_waited_longest() {
        let places = Places::new(1);
        let cx = &mut Context::from_waker(Waker::noop());
        let taken = places.take().unwrap();
        let mut first = pin!(places.wait());
        let mut second = pin!(places.wait());
        assert!(first.as_mut().poll(cx).is_pending() && second.as_mut().poll(cx).is_pending());
        drop(taken);
        let Poll::Ready(place) = first.as_mut().poll(cx) else { panic!("it was its turn") };
        drop(place);
        assert!(second.as_mut().poll(cx).is_ready());
    }

    #[test]
    fn nobody_sleeps_beside_a_free_place() {
        let places = Places::new(2);
        let runtime = tokio::runtime::Builder::new_current_thread;
        let all = std::thread::scope(|scope| {
            let come_and_go = || {
                runtime().enable_time().build().unwrap().block_on(async {
                    let all = async {
                        for _ in 0..2000 {
                            drop(places.wait().await);
                        }
                    };
                    tokio::time::timeout(Duration::from_secs(20), all).await.is_ok()
                })
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(come_and_go)).collect();
            threads.into_iter().all(|thread| thread.join().unwrap())
        });
        assert!(all, "one waits for ever");
        assert_eq!((places.taken.load(SeqCst), places.waiting.load(SeqCst)), (0, 0));
    }

    #[test]
    fn a_limit_that_rises_lets_those_in_who_wait_and_one_that_falls_nobody_out() {
        let places = Places::new(1);
        let cx = &mut Context::from_waker(Waker::noop());
        let first = places.take().unwrap();
        let mut second = pin!(places.wait());
        assert!(second.as_mut().poll(cx).is_pending());
        places.set_limit(2);
        let Poll::Ready(second) = second.as_mut().poll(cx) else { panic!("there is room now") };
        places.set_limit(1);
        drop(first);
        assert!(places.take().is_none(), "one is still in, and that is all");
        drop(second);
        assert!(places.take().is_some());
    }
}
