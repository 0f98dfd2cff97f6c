//! `?layout`: the extents of a response, as text for people.
//!
//! The list shows the same content that the response would have without `?layout`. A long list is cut, and
//! `from` continues it at a byte of the response.

use std::{fmt::Write as _, ops::Range};

use super::{Error, Site, query::Query};
use crate::extent::{Caching, Content, Extent, Extents, ReadError, Source, Text, Totals};

/// The most listed extents; a long movie has hundreds of thousands.
const LINES_MAX: usize = 1000;

/// The list that a query asks for; `None` if it asks for the content itself.
pub async fn view(site: &Site, content: &Content, query: Query<'_>) -> Result<Option<Text>, Error> {
    if !query.flag("layout", false)? {
        return Ok(None);
    }
    let from = query.number("from")?.unwrap_or(0);
    let extents = content.extents.clone();
    let lines = site.spawn_limited(async move { layout(&extents, from).await }).await??;
    let text = Text::new(lines, "text/plain; charset=utf-8", Caching::Revalidate);
    Ok(Some(Text { last_modified: content.last_modified, ..text }))
}

/// The extents of a content: totals, then a line for each from byte `from` on.
async fn layout(extents: &Extents, from: u64) -> Result<String, ReadError> {
    let totals = totals(extents);
    let length = extents.len();
    let computed = length.saturating_sub(totals.in_memory).saturating_sub(totals.in_file);
    let average = length.checked_div(totals.extents).unwrap_or(0);
    let mut text = String::new();
    for (label, number) in [
        ("extents", totals.extents),
        ("bytes", length),
        ("average", average),
        ("memory", totals.in_memory),
        ("file", totals.in_file),
        // Bytes that are computed from the file while they are sent.
        ("computed", computed),
    ] {
        // A write to a string does not fail.
        let _ = writeln!(text, "{label:<12}{number:>20}");
    }
    let _ = writeln!(text, "\n{:>16}{:>16}  from", "offset", "length");
    let lines = lines(extents, from).await?;
    let mut offset = from;
    for Line { length, place } in lines.iter().take(LINES_MAX) {
        let _ = writeln!(text, "{offset:>16}{length:>16}  {place}");
        offset += length;
    }
    if offset < length {
        let _ = writeln!(text, "\n{LINES_MAX} extents are listed; the next: ?layout&from={offset}");
    }
    Ok(text)
}

/// The size of a list, in which a virtual source counts as its extents.
fn totals(extents: &Extents) -> Totals {
    let mut totals = Totals::default();
    for extent in extents.iter() {
        let Totals { extents, in_memory, in_file } = match extent {
            Extent::Memory(_) => {
                Totals { extents: 1, in_memory: extent.len(), ..Totals::default() }
            }
            Extent::Source { source, .. } => match source.as_virtual() {
                Some(source) => source.totals(),
                None if source.as_file().is_some() => {
                    Totals { extents: 1, in_file: extent.len(), ..Totals::default() }
                }
                None => Totals { extents: 1, ..Totals::default() },
            },
        };
        totals.extents += extents;
        totals.in_memory += in_memory;
        totals.in_file += in_file;
    }
    totals
}

/// A listed extent.
struct Line {
    length: u64,
    place: Place,
}

enum Place {
    Memory,
    File(Range<u64>),
    Computed(Range<u64>),
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Memory => f.write_str("memory"),
            Self::File(range) => write!(f, "file {}..{}", range.start, range.end),
            Self::Computed(range) => write!(f, "computed {}..{}", range.start, range.end),
        }
    }
}

/// The lines from byte `from` on, at least [`LINES_MAX`] if there are so many.
async fn lines(extents: &Extents, from: u64) -> Result<Vec<Line>, ReadError> {
    let mut lines = Vec::new();
    for extent in extents.slice(from..extents.len()).iter() {
        if lines.len() > LINES_MAX {
            break;
        }
        match extent {
            Extent::Source { source, range } if source.as_virtual().is_some() => {
                list_windows(source.as_ref(), range.clone(), &mut lines).await?;
            }
            extent => lines.push(line(extent)),
        }
    }
    Ok(lines)
}

/// Appends the lines of a virtual source. Its bytes in memory are one line, although they come in pieces.
async fn list_windows(
    source: &dyn Source,
    mut range: Range<u64>,
    lines: &mut Vec<Line>,
) -> Result<(), ReadError> {
    while let Some(source) = source.as_virtual()
        && !range.is_empty()
        && lines.len() <= LINES_MAX
    {
        let window = source.window(range.clone()).await?;
        // At least one byte, by contract.
        range.start += window.len().max(1);
        for extent in window.iter() {
            match (lines.last_mut(), line(extent)) {
                (
                    Some(Line { length, place: Place::Memory }),
                    Line { length: more, place: Place::Memory },
                ) => {
                    *length += more;
                }
                (_, line) => lines.push(line),
            }
        }
    }
    Ok(())
}

fn line(extent: &Extent) -> Line {
    let place = match extent {
        Extent::Memory(_) => Place::Memory,
        Extent::Source { source, range } if source.as_file().is_some() => {
            Place::File(range.clone())
        }
        Extent::Source { range, .. } => Place::Computed(range.clone()),
    };
    Line { length: extent.len(), place }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures::FutureExt as _;

    use super::*;

    fn layout_now(extents: &Extents, from: u64) -> String {
        layout(extents, from).now_or_never().expect("no wait").expect("no read")
    }

    #[test]
    fn each_extent_has_its_line_behind_the_totals() {
        let mut extents = Extents::default();
        for part in ["abc", "de"] {
            extents.push(Extent::Memory(Bytes::from_static(part.as_bytes()))).expect("a part");
        }
        let text = layout_now(&extents, 0);
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let lines: Vec<Vec<String>> = text.lines().map(words).collect();
        assert_eq!(lines[0], ["extents", "2"]);
        assert_eq!(lines[1], ["bytes", "5"]);
        assert_eq!(lines[2], ["average", "2"]);
        assert_eq!(lines[3], ["memory", "5"]);
        assert_eq!(lines[7], ["offset", "length", "from"]);
        assert_eq!(lines[8], ["0", "3", "memory"]);
        assert_eq!(lines[9], ["3", "2", "memory"]);
        assert_eq!(lines.len(), 10);
        assert!(
            layout_now(&extents, 4).ends_with("from\n               4               1  memory\n")
        );
    }

    #[test]
    fn a_long_list_is_cut_and_continues_at_a_byte() {
        let mut extents = Extents::default();
        for _ in 0..2 * LINES_MAX + 1 {
            extents.push(Extent::Memory(Bytes::from_static(b"xy"))).expect("a part");
        }
        let text = layout_now(&extents, 0);
        assert!(
            text.ends_with("\n1000 extents are listed; the next: ?layout&from=2000\n"),
            "{text}"
        );
        assert_eq!(text.lines().count(), 8 + LINES_MAX + 2);
        let text = layout_now(&extents, 2000);
        assert!(text.ends_with("from=4000\n"), "{text}");
        let text = layout_now(&extents, 4000);
        assert!(text.ends_with("            4000               2  memory\n"), "{text}");
        assert_eq!(layout_now(&extents, 5000).lines().count(), 8);
    }

    #[test]
    fn an_empty_content_has_a_layout_too() {
        let text = layout_now(&Extents::default(), 0);
        assert_eq!(text.lines().count(), 8);
        assert!(text.lines().take(6).all(|line| line.ends_with(" 0")), "{text}");
    }
}
