//! Chapters (RFC 9559 section 5.1.7): those of the edition that plays by default, without nested ones. Ordered and
//! linked editions, which play parts of files in another order, are read as if they were plain.

use std::ops::Range;

use super::ebml::{self, children, find, find_number, find_text};
use crate::extent::{ReadAt, ReadError};

/// The longest list that is read, in bytes.
const BYTES_MAX: u64 = 1 << 20;

/// The most chapters; later ones are ignored.
const CHAPTERS_MAX: usize = 1000;

const EDITION_ENTRY: u32 = 0x45B9;
const EDITION_FLAG_DEFAULT: u32 = 0x45DB;
const CHAPTER_ATOM: u32 = 0xB6;
const CHAPTER_TIME_START: u32 = 0x91;
const CHAPTER_FLAG_HIDDEN: u32 = 0x98;
const CHAPTER_DISPLAY: u32 = 0x80;
const CHAP_STRING: u32 = 0x85;

/// The start of each chapter in milliseconds, and its title; without those that have none.
pub(super) fn read<R: ReadAt + ?Sized>(
    source: &R,
    bodies: &[Range<u64>],
) -> Result<Vec<(u64, String)>, ReadError> {
    for body in bodies {
        if let Some(body) = ebml::read_body(source, body, BYTES_MAX)? {
            let chapters = parse(&body);
            if !chapters.is_empty() {
                return Ok(chapters);
            }
        }
    }
    Ok(Vec::new())
}

fn parse(body: &[u8]) -> Vec<(u64, String)> {
    let editions = || children(body).filter(|(id, _)| *id == EDITION_ENTRY).map(|(_, body)| body);
    let is_default = |edition: &&[u8]| find_number(edition, EDITION_FLAG_DEFAULT) == Some(1);
    let Some(edition) = editions().find(is_default).or_else(|| editions().next()) else {
        return Vec::new();
    };
    let atoms = children(edition).filter(|(id, _)| *id == CHAPTER_ATOM);
    atoms.filter_map(|(_, atom)| chapter(atom)).take(CHAPTERS_MAX).collect()
}

fn chapter(atom: &[u8]) -> Option<(u64, String)> {
    let start_ms = find_number(atom, CHAPTER_TIME_START)? / 1_000_000;
    let title = find_text(find(atom, CHAPTER_DISPLAY)?, CHAP_STRING)?;
    let is_shown = find_number(atom, CHAPTER_FLAG_HIDDEN) != Some(1) && !title.trim().is_empty();
    is_shown.then(|| (start_ms, title.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An element with a size of two bytes.
    fn element(id: u32, body: &[u8]) -> Vec<u8> {
        let id = id.to_be_bytes();
        let first = id.iter().position(|byte| *byte != 0).expect("an identifier");
        let size = 0x4000 | u16::try_from(body.len()).expect("a short body");
        [&id[first..], &size.to_be_bytes(), body].concat()
    }

    fn atom(start_ms: u64, title: &str, more: &[u8]) -> Vec<u8> {
        let start = element(CHAPTER_TIME_START, &(start_ms * 1_000_000).to_be_bytes());
        let display = element(CHAPTER_DISPLAY, &element(CHAP_STRING, title.as_bytes()));
        element(CHAPTER_ATOM, &[&start, &display[..], more].concat())
    }

    fn edition(is_default: u8, atoms: &[Vec<u8>]) -> Vec<u8> {
        let flag = element(EDITION_FLAG_DEFAULT, &[is_default]);
        element(EDITION_ENTRY, &[flag, atoms.concat()].concat())
    }

    #[test]
    fn chapters_are_those_of_the_default_edition() {
        let nested = atom(5, "nested", b"");
        let hidden = element(CHAPTER_FLAG_HIDDEN, &[1]);
        let atoms = [
            atom(0, "One", &nested),
            atom(61_500, " Two & more ", b""),
            atom(70_000, "hidden", &hidden),
            atom(80_000, "", b""),
        ];
        let body = [edition(0, &[atom(1, "other", b"")]), edition(1, &atoms)].concat();
        let expected = [(0, "One".to_owned()), (61_500, "Two & more".to_owned())];
        assert_eq!(parse(&body), expected);
        assert_eq!(read(&body[..], &[0..body.len() as u64]).expect("in memory"), expected);
        assert_eq!(parse(&edition(0, &atoms)), expected, "the only edition");
        for cut in 0..body.len() {
            parse(&body[..cut]);
        }
        let beyond = 0..body.len() as u64 + 1;
        assert!(read(&body[..], &[beyond]).expect("in memory").is_empty());
    }
}
