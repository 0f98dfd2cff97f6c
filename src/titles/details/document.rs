//! The details of a title as plain data.

use serde::Serialize;

use crate::{
    library::{Facts, MediaPath},
    movie::{
        self, Movie,
        codec::{Media, VideoRange},
    },
    package::{
        bit_rate::BitRate,
        chapters,
        inspect::{self, playable::Playable},
        presentation, stills,
        storyboard::display_size,
        text_track::{self, Description},
        title,
    },
    titles::{assets::TitleAssets, facts, opened::Opened, presentation as titles_presentation},
};

/// The details of a title.
#[derive(Debug, Default, Serialize)]
pub struct Details {
    /// The tracks of the movie, in file order; none until a file in another container is remuxed.
    pub tracks: Vec<Track>,
    /// The chapters.
    pub chapters: Vec<Chapter>,
    /// The video in manifests, the title's own first.
    pub renditions: Vec<Rendition>,
    /// Whether the title plays.
    pub playable: Playable,
    /// The files beside it that it does without.
    pub left_out: Vec<LeftOutFile>,
    /// Length, size and kind.
    #[serde(skip)]
    pub facts: Option<Facts>,
    /// The subtitles.
    #[serde(skip)]
    pub texts: Vec<TextFile>,
    /// Of a set, its leading member.
    #[serde(skip)]
    pub file: Option<MediaPath>,
    /// Whether jobs can render a storyboard.
    #[serde(skip)]
    pub has_storyboard: bool,
}

/// A track.
#[derive(Debug, Serialize)]
pub struct Track {
    id: u32,
    kind: &'static str,
    /// For people, with profile and level.
    codec: String,
    /// RFC 6381.
    codecs: String,
    /// BCP 47.
    language: Option<String>,
    label: Option<String>,
    is_default: bool,
    is_forced: bool,
    is_encrypted: bool,
    /// As displayed.
    width: Option<u32>,
    height: Option<u32>,
    is_hdr: Option<bool>,
    channels: Option<u16>,
    sample_rate_hz: Option<u32>,
}

/// A chapter.
#[derive(Debug, Serialize)]
pub struct Chapter {
    start_s: f64,
    title: String,
}

/// Video in manifests.
#[derive(Debug, Serialize)]
pub struct Rendition {
    /// The short side.
    height: u32,
    /// As in job requests, as far as jobs know the codec.
    codec: String,
    /// RFC 6381.
    codecs: String,
    /// `None` if the file does not tell it.
    average_bits_s: Option<u64>,
    /// Whether it is the title's own video, and not a version of it.
    is_original: bool,
}

/// A file beside a title that the title does without.
#[derive(Debug, Serialize)]
pub struct LeftOutFile {
    /// The decoded path.
    file: String,
    /// Why.
    reason: String,
}

/// Subtitles as one file.
#[derive(Debug)]
pub struct TextFile {
    /// The name in the URL, without the extension.
    pub name: String,
    /// Language, label and flags.
    pub description: Description,
}

impl Details {
    /// The details of a title that does not play; with the reason.
    pub(super) fn unplayable(title: &MediaPath, why: String) -> Self {
        let facts = Some(facts::from_head(title, None));
        Self { playable: Playable::no(why), facts, ..Self::default() }
    }
}

impl TextFile {
    pub(super) fn new(name: String, description: Description) -> Self {
        Self { name, description }
    }
}

impl From<(MediaPath, String)> for LeftOutFile {
    fn from((path, reason): (MediaPath, String)) -> Self {
        Self { file: path.display(), reason }
    }
}

impl From<chapters::Chapter> for Chapter {
    fn from(chapter: chapters::Chapter) -> Self {
        Self { start_s: chapter.start_ms as f64 / 1000.0, title: chapter.title }
    }
}

