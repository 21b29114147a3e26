//! Text that clients and endpoints sent, made fit for a line of a log: no control byte, no broken UTF-8,
//! nothing that ends a field or a line. Called once per field, so clean text is found eight bytes at a time.

/// Adds a text as it stands within the quotes of a JSON string. What is not UTF-8 becomes U+FFFD.
pub fn json(text: &[u8], out: &mut Vec<u8>) {
    let clean = clean(text);
    out.extend_from_slice(&text[..clean]);
    if clean < text.len() {
        escape(&text[clean..], out);
    }
}

/// Adds a text as a value of logfmt: as it is, or quoted as in JSON.
pub fn logfmt(text: &[u8], out: &mut Vec<u8>) {
    if clean(text) == text.len() && !text.iter().any(|byte| matches!(byte, b' ' | b'=')) {
        out.extend_from_slice(text);
        return;
    }
    out.push(b'"');
    json(text, out);
    out.push(b'"');
}

/// Adds a text as nginx writes it within quotes: `"`, `\` and all that is not printable ASCII as `\xXX`; what is
/// empty as `-`.
pub fn combined(text: &[u8], out: &mut Vec<u8>) {
    if text.is_empty() {
        return out.push(b'-');
    }
    let clean = clean(text);
    out.extend_from_slice(&text[..clean]);
    for &byte in &text[clean..] {
        if is_clean(byte) {
            out.push(byte);
        } else {
            out.extend_from_slice(&[b'\\', b'x', upper(byte >> 4), upper(byte & 15)]);
        }
    }
}

fn upper(digit: u8) -> u8 {
    b"0123456789ABCDEF"[usize::from(digit)]
}

fn escape(text: &[u8], out: &mut Vec<u8>) {
    for part in text.utf8_chunks() {
        for c in part.valid().chars() {
            match c {
                '"' | '\\' => out.extend_from_slice(&[b'\\', c as u8]),
                control if control.is_control() => {
                    // None of them is above U+009F.
                    let byte = control as u8;
                    let digit = |digit: u8| upper(digit).to_ascii_lowercase();
                    out.extend_from_slice(b"\\u00");
                    out.extend_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
                }
                c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        if !part.invalid().is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
}

/// How many bytes at the front need no escape anywhere: printable ASCII but for `"` and `\`.
fn clean(text: &[u8]) -> usize {
    let (chunks, tail) = text.as_chunks();
    for (at, chunk) in chunks.iter().enumerate() {
        let special = special(u64::from_le_bytes(*chunk));
        if special != 0 {
            return at * 8 + special.trailing_zeros() as usize / 8;
        }
    }
    match text.last_chunk() {
        // The last eight bytes, whose first ones have been looked at already.
        Some(last) if !tail.is_empty() => match special(u64::from_le_bytes(*last)) {
            0 => text.len(),
            special => text.len() - 8 + special.trailing_zeros() as usize / 8,
        },
        _ => {
            let dirty = tail.iter().position(|byte| !is_clean(*byte));
            dirty.map_or(text.len(), |at| chunks.len() * 8 + at)
        }
    }
}

const fn is_clean(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\'
}

/// The high bit of each byte that is not clean. Above the first of them others may be marked too: a subtraction
/// borrows upwards.
const fn special(eight: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const fn zero(eight: u64) -> u64 {
        eight.wrapping_sub(ONES) & !eight
    }
    let control = eight.wrapping_sub(ONES * 0x20) & !eight;
    let quoted = zero(eight ^ (ONES * b'"' as u64)) | zero(eight ^ (ONES * b'\\' as u64));
    let high = eight | zero(eight ^ (ONES * 0x7f));
    (control | quoted | high) & (ONES * 0x80)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: fn(&[u8], &mut Vec<u8>), text: &[u8]) -> String {
        let mut out = Vec::new();
        write(text, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_byte_at_every_place_is_told_from_the_others() {
        for length in 1..=19 {
            for at in 0..length {
                for byte in 0..=u8::MAX {
                    let mut text = vec![b'a'; length];
                    text[at] = byte;
                    let expected = if is_clean(byte) { length } else { at };
                    assert_eq!(clean(&text), expected, "{byte:#x} at {at} of {length}");
                }
            }
        }
    }

    #[test]
    fn any_bytes_are_a_json_string_without_control_bytes() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..2000 {
            let text: Vec<u8> = (0..random.usize(..40)).map(|_| random.u8(..)).collect();
            let json = format!("\"{}\"", written(json, &text));
            assert!(!json.chars().any(char::is_control), "{json:?}");
            let read: String = serde_json::from_str(&json).unwrap();
            assert_eq!(read, String::from_utf8_lossy(&text));
            let logfmt = written(logfmt, &text);
            assert!(!logfmt.chars().any(char::is_control), "{logfmt:?}");
            let combined = written(combined, &text);
            assert!(combined.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'"'));
        }
    }

    #[test]
    fn each_form_has_its_own_way() {
        let text = "a \"b\"\n\u{85}é\u{7f}".as_bytes();
        assert_eq!(written(json, text), r#"a \"b\"\u000a\u0085é\u007f"#);
        assert_eq!(written(logfmt, text), r#""a \"b\"\u000a\u0085é\u007f""#);
        assert_eq!(written(logfmt, b"a-b"), "a-b");
        assert_eq!(written(logfmt, b"a=b"), "\"a=b\"");
        assert_eq!(written(combined, text), r"a \x22b\x22\x0A\xC2\x85\xC3\xA9\x7F");
        assert_eq!(written(combined, b""), "-");
    }
}
