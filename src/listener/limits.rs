//! `[listeners.NAME.limits]`: how much clients may send, and how many may come.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::h1;
use crate::h1::chunked;
use crate::h2::meter;
use crate::unit::{ByteRate, Size};

/// `[listeners.NAME.limits]`: how much clients may send, and how many may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Method, target and version together; 414 above.
    pub request_line: Size,
    /// The whole head; 431 above.
    pub header_size: Size,
    /// One header, its name and value; 431 above.
    pub header_field: Size,
    /// How many headers; 431 above.
    pub headers: u16,
    /// The slowest rate of a request's body, after its first 5 s; 408 below. "0B/s": no limit.
    pub min_body_rate: ByteRate,
    /// The extension of one chunk; 400 above, and 502 in answers.
    pub chunk_extension: Size,
    /// The extensions of all chunks of one message; 400 above, and 502 in answers.
    pub chunk_extensions: Size,
    /// How many trailers; 400 above, and 502 in answers.
    pub trailers: u16,
    /// All trailers together; 400 above, and 502 in answers.
    pub trailer_size: Size,
    /// What of an answer is held for a client that does not take it; beyond, the endpoint is not read on.
    pub connection_buffer: Size,
    /// HTTP/2: requests at once on one connection.
    pub streams: u16,
    /// HTTP/2: what a client may send of one request's body before weir has passed it on.
    pub stream_window: Size,
    /// HTTP/2: the same, of all requests of a connection.
    pub connection_window: Size,
    /// HTTP/2: requests opened and cancelled within 10 s; more, and more than half of all: the connection is closed.
    pub resets: u16,
    /// HTTP/2: frames that ask for nothing within 10 s (SETTINGS, PING, PRIORITY, WINDOW_UPDATE, unknown ones); more:
    /// the connection is closed.
    pub control_frames: u16,
    /// Open connections from one address (IPv6: one /64); further ones are closed. 0: no limit.
    pub connections_per_client: u32,
}

impl Default for Limits {
    fn default() -> Self {
        let (head, chunks) = (h1::Limits::CLIENT, chunked::Limits::DEFAULT);
        Self {
            request_line: Size::from_bytes(head.line as u64),
            header_size: Size::from_bytes(head.head as u64),
            header_field: Size::from_bytes(head.field as u64),
            headers: head.fields,
            min_body_rate: ByteRate::from_bytes(240),
            chunk_extension: Size::from_bytes(u64::from(chunks.extension)),
            chunk_extensions: Size::from_bytes(u64::from(chunks.extensions)),
            trailers: chunks.trailers,
            trailer_size: Size::from_bytes(u64::from(chunks.trailer_size)),
            connection_buffer: Size::from_kib(64),
            streams: 100,
            stream_window: Size::from_kib(64),
            connection_window: Size::from_kib(8 * 1024),
            resets: 100,
            control_frames: 1000,
            connections_per_client: 0,
        }
    }
}

impl Limits {
    /// What they mean to the reader of a head.
    pub fn head(&self) -> h1::Limits {
        h1::Limits {
            head: self.header_size.bytes(),
            line: self.request_line.bytes(),
            field: self.header_field.bytes(),
            fields: self.headers,
        }
    }

    /// What they mean to the reader of a chunked body.
    pub fn chunks(&self) -> chunked::Limits {
        chunked::Limits {
            extension: self.chunk_extension.bytes() as u32,
            extensions: self.chunk_extensions.bytes() as u32,
            trailers: self.trailers,
            trailer_size: self.trailer_size.bytes() as u32,
        }
    }

    /// What they mean to the meter of an HTTP/2 connection.
    pub fn meter(&self) -> meter::Limits {
        let (resets, control_frames) = (self.resets.into(), self.control_frames.into());
        meter::Limits { streams: self.streams.into(), resets, control_frames }
    }

    /// Numbers of HTTP/2 by key, with the least and the most of each.
    pub fn numbers(&self) -> [(&'static str, u16, u16, u16); 3] {
        [
            ("streams", self.streams, 1, 10_000),
            ("resets", self.resets, 1, u16::MAX),
            ("control_frames", self.control_frames, 100, u16::MAX),
        ]
    }

    /// Sizes by key, with the least and the most of each: what is outside helps nobody.
    pub fn sizes(&self) -> [(&'static str, Size, Size, Size); 9] {
        let kib = Size::from_kib;
        let none = Size::default();
        [
            ("request_line", self.request_line, kib(1), kib(64)),
            ("header_size", self.header_size, kib(1), kib(128)),
            ("header_field", self.header_field, kib(1), kib(128)),
            ("chunk_extension", self.chunk_extension, none, kib(16)),
            ("chunk_extensions", self.chunk_extensions, none, kib(1024)),
            ("trailer_size", self.trailer_size, none, kib(64)),
            ("connection_buffer", self.connection_buffer, kib(16), kib(256)),
            ("stream_window", self.stream_window, kib(16), kib(16 * 1024)),
            ("connection_window", self.connection_window, kib(64), kib(64 * 1024)),
        ]
    }
}
