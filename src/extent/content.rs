//! Extents in order, with the metadata that a response needs before its first byte.

use std::{fmt, ops::Range, sync::Arc, time::SystemTime};

use bytes::Bytes;

use super::Source;

/// A run of bytes: in memory, or a half-open range of a source.
#[derive(Clone, Debug)]
pub enum Extent {
    /// Bytes in memory.
    Memory(Bytes),
    /// Bytes of a source, read on the way to the socket.
    Source {
        /// The source.
        source: Arc<dyn Source>,
        /// The range within the source.
        range: Range<u64>,
    },
}

impl Extent {
    /// An extent of a whole source.
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

    /// Whether the length is 0.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The part `within` this extent, relative to its own start.
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

/// The error of a list that refuses an extent.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ExtentRefused {
    /// An empty extent, which would give two extents the same end and make slices ambiguous.
    #[error("an extent must not be empty")]
    Empty,
    /// A range outside its source, or one that ends before it starts.
    #[error("an extent must be inside its source")]
    Outside,
    /// A list longer than 2^63 - 1 bytes, the largest offset.
    #[error("a body must not be longer than 2^63-1 bytes")]
    TooLong,
}

/// Extents in order, as one run of bytes from 0 to [`len`](Extents::len).
///
/// A part stores its *end* only; its start is the end of the part before, so gaps and overlaps cannot
/// occur. A clone shares the list: that of a long movie can have a hundred thousand parts.
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
            Err(refused) => unreachable!("one extent: {refused}"),
        }
    }
}

impl Extents {
    /// The memory use of an extent in a list, in bytes in memory beside its own. A list that grows has
    /// space for up to twice its extents.
    pub const EXTENT_BYTES: usize = 2 * size_of::<Part>();

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
        let end = self
            .len()
            .checked_add(extent.len())
            .filter(|&end| i64::try_from(end).is_ok())
            .ok_or(ExtentRefused::TooLong)?;
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

    /// Whether the length is 0.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// The extents in order.
    pub fn iter(&self) -> impl Iterator<Item = &Extent> {
        self.parts.iter().map(|part| &part.extent)
    }

    /// One of the extents, by its index.
    pub fn get(&self, index: usize) -> Option<&Extent> {
        self.parts.get(index).map(|part| &part.extent)
    }

    /// The last of the extents.
    pub fn last(&self) -> Option<&Extent> {
        self.parts.last().map(|part| &part.extent)
    }

    /// The extents in order, by value.
    pub fn into_extents(self) -> impl DoubleEndedIterator<Item = Extent> {
        Arc::unwrap_or_clone(self.parts).into_iter().map(|part| part.extent)
    }

    /// The part of the list within `range`, with its first and last extent cut.
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

    /// The list from extent `index` on, with `front` in place of as many bytes of that extent: a
    /// [virtual source](super::VirtualSource) becomes the extents of its next window, and the rest of it.
    ///
    /// `None` if `front` is empty or longer than the extent.
    pub fn unfold(&self, index: usize, front: Self) -> Option<Self> {
        let folded = self.get(index)?;
        if front.is_empty() || front.len() > folded.len() {
            return None;
        }
        let mut list = front;
        let rest = folded.cut(list.len()..folded.len());
        if !rest.is_empty() {
            list.push(rest).ok()?;
        }
        for part in &self.parts[index + 1..] {
            list.push(part.extent.clone()).ok()?;
        }
        Some(list)
    }

    /// The approximate memory use of the list, its bytes in memory included.
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
/// Equal validators mean equal bytes, on every node and at every time. Stored as the value of the header
/// field, so that a hot response only copies it.
#[derive(Clone, Eq, Hash, PartialEq)]
pub struct Validator(Bytes);

impl Validator {
    /// A validator with this opaque tag of letters, digits and `-`: enough for hashes, without escapes.
    ///
    /// # Panics
    /// If the tag holds another character: tags come from code, never from input.
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

    /// The value of `ETag`, quotes included.
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// The opaque tag, without quotes.
    pub fn opaque(&self) -> &str {
        std::str::from_utf8(&self.0[1..self.0.len() - 1]).expect("a tag is ASCII by construction")
    }
}

impl fmt::Debug for Validator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.0).expect("a tag is ASCII by construction"))
    }
}

/// The class of a content's lifetime in caches; `http::respond` translates it into seconds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Caching {
    /// A file under its own name, which may be replaced: a short time, then revalidation.
    File,
    /// A file of the web page, which may change with the next version of Headwater: revalidation each
    /// time.
    Revalidate,
    /// A result derived from one version of a file, with that version in its URL: for ever.
    Immutable,
    /// A manifest under its title's name: minutes in shared caches, never in players.
    Manifest,
    /// A momentary state, such as a list or a health check: never.
    NoStore,
}

/// Extents with the metadata for the head of a response.
#[derive(Clone, Debug)]
pub struct Content {
    /// The bytes.
    pub extents: Extents,
    /// The validator of the bytes; `None` for content without range requests.
    pub validator: Option<Validator>,
    /// The time of the last change, if known.
    pub last_modified: Option<SystemTime>,
    /// The media type, parameters included.
    pub media_type: &'static str,
    /// The lifetime in caches.
    pub caching: Caching,
}

impl Content {
    /// The length in bytes.
    pub fn len(&self) -> u64 {
        self.extents.len()
    }

    /// Whether the length is 0.
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
    fn an_unfolded_extent_is_replaced_from_its_front() {
        let list = memory(&["abc", "defghi", "jk"]);
        let unfold = |index, front: &[&'static str]| list.unfold(index, memory(front));
        assert_eq!(text(&unfold(1, &["d", "ef"]).expect("a part")), "d|ef|ghi|jk");
        assert_eq!(text(&unfold(1, &["def", "ghi"]).expect("all of it")), "def|ghi|jk");
        assert_eq!(text(&unfold(2, &["j"]).expect("a part")), "j|k");
        for (index, front) in [(1, &[][..]), (1, &["defghij"]), (3, &["x"])] {
            assert!(unfold(index, front).is_none(), "{front:?} for extent {index}");
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
    fn each_content_coding_has_its_own_validator() {
        let plain = Validator::new("00ff");
        assert_eq!(plain.as_bytes(), "\"00ff\"");
        assert_eq!(plain.with_coding("gzip").as_bytes(), "\"00ff-gzip\"");
    }
}
