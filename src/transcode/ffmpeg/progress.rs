//! What `-progress` prints, block after block of `name=value`.

use std::time::Duration;

/// A line that is longer is none of ours.
const LONGEST_LINE: usize = 256;

/// How far ffmpeg has come.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Progress {
    /// Until which time of the output it has written.
    pub out_time: Duration,
    /// Frames of the first video that is written.
    pub frames: u64,
    /// Bytes of all outputs.
    pub total_size: u64,
    /// Seconds of output in one second; 0 when it is not known.
    pub speed: f32,
    /// Whether this is the last word.
    pub is_end: bool,
}

impl Eq for Progress {}

/// Reads blocks out of pieces of text.
#[derive(Debug, Default)]
pub struct Reader {
    line: Vec<u8>,
    block: Progress,
}

impl Reader {
    /// Takes what was printed, and calls for each block that is complete with it.
    pub fn take(&mut self, printed: &[u8], mut each: impl FnMut(&Progress)) {
        for &byte in printed {
            match byte {
                b'\n' => {
                    if self.end_of_line() {
                        each(&self.block);
                    }
                    self.line.clear();
                }
                _ if self.line.len() < LONGEST_LINE => self.line.push(byte),
                _ => {}
            }
        }
    }

    /// Whether a block ends with this line. A value that is `N/A`, or makes no sense, leaves what was.
    fn end_of_line(&mut self) -> bool {
        let line = std::str::from_utf8(&self.line).unwrap_or_default();
        let Some((name, value)) = line.split_once('=') else { return false };
        let value = value.trim();
        match name {
            "frame" => set(&mut self.block.frames, value.parse().ok()),
            "total_size" => set(&mut self.block.total_size, value.parse().ok()),
            "out_time_us" => {
                set(&mut self.block.out_time, value.parse().ok().map(Duration::from_micros));
            }
            "speed" => {
                let speed = value.trim_end_matches('x').parse().ok();
                set(&mut self.block.speed, speed.filter(|speed: &f32| speed.is_finite()));
            }
            "progress" => {
                self.block.is_end = value == "end";
                return true;
            }
            _ => {}
        }
        false
    }
}

fn set<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_read_however_they_are_cut_into_pieces() {
        let printed = "frame=12\nfps=0.0\ntotal_size=N/A\nout_time_us=480000\nspeed=1.5x\n\
             progress=continue\nframe=30\ntotal_size=4096\nout_time_us=-5\nspeed=N/A\nprogress=end\n";
        for size in [1, 7, printed.len()] {
            let mut reader = Reader::default();
            let mut blocks = Vec::new();
            for piece in printed.as_bytes().chunks(size) {
                reader.take(piece, |block| blocks.push(*block));
            }
            let out_time = Duration::from_millis(480);
            let first = Progress { out_time, frames: 12, speed: 1.5, ..Progress::default() };
            let last = Progress { frames: 30, total_size: 4096, is_end: true, ..first };
            assert_eq!(blocks, [first, last]);
        }
    }

    #[test]
    fn a_line_without_end_takes_no_memory() {
        let mut reader = Reader::default();
        for _ in 0..1000 {
            reader.take(&[b'x'; 4096], |_| panic!("no block"));
        }
        assert!(reader.line.len() <= LONGEST_LINE);
    }
}
