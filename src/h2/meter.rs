//! Counts the frames of a client's connection in both directions, and tells when it costs more than it asks for.
//!
//! The library behind it shows neither frames nor resets. Pure: bytes and the time in, a verdict out. It reads the
//! nine bytes before each frame (RFC 9113, 4.1) and copies nothing.

use std::time::Duration;

use super::frames::{Frame, Frames, Kind, PREFACE};

/// How much a connection may do within ten seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Streams at once.
    pub streams: u32,
    /// Streams that are cancelled before they are answered, if they are more than half of all.
    pub resets: u32,
    /// Frames that ask for nothing: SETTINGS, PING, PRIORITY, WINDOW_UPDATE, unknown ones.
    pub control_frames: u32,
}

/// What a connection does that is not to be borne.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Abuse {
    /// Streams opened and cancelled (CVE-2023-44487), or broken so that weir cancels them (CVE-2025-8671).
    Resets,
    /// Frames that ask for nothing (CVE-2019-9512, 9515).
    ControlFrames,
    /// A head in ever more pieces (VU#421644).
    Continuations,
    /// DATA without data (CVE-2019-9518).
    EmptyData,
    /// Ever more streams than it may have (RFC 9113, 5.1.2).
    Refusals,
}

/// Judges one connection.
pub struct Meter {
    limits: Limits,
    received: Frames,
    sent: Frames,
    /// When the counts below began.
    since: Duration,
    opened: u32,
    resets: u32,
    control: u32,
    empty: u32,
    /// Bytes of bodies that went to the client, for ever: they make it send WINDOW_UPDATE.
    carried: u64,
    /// … and before that.
    before: u64,
    /// Streams that were not answered because there were too many; for ever.
    refused: u32,
    /// Pieces of the head that is being received.
    continuations: u32,
    heading: bool,
    /// The last stream that was opened.
    last: u32,
    /// Streams without an answer.
    unanswered: Vec<u32>,
    /// Streams whose answers have not gone to their end.
    open: Vec<u32>,
}

impl Meter {
    /// For a connection that has said nothing yet.
    pub fn new(limits: Limits, now: Duration) -> Self {
        Self {
            limits,
            received: Frames::after(PREFACE),
            sent: Frames::after(0),
            since: now,
            opened: 0,
            resets: 0,
            control: 0,
            empty: 0,
            carried: 0,
            before: 0,
            refused: 0,
            continuations: 0,
            heading: false,
            last: 0,
            unanswered: Vec::new(),
            open: Vec::new(),
        }
    }

    /// Bytes have come from the client.
    ///
    /// # Errors
    /// It is to go.
    pub fn received(&mut self, mut bytes: &[u8], now: Duration) -> Result<(), Abuse> {
        if now.saturating_sub(self.since) >= SPAN {
            self.since = now;
            // Those that wait for their answers are as good as opened now.
            self.opened = self.unanswered.len() as u32;
            (self.resets, self.control, self.empty) = (0, 0, 0);
            self.before = self.carried;
        }
        while let Some(frame) = self.received.next(&mut bytes) {
            self.came(frame)?;
        }
        Ok(())
    }

    /// Bytes went to the client.
    ///
    /// # Errors
    /// It is to go.
    pub fn sent(&mut self, mut bytes: &[u8]) -> Result<(), Abuse> {
        while let Some(frame) = self.sent.next(&mut bytes) {
            match frame.kind {
                Kind::Data => self.carried += u64::from(frame.length),
                Kind::Headers => drop(self.answer(frame.stream)),
                Kind::Reset => self.broke(frame)?,
                _ => {}
            }
            if frame.kind == Kind::Reset || frame.ends_stream() {
                self.close(frame.stream);
            }
        }
        Ok(())
    }

    /// Whether something has begun to come whose end is not the body's to wait for: the connection's first words, or
    /// a head.
    pub fn is_midst(&self) -> bool {
        self.heading || self.received.is_midst()
    }

    /// Whether there is a stream whose answer has not gone to its end.
    pub fn is_busy(&self) -> bool {
        !self.open.is_empty()
    }

    /// How many bytes of bodies went to the client so far.
    pub fn carried(&self) -> u64 {
        self.carried
    }

    /// Whether what went to the client ends with a whole frame; the last stream that it had opened.
    pub fn boundary(&self) -> Option<u32> {
        self.sent.is_boundary().then_some(self.last)
    }

