//! Parses the output of `-progress`: blocks of `name=value` lines.

use std::time::Duration;

/// Longer lines are not from `-progress`.
const LINE_BYTES_MAX: usize = 256;

/// The progress of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Progress {
    /// The time of the output that is written so far.
    pub out_time: Duration,
    /// Frames of the first video output.
    pub frames: u64,
    /// Bytes of all outputs.
    pub total_size: u64,
    /// Seconds of output per second; 0 if unknown.
    pub speed: f32,
    /// Whether this is the last block.
    pub is_end: bool,
}

impl Eq for Progress {}

/// An incremental parser.
#[derive(Debug, Default)]
pub struct Parser {
    line: Vec<u8>,
    block: Progress,
}

impl Parser {
    /// Parses more output, and calls `on_block` for each complete block.
    pub fn push(&mut self, printed: &[u8], mut on_block: impl FnMut(&Progress)) {
        for &byte in printed {
            match byte {
                b'\n' => {
                    if self.parse_line() {
                        on_block(&self.block);
                    }
                    self.line.clear();
                }
                _ if self.line.len() < LINE_BYTES_MAX => self.line.push(byte),
                _ => {}
            }
        }
    }

    /// Returns whether a block ends with this line. An invalid value (`N/A`) keeps the previous one.
    fn parse_line(&mut self) -> bool {
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
    fn blocks_are_parsed_wherever_the_output_is_split() {
        let printed = "frame=12\nfps=0.0\ntotal_size=N/A\nout_time_us=480000\nspeed=1.5x\n\
             progress=continue\nframe=30\ntotal_size=4096\nout_time_us=-5\nspeed=N/A\nprogress=end\n";
        for size in [1, 7, printed.len()] {
            let mut parser = Parser::default();
            let mut blocks = Vec::new();
            for part in printed.as_bytes().chunks(size) {
                parser.push(part, |block| blocks.push(*block));
            }
            let out_time = Duration::from_millis(480);
            let first = Progress { out_time, frames: 12, speed: 1.5, ..Progress::default() };
            let last = Progress { frames: 30, total_size: 4096, is_end: true, ..first };
            assert_eq!(blocks, [first, last]);
        }
    }

    #[test]
    fn a_line_without_end_takes_no_memory() {
        let mut parser = Parser::default();
        for _ in 0..1000 {
            parser.push(&[b'x'; 4096], |_| panic!("no block"));
        }
        assert!(parser.line.len() <= LINE_BYTES_MAX);
    }
}
