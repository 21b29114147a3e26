//! Who a request is for and what it asks for: authority checked, path normalised.
//!
//! Done once, for every version of HTTP and for the paths in the configuration alike, so that what is
//! matched is what is forwarded (RFC 3986, 6.2). Pure.

use std::ops::Range;

use super::head::{Head, Method, Span};

/// What is wrong with an authority or a path; the request deserves 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invalid;

/// What an authority is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authority {
    /// How many of its bytes are the host; the rest is the port and its colon.
    pub host: usize,
    /// Whether the host holds upper case.
    pub upper: bool,
}

/// Checks an authority, `host` or `host:port` without user information. An empty one is invalid here.
///
/// # Errors
/// `Invalid` for everything else (RFC 3986, 3.2).
pub fn check_authority(authority: &[u8]) -> Result<Authority, Invalid> {
    let mut upper = false;
    let host = if authority.first() == Some(&b'[') {
        let end = authority.iter().position(|b| *b == b']').ok_or(Invalid)?;
        let address = std::str::from_utf8(&authority[1..end]).map_err(|_| Invalid)?;
        address.parse::<std::net::Ipv6Addr>().map_err(|_| Invalid)?;
        upper = address.bytes().any(|b| b.is_ascii_uppercase());
        end + 1
    } else {
        let mut host = 0;
        while let Some(&byte) = authority.get(host) {
            match HOST[byte as usize] {
                Letter::Lower => {}
                Letter::Upper => upper = true,
                Letter::Other if byte == b':' => break,
                Letter::Other => return Err(Invalid),
            }
            host += 1;
        }
        host
    };
    if host == 0 || host > 255 {
        return Err(Invalid);
    }
    match &authority[host..] {
        [] => {}
        [b':', digits @ ..] if (1..=5).contains(&digits.len()) => {
            let number = digits.iter().try_fold(0_u32, |number, digit| {
                digit.is_ascii_digit().then(|| number * 10 + u32::from(digit - b'0'))
            });
            number.filter(|port| *port <= 65_535).ok_or(Invalid)?;
        }
        _ => return Err(Invalid),
    }
    Ok(Authority { host, upper })
}

/// Settles whom the request of a head is for, in lower case.
///
/// # Errors
/// `Invalid` if it is no authority.
pub fn settle_authority(head: &mut Head, at: Span) -> Result<(), Invalid> {
    let found = check_authority(head.slice(at))?;
    head.authority = at;
    if found.upper {
        let lower = head.slice(at).to_ascii_lowercase();
        head.authority = head.append(&lower);
    }
    let start = head.authority.start as usize;
    let host = &head.bytes[start..start + found.host];
    // A name with a dot at its end is the same name (RFC 3986, 3.2.2).
    let length =
        host.strip_suffix(b".").filter(|name| !name.is_empty()).map_or(found.host, <[u8]>::len);
    head.host = Span::new(start..start + length);
    Ok(())
}

/// Settles what a request asks for: path, query, or `*`. `absolute`: an authority came before it, so it may be empty
/// (RFC 9112, 3.2).
///
/// # Errors
/// `Invalid` if it is none of these.
pub fn settle_target(head: &mut Head, at: Range<usize>, absolute: bool) -> Result<(), Invalid> {
    let Range { start, end } = at;
    let question =
        head.bytes[start..end].iter().position(|b| *b == b'?').map_or(end, |n| start + n);
    head.query = Span::new(question..end);
    if head.bytes[question..end].iter().any(|b| !(0x21..0x7f).contains(b) || *b == b'#') {
        return Err(Invalid);
    }
    match &head.bytes[start..question] {
        b"*" if head.method == Method::Options && question == end => {
            head.path = Span::new(start..question);
        }
        // `OPTIONS http://a` asks about the server as a whole (RFC 9112, 3.2.4) …
        [] if absolute && head.method == Method::Options && question == end => {
            head.path = head.append(b"*");
        }
        // … and `http://a` and `http://a?q` for the root.
        [] if absolute => head.path = head.append(b"/"),
        path => {
            head.path = match normalise(path)? {
                None => Span::new(start..question),
                Some(normal) => head.append(&normal),
            }
        }
    }
    Ok(())
}

/// Normalises a path that begins with `/`. `None`: it is normal as it stands, by far the most common.
///
/// Unreserved characters are decoded, escapes written in upper case, dot segments resolved, encoded dots
/// included; `//` and `;` stay, `%2F` and `%5C` stay encoded.
///
/// # Errors
/// `Invalid` above the root, for a raw `\`, `%00`, a broken escape, and bytes no path may hold.
pub fn normalise(path: &[u8]) -> Result<Option<Vec<u8>>, Invalid> {
    if path.first() != Some(&b'/') {
        return Err(Invalid);
    }
    let mut plain = true;
    let mut last = 0;
    for &byte in path {
        match PATH[byte as usize] {
            Class::Plain => {}
            Class::Escape => plain = false,
            Class::Dot => plain &= last != b'/',
            Class::Bad => return Err(Invalid),
        }
        last = byte;
    }
    if plain {
        return Ok(None);
    }
    let decoded = decode(path)?;
    let resolved = resolve(&decoded)?;
    Ok((resolved != path).then_some(resolved))
}

