//! The PROXY protocol, versions 1 and 2: a header before everything else, by which a proxy tells for whom it connects
//! (haproxy.org/download/2.9/doc/proxy-protocol.txt). Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// A header that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// How many bytes it took.
    pub length: usize,
    /// Who connected; `None`: the proxy itself, or whom it does not tell.
    pub source: Option<SocketAddr>,
}

/// What a connection begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begins {
    /// A whole header.
    With(Header),
    /// The beginning of one.
    Partly,
    /// Something else.
    Otherwise,
}

/// It begins like a header, and is none: too long, or not as the protocol says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// No header is longer; of version 1 none is longer than 107 bytes.
pub const LONGEST: usize = 4096;

/// Reads what a connection begins with.
///
/// # Errors
/// It begins like a header, and is none.
pub fn read(bytes: &[u8]) -> Result<Begins, Malformed> {
    if bytes.starts_with(SIGNATURE) {
        return binary(bytes);
    }
    if bytes.starts_with(WORD) {
        return text(bytes);
    }
    let may_be = SIGNATURE.starts_with(bytes) || WORD.starts_with(bytes);
    Ok(if may_be { Begins::Partly } else { Begins::Otherwise })
}

/// Version 1: "PROXY TCP4 192.0.2.1 192.0.2.2 5000 80" and a line end.
fn text(bytes: &[u8]) -> Result<Begins, Malformed> {
    let line = &bytes[..bytes.len().min(LONGEST_LINE)];
    let Some(end) = line.windows(2).position(|two| two == b"\r\n") else {
        return if bytes.len() < LONGEST_LINE { Ok(Begins::Partly) } else { Err(Malformed) };
    };
    let line = std::str::from_utf8(&line[WORD.len()..end]).map_err(|_| Malformed)?;
    let length = end + 2;
    let mut words = line.split(' ');
    let family = words.next();
    if family == Some("UNKNOWN") {
        return Ok(Begins::With(Header { length, source: None }));
    }
    let mut address = || words.next().and_then(|word| word.parse::<IpAddr>().ok());
    let (source, destination) = (address().ok_or(Malformed)?, address().ok_or(Malformed)?);
    let mut port = || {
        let word = words.next()?;
        // No sign, and no zero before another digit.
        let plain = word == "0" || !word.starts_with(['0', '+']);
        word.parse::<u16>().ok().filter(|_| plain)
    };
    let (from, to) = (port(), port());
    let fits = match family {
        Some("TCP4") => source.is_ipv4() && destination.is_ipv4(),
        Some("TCP6") => source.is_ipv6() && destination.is_ipv6(),
        _ => false,
    };
    match (from, to, words.next()) {
        (Some(from), Some(_), None) if fits => {
            Ok(Begins::With(Header { length, source: Some(SocketAddr::new(source, from)) }))
        }
        _ => Err(Malformed),
    }
}

/// Version 2: a signature, a command, a family, a length; addresses, and vectors whose lengths must fit.
fn binary(bytes: &[u8]) -> Result<Begins, Malformed> {
    let Some([command, family, high, low]) = bytes.get(12..16) else { return Ok(Begins::Partly) };
    let length = FIXED + usize::from(u16::from_be_bytes([*high, *low]));
    if length > LONGEST || command >> 4 != 2 {
        return Err(Malformed);
    }
    let Some(rest) = bytes.get(FIXED..length) else { return Ok(Begins::Partly) };
    let (source, rest) = match (command & 15, family) {
        // Of itself: to see whether we are there.
        (0, _) => return Ok(Begins::With(Header { length, source: None })),
        (1, 0x11) => {
            let (addresses, rest) = rest.split_first_chunk::<12>().ok_or(Malformed)?;
            let ip = Ipv4Addr::from(*addresses.first_chunk::<4>().ok_or(Malformed)?);
            (Some(SocketAddr::new(ip.into(), port(&addresses[8..])?)), rest)
        }
        (1, 0x21) => {
            let (addresses, rest) = rest.split_first_chunk::<36>().ok_or(Malformed)?;
            let ip = Ipv6Addr::from(*addresses.first_chunk::<16>().ok_or(Malformed)?);
            (Some(SocketAddr::new(ip.into(), port(&addresses[32..])?)), rest)
        }
        // Of another family, which has no place here.
        (1, 0x00 | 0x12 | 0x22 | 0x31 | 0x32) => {
            return Ok(Begins::With(Header { length, source: None }));
        }
        _ => return Err(Malformed),
    };
    vectors(rest)?;
    Ok(Begins::With(Header { length, source }))
}

fn port(bytes: &[u8]) -> Result<u16, Malformed> {
    bytes.first_chunk().map(|two| u16::from_be_bytes(*two)).ok_or(Malformed)
}

