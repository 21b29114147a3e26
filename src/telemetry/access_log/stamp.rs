//! The time of day at the front of each line. The system's clock is looked at once a second, and what stands
//! before the microseconds is written then; a line costs six digits.

use std::time::{Duration, SystemTime};

/// The time of day, as it was when it was last asked for.
pub struct Stamp {
    /// When the system's clock was looked at, and what it said since 1970.
    looked: Option<(Duration, Duration)>,
    second: u64,
    micros: u32,
    /// "2026-11-23T10:12:04."
    rfc3339: [u8; 20],
    /// "[23/Nov/2026:10:12:04 +0000]"
    common: [u8; 28],
}

impl Stamp {
    /// A clock that was never looked at.
    pub fn new() -> Self {
        Self { looked: None, second: u64::MAX, micros: 0, rfc3339: [0; 20], common: [0; 28] }
    }

    /// It is `now`, by the clock of the process.
    pub fn set(&mut self, now: Duration) {
        let known = self.looked.filter(|(at, _)| now.checked_sub(*at).is_some_and(|t| t < SECOND));
        let (at, said) = known.unwrap_or_else(|| {
            let said = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            *self.looked.insert((now, said.unwrap_or_default()))
        });
        let time = said + (now - at);
        self.micros = time.subsec_micros();
        if time.as_secs() != self.second {
            self.second = time.as_secs();
            self.write(SystemTime::UNIX_EPOCH + Duration::from_secs(self.second));
        }
    }

    fn write(&mut self, second: SystemTime) {
        let rfc3339 = humantime::format_rfc3339_seconds(second).to_string();
        let http = httpdate::fmt_http_date(second);
        // "Sun, 06 Nov 1994 08:49:37 GMT"
        let (day, month, year, time) = (&http[5..7], &http[8..11], &http[12..16], &http[17..25]);
        let common = format!("[{day}/{month}/{year}:{time} +0000]");
        for (to, from) in self.rfc3339.iter_mut().zip(rfc3339.bytes()) {
            *to = from;
        }
        self.rfc3339[19] = b'.';
        for (to, from) in self.common.iter_mut().zip(common.bytes()) {
            *to = from;
        }
    }

    /// Adds "2026-11-23T10:12:04.221417Z".
    pub fn rfc3339(&self, out: &mut Vec<u8>) {
        let mut text = *b"2026-11-23T10:12:04.221417Z";
        text[..20].copy_from_slice(&self.rfc3339);
        let mut left = self.micros;
        for digit in text[20..26].iter_mut().rev() {
            *digit = b'0' + (left % 10) as u8;
            left /= 10;
        }
        out.extend_from_slice(&text);
    }

    /// Adds "[23/Nov/2026:10:12:04 +0000]".
    pub fn common(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.common);
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_in_both_ways_and_goes_on_by_the_clock_of_the_process() {
        let mut stamp = Stamp::new();
        let written = |stamp: &Stamp, write: fn(&Stamp, &mut Vec<u8>)| {
            let mut out = Vec::new();
            write(stamp, &mut out);
            String::from_utf8(out).unwrap()
        };
        stamp.looked = Some((Duration::from_secs(5), Duration::from_secs(1_795_428_724)));
        stamp.set(Duration::from_micros(5_221_417));
        assert_eq!(written(&stamp, Stamp::rfc3339), "2026-11-23T10:12:04.221417Z");
        assert_eq!(written(&stamp, Stamp::common), "[23/Nov/2026:10:12:04 +0000]");
        stamp.set(Duration::from_micros(5_999_999));
        assert_eq!(written(&stamp, Stamp::rfc3339), "2026-11-23T10:12:04.999999Z");
        stamp.set(Duration::from_secs(6));
        let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        assert_eq!(written(&stamp, Stamp::rfc3339)[..4], now[..4], "the system's clock was asked");
    }
}
