//! Chapters of a movie: start times and titles.

use std::ops::Range;

use super::{
    cues,
    text::{Cue, Subtitles},
};
use crate::{
    extent::{ReadAt, ReadError},
    movie::{Chapters, Movie, Track},
};

/// The longest list that is read, in bytes: 255 chapters, the maximum of the format.
const LIST_BYTES_MAX: u64 = 128 * 1024;

/// Ticks of `chpl` per millisecond.
const LIST_TICKS_PER_MS: u64 = 10_000;

/// A chapter; it ends where the next one begins.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Chapter {
    /// Presentation time of its start.
    pub start_ms: u64,
    /// Title.
    pub title: String,
}

/// Reads the chapters of a movie, in order; empty if it has none.
pub fn read<R: ReadAt + ?Sized>(movie: &Movie, reader: &R) -> Result<Vec<Chapter>, ReadError> {
    let mut chapters = match &movie.chapters {
        None => Vec::new(),
        Some(Chapters::Track(track)) => read_track(track, reader)?,
        Some(Chapters::List(list)) => read_list(list, reader)?,
        Some(Chapters::Known(known)) => {
            known.iter().cloned().map(|(start_ms, title)| Chapter { start_ms, title }).collect()
        }
    };
    chapters.sort_by_key(|chapter| chapter.start_ms);
    Ok(chapters)
}

/// Chapters as WebVTT (section 1.3), one cue each, for `<track kind="chapters">`. `duration_ms` is the
/// duration of the movie.
pub fn cues(chapters: &[Chapter], duration_ms: u64) -> Subtitles {
    let starts = chapters.iter().skip(1).map(|next| next.start_ms);
    let ends = starts.chain([duration_ms]);
    let cue = |(chapter, end_ms): (&Chapter, u64)| Cue {
        start_ms: chapter.start_ms,
        end_ms,
        id: None,
        settings: String::new(),
        text: escape(&chapter.title),
    };
    Subtitles::new(Vec::new(), chapters.iter().zip(ends).map(cue).collect())
}

fn read_track<R: ReadAt + ?Sized>(track: &Track, reader: &R) -> Result<Vec<Chapter>, ReadError> {
    let cues = cues::read(track, reader)?;
    let chapter = |cue: &Cue| Chapter { start_ms: cue.start_ms, title: strip_markup(&cue.text) };
    Ok(cues.cues().iter().map(chapter).filter(|chapter| !chapter.title.is_empty()).collect())
}

/// Reads `chpl`: a version and flags, four bytes in version 1, a count of one byte, then for each chapter
/// a time in units of 100 ns and a title with its length in front.
fn read_list<R: ReadAt + ?Sized>(list: &Range<u64>, reader: &R) -> Result<Vec<Chapter>, ReadError> {
    let length = (list.end - list.start).min(LIST_BYTES_MAX);
    let mut bytes = vec![0; usize::try_from(length).expect("some KiB")];
    reader.read_exact_at(list.start, &mut bytes)?;
    Ok(parse_list(&bytes))
}

/// Parses a list, up to its end or the first incomplete chapter.
fn parse_list(list: &[u8]) -> Vec<Chapter> {
    let Some((&[version, ..], rest)) = list.split_first_chunk::<4>() else {
        return Vec::new();
    };
    let rest = rest.get(if version == 0 { 0 } else { 4 }..).unwrap_or_default();
    let Some((&count, mut rest)) = rest.split_first() else {
        return Vec::new();
    };
    let mut chapters = Vec::new();
    for _ in 0..count {
        let Some((time, after_time)) = rest.split_first_chunk::<8>() else {
            break;
        };
        let Some((title, after_title)) = after_time
            .split_first()
            .and_then(|(&length, after)| after.split_at_checked(usize::from(length)))
        else {
            break;
        };
        rest = after_title;
        let title = String::from_utf8_lossy(title).trim().to_owned();
        if !title.is_empty() {
            let start_ms = u64::from_be_bytes(*time) / LIST_TICKS_PER_MS;
            chapters.push(Chapter { start_ms, title });
        }
    }
    chapters
}

/// The text of a cue without markup.
fn strip_markup(text: &str) -> String {
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

/// Escapes a title for the text of a cue.
fn escape(title: &str) -> String {
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
    fn a_truncated_list_is_parsed_up_to_its_end() {
        let chapters = [(0, "One"), (61_500, "Two & more")];
        let expected: Vec<_> = chapters
            .iter()
            .map(|(start_ms, title)| Chapter { start_ms: *start_ms, title: (*title).to_owned() })
            .collect();
        for version in [0, 1] {
            let list = list(version, &chapters);
            assert_eq!(parse_list(&list), expected);
            for cut in 0..list.len() {
                assert!(expected.starts_with(&parse_list(&list[..cut])), "cut at {cut}");
            }
        }
    }

    #[test]
    fn a_chapter_title_round_trips_through_a_cue() {
        for title in ["a < b && c > d", "&lt;", "<i>"] {
            assert_eq!(strip_markup(&escape(title)), title);
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
