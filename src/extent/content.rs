//! Extents in order, and what must be known about them before the first byte leaves.

use std::{fmt, ops::Range, sync::Arc, time::SystemTime};

use bytes::Bytes;

use super::Source;

/// A run of bytes: in memory, or a half-open range of a source.
#[derive(Clone, Debug)]
pub enum Extent {
    /// Bytes that are here already.
    Memory(Bytes),
    /// Bytes of a source, read when they are asked for.
    Source {
        /// Where they come from.
        source: Arc<dyn Source>,
        /// Which of the source's bytes.
        range: Range<u64>,
    },
}

impl Extent {
    /// All of a source.
    pub fn whole(source: Arc<dyn Source>) -> Self {
        let range = 0..source.len();
        Self::Source { source, range }
    }

    /// The length in bytes.
    pub fn len(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::Source { range, .. } => range.end - range.start,
        }
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The part of this extent that `within` (relative to its own start) names.
    fn cut(&self, within: Range<u64>) -> Self {
        match self {
            Self::Memory(bytes) => {
                let at = |offset| usize::try_from(offset).expect("an offset inside memory");
                Self::Memory(bytes.slice(at(within.start)..at(within.end)))
            }
            Self::Source { source, range } => Self::Source {
                source: Arc::clone(source),
                range: range.start + within.start..range.start + within.end,
            },
        }
    }
}

/// Why an extent was not taken into a list.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ExtentRefused {
    /// Empty extents would make two ends equal, and cutting ambiguous.
    #[error("an extent must not be empty")]
    Empty,
    /// The range lies outside its source, or ends before it starts.
    #[error("an extent must lie inside its source")]
    Outside,
    /// The list would be longer than 2^63 - 1 bytes, the most that an offset can say.
    #[error("a content must not be longer than 2^63-1 bytes")]
    TooLong,
}

/// Extents in order, as one run of bytes from 0 to [`len`](Extents::len).
///
/// Only the *end* of each part is kept; its start is the end before it. Gaps and overlaps cannot be
/// expressed. A clone is the same list: that of a long film can have a hundred thousand parts.
#[derive(Clone, Debug, Default)]
pub struct Extents {
    parts: Arc<Vec<Part>>,
}

#[derive(Clone, Debug)]
struct Part {
    end: u64,
    extent: Extent,
}

impl From<Extent> for Extents {
    /// A list of one extent; an empty extent gives an empty list.
    fn from(extent: Extent) -> Self {
        let mut list = Self::default();
        match list.push(extent) {
            Ok(()) | Err(ExtentRefused::Empty) => list,
            Err(refused) => unreachable!("one extent by itself: {refused}"),
        }
    }
}

impl Extents {
    /// Appends an extent.
    pub fn push(&mut self, extent: Extent) -> Result<(), ExtentRefused> {
        if let Extent::Source { source, range } = &extent
            && (range.start > range.end || range.end > source.len())
        {
            return Err(ExtentRefused::Outside);
        }
        if extent.is_empty() {
            return Err(ExtentRefused::Empty);
        }
        let end = self.len().checked_add(extent.len()).filter(|&end| i64::try_from(end).is_ok());
        let end = end.ok_or(ExtentRefused::TooLong)?;
        Arc::make_mut(&mut self.parts).push(Part { end, extent });
        Ok(())
    }

    /// Appends all extents of another list.
    pub fn append(&mut self, other: Self) -> Result<(), ExtentRefused> {
        other.into_extents().try_for_each(|extent| self.push(extent))
    }

    /// The length in bytes.
    pub fn len(&self) -> u64 {
        self.parts.last().map_or(0, |part| part.end)
    }

    /// Whether there is no byte in the list.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// The extents in order.
    pub fn iter(&self) -> impl Iterator<Item = &Extent> {
        self.parts.iter().map(|part| &part.extent)
    }

    /// One of the extents, by its place.
    pub fn get(&self, place: usize) -> Option<&Extent> {
        self.parts.get(place).map(|part| &part.extent)
    }

    /// The extents in order, to keep.
    pub fn into_extents(self) -> impl DoubleEndedIterator<Item = Extent> {
        Arc::unwrap_or_clone(self.parts).into_iter().map(|part| part.extent)
    }

    /// The extents that make up `range`, cut to it. What lies past the end is left out.
    pub fn slice(&self, range: Range<u64>) -> Self {
        let first = self.parts.partition_point(|part| part.end <= range.start);
        let mut start = first.checked_sub(1).map_or(0, |before| self.parts[before].end);
        let mut cut = Vec::new();
        let mut end = 0;
        for part in &self.parts[first..] {
            let within = range.start.max(start)..range.end.min(part.end);
            if within.is_empty() {
                break;
            }
            end += within.end - within.start;
            let extent = part.extent.cut(within.start - start..within.end - start);
            cut.push(Part { end, extent });
            start = part.end;
        }
        Self { parts: Arc::new(cut) }
    }

