//! Finds the contents of DATA frames in what h2 writes.

/// The length of a frame's head (RFC 9113 section 4.1), in bytes.
pub(super) const FRAME_HEAD_BYTES: usize = 9;

/// The type of frames that carry content (RFC 9113 section 6.1).
pub(super) const DATA: u8 = 0;

/// Follows the frames that h2 writes. It pads none.
#[derive(Debug, Default)]
pub(super) struct WrittenFrames {
    head: [u8; FRAME_HEAD_BYTES],
    /// The bytes of `head` that were written.
    head_bytes: usize,
    /// The rest of the frame's payload, in bytes.
    payload_bytes: usize,
}

/// The bytes up to the next boundary.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Span {
    /// So many bytes, which are sent as they are.
    Plain(usize),
    /// So many bytes of the body of this stream.
    Body(usize, u32),
}

impl WrittenFrames {
    /// The first span of these bytes, of which there is at least one.
    pub(super) fn next(&mut self, written: &[u8]) -> Span {
        if self.payload_bytes > 0 {
            let length = written.len().min(self.payload_bytes);
            self.payload_bytes -= length;
            return match self.head[3] {
                DATA => Span::Body(length, self.stream()),
                _ => Span::Plain(length),
            };
        }
        let length = written.len().min(FRAME_HEAD_BYTES - self.head_bytes);
        self.head[self.head_bytes..self.head_bytes + length].copy_from_slice(&written[..length]);
        self.head_bytes += length;
        if self.head_bytes == FRAME_HEAD_BYTES {
            let [high, middle, low, ..] = self.head;
            self.payload_bytes = u32::from_be_bytes([0, high, middle, low]) as usize;
            self.head_bytes = 0;
        }
        Span::Plain(length)
    }

    fn stream(&self) -> u32 {
        let [_, _, _, _, _, id @ ..] = self.head;
        u32::from_be_bytes(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_are_found_wherever_the_writes_end() {
        let settings = [0, 0, 2, 4, 0, 0, 0, 0, 0, 9, 9];
        let data = [0, 0, 3, 0, 1, 0, 0, 1, 5, 7, 7, 7];
        let empty = [0, 0, 0, 0, 1, 0, 0, 0, 1];
        let written = [&settings[..], &data, &empty, &data].concat();
        for step in 1..written.len() {
            let (mut frames, mut body, mut plain) = (WrittenFrames::default(), 0, Vec::new());
            for mut part in written.chunks(step) {
                while !part.is_empty() {
                    let length = match frames.next(part) {
                        Span::Body(length, stream) => {
                            assert_eq!(stream, 0x105);
                            assert!(part[..length].iter().all(|byte| *byte == 7));
                            body += length;
                            length
                        }
                        Span::Plain(length) => {
                            plain.extend_from_slice(&part[..length]);
                            length
                        }
                    };
                    part = &part[length..];
                }
            }
            assert_eq!(body, 6, "{step}");
            assert_eq!(plain, [&settings[..], &data[..9], &empty, &data[..9]].concat());
        }
    }
}
