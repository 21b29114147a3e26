//! An IP address as text.

use std::io::Write;
use std::net::IpAddr;

/// Adds an address; by far the most are IPv4, and are not worth a formatter.
pub fn write(address: IpAddr, out: &mut Vec<u8>) {
    match address {
        IpAddr::V4(address) => {
            let [first, rest @ ..] = address.octets();
            out.extend_from_slice(itoa::Buffer::new().format(first).as_bytes());
            for octet in rest {
                out.push(b'.');
                out.extend_from_slice(itoa::Buffer::new().format(octet).as_bytes());
            }
        }
        IpAddr::V6(address) => {
            // A vector takes all that is written.
            let _ = write!(out, "{address}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_they_are_shown() {
        for text in ["0.0.0.0", "10.2.30.255", "::1", "2001:db8::7", "::ffff:10.0.0.1"] {
            let mut out = Vec::new();
            write(text.parse().unwrap(), &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
    }
}
