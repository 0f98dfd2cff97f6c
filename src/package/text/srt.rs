//! Parses SubRip (SRT), a format without a specification.
//!
//! Only the lines with timings are reliable. The lines after one, up to the next, belong to its cue,
//! without blank lines: many files have blank lines within a text, or none between cues.

use super::{
    CueFault, SubtitleError,
    collect::Collector,
    time::{Line, Timings},
};

/// Parses text with a line feed at the end of each line.
pub(super) fn parse(text: &str, collector: &mut Collector) -> Result<(), SubtitleError> {
    let mut current: Option<(usize, Timings)> = None;
    let mut lines = Vec::new();
    // Whether the cues have counters: only then a number before a cue is one.
    let mut has_counters = false;
    for (number, line) in (1..).zip(text.split('\n')) {
        let timings = match Line::parse(line) {
            Line::Timings(timings) => Some((number, timings)),
            Line::Invalid => None,
            Line::Other => {
                lines.push(line);
                continue;
            }
        };
        let is_counted = take_counter(&mut lines, has_counters, !collector.has_timings);
        has_counters |= is_counted && !collector.has_timings;
        collector.has_timings = true;
        finish(current, &lines, collector)?;
        lines.clear();
        if timings.is_none() {
            collector.lose(number, CueFault::InvalidTime);
        }
        current = timings;
    }
    finish(current, &lines, collector)
}

/// Removes the next cue's counter from the end of the previous lines. A number is a counter after a blank
/// line or at the start of the file, and anywhere if the first cue had a counter.
fn take_counter(lines: &mut Vec<&str>, has_counters: bool, is_first: bool) -> bool {
    let [before @ .., last] = lines.as_slice() else {
        return false;
    };
    let is_separate = before.last().map_or(is_first, |line| is_blank(line));
    // In a concatenated file a byte order mark may precede it.
    let digits = last.trim().trim_start_matches('\u{feff}');
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let is_counter = is_number && (has_counters || is_separate);
    if is_counter {
        lines.pop();
    }
    is_counter
}

fn is_blank(line: &str) -> bool {
    line.trim().is_empty()
}

fn finish(
    timings: Option<(usize, Timings)>,
    lines: &[&str],
    collector: &mut Collector,
) -> Result<(), SubtitleError> {
    let Some((number, timings)) = timings else {
        return Ok(());
    };
    let lines = lines.iter().map(|line| line.trim()).filter(|line| !line.is_empty());
    collector.push((number, &timings), None, &lines.collect::<Vec<_>>().join("\n"))
}
