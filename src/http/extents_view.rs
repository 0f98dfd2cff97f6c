//! `?layout`: the extents of a response, as text for people.
//!
//! The list shows the same content that the response would have without `?layout`.

use std::fmt::Write as _;

use super::{Error, Site};
use crate::extent::{Caching, Content, Extent, Extents, Text};

/// The most listed extents; a long movie has hundreds of thousands.
const LINES_MAX: usize = 10_000;

/// The list of a content's extents.
pub async fn view(site: &Site, content: Content) -> Result<Text, Error> {
    let Content { extents, last_modified, .. } = content;
    let lines = site.spawn_blocking_limited(move || layout(&extents)).await?;
    let text = Text::new(lines, "text/plain; charset=utf-8", Caching::Revalidate);
    Ok(Text { last_modified, ..text })
}

/// The extents of a content: totals, then a line for each.
fn layout(extents: &Extents) -> String {
    let (mut count, mut in_memory, mut in_file) = (0_u64, 0, 0);
    for extent in extents.iter() {
        count += 1;
        match extent {
            Extent::Memory(bytes) => in_memory += bytes.len() as u64,
            Extent::Source { source, range } if source.as_file().is_some() => {
                in_file += range.end - range.start;
            }
            Extent::Source { .. } => {}
        }
    }
    let length = extents.len();
    let computed = length.saturating_sub(in_memory).saturating_sub(in_file);
    let average = length.checked_div(count).unwrap_or(0);
    let mut text = String::new();
    for (label, number) in [
        ("extents", count),
        ("bytes", length),
        ("average", average),
        ("memory", in_memory),
        ("file", in_file),
        // Bytes that are computed from the file while they are sent.
        ("computed", computed),
    ] {
        // A write to a string does not fail.
        let _ = writeln!(text, "{label:<12}{number:>20}");
    }
    let _ = writeln!(text, "\n{:>16}{:>16}  from", "offset", "length");
    let mut offset = 0;
    for extent in extents.iter().take(LINES_MAX) {
        let _ = write!(text, "{offset:>16}{:>16}  ", extent.len());
        let _ = match extent {
            Extent::Memory(_) => writeln!(text, "memory"),
            Extent::Source { source, range } if source.as_file().is_some() => {
                writeln!(text, "file {}..{}", range.start, range.end)
            }
            Extent::Source { range, .. } => {
                writeln!(text, "computed {}..{}", range.start, range.end)
            }
        };
        offset += extent.len();
    }
    if count > LINES_MAX as u64 {
        let _ = writeln!(text, "\nonly the first {LINES_MAX} of {count} extents are listed");
    }
    text
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn each_extent_has_its_line_behind_the_totals() {
        let mut extents = Extents::default();
        for part in ["abc", "de"] {
            extents.push(Extent::Memory(Bytes::from_static(part.as_bytes()))).expect("a part");
        }
        let text = layout(&extents);
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
    }

    #[test]
    fn a_long_list_is_cut_with_a_note() {
        let mut extents = Extents::default();
        for _ in 0..LINES_MAX + 1 {
            extents.push(Extent::Memory(Bytes::from_static(b"x"))).expect("a part");
        }
        let text = layout(&extents);
        assert!(text.ends_with("\nonly the first 10000 of 10001 extents are listed\n"), "{text}");
        assert_eq!(text.lines().count(), 8 + LINES_MAX + 2);
    }

    #[test]
    fn an_empty_content_has_a_layout_too() {
        let text = layout(&Extents::default());
        assert_eq!(text.lines().count(), 8);
        assert!(text.lines().take(6).all(|line| line.ends_with(" 0")), "{text}");
    }
}
