//! The path normaliser against a plain one that thinks in segments, and what must be true of its results.

use fastrand::Rng;
use weir::message::target::normalise;

use super::mutate::{damage, pick};
use super::run;

#[test]
fn a_normal_path_is_one_that_everybody_reads_alike() {
    run("paths", 1_000_000, make, |_, path| {
        let shown = path.escape_ascii();
        let normal = match normalise(path) {
            Ok(Some(normal)) => {
                assert_ne!(normal, path, "{shown} was normal");
                normal
            }
            Ok(None) => path.to_vec(),
            Err(_) => {
                assert_eq!(plain(path), None, "{shown}");
                return false;
            }
        };
        assert_eq!(plain(path).as_ref(), Some(&normal), "{shown}");
        check(&normal);
        true
    });
}

/// What is true of each normal path.
fn check(normal: &[u8]) {
    assert_eq!(normalise(normal), Ok(None), "normalising twice changes it");
    assert_eq!(normal.first(), Some(&b'/'));
    for segment in normal.split(|byte| *byte == b'/') {
        assert!(segment != b"." && segment != b"..", "a segment of dots");
    }
    let mut rest = normal;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        assert!((0x21..0x7f).contains(byte) && !b"\\#?".contains(byte), "an illegal byte");
        if *byte == b'%' {
            let (digits, after) = after.split_first_chunk::<2>().expect("a whole escape");
            assert!(!digits.iter().any(u8::is_ascii_lowercase), "an escape in lower case");
            let text = std::str::from_utf8(digits).expect("two digits");
            let escaped = u8::from_str_radix(text, 16).expect("two digits");
            assert!(escaped != 0 && !is_unreserved(escaped), "a needless escape");
            rest = after;
        }
    }
}

pub fn make(random: &mut Rng, into: &mut Vec<u8>) {
    for _ in 0..random.usize(1..7) {
        into.push(b'/');
        into.extend_from_slice(pick(random, &SEGMENTS));
    }
    damage(random, &SEGMENTS, into);
}

const SEGMENTS: [&[u8]; 34] = [
    b"",
    b"",
    b".",
    b"..",
    b"..",
    b"...",
    b"a",
    b"b.html",
    b".well-known",
    b"..;",
    b";x=1",
    b"..%00",
    b"%2e",
    b"%2E%2e",
    b".%2e",
    b"%2e.",
    b"%2f",
    b"%2F..",
    b"..%2f",
    b"%5c..",
    b"%5C",
    b"\\",
    b"%7euser",
    b"%41%5a%61",
    b"%c3%a9",
    b"\xc3\xa9",
    b"%252e%252e",
    b"%25",
    b"%",
    b"%4",
    b"%zz",
    b"%+1",
    b"a%20b",
    b"\"<>^`{|}",
];

/// RFC 3986, 6.2.2, on segments: all escapes first, then the dots. `None`: no path that is let pass.
fn plain(path: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::new();
    let mut at = 0;
    while at < path.len() {
        match path[at] {
            b'%' => {
                let text = std::str::from_utf8(path.get(at + 1..at + 3)?).ok()?;
                // The number may have a sign, to Rust.
                let byte = u8::from_str_radix(text, 16).ok().filter(|_| !text.contains('+'))?;
                match byte {
                    0 => return None,
                    byte if is_unreserved(byte) => decoded.push(byte),
                    byte => decoded.extend_from_slice(format!("%{byte:02X}").as_bytes()),
                }
                at += 3;
            }
            0..=0x20 | 0x7f.. | b'\\' | b'#' | b'?' => return None,
            byte => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    let mut segments: Vec<&[u8]> = Vec::new();
    let mut is_folder = false;
    for segment in decoded.strip_prefix(b"/")?.split(|byte| *byte == b'/') {
        is_folder = matches!(segment, b"." | b"..");
        match segment {
            b"." => {}
            b".." => drop(segments.pop()?),
            segment => segments.push(segment),
        }
    }
    if is_folder {
        segments.push(b"");
    }
    Some([b"/", &segments.join(&b'/')[..]].concat())
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}