/// Type, length, value; one behind the other to the end.
fn vectors(mut bytes: &[u8]) -> Result<(), Malformed> {
    while !bytes.is_empty() {
        let ([_, high, low], rest) = bytes.split_first_chunk::<3>().ok_or(Malformed)?;
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        bytes = rest.get(length..).ok_or(Malformed)?;
    }
    Ok(())
}

const WORD: &[u8] = b"PROXY ";
const LONGEST_LINE: usize = 107;
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Of version 2: what comes before the addresses.
const FIXED: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn with(length: usize, source: Option<&str>) -> Result<Begins, Malformed> {
        let source = source.map(|source| source.parse().unwrap());
        Ok(Begins::With(Header { length, source }))
    }

    #[test]
    fn lines_are_read_and_cut_anywhere() {
        for (line, source) in [
            ("PROXY TCP4 192.0.2.1 192.0.2.2 5000 80\r\n", Some("192.0.2.1:5000")),
            ("PROXY TCP6 2001:db8::1 ::1 65535 0\r\n", Some("[2001:db8::1]:65535")),
            ("PROXY UNKNOWN\r\n", None),
            ("PROXY UNKNOWN whatever may stand here\r\n", None),
        ] {
            assert_eq!(read(line.as_bytes()), with(line.len(), source), "{line}");
            assert_eq!(read(&[line.as_bytes(), b"GET /"].concat()), with(line.len(), source));
            for cut in 0..line.len() {
                assert_eq!(read(&line.as_bytes()[..cut]), Ok(Begins::Partly), "{cut} of {line}");
            }
        }
    }

    #[test]
    fn lines_that_are_none_are_malformed() {
        for line in [
            "PROXY TCP4 192.0.2.1 192.0.2.2 5000\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 5000 80 1\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 65536 80\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 +5000 80\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 05000 80\r\n",
            "PROXY TCP4 192.0.2.1  192.0.2.2 5000 80\r\n",
            "PROXY TCP4 ::1 ::1 5000 80\r\n",
            "PROXY TCP6 192.0.2.1 192.0.2.2 5000 80\r\n",
            "PROXY UDP4 192.0.2.1 192.0.2.2 5000 80\r\n",
            "PROXY tcp4 192.0.2.1 192.0.2.2 5000 80\r\n",
            "PROXY \r\n",
            "PROXY TCP4 192.0.2.\u{e9} 192.0.2.2 5000 80\r\n",
        ] {
            assert_eq!(read(line.as_bytes()), Err(Malformed), "{line}");
        }
        assert_eq!(read(format!("PROXY {}", "a".repeat(101)).as_bytes()), Err(Malformed));
        for other in ["GET / HTTP/1.1", "POST /", "PROXIES", "\r\n\r\nGET", "\x16\x03\x01"] {
            assert_eq!(read(other.as_bytes()), Ok(Begins::Otherwise), "{other}");
        }
    }

    fn framed(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [SIGNATURE, &[command, family], &length, rest].concat()
    }

    #[test]
    fn frames_are_read_and_their_lengths_checked() {
        let four = [192, 0, 2, 1, 192, 0, 2, 2, 0x13, 0x88, 0, 80];
        let six = [[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], [0; 16]].concat();
        let six = [&six[..], &[0x13, 0x88, 0, 80]].concat();
        let vectors = [&four[..], &[4, 0, 2, 1, 2], &[0xe0, 0, 0]].concat();
        for (frame, source) in [
            (framed(0x21, 0x11, &four), Some("192.0.2.1:5000")),
            (framed(0x21, 0x21, &six), Some("[2001:db8::1]:5000")),
            (framed(0x21, 0x11, &vectors), Some("192.0.2.1:5000")),
            (framed(0x20, 0, &[]), None),
            (framed(0x20, 0x11, &four), None),
            (framed(0x21, 0x31, &[0; 216]), None),
        ] {
            assert_eq!(read(&frame), with(frame.len(), source));
            for cut in 0..frame.len() {
                assert_eq!(read(&frame[..cut]), Ok(Begins::Partly));
            }
        }
        for wrong in [
            framed(0x11, 0x11, &four),
            framed(0x22, 0x11, &four),
            framed(0x21, 0x11, &four[..11]),
            framed(0x21, 0x21, &four),
            framed(0x21, 0x77, &four),
            framed(0x21, 0x11, &[&four[..], &[4, 0]].concat()),
            framed(0x21, 0x11, &[&four[..], &[4, 0, 9, 1]].concat()),
            framed(0x21, 0x11, &[0; LONGEST]),
        ] {
            assert_eq!(read(&wrong), Err(Malformed));
        }
    }
}
