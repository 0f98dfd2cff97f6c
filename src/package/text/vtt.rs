//! WebVTT files (W3C WebVTT section 4): blocks between empty lines.
//!
//! Read as a player would, with two liberties: a cue may begin without an empty line before it,
//! and a line that only looks like an arrow is text.

use std::iter;

use super::{
    TextRefused,
    collect::Collector,
    time::{Line, Times},
};

const SIGNATURE: &str = "WEBVTT";

/// Whether a text begins as a WebVTT file must.
pub(super) fn has_signature(text: &str) -> bool {
    text.strip_prefix(SIGNATURE)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\n']))
}

/// Where in the file a line stands.
enum Block<'a> {
    /// Behind the signature, up to the first empty line.
    Head,
    /// In what may become anything, with the lines of it so far.
    Lines(Vec<&'a str>),
    /// In a cue, with the lines of its text so far.
    Cue { times: Times<'a>, id: Option<&'a str>, lines: Vec<&'a str> },
    /// In a cue whose times could not be read.
    BrokenCue,
}

/// Reads text whose lines end with line feeds.
pub(super) fn read(text: &str, collector: &mut Collector) -> Result<(), TextRefused> {
    let mut block = if has_signature(text) { Block::Head } else { Block::Lines(Vec::new()) };
    // The file's end is the end of its last block.
    for line in text.split('\n').chain(iter::once("")) {
        let times = match Line::of(line) {
            Line::Times(times) => Some(times),
            Line::Broken => None,
            Line::Other if line.is_empty() => {
                finish(block, collector)?;
                block = Block::Lines(Vec::new());
                continue;
            }
            Line::Other => {
                match &mut block {
                    Block::Lines(lines) | Block::Cue { lines, .. } => lines.push(line),
                    Block::Head | Block::BrokenCue => {}
                }
                continue;
            }
        };
        let id = take_id(&mut block);
        finish(block, collector)?;
        collector.has_seen_times = true;
        block = match times {
            Some(times) => Block::Cue { times, id, lines: Vec::new() },
            None => Block::BrokenCue,
        };
    }
    Ok(())
}

/// The identifier of a cue that begins here: the one line before it in its block. Where the empty
/// line is missing, a number at the end of the text before.
fn take_id<'a>(block: &mut Block<'a>) -> Option<&'a str> {
    match block {
        Block::Lines(lines) if lines.len() == 1 => lines.pop(),
        Block::Cue { lines, .. } if lines.len() > 1 => {
            lines.pop_if(|last| last.bytes().all(|byte| byte.is_ascii_digit()))
        }
        _ => None,
    }
}

fn finish(block: Block, collector: &mut Collector) -> Result<(), TextRefused> {
    match block {
        Block::Cue { times, id, lines } => collector.push(&times, id, &lines.join("\n")),
        // Styles and regions stand before the first cue; behind it players ignore them.
        Block::Lines(lines) if !collector.has_seen_times => {
            if let Some(block) = header_block(&lines) {
                collector.push_header(block);
            }
            Ok(())
        }
        Block::Lines(_) | Block::Head | Block::BrokenCue => Ok(()),
    }
}

/// A `STYLE` or `REGION` block with something in it (sections 4.1 and 4.3).
fn header_block(lines: &[&str]) -> Option<String> {
    let (first, rest) = lines.split_first()?;
    let name = first.trim_end();
    let rest = rest.iter().copied().filter(|line| !line.contains("-->")).collect::<Vec<_>>();
    (matches!(name, "STYLE" | "REGION") && !rest.is_empty())
        .then(|| format!("{name}\n{}", rest.join("\n")))
}
