//! Just enough HTTP/2 for a client: one request at a time, whose head is the same bytes each time.
//! It must never be lenient: every frame of an answer is looked at, and one of another kind is an error.

use std::io::{self, Error};

/// What a client begins with: windows so large that it never has to open them, and that it has heard.
pub fn opening() -> Vec<u8> {
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    frame(SETTINGS, 0, 0, &[0, 4, 0x7f, 0xff, 0xff, 0xff], &mut bytes);
    frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0, 0, 0], &mut bytes);
    frame(SETTINGS, ACK, 0, &[], &mut bytes);
    bytes
}

/// A request without a body, each field spelt out (RFC 7541, 6.2.2): a proxy has to read them all.
pub fn request(fields: &[(&str, &str)], stream: u32) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            assert!(text.len() < 127, "one byte says how long it is");
            block.push(text.len() as u8);
            block.extend_from_slice(text.as_bytes());
        }
    }
    let mut bytes = Vec::new();
    frame(HEADERS, END_STREAM | END_HEADERS, stream, &block, &mut bytes);
    bytes
}

/// Takes the answer from the start of `bytes`, if it is whole: its body. Frames about the connection are read past.
pub fn answer(bytes: &mut Vec<u8>, stream: u32) -> io::Result<Option<Vec<u8>>> {
    let (mut at, mut body, mut known) = (0, Vec::new(), false);
    loop {
        let Some(header) = bytes.get(at..at + 9) else { return Ok(None) };
        let length = u32::from_be_bytes([0, header[0], header[1], header[2]]) as usize;
        let (kind, flags) = (header[3], header[4]);
        let own = u32::from_be_bytes([header[5], header[6], header[7], header[8]]) == stream;
        let Some(payload) = bytes.get(at + 9..at + 9 + length) else { return Ok(None) };
        match kind {
            HEADERS if own => {
                // The size of the table may come first; then 200 is one byte (RFC 7541, 6.3 and A).
                let first = payload.iter().find(|byte| **byte & 0xe0 != 0x20);
                if first != Some(&OK) {
                    return Err(Error::other("a status that is not 200"));
                }
                known = true;
            }
            DATA if own => body.extend_from_slice(payload),
            SETTINGS | WINDOW_UPDATE => {}
            _ => return Err(Error::other(format!("a frame of kind {kind}"))),
        }
        at += 9 + length;
        if own && flags & END_STREAM != 0 {
            bytes.drain(..at);
            return if known { Ok(Some(body)) } else { Err(Error::other("a body without a head")) };
        }
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8], into: &mut Vec<u8>) {
    into.extend_from_slice(&(payload.len() as u32).to_be_bytes()[1..]);
    into.extend_from_slice(&[kind, flags]);
    into.extend_from_slice(&stream.to_be_bytes());
    into.extend_from_slice(payload);
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const WINDOW_UPDATE: u8 = 8;
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;
const OK: u8 = 0x88;
