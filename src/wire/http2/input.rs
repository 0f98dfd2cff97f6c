//! What a client may send.
//!
//! A client that plays sends little: heads of requests, and updates of windows. The bytes outside of contents
//! have a budget, which grows with the responses that the client takes, and with time. It bounds a flood of
//! every kind of frame, also of those that no specification has yet.

use std::time::{Duration, Instant};

use super::{
    FRAME_BYTES_MAX,
    frames::{DATA, FRAME_HEAD_BYTES},
};

/// The budget of a new connection, in bytes.
const INITIAL_BYTES: u64 = 64 * 1024;

/// The most unused budget, in bytes, so that a connection that was idle for hours gets no flood for free.
const UNUSED_BYTES_MAX: u64 = 1 << 20;

/// What a complete response adds, in bytes: the head of the next request.
const BYTES_PER_RESPONSE: u64 = 16 * 1024;

/// The bytes of a body that add one byte: updates of windows.
const BODY_BYTES_PER_BYTE: u64 = 128;

/// What a second adds, in bytes: requests that are cancelled, and pings.
const BYTES_PER_SECOND: u64 = 32 * 1024;

/// Bytes that are read in one turn of the event loop.
const TURN_BYTES_MAX: usize = 64 * 1024;

/// A client that resets this many streams within [`RESETS_PERIOD`] must have taken half of its responses.
const RESETS_MAX: u32 = 200;

const RESETS_PERIOD: Duration = Duration::from_secs(10);

/// The length of the client's preface (RFC 9113 section 3.4), in bytes.
const PREFACE_BYTES: usize = 24;

/// From this length of its payload on, in bytes, a frame may not fit into the memory that h2 has already.
const LONG_FRAME_BYTES: usize = 4 * 1024;

/// The type of frames that reset a stream (RFC 9113 section 6.4).
const RST_STREAM: u8 = 3;

/// Counts what a client sends.
#[derive(Debug)]
pub(super) struct Input {
    frames: Frames,
    /// The rest of the budget, in bytes.
    budget: u64,
    /// The time up to which [`BYTES_PER_SECOND`] were added.
    replenished: Instant,
    /// The bytes that may still be read in this turn.
    turn_bytes: usize,
    /// Whether anything was read in this turn.
    has_read: bool,
    is_eof: bool,
    is_exceeded: bool,
    requests: u64,
    responses: u64,
    /// The streams that were reset since `resets_since`.
    resets: u32,
    resets_since: Instant,
}

impl Input {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            frames: Frames::default(),
            budget: INITIAL_BYTES,
            replenished: now,
            turn_bytes: 0,
            has_read: false,
            is_eof: false,
            is_exceeded: false,
            requests: 0,
            responses: 0,
            resets: 0,
            resets_since: now,
        }
    }

    /// Begins a turn of the event loop.
    pub(super) fn begin_turn(&mut self) {
        (self.turn_bytes, self.has_read) = (TURN_BYTES_MAX, false);
    }

    /// Whether more may be read in this turn.
    pub(super) fn may_read(&self) -> bool {
        self.turn_bytes > 0
    }

    /// Whether anything was read in this turn.
    pub(super) fn has_read(&self) -> bool {
        self.has_read
    }

    /// Whether the client will send no more.
    pub(super) fn is_eof(&self) -> bool {
        self.is_eof
    }

    /// Whether the client has sent too much.
    pub(super) fn is_exceeded(&self) -> bool {
        self.is_exceeded
    }

    /// Records received bytes; none means that the client will send no more.
    pub(super) fn record(&mut self, received: &[u8], now: Instant) {
        self.has_read = true;
        self.is_eof |= received.is_empty();
        self.turn_bytes = self.turn_bytes.saturating_sub(received.len());
        self.replenish(now);
        let seen = self.frames.count(received);
        self.count_resets(seen.resets, now);
        match self.budget.checked_sub(seen.bytes_outside_content) {
            Some(left) => self.budget = left,
            None => self.is_exceeded = true,
        }
    }

    /// The last received bytes that belong to an incomplete frame, if that is or may be long.
    pub(super) fn incomplete_bytes(&self) -> usize {
        self.frames.incomplete_bytes()
    }

    /// Records a request that was accepted.
    pub(super) fn record_request(&mut self) {
        self.requests += 1;
    }

    /// Records a response that was passed on to its end.
    pub(super) fn record_response(&mut self) {
        self.responses += 1;
        self.add(BYTES_PER_RESPONSE);
    }

    /// Records bytes of a body that were passed on.
    pub(super) fn record_body(&mut self, bytes: u64) {
        self.add(bytes / BODY_BYTES_PER_BYTE);
    }

    fn add(&mut self, bytes: u64) {
        self.budget = self.budget.saturating_add(bytes).min(UNUSED_BYTES_MAX);
    }

    fn replenish(&mut self, now: Instant) {
        let elapsed_ms = now.saturating_duration_since(self.replenished).as_millis();
        let bytes = u64::try_from(elapsed_ms).unwrap_or(u64::MAX).saturating_mul(BYTES_PER_SECOND);
        if bytes >= 1000 {
            self.replenished = now;
            self.add(bytes / 1000);
        }
    }

    fn count_resets(&mut self, resets: u32, now: Instant) {
        if now.saturating_duration_since(self.resets_since) >= RESETS_PERIOD {
            (self.resets, self.resets_since) = (0, now);
        }
        self.resets = self.resets.saturating_add(resets);
        self.is_exceeded |= self.resets >= RESETS_MAX && self.responses < self.requests / 2;
    }
}

