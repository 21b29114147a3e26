//! The chunk decoder against the plainest there is, wherever what comes is cut; and what weir writes.

use fastrand::Rng;
use weir::h1::chunked::{self, Chunks, Limits};

use super::mutate::{damage, near, pick};
use super::run;

#[test]
fn a_chunked_body_is_read_in_one_way_only() {
    run("chunks", 600_000, make, |random, wire| {
        let (payload, end) = plain(wire);
        check_pieces(random, wire, &payload, end);
        if random.u8(0..8) == 0 {
            what_is_written_is_read(random, wire);
        }
        matches!(end, Ok(_) | Err(Stop::NotWhole))
    });
}

fn make(random: &mut Rng, into: &mut Vec<u8>) {
    for _ in 0..random.usize(0..4) {
        let most = 1 << random.u8(1..7);
        let length = random.usize(1..most);
        let (zeros, number) = (pick(random, &["", "", "0", "00000"]), length);
        let number = if random.bool() { format!("{number:x}") } else { format!("{number:X}") };
        let extension = pick(random, &["", "", ";", ";a=b", ";a=\"b c\"", ";\t\u{e9}"]);
        into.extend_from_slice(format!("{zeros}{number}{extension}\r\n").as_bytes());
        let start = into.len();
        into.extend_from_slice(PARTS[random.usize(0..PARTS.len())]);
        into.resize(start + length, b'x');
        into.extend_from_slice(b"\r\n");
    }
    let long = random.u8(..);
    let (all, one) = match long {
        0 => (near(random, MAX_EXTENSION), MAX_EXTENSION + 1),
        1 => (near(random, MAX_EXTENSIONS), MAX_EXTENSION),
        _ => (0, 1),
    };
    for before in (0..all).step_by(one) {
        let extension = "y".repeat((all - before).min(one));
        into.extend_from_slice(format!("1;{extension}\r\nx\r\n").as_bytes());
    }
    let trailers = ["", "", "X: y\r\n", "X:\r\nY: \t z\r\n", "Content-Length: 5\r\nHost: b\r\n"];
    into.extend_from_slice(format!("0\r\n{}", pick(random, &trailers)).as_bytes());
    if long == 2 {
        (0..near(random, MAX_TRAILERS)).for_each(|_| into.extend_from_slice(b"X:y\r\n"));
    }
    if long == 3 {
        let value = "y".repeat(near(random, MAX_TRAILER) - "X:".len());
        into.extend_from_slice(format!("X:{value}\r\n").as_bytes());
    }
    into.extend_from_slice(b"\r\nGET /");
    damage(random, &PARTS, into);
}

const PARTS: [&[u8]; 24] = [
    b"0\r\n\r\n",
    b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
    b"4\r\nweir\r\n",
    b"\r\n",
    b"\n",
    b"\r",
    b"+5",
    b"-1",
    b"0x5",
    b"5 ",
    b" 5",
    b"00000000000000000",
    b"FFFFFFFFFFFFFFFF",
    b"10000000000000000",
    b"7fffffffffffffff\r\n",
    b"5;a=\"\r\n0\r\n\r\n\"\r\n",
    b"5;\r\n",
    b";\0",
    b"0\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"0\r\n folded: x\r\n\r\n",
    b"0\r\nX : y\r\n\r\n",
    b"0\r\n: y\r\n\r\n",
    b"0\r\nX\r\n\r\n",
    b"\r\n\r\n",
];

/// Feeds the decoder with pieces; all of them together must be what the plain decoder says.
fn check_pieces(random: &mut Rng, wire: &[u8], payload: &[u8], end: Result<usize, Stop>) {
    let longest = pick(random, &[1, 2, 9, 40, usize::MAX]);
    let (mut chunks, mut trailers) = (Chunks::new(Limits::DEFAULT), Vec::new());
    let (mut at, mut given) = (0, Vec::new());
    while at < wire.len() {
        let most = longest.min(wire.len() - at);
        let mut piece = wire[at..at + random.usize(1..=most)].to_vec();
        let Ok(decoded) = chunks.decode(&mut piece, &mut trailers) else {
            assert_eq!(end, Err(Stop::Malformed), "refused within the piece at {at}");
            assert!(payload.starts_with(&given), "it was not what came");
            assert!(
                chunks.decode(&mut piece, &mut trailers).is_err(),
                "what was malformed stays so"
            );
            return;
        };
        assert!(decoded.data <= decoded.used && decoded.used <= piece.len());
        given.extend_from_slice(&piece[..decoded.data]);
        at += decoded.used;
        if decoded.ended {
            assert_eq!((&given[..], Ok(at)), (payload, end));
            assert!(wire[..at].ends_with(&[b"\n", &trailers[..], b"\r\n"].concat()));
            check_trailers(&trailers);
            return;
        }
        assert_eq!(decoded.used, piece.len(), "all is taken that is not behind the end");
    }
    assert_eq!((&given[..], Err(Stop::NotWhole)), (payload, end));
}

