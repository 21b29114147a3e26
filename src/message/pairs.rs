//! Names and values in a query and in a Cookie field: looked up, never collected.

use std::borrow::Cow;

use super::head::{Head, Known};

/// The value of the first parameter of this name in the query, decoded (WHATWG URL, 5.1): names are compared
/// decoded, too.
pub fn query<'a>(head: &'a Head, name: &str) -> Option<Cow<'a, [u8]>> {
    let query = head.slice(head.query);
    let pairs = query.strip_prefix(b"?").unwrap_or(query).split(|b| *b == b'&');
    pairs.filter(|pair| !pair.is_empty()).find_map(|pair| {
        let (key, value) = cut(pair);
        decoded(key).eq(name.bytes()).then(|| {
            if value.iter().any(|b| matches!(b, b'%' | b'+')) {
                decoded(value).collect::<Vec<u8>>().into()
            } else {
                value.into()
            }
        })
    })
}

/// The value of the first cookie of this name, as it stands there (RFC 6265, 5.4).
pub fn cookie<'a>(head: &'a Head, name: &str) -> Option<&'a [u8]> {
    let fields = head.fields.iter().filter(|f| f.known == Known::Cookie && !f.removed);
    fields.flat_map(|field| head.slice(field.value).split(|b| *b == b';')).find_map(|pair| {
        let (key, value) = cut(pair.trim_ascii());
        (key == name.as_bytes()).then_some(value)
    })
}

/// What stands before the first `=`, and behind it.
fn cut(pair: &[u8]) -> (&[u8], &[u8]) {
    let at = pair.iter().position(|b| *b == b'=');
    at.map_or((pair, b""), |at| (&pair[..at], &pair[at + 1..]))
}

/// The bytes that a part of a query stands for. A broken escape stands for itself.
fn decoded(text: &[u8]) -> impl Iterator<Item = u8> + '_ {
    let hex = |at: usize| text.get(at).and_then(|b| char::from(*b).to_digit(16));
    let mut at = 0;
    std::iter::from_fn(move || {
        let byte = *text.get(at)?;
        at += 1;
        match (byte, hex(at), hex(at + 1)) {
            (b'%', Some(high), Some(low)) => {
                at += 2;
                Some((high * 16 + low) as u8)
            }
            (b'+', ..) => Some(b' '),
            _ => Some(byte),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::head::Span;

    #[test]
    fn parameters_are_compared_decoded() {
        let mut head = Head::default();
        let start = head.bytes.len();
        head.append(b"?a=1&&b&c=x%20y+z&%61=2&d=%zz&e=a=b&=f");
        head.query = Span::new(start..head.bytes.len());
        let value = |name: &str| query(&head, name).map(Cow::into_owned);
        for (name, expected) in [
            ("a", Some("1")),
            ("b", Some("")),
            ("c", Some("x y z")),
            ("d", Some("%zz")),
            ("e", Some("a=b")),
            ("", Some("f")),
            ("f", None),
        ] {
            assert_eq!(value(name).as_deref(), expected.map(str::as_bytes), "{name}");
        }
    }

    #[test]
    fn cookies_of_all_fields_count() {
        let mut head = Head::default();
        head.add(Known::Cookie, "cookie", "a=1; b=\"x\";c");
        head.add(Known::Cookie, "cookie", "d = 4; a=2");
        for (name, expected) in [
            ("a", Some("1")),
            ("b", Some("\"x\"")),
            ("c", Some("")),
            ("d", None),
            ("d ", Some(" 4")),
        ] {
            assert_eq!(cookie(&head, name), expected.map(str::as_bytes), "{name}");
        }
    }
}
