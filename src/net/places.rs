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
    /// Those who come before all who wait in turn.
    first: AtomicUsize,
    freed_for_first: Notify,
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
            first: AtomicUsize::new(0),
            freed_for_first: Notify::new(),
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

    /// Whether more are taken than there are: the limit has been lowered.
    pub fn is_overrun(&self) -> bool {
        self.taken() > self.limit()
    }

    /// A place, if one is free that nobody with precedence waits for.
    pub fn take(self: &Arc<Self>) -> Option<Place> {
        if self.first() > 0 { None } else { self.take_first() }
    }

    /// A place, if one is free, before all who wait.
    pub fn take_first(self: &Arc<Self>) -> Option<Place> {
        let more = |taken: usize| (taken < self.limit()).then(|| taken + 1);
        self.taken.fetch_update(SeqCst, SeqCst, more).ok().map(|_| Place(Arc::clone(self)))
    }

    /// How many wait in turn.
    pub fn waiting(&self) -> usize {
        self.waiting.load(SeqCst)
    }

    /// How many wait with precedence.
    pub fn first(&self) -> usize {
        self.first.load(SeqCst)
    }

    /// A place, as soon as one is free, before those who wait in turn.
    pub async fn wait_first(self: &Arc<Self>) -> Place {
        let _first = First::begin(self);
        loop {
            let mut freed = std::pin::pin!(self.freed_for_first.notified());
            freed.as_mut().enable();
            if let Some(place) = self.take_first() {
                return place;
            }
            freed.await;
        }
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
        if self.0.first() > 0 {
            self.0.freed_for_first.notify_one();
        } else {
            self.0.call_next();
        }
    }
}

impl Places {
    fn call_next(&self) {
        if self.waiting.load(SeqCst) > 0 {
            self.freed.notify_one();
        }
    }
}

/// Somebody who waits with precedence; those who stood back are called when it does not wait any more.
struct First<'a>(&'a Places);

impl<'a> First<'a> {
    fn begin(places: &'a Places) -> Self {
        places.first.fetch_add(1, SeqCst);
        Self(places)
    }
}

impl Drop for First<'_> {
    fn drop(&mut self) {
        self.0.first.fetch_sub(1, SeqCst);
        self.0.call_next();
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
    fn who_has_precedence_is_served_before_who_has_waited_longest() {
        let places = Places::new(1);
        let cx = &mut Context::from_waker(Waker::noop());
        let taken = places.take().unwrap();
        let mut in_turn = pin!(places.wait());
        assert!(in_turn.as_mut().poll(cx).is_pending());
        {
            let mut first = pin!(places.wait_first());
            assert!(first.as_mut().poll(cx).is_pending());
            drop(taken);
            assert!(in_turn.as_mut().poll(cx).is_pending() && places.take().is_none());
            let Poll::Ready(place) = first.as_mut().poll(cx) else { panic!("it comes first") };
            drop(place);
        }
        assert!(in_turn.as_mut().poll(cx).is_ready());
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
        assert!(places.is_overrun());
        drop(first);
        assert!(places.is_full() && !places.is_overrun());
        assert!(places.take().is_none(), "one is still in, and that is all");
        drop(second);
        assert!(places.take().is_some());
    }
}