/// A path of the file, or a part of it, as paths of requests are: what is matched is what is forwarded.
pub fn normal(path: &str) -> String {
    let rooted = format!("/{}", path.strip_prefix('/').unwrap_or(path));
    let normal = normalise(rooted.as_bytes()).ok().flatten();
    let normal = normal.and_then(|normal| String::from_utf8(normal).ok()).unwrap_or(rooted);
    if path.starts_with('/') { normal } else { normal[1..].to_owned() }
}

fn decode(path: &[u8]) -> Result<Vec<u8>, Invalid> {
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let (Some(&high), Some(&low)) = (rest.first(), rest.get(1)) else { return Err(Invalid) };
        rest = &rest[2..];
        match hex(high)? << 4 | hex(low)? {
            0 => return Err(Invalid),
            plain if is_unreserved(plain) => out.push(plain),
            _ => out.extend([b'%', high.to_ascii_uppercase(), low.to_ascii_uppercase()]),
        }
    }
    Ok(out)
}

/// RFC 3986, 5.2.4, but above the root is an error rather than the root.
fn resolve(path: &[u8]) -> Result<Vec<u8>, Invalid> {
    let mut out: Vec<u8> = Vec::with_capacity(path.len());
    let mut segments = path[1..].split(|b| *b == b'/').peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            b"." if last => out.push(b'/'),
            b"." => {}
            b".." => {
                let cut = out.iter().rposition(|b| *b == b'/').ok_or(Invalid)?;
                out.truncate(cut);
                if last {
                    out.push(b'/');
                }
            }
            segment => {
                out.push(b'/');
                out.extend_from_slice(segment);
            }
        }
    }
    Ok(out)
}

fn hex(digit: u8) -> Result<u8, Invalid> {
    char::from(digit).to_digit(16).map(|value| value as u8).ok_or(Invalid)
}

const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

#[derive(Clone, Copy)]
enum Letter {
    /// A letter in lower case, a digit, or one of `-._~`.
    Lower,
    Upper,
    Other,
}

/// RFC 3986 `reg-name` without escapes: what resolvers, certificates and virtual hosts agree on.
const HOST: [Letter; 256] = {
    let mut table = [Letter::Other; 256];
    let mut byte = 0;
    while byte < 128 {
        if is_unreserved(byte) {
            let upper = byte.is_ascii_uppercase();
            table[byte as usize] = if upper { Letter::Upper } else { Letter::Lower };
        }
        byte += 1;
    }
    table
};

#[derive(Clone, Copy)]
enum Class {
    Plain,
    Escape,
    Dot,
    Bad,
}

/// What a byte means in a path: `pchar` and `/` of RFC 3986, and what browsers send unescaped besides.
const PATH: [Class; 256] = {
    let mut table = [Class::Bad; 256];
    let mut byte = 0x21;
    while byte < 0x7f {
        table[byte as usize] = match byte {
            b'%' => Class::Escape,
            b'.' => Class::Dot,
            b'\\' | b'#' | b'?' => Class::Bad,
            _ => Class::Plain,
        };
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(path: &str) -> Result<String, Invalid> {
        normalise(path.as_bytes())
            .map(|n| n.map_or_else(|| path.to_owned(), |n| String::from_utf8(n).unwrap()))
    }

    #[test]
    fn paths_are_normalised_once() {
        for (path, expected) in [
            ("/", "/"),
            ("/a/b.html", "/a/b.html"),
            ("/a/./b", "/a/b"),
            ("/a/../b", "/b"),
            ("/a/b/..", "/a/"),
            ("/a/.", "/a/"),
            ("/a/%2e%2E/b", "/b"),
            ("/%7euser", "/~user"),
            ("/a%2fb", "/a%2Fb"),
            ("/a%5cb", "/a%5Cb"),
            ("//a//b/", "//a//b/"),
            ("/a;x=1/..;/b", "/a;x=1/..;/b"),
            ("/.well-known/x", "/.well-known/x"),
            ("/...", "/..."),
            ("/a//../b", "/a/b"),
            ("/%c3%a9", "/%C3%A9"),
        ] {
            assert_eq!(normal(path).as_deref(), Ok(expected), "{path}");
        }
        for path in ["", "a", "/..", "/a/../..", "/%2e%2e/", "/a\\b", "/%00", "/%", "/%4", "/%zz"] {
            assert_eq!(normal(path), Err(Invalid), "{path}");
        }
        for byte in (0..=0x20).chain([0x7f, 0x80, 0xff]) {
            assert_eq!(normalise(&[b'/', byte]), Err(Invalid), "{byte:#x}");
        }
    }

    #[test]
    fn authorities_are_checked() {
        for good in ["a", "a.example", "a.example:80", "127.0.0.1:1", "[::1]", "[::1]:8080", "a_b"]
        {
            let host =
                good.rfind(':').filter(|at| !good[*at..].contains(']')).unwrap_or(good.len());
            let expected = Authority { host, upper: false };
            assert_eq!(check_authority(good.as_bytes()), Ok(expected), "{good}");
        }
        let upper = Authority { host: 9, upper: true };
        assert_eq!(check_authority(b"A.example:1"), Ok(upper));
        for bad in [
            "", " ", "a b", "u@a", "a/", "a#", "a?", "a:", "a:x", "a:99999", "a:80:80", "a:-1",
            "[::1", "[::1]x", "[x]", ":80", "a%41", "a,b", "é",
        ] {
            assert_eq!(check_authority(bad.as_bytes()), Err(Invalid), "{bad}");
        }
    }
}
