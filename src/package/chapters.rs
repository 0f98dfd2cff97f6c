//! A movie's chapters: where each begins, and what it is called.

use std::ops::Range;

use super::{
    cues,
    text::{Cue, Subtitles},
};
use crate::{
    extent::{ReadAt, ReadError},
    movie::{Chapters, Movie, Track},
};

/// The longest list that is read, in bytes: 255 chapters, which is as many as it can tell of.
const LIST_BYTES_MAX: u64 = 128 * 1024;

/// Ticks of `chpl` in a millisecond.
const LIST_TICKS_PER_MS: u64 = 10_000;

/// One chapter; it lasts until the next begins.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Chapter {
    /// When it begins in the movie's presentation.
    pub start_ms: u64,
    /// What it is called.
    pub title: String,
}

/// Reads a movie's chapters, in order; none if it has none.
pub fn read<R: ReadAt + ?Sized>(movie: &Movie, reader: &R) -> Result<Vec<Chapter>, ReadError> {
    let mut chapters = match &movie.chapters {
        None => Vec::new(),
        Some(Chapters::Track(track)) => in_track(track, reader)?,
        Some(Chapters::List(list)) => in_list(list, reader)?,
    };
    chapters.sort_by_key(|chapter| chapter.start_ms);
    Ok(chapters)
}

/// Chapters as WebVTT knows them (section 1.3): a cue for each, so that a `<track kind="chapters">` of a
/// movie that lasts so long can show them.
pub fn cues(chapters: &[Chapter], duration_ms: u64) -> Subtitles {
    let ends = chapters.iter().skip(1).map(|next| next.start_ms);
    let ends = ends.chain([duration_ms]);
    let cue = |(chapter, end_ms): (&Chapter, u64)| Cue {
        start_ms: chapter.start_ms,
        end_ms,
        id: None,
        settings: String::new(),
        text: escaped(&chapter.title),
    };
    Subtitles::new(Vec::new(), chapters.iter().zip(ends).map(cue).collect())
}

fn in_track<R: ReadAt + ?Sized>(track: &Track, reader: &R) -> Result<Vec<Chapter>, ReadError> {
    let cues = cues::read(track, reader)?;
    let chapter = |cue: &Cue| Chapter { start_ms: cue.start_ms, title: plain(&cue.text) };
    Ok(cues.cues().iter().map(chapter).filter(|chapter| !chapter.title.is_empty()).collect())
}

/// What is in a `chpl`: a version and flags, four bytes in version 1, a count of a byte, then for each a
/// time in units of 100 ns and a title with its length before it.
fn in_list<R: ReadAt + ?Sized>(list: &Range<u64>, reader: &R) -> Result<Vec<Chapter>, ReadError> {
    let length = (list.end - list.start).min(LIST_BYTES_MAX);
    let mut bytes = vec![0; usize::try_from(length).expect("some KiB")];
    reader.read_exact_at(list.start, &mut bytes)?;
    Ok(listed(&bytes))
}

/// Reads as many chapters as there are.
fn listed(list: &[u8]) -> Vec<Chapter> {
    let Some((&[version, ..], rest)) = list.split_first_chunk::<4>() else {
        return Vec::new();
    };
    let rest = rest.get(if version == 0 { 0 } else { 4 }..).unwrap_or_default();
    let Some((&count, mut rest)) = rest.split_first() else {
        return Vec::new();
    };
    let mut chapters = Vec::new();
    for _ in 0..count {
        let Some((time, behind)) = rest.split_first_chunk::<8>() else {
            break;
        };
        let Some((title, behind)) = behind
            .split_first()
            .and_then(|(&length, behind)| behind.split_at_checked(usize::from(length)))
        else {
            break;
        };
        rest = behind;
        let title = String::from_utf8_lossy(title).trim().to_owned();
        if !title.is_empty() {
            let start_ms = u64::from_be_bytes(*time) / LIST_TICKS_PER_MS;
            chapters.push(Chapter { start_ms, title });
        }
    }
    chapters
}

/// The text of a cue without what is only for showing it.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut is_tag = false;
    for letter in text.chars() {
        match letter {
            '<' => is_tag = true,
            '>' if is_tag => is_tag = false,
            _ if is_tag => {}
            '\n' => plain.push(' '),
            _ => plain.push(letter),
        }
    }
    let named = [("&lt;", "<"), ("&gt;", ">"), ("&nbsp;", "\u{a0}"), ("&amp;", "&")];
    let plain = named.iter().fold(plain, |plain, (name, letter)| plain.replace(name, letter));
    plain.trim().to_owned()
}

/// A title as the text of a cue.
fn escaped(title: &str) -> String {
    let one_line = title.replace(['\r', '\n'], " ");
    one_line.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(version: u8, chapters: &[(u64, &str)]) -> Vec<u8> {
        let mut list = vec![version, 0, 0, 0];
        list.extend(if version == 0 { &[][..] } else { &[0; 4] });
        list.push(u8::try_from(chapters.len()).expect("a few"));
        for (start_ms, title) in chapters {
            list.extend((start_ms * LIST_TICKS_PER_MS).to_be_bytes());
            list.push(u8::try_from(title.len()).expect("short"));
            list.extend(title.as_bytes());
        }
        list
    }

    #[test]
    fn a_list_is_read_as_far_as_it_goes() {
        let chapters = [(0, "One"), (61_500, "Two & more")];
        let expected: Vec<_> = chapters
            .iter()
            .map(|(start_ms, title)| Chapter { start_ms: *start_ms, title: (*title).to_owned() })
            .collect();
        for version in [0, 1] {
            let list = list(version, &chapters);
            assert_eq!(listed(&list), expected);
            for cut in 0..list.len() {
                assert!(expected.starts_with(&listed(&list[..cut])), "cut at {cut}");
            }
        }
    }

    #[test]
    fn a_title_stays_what_it_is_as_a_cue() {
        for title in ["a < b && c > d", "&lt;", "<i>"] {
            assert_eq!(plain(&escaped(title)), title);
        }
    }

    #[test]
    fn each_chapter_lasts_until_the_next() {
        let chapter = |start_ms| Chapter { start_ms, title: "x".to_owned() };
        let cues = cues(&[chapter(0), chapter(5), chapter(5), chapter(20)], 10);
        let times: Vec<_> = cues.cues().iter().map(|cue| (cue.start_ms, cue.end_ms)).collect();
        assert_eq!(times, [(0, 5), (5, 20)]);
    }
}
