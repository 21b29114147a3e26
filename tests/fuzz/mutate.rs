//! Damages bytes, by such as mean something to one parser or another. Every target uses it.

use fastrand::Rng;
use weir::h1::{Limits, MAX_FIELDS};

/// Bytes that delimit, that are not allowed somewhere, or that only look as if they were digits or letters.
const BYTES: &[u8] = b"\r\n\t :,;/?#%@[]\\*.-_+=\"'()<>{}|^`~\0\x01\x0b\x0c\x1f\x7f\x80\x85\xa0\xc3\xff012359aAfFgxzZ";

/// Damages an input in no to many places, mostly in one or two: bytes, ranges, and pieces of `parts`.
pub fn damage(random: &mut Rng, parts: &[&[u8]], into: &mut Vec<u8>) {
    let times = match random.u8(..) {
        0..=63 => 0,
        64..=159 => 1,
        160..=223 => 2,
        _ => random.usize(3..9),
    };
    for _ in 0..times {
        once(random, parts, into);
    }
    if random.u16(..) < 64 {
        repeat(random, into);
    }
}

fn once(random: &mut Rng, parts: &[&[u8]], into: &mut Vec<u8>) {
    let at = random.usize(0..=into.len());
    let end = (at + random.usize(1..24)).min(into.len());
    match random.u8(0..12) {
        0..=2 => into.insert(at, byte(random)),
        3 | 4 if at < end => into[at] = byte(random),
        5 if at < end => drop(into.remove(at)),
        6 if at < end => drop(into.drain(at..end)),
        7 => {
            let copy = into[at..end].to_vec();
            insert(into, random.usize(0..=into.len()), &copy);
        }
        8 if at < end => into[at] ^= 1 << random.u8(0..8),
        9 if random.u8(0..8) == 0 => into.truncate(at),
        10 => {
            let part = piece(random, parts);
            let end = (at + part.len()).min(into.len());
            into.splice(at..end, part.iter().copied());
        }
        _ => insert(into, at, piece(random, parts)),
    }
}

/// Repeats a range or a line so often that limits are met, or nearly.
fn repeat(random: &mut Rng, into: &mut Vec<u8>) {
    if into.is_empty() {
        return;
    }
    let start = random.usize(0..into.len());
    let (start, end) = if random.bool() {
        let line = |bytes: &[u8]| bytes.iter().position(|b| *b == b'\n');
        let start = start + line(&into[start..]).map_or(0, |at| at + 1);
        (start, line(&into[start..]).map_or(into.len(), |at| start + at + 1))
    } else {
        (start, (start + random.usize(1..40)).min(into.len()))
    };
    let most = 1 << random.u8(5..17);
    let times = (most / (end - start).max(1)).min(random.usize(2..20_000));
    insert(into, start, &into[start..end].repeat(times));
}

fn byte(random: &mut Rng) -> u8 {
    if random.u8(0..8) == 0 { random.u8(..) } else { BYTES[random.usize(0..BYTES.len())] }
}

/// A part, or a piece of one.
fn piece<'a>(random: &mut Rng, parts: &[&'a [u8]]) -> &'a [u8] {
    let part = pick(random, parts);
    if random.bool() {
        return part;
    }
    let start = random.usize(0..=part.len());
    &part[start..random.usize(start..=part.len())]
}

fn insert(into: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    into.splice(at..at, bytes.iter().copied());
}

/// One of them.
pub fn pick<T: Copy>(random: &mut Rng, of: &[T]) -> T {
    of[random.usize(0..of.len())]
}

/// Mostly one of the first, which are sound.
pub fn mostly<T: Copy>(random: &mut Rng, sound: usize, of: &[T]) -> T {
    if random.u8(0..4) == 0 { pick(random, of) } else { pick(random, &of[..sound]) }
}

/// A size at a limit, just below or just above it.
pub fn near(random: &mut Rng, limit: usize) -> usize {
    limit - 1 + random.usize(0..3)
}

/// Makes a head so long that it meets one of its limits, or nearly. Its empty line is to come.
pub fn stretch(random: &mut Rng, limits: &Limits, head: &mut Vec<u8>) {
    match random.u8(0..4) {
        0 => {
            let line = head.iter().position(|b| *b == b'\r').unwrap_or(head.len());
            let missing = near(random, limits.line).saturating_sub(line);
            let at = line.saturating_sub(" HTTP/1.1".len());
            head.splice(at..at, std::iter::repeat_n(b'x', missing));
        }
        1 => add(head, near(random, limits.field)),
        2 => {
            let end = near(random, limits.head) - "\r\n".len();
            let around = "X: \r\n".len() - "X".len();
            while let Some(missing) = end.checked_sub(head.len() + around).filter(|n| *n > 0) {
                add(head, missing.min(limits.field));
            }
        }
        _ => {
            let lines = head.split(|b| *b == b'\n').count() - 1;
            (lines..=near(random, MAX_FIELDS)).for_each(|_| add(head, 2));
        }
    }
}

/// A field of this size, name and value.
fn add(head: &mut Vec<u8>, size: usize) {
    head.extend_from_slice(b"X: ");
    head.resize(head.len() + size - "X".len(), b'y');
    head.extend_from_slice(b"\r\n");
}