    /// About how many bytes the list itself takes in memory, with those that are in it.
    pub fn bytes_in_memory(&self) -> usize {
        let held = self.iter().map(|extent| match extent {
            Extent::Memory(bytes) => bytes.len(),
            Extent::Source { .. } => 0,
        });
        self.parts.capacity() * size_of::<Part>() + held.sum::<usize>()
    }
}

/// A strong validator (RFC 9110 section 8.8.3), quotes included: `"5f0c…"`.
///
/// Equal validators mean equal bytes, on every node and at every time. It is kept as it stands in a
/// header, so that a hot response copies it and no more.
#[derive(Clone, Eq, Hash, PartialEq)]
pub struct Validator(Bytes);

impl Validator {
    /// A validator with this opaque tag. Only letters, digits and `-` are taken, which is more
    /// than enough for hashes and leaves nothing to escape.
    ///
    /// # Panics
    /// If the tag holds anything else: tags are made by code, never from input.
    pub fn new(opaque: &str) -> Self {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        assert!(opaque.bytes().all(plain), "an opaque tag is letters, digits and '-'");
        Self(Bytes::from(format!("\"{opaque}\"")))
    }

    /// The validator of the same representation in another content coding (RFC 9110 section
    /// 8.8.3.3): each coding has its own bytes, so each has its own tag.
    #[must_use]
    pub fn with_coding(&self, coding: &str) -> Self {
        Self::new(&format!("{}-{coding}", self.opaque()))
    }

    /// As it stands in `ETag`, quotes included.
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// What stands between the quotes.
    pub fn opaque(&self) -> &str {
        std::str::from_utf8(&self.0[1..self.0.len() - 1]).expect("a tag is ASCII by construction")
    }
}

impl fmt::Debug for Validator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.0).expect("a tag is ASCII by construction"))
    }
}

/// How long others may keep a content, as a class; `http::respond` puts it into seconds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Caching {
    /// A file under its own name, which may be replaced: short, then ask again by validator.
    File,
    /// A part of the page that may change with the next version of Headwater: ask every time.
    Revalidate,
    /// What was made of one version of a file and has that version in its name: for ever.
    Immutable,
    /// A manifest under its title's name: minutes in shared caches, not at all in players.
    Manifest,
    /// A fact of this moment, such as a list or a health check.
    NoStore,
}

/// Extents with everything that HTTP must say about them before the first byte.
#[derive(Clone, Debug)]
pub struct Content {
    /// The bytes.
    pub extents: Extents,
    /// Names the bytes; `None` for what is never asked for in parts.
    pub validator: Option<Validator>,
    /// When the bytes were last changed, if that is known.
    pub last_modified: Option<SystemTime>,
    /// The media type, parameters included.
    pub media_type: &'static str,
    /// Who may keep it, and how long.
    pub caching: Caching,
}

impl Content {
    /// The length in bytes.
    pub fn len(&self) -> u64 {
        self.extents.len()
    }

    /// Whether there is no byte in it.
    pub fn is_empty(&self) -> bool {
        self.extents.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(parts: &[&'static str]) -> Extents {
        let mut list = Extents::default();
        for part in parts {
            list.push(Extent::Memory(Bytes::from_static(part.as_bytes()))).expect("a part");
        }
        list
    }

    fn text(list: &Extents) -> String {
        list.iter()
            .map(|extent| match extent {
                Extent::Memory(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                Extent::Source { .. } => unreachable!("only memory here"),
            })
            .collect::<Vec<_>>()
            .join("|")
    }

    #[test]
    fn a_slice_is_cut_at_both_ends_and_keeps_the_seams() {
        let list = memory(&["abc", "de", "fghi"]);
        assert_eq!(list.len(), 9);
        for (range, expected) in [
            (0..9, "abc|de|fghi"),
            (0..3, "abc"),
            (3..5, "de"),
            (1..6, "bc|de|f"),
            (8..9, "i"),
            (4..4, ""),
            (5..100, "fghi"),
            (9..12, ""),
        ] {
            let cut = list.slice(range.clone());
            assert_eq!(text(&cut), expected, "{range:?}");
            assert_eq!(cut.len(), expected.replace('|', "").len() as u64, "{range:?}");
        }
    }

    #[test]
    fn an_empty_extent_is_refused_and_changes_nothing() {
        let mut list = memory(&["abc"]);
        assert_eq!(list.push(Extent::Memory(Bytes::new())), Err(ExtentRefused::Empty));
        assert_eq!(list.len(), 3);
        assert!(Extents::from(Extent::Memory(Bytes::new())).is_empty());
    }

    #[test]
    fn a_coding_has_a_validator_of_its_own() {
        let plain = Validator::new("00ff");
        assert_eq!(plain.as_bytes(), "\"00ff\"");
        assert_eq!(plain.with_coding("gzip").as_bytes(), "\"00ff-gzip\"");
    }
}
