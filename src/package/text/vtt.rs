//! Parses WebVTT files (W3C WebVTT section 4): blocks between empty lines.
//!
//! Like a player's parser, but more lenient: a cue may start without an empty line before it, and a line
//! with an arrow but without times is text.

use std::iter;

use super::{
    CueFault, SubtitleError,
    collect::Collector,
    time::{Line, Timings},
};

const SIGNATURE: &str = "WEBVTT";

/// Whether a text starts with the signature of WebVTT.
pub(super) fn has_signature(text: &str) -> bool {
    text.strip_prefix(SIGNATURE)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\n']))
}

/// The state of the parser: the block of the current line.
enum Block<'a> {
    /// The header, from the signature to the first empty line.
    Header,
    /// A block of a still unknown type, with its lines so far.
    Lines(Vec<&'a str>),
    /// A cue, with the number of the line of its timings and the lines of its text so far.
    Cue { number: usize, timings: Timings<'a>, id: Option<&'a str>, lines: Vec<&'a str> },
    /// A cue with invalid timings.
    InvalidCue,
}

/// Parses text with a line feed at the end of each line.
pub(super) fn parse(text: &str, collector: &mut Collector) -> Result<(), SubtitleError> {
    let mut block = if has_signature(text) { Block::Header } else { Block::Lines(Vec::new()) };
    // The end of the file ends the last block.
    for (number, line) in (1..).zip(text.split('\n').chain(iter::once(""))) {
        let timings = match Line::parse(line) {
            Line::Timings(timings) => Some(timings),
            Line::Invalid => None,
            Line::Other if line.is_empty() => {
                finish(block, collector)?;
                block = Block::Lines(Vec::new());
                continue;
            }
            Line::Other => {
                match &mut block {
                    Block::Lines(lines) | Block::Cue { lines, .. } => lines.push(line),
                    Block::Header | Block::InvalidCue => {}
                }
                continue;
            }
        };
        let id = take_id(&mut block);
        finish(block, collector)?;
        collector.has_timings = true;
        block = match timings {
            Some(timings) => Block::Cue { number, timings, id, lines: Vec::new() },
            None => {
                collector.lose(number, CueFault::InvalidTime);
                Block::InvalidCue
            }
        };
    }
    Ok(())
}

/// The identifier of a cue that starts here: the only line before it in its block. If the empty line is
/// missing, a number at the end of the previous text.
fn take_id<'a>(block: &mut Block<'a>) -> Option<&'a str> {
    match block {
        Block::Lines(lines) if lines.len() == 1 => lines.pop(),
        Block::Cue { lines, .. } if lines.len() > 1 => {
            lines.pop_if(|last| last.bytes().all(|byte| byte.is_ascii_digit()))
        }
        _ => None,
    }
}

fn finish(block: Block, collector: &mut Collector) -> Result<(), SubtitleError> {
    match block {
        Block::Cue { number, timings, id, lines } => {
            collector.push((number, &timings), id, &lines.join("\n"))
        }
        // Styles and regions come before the first cue; players ignore later ones.
        Block::Lines(lines) if !collector.has_timings => {
            if let Some(block) = parse_header_block(&lines) {
                collector.push_header(block);
            }
            Ok(())
        }
        Block::Lines(_) | Block::Header | Block::InvalidCue => Ok(()),
    }
}

/// Parses a `STYLE` or `REGION` block that is not empty (sections 4.1 and 4.3).
fn parse_header_block(lines: &[&str]) -> Option<String> {
    let (first, rest) = lines.split_first()?;
    let name = first.trim_end();
    let rest = rest.iter().copied().filter(|line| !line.contains("-->")).collect::<Vec<_>>();
    (matches!(name, "STYLE" | "REGION") && !rest.is_empty())
        .then(|| format!("{name}\n{}", rest.join("\n")))
}