    fn came(&mut self, frame: Frame) -> Result<(), Abuse> {
        match frame.kind {
            Kind::Data => {
                self.empty += u32::from(frame.is_hollow());
                if self.empty > EMPTY { Err(Abuse::EmptyData) } else { Ok(()) }
            }
            Kind::Headers => {
                self.heading = !frame.ends_head();
                self.continuations = 0;
                if frame.stream > self.last {
                    self.last = frame.stream;
                    self.opened += 1;
                    self.unanswered.push(frame.stream);
                    self.open.push(frame.stream);
                }
                let most = UNANSWERED.max(2 * self.limits.streams as usize);
                if self.open.len() > most { Err(Abuse::Refusals) } else { Ok(()) }
            }
            Kind::Continuation => {
                self.continuations += 1;
                self.heading = !frame.ends_head();
                if self.continuations > CONTINUATIONS {
                    return Err(Abuse::Continuations);
                }
                Ok(())
            }
            Kind::Reset => {
                if self.answer(frame.stream) {
                    self.resets += 1;
                }
                self.close(frame.stream);
                self.judge_resets()
            }
            Kind::Control => {
                self.control += 1;
                let earned = (self.carried - self.before) / EARNS;
                if u64::from(self.control) > u64::from(self.limits.control_frames) + earned {
                    return Err(Abuse::ControlFrames);
                }
                Ok(())
            }
        }
    }

    /// Weir has cancelled a stream.
    fn broke(&mut self, frame: Frame) -> Result<(), Abuse> {
        self.answer(frame.stream);
        match frame.reason {
            REFUSED_STREAM => self.refused += 1,
            reason if BLAMES.contains(&reason) => self.resets += 1,
            _ => {}
        }
        if self.refused > REFUSED {
            return Err(Abuse::Refusals);
        }
        self.judge_resets()
    }

    fn judge_resets(&self) -> Result<(), Abuse> {
        let many = self.resets > self.limits.resets && self.resets > self.opened / 2;
        if many { Err(Abuse::Resets) } else { Ok(()) }
    }

    /// The stream is over.
    fn close(&mut self, stream: u32) {
        if let Some(at) = self.open.iter().rposition(|one| *one == stream) {
            self.open.swap_remove(at);
        }
    }

    /// The stream has its answer, or never will. Whether it had none.
    fn answer(&mut self, stream: u32) -> bool {
        let at = self.unanswered.iter().rposition(|one| *one == stream);
        at.map(|at| self.unanswered.swap_remove(at)).is_some()
    }
}

