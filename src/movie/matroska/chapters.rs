//! Chapters (RFC 9559 section 5.1.7): the first default edition, without what is nested in it.

use std::ops::Range;

use super::{
    ebml::{self, children},
    ids,
};
use crate::extent::{ReadAt, ReadError};

/// The longest `Chapters`, in bytes.
const BYTES_MAX: u64 = 1 << 20;

/// The most chapters, and the longest title, in bytes.
const CHAPTERS_MAX: usize = 4096;
const TITLE_BYTES_MAX: usize = 512;

/// Reads the chapters in these bodies: time of the start in milliseconds, and title.
pub(super) fn read<R: ReadAt + ?Sized>(
    source: &R,
    bodies: &[Range<u64>],
) -> Result<Vec<(u64, String)>, ReadError> {
    for body in bodies {
        if let Some(bytes) = ebml::read_body(source, body, BYTES_MAX)? {
            let chapters = parse(&bytes);
            if !chapters.is_empty() {
                return Ok(chapters);
            }
        }
    }
    Ok(Vec::new())
}

fn parse(body: &[u8]) -> Vec<(u64, String)> {
    let flag = |edition: &[u8], id| ebml::find_number(edition, id) == Some(1);
    let editions = children(body).filter(|(id, _)| *id == ids::EDITION_ENTRY);
    let shown = editions
        .map(|(_, edition)| edition)
        .filter(|edition| !flag(edition, ids::EDITION_FLAG_HIDDEN));
    // The first of several that are equal.
    let Some(edition) = shown.min_by_key(|edition| !flag(edition, ids::EDITION_FLAG_DEFAULT))
    else {
        return Vec::new();
    };
    let atoms = children(edition).filter(|(id, _)| *id == ids::CHAPTER_ATOM);
    let mut chapters: Vec<_> =
        atoms.take(CHAPTERS_MAX).filter_map(|(_, atom)| chapter(atom)).collect();
    chapters.sort_by_key(|(start_ms, _)| *start_ms);
    chapters
}

fn chapter(atom: &[u8]) -> Option<(u64, String)> {
    let is_hidden = ebml::find_number(atom, ids::CHAPTER_FLAG_HIDDEN) == Some(1);
    let is_enabled = ebml::find_number(atom, ids::CHAPTER_FLAG_ENABLED) != Some(0);
    if is_hidden || !is_enabled {
        return None;
    }
    let start_ns = ebml::find_number(atom, ids::CHAPTER_TIME_START)?;
    let display = ebml::find(atom, ids::CHAPTER_DISPLAY).unwrap_or_default();
    let mut title = ebml::find_text(display, ids::CHAPTER_STRING).unwrap_or_default();
    let mut end = title.len().min(TITLE_BYTES_MAX);
    while !title.is_char_boundary(end) {
        end -= 1;
    }
    title.truncate(end);
    Some((start_ns / 1_000_000, title))
}
