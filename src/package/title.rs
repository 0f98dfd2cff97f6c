//! A movie as a presentation: which tracks are offered, and their names.

use std::sync::Arc;

use super::{
    cues,
    frame_rate::frame_rate,
    presentation::{self, Audio, IFrame, Kind, Presentation, Ratio, Sizes, Video},
    protection, roles, size_bounds, stills,
};
use crate::{
    extent::disk::Version,
    movie::{Movie, Track, codec, languages},
};

/// Version of the packaged bytes. Any change to the bytes must change it, because caches keep packaged
/// resources for ever.
pub const FORMAT_VERSION: u64 = 2;

/// A title starts at its first sample if that is presented at least this late, in microseconds.
const LATE_US: u64 = 500_000;

/// A track that is sent in segments.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Offered {
    /// Folder in URLs: `video-1`, `audio-2`.
    pub folder: String,
    /// Place in the movie.
    pub place: usize,
}

/// The version in URLs of resources that are packaged from a file.
pub fn version(file: Version, grid_ms: u32) -> Version {
    file.with(FORMAT_VERSION).with(u64::from(grid_ms))
}

/// The tracks of a movie that are sent in segments, ordered by kind. Only the leading video track is
/// offered: several video tracks of a movie are not renditions of each other.
pub fn offered(movie: &Movie) -> Vec<Offered> {
    let video = offered_video(movie).map(|place| Offered { folder: "video-1".to_owned(), place });
    let audio = (1..)
        .zip(offered_audio(movie))
        .map(|(number, place): (usize, _)| Offered { folder: format!("audio-{number}"), place });
    video.into_iter().chain(audio).collect()
}

fn is_packageable(movie: &Movie, place: usize) -> bool {
    movie.tracks[place].entry.packageable().is_ok()
}

fn offered_video(movie: &Movie) -> Option<usize> {
    movie.leading_video().filter(|place| is_packageable(movie, *place))
}

fn offered_audio(movie: &Movie) -> impl Iterator<Item = usize> {
    let places = 0..movie.tracks.len();
    places.filter(|place| movie.tracks[*place].is_audio() && is_packageable(movie, *place))
}

/// Number of pixels of the offered video track; 0 without one.
pub fn pixels(movie: &Movie) -> u32 {
    let area = |track: &Track| match &track.entry.media {
        codec::Media::Video(video) => u32::from(video.width) * u32::from(video.height),
        _ => 0,
    };
    find_track(movie, "video-1").map_or(0, area)
}

/// Places of the tracks that can be offered as subtitles.
pub fn text_tracks(movie: &Movie) -> impl Iterator<Item = usize> {
    let tracks = movie.tracks.iter().enumerate();
    tracks.filter(|(_, track)| cues::is_text(track)).map(|(place, _)| place)
}

/// The offered track with a folder.
pub fn find_track<'a>(movie: &'a Movie, folder: &str) -> Option<&'a Track> {
    let place = match folder.split_once('-')? {
        ("video", "1") => offered_video(movie)?,
        ("audio", number) if !number.starts_with(['0', '+']) => {
            offered_audio(movie).nth(number.parse::<usize>().ok()?.checked_sub(1)?)?
        }
        _ => return None,
    };
    movie.tracks.get(place)
}

/// Duration of the offered tracks, or of the video that could be transcoded, in milliseconds.
pub fn duration_ms(movie: &Movie) -> u64 {
    let offered = offered(movie).into_iter().map(|offered| &movie.tracks[offered.place]);
    let ends = offered
        .chain(stills::track(movie))
        .map(|track| presentation::microseconds(track.index.end.unsigned_abs(), track.timescale));
    ends.max().unwrap_or(0) / 1000
}

/// Describes a movie for manifests.
pub fn presentation(movie: &Movie, title: &str, version: Version) -> Presentation {
    let offered = offered(movie);
    let leading_audio = movie.leading_audio();
    let has_caption_track =
        movie.tracks.iter().any(|track| track.entry.codec == codec::Codec::ClosedCaptions);
    let mut tracks: Vec<_> = offered
        .iter()
        .map(|offered| {
            let track = &movie.tracks[offered.place];
            let is_default = track.is_video() || leading_audio == Some(offered.place);
            let protection = protection::track_protection(movie, track);
            let mut described = describe_track(track, &offered.folder, version, is_default);
            if let Kind::Video(video) = &mut described.kind {
                // Captions in a track of their own are not sent, and nothing is said about them.
                video.captions.is_carried |= has_caption_track;
            }
            presentation::Track { protection, ..described }
        })
        .collect();
    presentation::share_target_duration(&mut tracks);
    let duration_us = presentation::end_us(&tracks);
    let starts_us = tracks.iter().filter_map(|track| {
        let start = track.segments.first()?.start;
        Some(presentation::microseconds(start, track.timescale))
    });
    let start_us = starts_us.min().filter(|start_us| *start_us >= LATE_US);
    Presentation { title: title.to_owned(), duration_us, start_us, tracks, storyboard: None }
}

