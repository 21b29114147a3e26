//! A number of bytes, and bytes per second, with their units.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

/// A number of bytes, written with its unit: "512B", "64KiB", "1MiB", "2GiB"; "0" is none. At most 1 TiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size(u64);

/// Bytes per second, written with its unit: "240B/s", "16KiB/s"; "0B/s" is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteRate(Size);

impl Size {
    /// The largest size the file may name. Larger ones are slips of the pen.
    const LARGEST: u64 = 1 << 40;

    /// A size of whole bytes.
    pub const fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// A size of whole kibibytes.
    pub const fn from_kib(kib: u64) -> Self {
        Self(kib * 1024)
    }

    /// In bytes.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// In bytes, for what is held in memory.
    pub const fn bytes(self) -> usize {
        self.0 as usize
    }
}

impl ByteRate {
    /// So many bytes a second.
    pub const fn from_bytes(bytes: u64) -> Self {
        Self(Size(bytes))
    }

    /// In bytes per second.
    pub const fn get(self) -> u64 {
        self.0.0
    }
}

/// The units, largest first.
const UNITS: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

impl FromStr for Size {
    type Err = String;

    /// Fails with a sentence that says what to write.
    fn from_str(text: &str) -> Result<Self, String> {
        if text == "0" {
            return Ok(Self(0));
        }
        let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
        let unit = &text[digits.len()..];
        let meant = UNITS.iter().find(|(name, _)| *name == unit);
        let (Ok(number), Some((_, bytes))) = (digits.parse::<u64>(), meant) else {
            let mended = mend(digits, unit);
            return Err(format!(
                "a size is a number with a unit, in powers of 1024: write {mended}"
            ));
        };
        match number.checked_mul(*bytes) {
            Some(size) if size <= Self::LARGEST => Ok(Self(size)),
            _ => Err("a size is at most 1024GiB: write \"1024GiB\" or less".to_owned()),
        }
    }
}

/// What was probably meant: "64k" is "64KiB".
fn mend(digits: &str, unit: &str) -> String {
    let first = unit.trim().chars().next().map(|first| first.to_ascii_uppercase());
    let unit = match first {
        Some('K') => "KiB",
        Some('M') => "MiB",
        Some('G') => "GiB",
        Some('B') => "B",
        _ => return "\"512B\", \"64KiB\" or \"1MiB\"".to_owned(),
    };
    if digits.parse::<u64>().is_ok() {
        format!("\"{digits}{unit}\"")
    } else {
        "\"512B\", \"64KiB\" or \"1MiB\"".to_owned()
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0");
        }
        let (unit, bytes) =
            UNITS.into_iter().find(|(_, bytes)| self.0.is_multiple_of(*bytes)).unwrap_or(("B", 1));
        write!(f, "{}{unit}", self.0 / bytes)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Size;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a size in quotes, such as \"64KiB\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Size, E> {
                if text != "0" && !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
                    return Err(E::custom(unitless(text)));
                }
                text.parse().map_err(|problem| E::custom(format_args!("E0103 {problem}\nno size")))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Size, E> {
                Err(E::custom(unitless(&number.unsigned_abs().to_string())))
            }

            fn visit_f64<E: de::Error>(self, _: f64) -> Result<Size, E> {
                Err(E::custom(unitless("64")))
            }
        }
        deserializer.deserialize_any(Text)
    }
}

/// A number without a unit, told as `diagnostic::coded` tells it.
fn unitless(number: &str) -> String {
    format!(
        "E0102 a size needs a unit: write \"{number}B\" or \"{number}KiB\"\nbytes or kibibytes?"
    )
}

impl JsonSchema for Size {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^(0|[0-9]+(B|KiB|MiB|GiB))$" })
    }
}

impl<'de> Deserialize<'de> for ByteRate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = ByteRate;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a rate in quotes, such as \"240B/s\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<ByteRate, E> {
                let size = text.strip_suffix("/s").and_then(|size| size.parse().ok());
                size.map(ByteRate).ok_or_else(|| {
                    E::custom(
                        "E0103 a rate is a size per second: write \"240B/s\" or \"16KiB/s\"\nno rate",
                    )
                })
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<ByteRate, E> {
                let number = number.unsigned_abs();
                Err(E::custom(format_args!(
                    "E0102 a rate needs a unit: write \"{number}B/s\"\nper second?"
                )))
            }
        }
        deserializer.deserialize_any(Text)
    }
}

impl JsonSchema for ByteRate {
    fn schema_name() -> Cow<'static, str> {
        "ByteRate".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^(0|[0-9]+(B|KiB|MiB|GiB))/s$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_shown_as_they_are_written() {
        for text in ["512B", "64KiB", "1MiB", "3GiB", "0"] {
            assert_eq!(text.parse::<Size>().unwrap().to_string(), text);
        }
        for text in ["", "5", "-5B", "KiB", "1.5KiB", "64 KiB", "64kib", "64KB", "9999999GiB"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
        assert!("64k".parse::<Size>().unwrap_err().ends_with("write \"64KiB\""));
    }
}
