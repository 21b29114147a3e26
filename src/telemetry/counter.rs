//! Counters of the request path: one shard per worker, each written by its worker alone.
//!
//! So a count is a plain load and store, 0.3 ns, where a shared counter costs 6 and more. Readers on other
//! threads see every shard at some recent moment, and sum them.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// A number with one writer.
#[derive(Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Adds; by the shard's worker only.
    pub fn add(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
    }

    /// Subtracts, for gauges; by the shard's worker only. A sum over shards wraps back to what is right.
    pub fn sub(&self, n: u64) {
        self.add(n.wrapping_neg());
    }

    /// What it stands at.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Upper bounds of the buckets of all histograms of a process, in nanoseconds, rising.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Buckets(Arc<[u64]>);

impl Buckets {
    /// OpenTelemetry's advice for HTTP, in seconds, extended downwards, since a proxy's hop is often under 5 ms.
    pub const USUAL: [f64; 14] =
        [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
    /// So many there may be.
    pub const MOST: usize = 31;

    /// Those of these bounds, in seconds; any above the most there may be are left out.
    pub fn new(seconds: &[f64]) -> Self {
        let nanos = seconds.iter().take(Self::MOST).map(|bound| (bound * 1e9).round() as u64);
        Self(nanos.collect())
    }

    /// Their bounds.
    pub fn bounds(&self) -> &[u64] {
        &self.0
    }
}

impl Default for Buckets {
    fn default() -> Self {
        Self::new(&Self::USUAL)
    }
}

/// A histogram of times with one writer.
#[derive(Default)]
pub struct Histogram {
    /// As many as there are bounds are used; one more is for all above the highest.
    buckets: [Count; Buckets::MOST + 1],
    /// Nanoseconds.
    sum: Count,
}

impl Histogram {
    /// Counts one more time; by the shard's worker only, and always by the same buckets.
    pub fn record(&self, buckets: &Buckets, time: Duration) {
        let nanos = time.as_nanos() as u64;
        let bounds = buckets.bounds();
        let at = bounds.iter().position(|bound| nanos <= *bound).unwrap_or(bounds.len());
        self.buckets[at].add(1);
        self.sum.add(nanos);
    }
}

/// The sum of a histogram's shards.
#[derive(Clone, Default)]
pub struct Times {
    /// How many per bucket, not cumulative.
    pub buckets: [u64; Buckets::MOST + 1],
    /// Nanoseconds.
    pub sum: u64,
}

impl Times {
    /// Adds one shard.
    pub fn add(&mut self, shard: &Histogram) {
        for (sum, count) in self.buckets.iter_mut().zip(&shard.buckets) {
            *sum += count.get();
        }
        self.sum += shard.sum.get();
    }

    /// How many in all.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

/// One `T` per worker, made when the worker first needs it.
pub struct PerWorker<T> {
    shards: Box<[OnceLock<Box<T>>]>,
}

impl<T: Default> PerWorker<T> {
    /// For this many workers.
    pub fn new(workers: usize) -> Self {
        Self { shards: (0..workers).map(|_| OnceLock::new()).collect() }
    }

    /// The shard of a worker; only that worker may write to it.
    pub fn of(&self, worker: usize) -> &T {
        self.shards[worker].get_or_init(Box::default)
    }

    /// All shards that exist.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.shards.iter().filter_map(OnceLock::get).map(|shard| &**shard)
    }

    /// The sum of one number over all shards.
    pub fn sum(&self, number: impl Fn(&T) -> &Count) -> u64 {
        self.iter().fold(0, |sum, shard| sum.wrapping_add(number(shard).get()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gauge_may_rise_on_one_worker_and_fall_on_another() {
        let shards = PerWorker::<Count>::new(2);
        shards.of(0).add(3);
        shards.of(1).sub(2);
        assert_eq!(shards.sum(|count| count), 1);
    }

    #[test]
    fn a_time_on_a_bound_belongs_to_its_bucket() {
        let histogram = Histogram::default();
        for micros in [500, 501, 10_000_000, 10_000_001] {
            histogram.record(&Buckets::default(), Duration::from_micros(micros));
        }
        let mut times = Times::default();
        times.add(&histogram);
        assert_eq!((times.buckets[0], times.buckets[1]), (1, 1));
        assert_eq!((times.buckets[13], times.buckets[14]), (1, 1));
        assert_eq!(times.count(), 4);
    }
}