/// What some received bytes contain.
#[derive(Debug, Default, Eq, PartialEq)]
struct Seen {
    bytes_outside_content: u64,
    /// Frames that reset a stream.
    resets: u32,
}

/// Finds the frames in received bytes.
#[derive(Debug)]
struct Frames {
    head: [u8; FRAME_HEAD_BYTES],
    /// The bytes of `head` that have arrived.
    head_bytes: usize,
    /// The rest of the frame's payload, in bytes.
    payload_bytes: usize,
    /// The whole payload, in bytes.
    length: usize,
    is_content: bool,
}

impl Default for Frames {
    /// The preface comes before the first frame.
    fn default() -> Self {
        let head = [0; FRAME_HEAD_BYTES];
        Self { head, head_bytes: 0, payload_bytes: PREFACE_BYTES, length: 0, is_content: false }
    }
}

impl Frames {
    fn count(&mut self, mut received: &[u8]) -> Seen {
        let mut seen = Seen::default();
        while !received.is_empty() {
            if self.payload_bytes > 0 {
                let length = received.len().min(self.payload_bytes);
                self.payload_bytes -= length;
                seen.bytes_outside_content += if self.is_content { 0 } else { length as u64 };
                received = &received[length..];
                continue;
            }
            let missing = FRAME_HEAD_BYTES - self.head_bytes;
            let (part, rest) = received.split_at(received.len().min(missing));
            self.head[self.head_bytes..self.head_bytes + part.len()].copy_from_slice(part);
            self.head_bytes += part.len();
            seen.bytes_outside_content += part.len() as u64;
            received = rest;
            if self.head_bytes == FRAME_HEAD_BYTES {
                let [high, middle, low, kind, ..] = self.head;
                self.head_bytes = 0;
                self.payload_bytes =
                    usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
                self.length = self.payload_bytes;
                self.is_content = kind == DATA;
                seen.resets += u32::from(kind == RST_STREAM);
            }
        }
        seen
    }

