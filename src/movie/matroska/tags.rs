//! Tags (RFC 9559 section 5.1.8): the sizes of tracks, which mkvmerge counts.

use std::ops::Range;

use super::{
    ebml::{self, children},
    ids,
};
use crate::extent::{ReadAt, ReadError};

/// The longest `Tags`, in bytes.
const BYTES_MAX: u64 = 4 << 20;

/// The most tags that are read.
const TAGS_MAX: usize = 1024;

/// Reads the number of bytes of tracks, by their UID.
pub(super) fn track_bytes<R: ReadAt + ?Sized>(
    source: &R,
    bodies: &[Range<u64>],
) -> Result<Vec<(u64, u64)>, ReadError> {
    let mut sizes = Vec::new();
    for body in bodies {
        let bytes = ebml::read_body(source, body, BYTES_MAX)?.unwrap_or_default();
        let tags = children(&bytes).filter(|(id, _)| *id == ids::TAG);
        sizes.extend(tags.take(TAGS_MAX).filter_map(|(_, tag)| size(tag)));
    }
    Ok(sizes)
}

fn size(tag: &[u8]) -> Option<(u64, u64)> {
    let targets = ebml::find(tag, ids::TARGETS)?;
    let uid = ebml::find_number(targets, ids::TAG_TRACK_UID).filter(|uid| *uid > 0)?;
    let is_bytes = |simple: &&[u8]| {
        ebml::find(simple, ids::TAG_NAME).is_some_and(|name| name.starts_with(b"NUMBER_OF_BYTES"))
    };
    let mut simple = children(tag).filter(|(id, _)| *id == ids::SIMPLE_TAG).map(|(_, body)| body);
    let bytes = ebml::find_text(simple.find(is_bytes)?, ids::TAG_STRING)?;
    Some((uid, bytes.parse().ok()?))
}
