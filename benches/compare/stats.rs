//! Medians and other quantiles, and an interval for the median that assumes nothing of the distribution.
//! Pure. It must never drop a value: noise widens the interval, that is what it is for.

use std::time::Duration;

/// The median of some values, and the interval that holds the true one with at least 95 %.
#[derive(Clone, Copy)]
pub struct Estimate {
    pub median: f64,
    pub low: f64,
    pub high: f64,
}

/// The sign test's interval: from the k-th smallest to the k-th largest value, with the largest k
/// that the binomial distribution allows. Fewer than six values allow none: then it is their range.
pub fn estimate(values: &[f64]) -> Estimate {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len();
    let mut term = 0.5_f64.powi(n as i32);
    let mut tail = term;
    let mut k = 0;
    while 2.0 * tail <= 0.05 {
        term *= (n - k) as f64 / (k + 1) as f64;
        tail += term;
        k += 1;
    }
    let skip = k.saturating_sub(1);
    Estimate { median: median(values), low: sorted[skip], high: sorted[n - 1 - skip] }
}

/// The middle value, or the mean of the two in the middle. There must be one at least.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 {
        sorted[middle]
    } else {
        f64::midpoint(sorted[middle - 1], sorted[middle])
    }
}

/// The smallest value that at least this share of the values does not exceed. There must be one at
/// least.
pub fn quantile(values: &mut [Duration], share: f64) -> Duration {
    let rank = (share * values.len() as f64).ceil() as usize;
    *values.select_nth_unstable(rank.saturating_sub(1)).1
}
