//! The meter of HTTP/2: what it says of bytes does not depend on how they are cut, and no bytes make it fail.

use std::time::Duration;

use fastrand::Rng;
use weir::h2::meter::{Limits, Meter};

use super::mutate::damage;

#[test]
fn a_verdict_does_not_depend_on_how_bytes_are_cut() {
    super::run("frames", 20_000, make, check);
}

/// Frames, mostly of a few kinds, often the same one again and again.
fn make(random: &mut Rng, input: &mut Vec<u8>) {
    input.extend_from_slice(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    for _ in 0..random.usize(1..6) {
        let (kind, flags) = (random.u8(0..11), random.u8(..) & 0x0d);
        let (times, step) = (random.u32(1..200), random.u32(0..3));
        let mut stream = random.u32(0..400);
        for _ in 0..times {
            let payload = vec![random.u8(..); random.usize(0..12)];
            input.extend_from_slice(&(payload.len() as u32).to_be_bytes()[1..]);
            input.extend_from_slice(&[kind, flags]);
            input.extend_from_slice(&stream.to_be_bytes());
            input.extend_from_slice(&payload);
            stream += step;
        }
    }
    damage(random, &[b"\0\0\0", b"\0\0\x04\x03\0"], input);
}

fn check(random: &mut Rng, bytes: &[u8]) -> bool {
    let limits = Limits { streams: 100, resets: 50, control_frames: 100 };
    let (mut whole, mut cut) =
        (Meter::new(limits, Duration::ZERO), Meter::new(limits, Duration::ZERO));
    let verdict = whole.received(bytes, Duration::ZERO);
    let mut rest = bytes;
    let mut pieces = Ok(());
    while pieces.is_ok() && !rest.is_empty() {
        let (piece, after) = rest.split_at(random.usize(1..=rest.len().min(40)));
        pieces = cut.received(piece, Duration::ZERO);
        rest = after;
    }
    assert_eq!(pieces, verdict);
    if verdict.is_ok() {
        assert_eq!((cut.is_midst(), cut.is_busy()), (whole.is_midst(), whole.is_busy()));
    }
    // The other direction fails as little.
    let _ = whole.sent(bytes);
    verdict.is_ok()
}
