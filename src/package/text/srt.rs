//! SubRip (SRT): a format without a specification.
//!
//! Only the lines with times can be relied on. What follows one belongs to its cue, up to the next,
//! blank lines left out: many files have blank lines inside a text, or none between two cues.

use super::{
    TextRefused,
    collect::Collector,
    time::{Line, Times},
};

/// Reads text whose lines end with line feeds.
pub(super) fn read(text: &str, collector: &mut Collector) -> Result<(), TextRefused> {
    let mut open: Option<Times> = None;
    let mut lines = Vec::new();
    // Whether the counter of each cue can be told from a text that is a number.
    let mut has_counters = false;
    for line in text.split('\n') {
        let times = match Line::of(line) {
            Line::Times(times) => Some(times),
            Line::Broken => None,
            Line::Other => {
                lines.push(line);
                continue;
            }
        };
        let is_counted = take_counter(&mut lines, has_counters, !collector.has_seen_times);
        has_counters |= is_counted && !collector.has_seen_times;
        collector.has_seen_times = true;
        finish(open, &lines, collector)?;
        lines.clear();
        open = times;
    }
    finish(open, &lines, collector)
}

/// Takes the next cue's counter off the end of the lines before it. A number is taken for one
/// after a blank line or at the file's start, and anywhere once the first cue had one.
fn take_counter(lines: &mut Vec<&str>, has_counters: bool, is_first: bool) -> bool {
    let [before @ .., last] = lines.as_slice() else {
        return false;
    };
    let is_apart = before.last().map_or(is_first, |line| is_blank(line));
    // A file that was appended to another brings its byte order mark along.
    let digits = last.trim().trim_start_matches('\u{feff}');
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let is_counter = is_number && (has_counters || is_apart);
    if is_counter {
        lines.pop();
    }
    is_counter
}

fn is_blank(line: &str) -> bool {
    line.trim().is_empty()
}

fn finish(
    times: Option<Times>,
    lines: &[&str],
    collector: &mut Collector,
) -> Result<(), TextRefused> {
    let Some(times) = times else {
        return Ok(());
    };
    let lines = lines.iter().map(|line| line.trim()).filter(|line| !line.is_empty());
    collector.push(&times, None, &lines.collect::<Vec<_>>().join("\n"))
}
