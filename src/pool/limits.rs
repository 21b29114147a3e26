//! `[pools.NAME.limits]`: when health is ignored; how large answers' heads may be.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::h1;
use crate::unit::{Percent, Size};

/// `[pools.NAME.limits]`: when health is ignored; how large answers' heads may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Fewer healthy endpoints than this part of them: health is ignored, loudly; "0%" = never. Those that drain count
    /// on neither side.
    pub panic_below: Percent,
    /// The head of an answer; 502 above.
    pub header_size: Size,
    /// How many headers an answer may have; 502 above.
    pub headers: u16,
}

impl Default for Limits {
    fn default() -> Self {
        let head = h1::Limits::ENDPOINT;
        Self {
            panic_below: Percent::new(50),
            header_size: Size::from_bytes(head.head as u64),
            headers: head.fields,
        }
    }
}

impl Limits {
    /// What they mean to the reader of a head.
    pub fn head(&self) -> h1::Limits {
        let size = self.header_size.bytes();
        h1::Limits { head: size, line: size, field: size, fields: self.headers }
    }
}