    fn incomplete_bytes(&self) -> usize {
        // h2 rejects one that is too long.
        let is_long = (LONG_FRAME_BYTES..=FRAME_BYTES_MAX as usize).contains(&self.length);
        match self.payload_bytes {
            0 => self.head_bytes,
            rest if is_long => FRAME_HEAD_BYTES + self.length - rest,
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, payload_bytes: u16) -> Vec<u8> {
        let [high, low] = payload_bytes.to_be_bytes();
        let mut frame = vec![0, high, low, kind, 0, 0, 0, 0, 1];
        frame.resize(FRAME_HEAD_BYTES + usize::from(payload_bytes), 0);
        frame
    }

    #[test]
    fn content_does_not_count_however_the_bytes_are_split() {
        let frames = [frame(1, 20), frame(DATA, 300), frame(DATA, 0), frame(RST_STREAM, 4)];
        let bytes = [vec![0; PREFACE_BYTES], frames.concat()].concat();
        let outside = (PREFACE_BYTES + 4 * FRAME_HEAD_BYTES + 20 + 4) as u64;
        for part in [1, 2, 7, 100, bytes.len()] {
            let mut counter = Frames::default();
            let mut sum = Seen::default();
            for received in bytes.chunks(part) {
                let seen = counter.count(received);
                sum.bytes_outside_content += seen.bytes_outside_content;
                sum.resets += seen.resets;
            }
            assert_eq!(sum, Seen { bytes_outside_content: outside, resets: 1 }, "{part}");
        }
    }

    #[test]
    fn long_frames_are_incomplete_until_their_last_byte() {
        let long = u16::try_from(LONG_FRAME_BYTES).expect("a length");
        let frames = [frame(1, 20), frame(DATA, long), frame(1, 20)];
        let bytes = [vec![0; PREFACE_BYTES], frames.concat()].concat();
        let begin = PREFACE_BYTES + frames[0].len();
        let end = begin + frames[1].len();
        for at in 0..bytes.len() {
            let mut frames = Frames::default();
            frames.count(&bytes[..at]);
            let expected = match at {
                at if (PREFACE_BYTES..PREFACE_BYTES + FRAME_HEAD_BYTES).contains(&at) => {
                    at - PREFACE_BYTES
                }
                at if (begin..end).contains(&at) => at - begin,
                at if (end..end + FRAME_HEAD_BYTES).contains(&at) => at - end,
                _ => 0,
            };
            assert_eq!(frames.incomplete_bytes(), expected, "{at}");
        }
    }

    /// Sends these frames until the budget is exceeded, and returns their bytes.
    fn flood(input: &mut Input, frame: &[u8], now: Instant) -> u64 {
        let mut bytes = 0;
        while !input.is_exceeded() {
            input.record(frame, now);
            bytes += frame.len() as u64;
        }
        bytes
    }

    #[test]
    fn a_flood_of_any_frame_exceeds_the_budget() {
        let now = Instant::now();
        for (name, frame) in [
            ("PING", frame(6, 8)),
            ("SETTINGS", frame(4, 0)),
            ("PRIORITY", frame(2, 5)),
            ("empty DATA", frame(DATA, 0)),
            ("unknown", frame(0xee, 100)),
        ] {
            let mut input = Input::new(now);
            input.record(&[0; PREFACE_BYTES], now);
            assert!(flood(&mut input, &frame, now) <= INITIAL_BYTES + 200, "{name}");
        }
    }

    #[test]
    fn responses_bodies_and_time_add_to_the_budget_up_to_a_limit() {
        let now = Instant::now();
        let ping = frame(6, 8);
        let room = |prepare: &dyn Fn(&mut Input), at: Instant| {
            let mut input = Input::new(now);
            input.record(&[0; PREFACE_BYTES], now);
            prepare(&mut input);
            flood(&mut input, &ping, at)
        };
        let fresh = room(&|_| {}, now);
        let near = |bytes: u64, expected: u64| bytes.abs_diff(fresh + expected) <= 17;
        assert!(near(room(&|input| input.record_response(), now), BYTES_PER_RESPONSE));
        assert!(near(room(&|input| input.record_body(1 << 20), now), 8192));
        assert!(near(room(&|_| {}, now + Duration::from_secs(3)), 3 * BYTES_PER_SECOND));
        let day = Duration::from_secs(86_400);
        assert!(room(&|_| {}, now + day) <= UNUSED_BYTES_MAX + 17);
    }

    #[test]
    fn a_client_may_reset_many_streams_only_if_it_takes_half_of_its_responses() {
        let now = Instant::now();
        let reset = frame(RST_STREAM, 4);
        let is_exceeded_after = |responses: u64, seconds: u64| {
            let mut input = Input::new(now);
            input.record(&[0; PREFACE_BYTES], now);
            for number in 0..u64::from(RESETS_MAX) + 10 {
                input.record_request();
                if number < responses {
                    input.record_response();
                }
                let at = now + Duration::from_secs(seconds * number / u64::from(RESETS_MAX));
                input.record(&reset, at);
            }
            input.is_exceeded()
        };
        assert!(is_exceeded_after(10, 1));
        assert!(!is_exceeded_after(10, 30), "over a longer time");
        assert!(!is_exceeded_after(150, 1), "most were taken");
    }
}