/// What is counted is counted for so long.
const SPAN: Duration = Duration::from_secs(10);
/// DATA frames without data, within that.
const EMPTY: u32 = 100;
/// Pieces of one head.
const CONTINUATIONS: u32 = 5;
/// Streams that are refused.
const REFUSED: u32 = 1000;
/// Streams without an answer: more than may be open, and more than one read may bring.
const UNANSWERED: usize = 2048;
/// So many bytes of bodies make up for one control frame: no client opens windows in smaller steps.
const EARNS: u64 = 128;
/// Errors that a client provokes: PROTOCOL_ERROR, FLOW_CONTROL_ERROR, STREAM_CLOSED, FRAME_SIZE_ERROR,
/// COMPRESSION_ERROR, ENHANCE_YOUR_CALM (RFC 9113, 7).
const BLAMES: [u32; 6] = [1, 3, 5, 6, 9, 11];
const REFUSED_STREAM: u32 = 7;

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { streams: 100, resets: 100, control_frames: 1000 };

    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let length = (payload.len() as u32).to_be_bytes();
        [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
    }

    fn meter() -> Meter {
        let mut meter = Meter::new(LIMITS, Duration::ZERO);
        assert!(meter.is_midst());
        meter.received(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Duration::ZERO).unwrap();
        meter
    }

    /// How many of these it bears.
    fn bears(
        meter: &mut Meter,
        most: u32,
        each: impl Fn(u32) -> Vec<Vec<u8>>,
    ) -> (u32, Option<Abuse>) {
        for n in 0..most {
            for bytes in each(n) {
                if let Err(abuse) = meter.received(&bytes, Duration::from_secs(1)) {
                    return (n, Some(abuse));
                }
            }
        }
        (most, None)
    }

    fn opened_and_cancelled(n: u32) -> Vec<Vec<u8>> {
        let stream = 2 * n + 1;
        vec![frame(1, 5, stream, b"xx"), frame(3, 0, stream, &[0, 0, 0, 8])]
    }

    #[test]
    fn each_flood_ends() {
        let (resets, control) = (Some(Abuse::Resets), Some(Abuse::ControlFrames));
        assert_eq!(bears(&mut meter(), 10_000, opened_and_cancelled), (100, resets));
        for kind in [2, 4, 6, 8, 5, 7, 10, 255] {
            let each = |_| vec![frame(kind, 0, 0, b"12345678")];
            assert_eq!(bears(&mut meter(), 10_000, each), (1000, control), "{kind}");
        }
        let pieces = |n| vec![if n == 0 { frame(1, 0, 1, b"x") } else { frame(9, 0, 1, b"") }];
        assert_eq!(bears(&mut meter(), 100, pieces), (6, Some(Abuse::Continuations)));
        let hollow = |_| vec![frame(0, 0, 1, b"")];
        assert_eq!(bears(&mut meter(), 1000, hollow), (100, Some(Abuse::EmptyData)));
        let padded = |_| vec![frame(0, 8, 1, &[3, 0, 0, 0])];
        assert_eq!(bears(&mut meter(), 1000, padded), (100, Some(Abuse::EmptyData)));
        let unanswered = |n| vec![frame(1, 5, 2 * n + 1, b"x")];
        assert_eq!(bears(&mut meter(), 5000, unanswered), (2048, Some(Abuse::Refusals)));
    }

    #[test]
    fn what_clients_do_is_borne() {
        // Cancelled after the answer has begun: what a reader does who has seen enough.
        let mut seen = meter();
        for n in 0..1000 {
            let stream = 2 * n + 1;
            seen.received(&frame(1, 5, stream, b"x"), Duration::ZERO).unwrap();
            seen.sent(&frame(1, 4, stream, b"x")).unwrap();
            seen.received(&frame(3, 0, stream, &[0, 0, 0, 8]), Duration::ZERO).unwrap();
        }
        assert!(!seen.is_busy());
        // Cancelled, but fewer than half.
        let mut some = meter();
        for n in 0..1000 {
            let stream = 2 * n + 1;
            some.received(&frame(1, 5, stream, b"x"), Duration::ZERO).unwrap();
            if n % 3 == 0 {
                some.received(&frame(3, 0, stream, &[0, 0, 0, 8]), Duration::ZERO).unwrap();
            } else {
                some.sent(&frame(1, 4, stream, b"x")).unwrap();
            }
        }
        // Windows are opened for what was sent, in small steps.
        let mut windows = meter();
        windows.received(&frame(1, 5, 1, b"x"), Duration::ZERO).unwrap();
        for _ in 0..5000 {
            windows.sent(&frame(0, 0, 1, &[0; 1000])).unwrap();
            windows.received(&frame(8, 0, 1, &[0, 0, 3, 232]), Duration::ZERO).unwrap();
        }
        assert!(windows.is_busy(), "it has not ended");
        windows.sent(&frame(0, 1, 1, b"")).unwrap();
        assert!(!windows.is_busy());
        // A body that ends with an empty frame, again and again.
        assert_eq!(bears(&mut meter(), 1000, |n| vec![frame(0, 1, 2 * n + 1, b"")]), (1000, None));
    }

    #[test]
    fn a_window_opened_byte_by_byte_is_no_use_of_a_window() {
        let mut meter = meter();
        let mut updates = 0;
        while meter.received(&frame(8, 0, 1, &[0, 0, 0, 1]), Duration::ZERO).is_ok() {
            meter.sent(&frame(0, 0, 1, b"x")).unwrap();
            updates += 1;
        }
        assert!((1000..1020).contains(&updates), "{updates}");
    }

    #[test]
    fn counts_begin_anew_after_their_time() {
        let mut meter = meter();
        for second in 0..100_u32 {
            for n in 0..9 {
                for bytes in opened_and_cancelled(second * 9 + n) {
                    meter.received(&bytes, Duration::from_secs(second.into())).unwrap();
                }
            }
        }
    }

    #[test]
    fn streams_that_had_to_be_cancelled_count_against_who_broke_them() {
        for (reason, borne) in [(1, 100), (3, 100), (2, 5000), (8, 5000), (7, 1000)] {
            let mut meter = meter();
            let ended = (0..5000).find(|n| {
                let stream = 2 * n + 1;
                meter.received(&frame(1, 5, stream, b"x"), Duration::ZERO).is_err()
                    || meter.sent(&frame(3, 0, stream, &[0, 0, 0, reason])).is_err()
            });
            assert_eq!(ended.unwrap_or(5000), borne, "{reason}");
        }
    }

    #[test]
    fn frames_count_the_same_however_they_are_cut() {
        let bytes = (0..200).flat_map(opened_and_cancelled).flatten().collect::<Vec<u8>>();
        for size in 1..40 {
            let mut meter = meter();
            let at =
                bytes.chunks(size).position(|part| meter.received(part, Duration::ZERO).is_err());
            // The 101st reset ends in this piece.
            assert_eq!(at, Some((101 * 24 - 1) / size), "{size}");
        }
    }

    #[test]
    fn a_head_in_pieces_is_known_to_be_one() {
        let mut meter = meter();
        assert!(meter.is_midst(), "the first frame belongs to the beginning");
        meter.received(&frame(4, 0, 0, b""), Duration::ZERO).unwrap();
        assert!(!meter.is_midst());
        let head = [frame(1, 0, 1, b"abc"), frame(9, 4, 1, b"d")].concat();
        for at in 0..head.len() {
            meter.received(&head[at..=at], Duration::ZERO).unwrap();
            assert_eq!(meter.is_midst(), at + 1 < head.len(), "{at}");
        }
        // Bodies have a time of their own.
        let body = frame(0, 0, 1, b"abc");
        meter.received(&body[..11], Duration::ZERO).unwrap();
        assert!(!meter.is_midst());
        assert_eq!(meter.boundary(), Some(1));
        meter.sent(&body[..11]).unwrap();
        assert_eq!(meter.boundary(), None);
    }
}
