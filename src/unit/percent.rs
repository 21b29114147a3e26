//! A part of a whole.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

/// A part of a whole, written with its sign: "50%", "0.1%". From 0 to 100 %, to the hundredth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percent {
    /// Parts of ten thousand.
    hundredths: u16,
}

impl Percent {
    /// So many of a hundred.
    pub const fn new(percent: u8) -> Self {
        Self { hundredths: percent as u16 * 100 }
    }

    /// In parts of ten thousand.
    pub const fn hundredths(self) -> u16 {
        self.hundredths
    }

    /// Whether it is nothing.
    pub const fn is_zero(self) -> bool {
        self.hundredths == 0
    }

    /// So many more of a hundred, at most all.
    #[must_use]
    pub const fn plus(self, percent: u8) -> Self {
        let sum = self.hundredths + percent as u16 * 100;
        Self { hundredths: if sum > WHOLE { WHOLE } else { sum } }
    }

    /// This part of a number, rounded down.
    pub const fn of(self, whole: usize) -> usize {
        (whole as u128 * self.hundredths as u128 / WHOLE as u128) as usize
    }

    /// This part of a number, rounded up: the least that is not less than it.
    pub const fn least_of(self, whole: usize) -> usize {
        (whole as u128 * self.hundredths as u128).div_ceil(WHOLE as u128) as usize
    }
}

const WHOLE: u16 = 10_000;

impl FromStr for Percent {
    type Err = String;

    /// Fails with a sentence, after the code of the mistake, that says what to write.
    fn from_str(text: &str) -> Result<Self, String> {
        let Some(number) = text.strip_suffix('%') else {
            if text.parse::<f64>().is_ok() {
                return Err(unitless(text));
            }
            return Err("E0103 a percentage is a number with its sign: write \"50%\"\n\
                        no percentage"
                .to_owned());
        };
        let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(part) || part.len() > 2 {
            return Err("E0103 a percentage is a number with its sign, at most two digits behind \
                        the point: write \"50%\" or \"0.25%\"\nno percentage"
                .to_owned());
        }
        let whole: u64 = whole.parse().unwrap_or(u64::MAX);
        let part: u64 = format!("{part:0<2}").parse().unwrap_or_default();
        match u16::try_from(whole.saturating_mul(100).saturating_add(part)) {
            Ok(hundredths) if hundredths <= WHOLE => Ok(Self { hundredths }),
            _ => Err("E0105 a percentage is at most \"100%\": write that, or less\nmore than all"
                .to_owned()),
        }
    }
}

/// A number without its sign, told as `diagnostic::coded` tells it.
fn unitless(number: &str) -> String {
    format!("E0102 a percentage needs its sign: write \"{number}%\"\npercent of what is said")
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.hundredths / 100, self.hundredths % 100);
        match part {
            0 => write!(f, "{whole}%"),
            part if part % 10 == 0 => write!(f, "{whole}.{}%", part / 10),
            part => write!(f, "{whole}.{part:02}%"),
        }
    }
}

impl<'de> Deserialize<'de> for Percent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Percent;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a percentage in quotes, such as \"50%\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Percent, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Percent, E> {
                Err(E::custom(unitless(&number.unsigned_abs().to_string())))
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Percent, E> {
                Err(E::custom(unitless(&number.abs().to_string())))
            }
        }
        deserializer.deserialize_any(Text)
    }
}

impl JsonSchema for Percent {
    fn schema_name() -> Cow<'static, str> {
        "Percent".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9]+([.][0-9]{1,2})?%$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_are_shown_as_they_are_written() {
        for text in ["0%", "50%", "100%", "0.1%", "0.25%", "33.33%", "0.05%"] {
            assert_eq!(text.parse::<Percent>().unwrap().to_string(), text);
        }
        for (text, code) in [
            ("", "E0103"),
            ("50", "E0102"),
            ("0.5", "E0102"),
            ("%", "E0103"),
            ("-5%", "E0103"),
            ("half", "E0103"),
            ("0.125%", "E0103"),
            ("1e1%", "E0103"),
            ("100.01%", "E0105"),
            ("99999999999999999999%", "E0105"),
        ] {
            let problem = text.parse::<Percent>().unwrap_err();
            assert!(problem.starts_with(code), "{text}: {problem}");
        }
    }

    #[test]
    fn a_part_of_a_number_is_rounded_as_it_is_asked_for() {
        let half = Percent::new(50);
        assert_eq!((half.of(3), half.least_of(3), half.of(4), half.least_of(4)), (1, 2, 2, 2));
        assert_eq!((half.plus(5).of(20), half.plus(90)), (11, Percent::new(100)));
        assert!(Percent::default().is_zero() && Percent::default().least_of(usize::MAX) == 0);
        assert_eq!(Percent::new(100).of(usize::MAX), usize::MAX);
    }
}
