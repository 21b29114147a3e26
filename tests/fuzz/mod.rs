//! Seeded generators of hostile bytes, one file per target, each with the laws that must hold.
//!
//! `cargo test` runs a fixed number of inputs, the same ones each time. Longer, and other ones each time:
//! `FUZZ_SECONDS=600 cargo test --release --test weir fuzz -- --nocapture --test-threads 1`, so long for each
//! target. A failure names its seed: `FUZZ_SEED=… cargo test --test weir fuzz::requests` repeats that input.

mod answered;
mod authorities;
mod chunks;
mod forwarded;
mod frames;
mod hellos;
mod mutate;
mod passed;
mod paths;
mod plain;
mod proxy_headers;
mod requests;
mod responses;
mod streams;
mod wire;

use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use fastrand::Rng;
use weir::net::clock::Clock;

/// Makes inputs and checks each; `check` answers whether the input was sound. What one input leads to depends
/// on its seed alone. Fails unless a tenth was sound and a tenth was not: else it would test little.
fn run(
    target: &str,
    inputs: u64,
    make: impl Fn(&mut Rng, &mut Vec<u8>),
    mut check: impl FnMut(&mut Rng, &[u8]) -> bool,
) {
    let number = |name| env::var(name).ok().map(|text| text.parse::<u64>().expect(name));
    let (again, seconds) = (number("FUZZ_SEED"), number("FUZZ_SECONDS").map(Duration::from_secs));
    let clock = Clock::new();
    let mut seeds = seconds.map_or_else(|| Rng::with_seed(1), |_| Rng::new());
    let (mut seed, mut input) = (0, Vec::new());
    let (mut done, mut sound) = (0, 0);
    let held = catch_unwind(AssertUnwindSafe(|| {
        loop {
            seed = again.unwrap_or_else(|| seeds.u64(..));
            input.clear();
            let mut random = Rng::with_seed(seed);
            make(&mut random, &mut input);
            sound += u64::from(check(&mut random, &input));
            done += 1;
            // Looking at the clock takes longer than many an input.
            let enough = seconds.map_or(done >= inputs, |s| done % 64 == 0 && clock.now() >= s);
            if enough || again.is_some() {
                return;
            }
        }
    }));
    let shown = input.escape_ascii();
    assert!(held.is_ok(), "{target}: input {done}, FUZZ_SEED={seed} repeats it: b\"{shown}\"");
    if seconds.is_some() {
        eprintln!("{target}: {done} inputs, {sound} of them sound");
    }
    let fair = done / 10..=done - done / 10;
    assert!(again.is_some() || fair.contains(&sound), "{target}: {sound} of {done} were sound");
}
