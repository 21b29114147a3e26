//! What weir knows of gRPC: requests that are calls, how long they may take, and how a call ends (the gRPC over
//! HTTP/2 protocol).

use std::time::Duration;

use super::body::Body;
use super::head::{Head, Known, Method, Version};
use super::reply::Reply;

/// How a call ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(pub u8);

impl Status {
    pub const UNKNOWN: Self = Self(2);
    pub const DEADLINE_EXCEEDED: Self = Self(4);
    pub const PERMISSION_DENIED: Self = Self(7);
    pub const RESOURCE_EXHAUSTED: Self = Self(8);
    pub const UNIMPLEMENTED: Self = Self(12);
    pub const INTERNAL: Self = Self(13);
    pub const UNAVAILABLE: Self = Self(14);
    pub const DATA_LOSS: Self = Self(15);

    /// What a field says: of the head, if there is nothing else, or of the trailers. `None`: no number of one.
    pub fn read(value: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(value).ok()?;
        text.parse().ok().filter(|status| *status <= 16).map(Self)
    }

    /// What the lines of a trailer section say.
    pub fn of_trailers(section: &[u8]) -> Option<Self> {
        let lines = section.split(|byte| *byte == b'\n');
        let mut fields = lines.filter_map(|line| line.strip_prefix(b"grpc-status:"));
        fields.next().and_then(|value| Self::read(value.trim_ascii()))
    }

    /// What the head of an answer says that has nothing but a head.
    pub fn of_head(head: &Head) -> Option<Self> {
        field(head, STATUS).and_then(Self::read)
    }
}

/// Whether a request is a call: what it says of its content is not enough, since its answers are others.
pub fn is_call(head: &Head) -> bool {
    if head.version != Version::Http2 || head.method != Method::Post {
        return false;
    }
    let kind = head.get(Known::ContentType).unwrap_or_default();
    let Some((front, rest)) = kind.split_at_checked(CONTENT.len()) else { return false };
    front.eq_ignore_ascii_case(CONTENT.as_bytes())
        && matches!(rest.first(), None | Some(b'+' | b';' | b' '))
}

/// An answer that ends a call before it has begun: in its head, with nothing behind it.
pub fn refusal(mut head: Head, status: Status, message: &str) -> Reply {
    head.clear();
    head.status = 200;
    head.reason = head.append(b"OK");
    head.add(Known::ContentType, "content-type", CONTENT);
    head.add(Known::Other, STATUS, itoa::Buffer::new().format(status.0));
    head.add(Known::Other, "grpc-message", &encoded(message));
    Reply { head, body: Body::Empty }
}

/// How long the call may take, as its client says. `None`: for ever, or it says nothing that is understood.
pub fn timeout(head: &Head) -> Option<Duration> {
    let value = field(head, TIMEOUT)?;
    let (unit, digits) = value.split_last()?;
    if !(1..=8).contains(&digits.len()) || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = digits.iter().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'));
    Some(match unit {
        b'H' => Duration::from_secs(number * 3600),
        b'M' => Duration::from_secs(number * 60),
        b'S' => Duration::from_secs(number),
        b'm' => Duration::from_millis(number),
        b'u' => Duration::from_micros(number),
        b'n' => Duration::from_nanos(number),
        _ => return None,
    })
}

/// Says how long it may still take: rounded down, and never nothing, which some take for no limit.
pub fn set_timeout(head: &mut Head, left: Duration) {
    for field in &mut head.fields {
        field.removed |= head.bytes[field.name.range()].eq_ignore_ascii_case(TIMEOUT.as_bytes());
    }
    const MOST: u128 = 99_999_999;
    let (number, unit) = match left {
        left if left.as_micros() <= MOST => (left.as_micros().max(1), 'u'),
        left if left.as_millis() <= MOST => (left.as_millis(), 'm'),
        left => (u128::from(left.as_secs()).min(MOST), 'S'),
    };
    head.add(Known::Other, TIMEOUT, &format!("{number}{unit}"));
}

fn field<'h>(head: &'h Head, name: &str) -> Option<&'h [u8]> {
    let mut fields = head.fields.iter().filter(|field| !field.removed);
    let found =
        fields.find(|field| head.slice(field.name).eq_ignore_ascii_case(name.as_bytes()))?;
    Some(head.slice(found.value))
}

/// A text as `grpc-message` has it: what is not printable ASCII, and `%`, as escapes.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.trim_end().bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

const CONTENT: &str = "application/grpc";
const STATUS: &str = "grpc-status";
const TIMEOUT: &str = "grpc-timeout";

#[cfg(test)]
mod tests {
    use super::*;

    fn head(fields: &[(&str, &str)]) -> Head {
        let mut head = Head::default();
        for (name, value) in fields {
            head.add(Known::from_name(name.as_bytes()), name, value);
        }
        head
    }

    #[test]
    fn calls_are_known_by_their_content() {
        for (kind, call) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("APPLICATION/gRPC; x=y", true),
            ("application/grpc-web", false),
            ("application/grpcx", false),
            ("application/json", false),
        ] {
            let of = |version, method| {
                let head = head(&[("content-type", kind)]);
                is_call(&Head { version, method, ..head })
            };
            assert_eq!(of(Version::Http2, Method::Post), call, "{kind}");
            assert!(!of(Version::Http11, Method::Post) && !of(Version::Http2, Method::Get));
        }
        let empty = Head { version: Version::Http2, method: Method::Post, ..head(&[]) };
        assert!(!is_call(&empty));
    }

    #[test]
    fn timeouts_are_read_and_never_grow() {
        let read = |value| timeout(&head(&[("grpc-timeout", value)]));
        for (value, expected) in [
            ("1H", Duration::from_secs(3600)),
            ("2M", Duration::from_secs(120)),
            ("3S", Duration::from_secs(3)),
            ("99999999m", Duration::from_millis(99_999_999)),
            ("5u", Duration::from_micros(5)),
            ("6n", Duration::from_nanos(6)),
        ] {
            assert_eq!(read(value), Some(expected), "{value}");
        }
        for value in ["", "S", "1", "1s", "-1S", "1.5S", "999999999S", "1 S"] {
            assert_eq!(read(value), None, "{value}");
        }
        for nanos in [0_u64, 1, 999, 1000, 1_500_000, 99_999_999_999, 10_u64.pow(17), u64::MAX] {
            let left = Duration::from_nanos(nanos);
            let mut head = head(&[("Grpc-Timeout", "9S")]);
            set_timeout(&mut head, left);
            let written = timeout(&head).expect("it is understood");
            assert!(written <= left.max(Duration::from_micros(1)), "{left:?} {written:?}");
            assert!(!written.is_zero());
        }
    }

    #[test]
    fn statuses_are_read_where_they_stand() {
        assert_eq!(Status::of_trailers(b"x: y\r\ngrpc-status: 14\r\n"), Some(Status::UNAVAILABLE));
        assert_eq!(Status::of_trailers(b"grpc-message: 14\r\n"), None);
        assert_eq!(Status::of_head(&head(&[("grpc-status", "0")])), Some(Status(0)));
        for value in ["", "17", "-1", "x", "1 "] {
            assert_eq!(Status::read(value.as_bytes()), None, "{value}");
        }
        let refused = refusal(Head::default(), Status::INTERNAL, "50% \u{e4}\n");
        assert_eq!(field(&refused.head, "grpc-message"), Some(&b"50%25 %C3%A4"[..]));
        assert_eq!(Status::of_head(&refused.head), Some(Status::INTERNAL));
    }
}