/// Whatever is passed on of them is whole lines, and decodes to the same again.
fn check_trailers(trailers: &[u8]) {
    if trailers.len() > MAX_TRAILER - MAX_TRAILERS {
        // The space behind a colon may be one byte too many.
        return;
    }
    let (mut wire, mut again) = (Vec::new(), Vec::new());
    chunked::end(trailers, &mut wire);
    assert_eq!(plain(&wire), (Vec::new(), Ok(wire.len())), "{}", wire.escape_ascii());
    let mut chunks = Chunks::new(Limits::DEFAULT);
    assert!(chunks.decode(&mut wire.clone(), &mut again).is_ok_and(|decoded| decoded.ended));
    let mut twice = Vec::new();
    chunked::end(&again, &mut twice);
    assert_eq!(twice, wire, "what was passed on once is passed on again");
    let lower = wire.to_ascii_lowercase();
    for name in ["content-length:", "transfer-encoding:", "host:"] {
        assert!(!lower.windows(name.len() + 1).any(|w| w == format!("\n{name}").as_bytes()));
    }
}

/// Bytes sent in chunks of weir's arrive as these bytes, and nothing of them is taken for framing.
fn what_is_written_is_read(random: &mut Rng, bytes: &[u8]) {
    let mut wire = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(random.usize(1..=rest.len()));
        write(piece, &mut wire);
        rest = after;
    }
    chunked::end(b"", &mut wire);
    assert_eq!(plain(&wire), (bytes.to_vec(), Ok(wire.len())));
    check_pieces(random, &wire, bytes, Ok(wire.len()));
}

/// One chunk, as weir writes it.
pub fn write(piece: &[u8], out: &mut Vec<u8>) {
    chunked::open(piece.len(), out);
    out.extend_from_slice(piece);
    out.extend_from_slice(chunked::CLOSE);
}

/// Bytes of one extension and of all, trailer fields, and bytes of these.
const MAX_EXTENSION: usize = 256;
const MAX_EXTENSIONS: usize = 16 * 1024;
const MAX_TRAILERS: usize = 32;
const MAX_TRAILER: usize = 8 * 1024;

/// Why there is no end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    /// All is well so far.
    NotWhole,
    Malformed,
}

/// The payload, and where the body ends: RFC 9112, 7.1 word for word, with weir's limits.
fn plain(wire: &[u8]) -> (Vec<u8>, Result<usize, Stop>) {
    let (mut rest, mut payload) = (wire, Vec::new());
    let end = chunks(&mut rest, &mut payload).map(|()| wire.len() - rest.len());
    (payload, end)
}

fn chunks(rest: &mut &[u8], payload: &mut Vec<u8>) -> Result<(), Stop> {
    let mut extensions = 0;
    loop {
        let digits = many(rest, |byte| byte.is_ascii_hexdigit());
        let text = std::str::from_utf8(digits).map_err(|_| Stop::Malformed)?;
        if digits.len() > 16 || digits.is_empty() && !rest.is_empty() {
            return Err(Stop::Malformed);
        }
        if rest.first() == Some(&b';') {
            *rest = &rest[1..];
            let extension = many(rest, is_text).len();
            extensions += extension;
            if extension > MAX_EXTENSION || extensions > MAX_EXTENSIONS {
                return Err(Stop::Malformed);
            }
        }
        exactly(b"\r\n", rest)?;
        let size = u64::from_str_radix(text, 16).map_err(|_| Stop::Malformed)?;
        if size == 0 {
            return trailers(rest);
        }
        let here = usize::try_from(size).unwrap_or(usize::MAX).min(rest.len());
        payload.extend_from_slice(&rest[..here]);
        *rest = &rest[here..];
        if here as u64 != size {
            return Err(Stop::NotWhole);
        }
        exactly(b"\r\n", rest)?;
    }
}

fn trailers(rest: &mut &[u8]) -> Result<(), Stop> {
    let (mut fields, mut bytes) = (0, 0);
    while !matches!(rest.first(), None | Some(b'\r')) {
        let name =
            many(rest, |byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte));
        fields += 1;
        bytes += name.len();
        if name.is_empty() || fields > MAX_TRAILERS || bytes > MAX_TRAILER {
            return Err(Stop::Malformed);
        }
        exactly(b":", rest)?;
        bytes += 1 + many(rest, is_text).len();
        if bytes > MAX_TRAILER {
            return Err(Stop::Malformed);
        }
        exactly(b"\r\n", rest)?;
    }
    exactly(b"\r\n", rest)
}

/// Takes the bytes in front that are like this.
fn many<'a>(rest: &mut &'a [u8], is_like: impl Fn(u8) -> bool) -> &'a [u8] {
    let end = rest.iter().position(|byte| !is_like(*byte)).unwrap_or(rest.len());
    let (taken, after) = rest.split_at(end);
    *rest = after;
    taken
}

/// Takes these bytes, or as many of them as there are.
fn exactly(expected: &[u8], rest: &mut &[u8]) -> Result<(), Stop> {
    let here = expected.len().min(rest.len());
    if rest[..here] != expected[..here] {
        return Err(Stop::Malformed);
    }
    *rest = &rest[here..];
    if here == expected.len() { Ok(()) } else { Err(Stop::NotWhole) }
}

fn is_text(byte: u8) -> bool {
    byte == b'\t' || byte >= b' ' && byte != 0x7f
}