/// Describes AAC audio that was transcoded from the track at `place`: it has the name, the language
/// and the roles of that track.
pub fn transcoded_audio(
    movie: &Movie,
    place: usize,
    transcoded: presentation::Track,
) -> presentation::Track {
    let track = &movie.tracks[place];
    let offered = offered(movie).into_iter().find(|offered| offered.place == place);
    // A track that is not offered has no folder; its number counts all audio tracks.
    let number = || movie.tracks[..=place].iter().filter(|track| track.is_audio()).count();
    let folder = offered.map_or_else(|| format!("audio-{}", number()), |offered| offered.folder);
    presentation::Track {
        language: language(track),
        label: label(track, &folder),
        is_default: movie.leading_audio() == Some(place),
        roles: roles::roles(track),
        ..transcoded
    }
}

/// Describes a track for manifests, offered or not.
pub(super) fn describe_track(
    track: &Track,
    folder: &str,
    version: Version,
    is_default: bool,
) -> presentation::Track {
    let count = track.index.segments.len();
    let segment = |number: usize| {
        let segment = &track.index.segments[number];
        let end = track.segment_end_time(number).unwrap_or(segment.start);
        presentation::Segment {
            start: segment.start.unsigned_abs(),
            duration: end.abs_diff(segment.start),
            bytes: size_bounds::segment_bytes(track, number),
        }
    };
    let segments: Arc<[_]> = (0..count).map(segment).collect();
    let kind = match &track.entry.media {
        codec::Media::Video(video) => {
            let iframe = |number| IFrame { bytes: size_bounds::iframe_bytes(track, number) };
            let turned = track.shape.map(|shape| shape.turned()).unwrap_or_default();
            let ((width, height), (h_spacing, v_spacing)) = turned;
            let (primaries, matrix) = video.colour.specified();
            Kind::Video(Video {
                width,
                height,
                pixel_aspect: Ratio::new(h_spacing, v_spacing).unwrap_or(Ratio::ONE),
                frame_rate: frame_rate(track),
                range: match video.range {
                    codec::VideoRange::Sdr => presentation::VideoRange::Sdr,
                    codec::VideoRange::Pq => presentation::VideoRange::Pq,
                    codec::VideoRange::Hlg => presentation::VideoRange::Hlg,
                },
                primaries,
                matrix,
                supplemental_codecs: supplemental_codecs(track, video),
                captions: track.captions,
                iframes: (0..count).map(iframe).collect(),
            })
        }
        codec::Media::Audio(audio) => Kind::Audio(Audio {
            channels: audio.channels,
            joint_objects: audio.joc_complexity.map(u16::from),
            sample_rate_hz: audio.sample_rate,
        }),
        _ => Kind::Text(presentation::Text { forced: false, hearing_impaired: false }),
    };
    presentation::Track {
        prefix: String::new(),
        version: version.to_string(),
        folder: folder.to_owned(),
        codecs: track.entry.codecs.clone(),
        timescale: track.timescale,
        language: language(track),
        label: label(track, folder),
        is_default,
        roles: roles::roles(track),
        segments,
        sizes: sizes(track),
        target_duration_min_s: 0,
        protection: None,
        begins: track.index.begins,
        kind,
    }
}

/// How well the index knows the sizes of a track's segments.
fn sizes(track: &Track) -> Sizes {
    if !track.index.measured.is_empty() {
        return Sizes::Exact;
    }
    let (index, timescale) = (&track.index, track.timescale);
    let start = index.segments.first().map_or(0, |first| first.start);
    let duration_us = presentation::microseconds(index.end.abs_diff(start), timescale);
    let bits = u128::from(index.bytes) * 8 * 1_000_000;
    let average = bits.div_ceil(u128::from(duration_us.max(1)));
    Sizes::AtMost { average_bits_s: u64::try_from(average).ok().filter(|average| *average > 0) }
}

/// Language of a track (BCP 47).
pub fn language(track: &Track) -> Option<String> {
    track.language.as_deref().map(parse_language)
}

/// A language as a file has it (`ger`, `por`, `pt-BR`), as a tag (BCP 47).
pub fn parse_language(language: &str) -> String {
    languages::parse_tag(language).unwrap_or_else(|| language.to_owned())
}

/// Name of a track for people: its name, else its language, else its number.
fn label(track: &Track, folder: &str) -> String {
    let name =
        track.name.clone().or_else(|| language(track).map(|tag| languages::native_name(&tag)));
    name.unwrap_or_else(|| match folder.split_once('-') {
        Some(("audio", number)) => format!("Audio {number}"),
        _ => String::new(),
    })
}

/// Dolby Vision codecs of a track with a compatible base layer.
fn supplemental_codecs(track: &Track, video: &codec::Video) -> Option<String> {
    let dolby = video.dolby_vision.as_ref()?;
    let brand = dolby.brand.filter(|_| !track.entry.codecs.starts_with("dv"))?;
    Some(format!("{}/{brand}", dolby.codecs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_depends_on_all_that_changes_the_bytes() {
        let file = Version::default();
        assert_ne!(version(file, 6000), version(file, 4000));
        assert_ne!(version(file, 6000), file);
    }
}
