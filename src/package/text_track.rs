//! The text tracks of a movie as subtitles: their names, their flags, and whether they have text.

use super::{
    cues, presentation,
    roles::{self, Role},
    text::SampleFormat,
    title::{self, text_tracks},
};
use crate::movie::{
    Movie, Track,
    codec::{self, ForcedSamples},
    languages,
};

/// A text track with at most this many bytes of samples may have no visible text: only reading it tells.
const SHORT_BYTES: u64 = 4096;

/// The name and the flags of a text track in manifests.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Description {
    /// The language (BCP 47).
    pub language: Option<String>,
    /// The name for people: its own, else that of the language, with the flags.
    pub label: String,
    /// Whether players show it from the start.
    pub is_default: bool,
    /// Its roles.
    pub roles: Vec<Role>,
    /// The flags.
    pub text: presentation::Text,
}

/// What is known about the text of a track without reading it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HasText {
    /// It has text.
    Yes,
    /// All of its samples are gaps.
    No,
    /// The samples have to be read.
    Unknown,
}

/// Describes the text track at a place of the movie.
pub fn describe(movie: &Movie, place: usize) -> Description {
    let track = &movie.tracks[place];
    let roles = roles::roles(track);
    let text = presentation::Text {
        forced: roles.contains(&Role::ForcedSubtitle)
            || codec::forced_samples(&track.entry) == ForcedSamples::All,
        hearing_impaired: roles.contains(&Role::Caption),
    };
    let language = title::language(track);
    let label = label(track.name.as_deref(), language.as_deref(), text);
    Description { language, label, is_default: is_default(movie, place), roles, text }
}

/// The name for people: its own, else that of the language, with the flags.
pub fn label(name: Option<&str>, language: Option<&str>, text: presentation::Text) -> String {
    if let Some(name) = name {
        return name.to_owned();
    }
    let flags = match (text.hearing_impaired, text.forced) {
        (true, true) => "SDH, forced",
        (true, false) => "SDH",
        (false, true) => "forced",
        (false, false) => "",
    };
    let name = language.map(languages::native_name);
    with_flags(name.as_deref().unwrap_or("Subtitles"), flags)
}

/// Whether the track is the first enabled one of the text tracks. A flag that all of them share says nothing:
/// some muxers enable every track, and others none.
fn is_default(movie: &Movie, place: usize) -> bool {
    let is_enabled = |place: &usize| movie.tracks[*place].is_enabled;
    let are_different = text_tracks(movie).any(|other| is_enabled(&other) != is_enabled(&place));
    are_different && text_tracks(movie).find(is_enabled) == Some(place)
}

/// A name with flags in parentheses. If it has some of its own, the flags go into them.
fn with_flags(name: &str, flags: &str) -> String {
    match name.strip_suffix(')') {
        _ if flags.is_empty() => name.to_owned(),
        Some(open) => format!("{open}, {flags})"),
        None => format!("{name} ({flags})"),
    }
}

/// Whether a text track has text, by the sizes of its samples.
pub fn has_text(track: &Track) -> HasText {
    if let Some(blocks) = track.text_blocks() {
        // Reading them takes a read for each.
        return if blocks.are_few { HasText::Unknown } else { HasText::Yes };
    }
    let gap_bytes: u64 = match cues::format(track) {
        // A length of zero.
        Some(SampleFormat::Tx3g | SampleFormat::QuickTimeText) => 2,
        // An empty box `vtte`.
        Some(SampleFormat::Wvtt) => 8,
        None => return HasText::No,
    };
    let samples = u64::from(track.sample_count().unwrap_or(0));
    match track.index.bytes {
        bytes if bytes <= samples.saturating_mul(gap_bytes) => HasText::No,
        bytes if bytes <= SHORT_BYTES => HasText::Unknown,
        _ => HasText::Yes,
    }
}