/// Describes a movie and its assets. `transcoding` is the reason why jobs cannot transcode.
pub(super) fn of_movie(
    opened: &Opened,
    assets: &TitleAssets,
    playable: Playable,
    transcoding: Result<(), String>,
) -> Details {
    let movie = &opened.movie;
    let renditions = renditions(opened, assets);
    let needs_transcoding =
        stills::encoded_video(movie).is_some() && renditions.is_empty() && playable.segments;
    let playable = match transcoding {
        Err(why) if needs_transcoding => {
            let reasons = [playable.reasons, vec![format!("cannot transcode the video: {why}")]];
            Playable { segments: false, reasons: reasons.concat(), ..playable }
        }
        _ => playable,
    };
    Details {
        tracks: tracks(movie, &assets.audio_languages),
        renditions,
        playable,
        facts: Some(facts::from_movie(movie)),
        has_storyboard: assets.storyboard.is_some(),
        ..Details::default()
    }
}

fn tracks(movie: &Movie, audio_languages: &[Option<String>]) -> Vec<Track> {
    let mut original_languages = audio_languages.iter();
    let describe = |(place, track): (usize, &movie::Track)| {
        // MP4 has no more than a code of three letters.
        let original = track.is_audio().then(|| original_languages.next()).flatten();
        let original = original.and_then(|language| language.as_deref().map(title::parse_language));
        Some(Track {
            language: original.or_else(|| title::language(track)),
            ..one_track(movie, place)?
        })
    };
    movie.tracks.iter().enumerate().filter_map(describe).collect()
}

/// A track of video, audio or text; `None` for any other.
fn one_track(movie: &Movie, place: usize) -> Option<Track> {
    let track = &movie.tracks[place];
    let plain = Track {
        id: track.id,
        kind: "text",
        codec: inspect::codec_name(&track.entry),
        codecs: track.entry.codecs.clone(),
        language: None,
        label: track.name.clone(),
        is_default: false,
        is_forced: false,
        is_encrypted: track.entry.encryption.is_some(),
        width: None,
        height: None,
        is_hdr: None,
        channels: None,
        sample_rate_hz: None,
    };
    Some(match &track.entry.media {
        Media::Video(video) => {
            let (width, height) = display_size(track).unzip();
            let is_hdr = Some(video.range != VideoRange::Sdr);
            let is_default = movie.leading_video() == Some(place);
            Track { kind: "video", is_default, width, height, is_hdr, ..plain }
        }
        Media::Audio(audio) => Track {
            kind: "audio",
            is_default: movie.leading_audio() == Some(place),
            channels: Some(audio.channels),
            sample_rate_hz: Some(audio.sample_rate),
            ..plain
        },
        Media::Text => {
            let Description { label, is_default, text, .. } = text_track::describe(movie, place);
            Track { label: Some(label), is_default, is_forced: text.forced, ..plain }
        }
        Media::Other => return None,
    })
}

/// The video in manifests.
fn renditions(opened: &Opened, assets: &TitleAssets) -> Vec<Rendition> {
    let presented = titles_presentation::build(opened, "", assets);
    let own = opened.version.to_string();
    let rendition = |track: &presentation::Track| {
        let video = track.video()?;
        let rate = BitRate::from_track(track);
        let pixels = |side: u32| if side == 0 { None } else { Some(side) };
        Some(Rendition {
            height: pixels(video.width.min(video.height))?,
            codec: codec_word(&track.codecs),
            codecs: track.codecs.clone(),
            average_bits_s: Some(rate.average).filter(|_| rate.average_is_known),
            is_original: track.version == own,
        })
    };
    presented.tracks.iter().filter_map(rendition).collect()
}

/// The codec as in job requests.
fn codec_word(codecs: &str) -> String {
    let begin = codecs.split('.').next().unwrap_or_default();
    match begin {
        "avc1" | "avc3" => "h264",
        "hvc1" | "hev1" | "dvh1" | "dvhe" => "hevc",
        "av01" => "av1",
        "vp09" => "vp9",
        "vp08" => "vp8",
        other => other,
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codecs_have_the_names_of_job_requests() {
        for (codecs, word) in [
            ("avc1.64001f", "h264"),
            ("hvc1.1.6.L93.B0", "hevc"),
            ("av01.0.04M.08", "av1"),
            ("vp09.00.10.08", "vp9"),
            ("mp4v.20.9", "mp4v"),
        ] {
            assert_eq!(codec_word(codecs), word);
        }
    }
}
