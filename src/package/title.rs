//! A movie as a presentation: which tracks are offered, and their names.

use std::sync::Arc;

use super::{
    cmaf, cues,
    frame_rate::frame_rate,
    presentation::{self, Audio, IFrame, Kind, Presentation, Ratio, Video},
    protection, stills,
};
use crate::{
    extent::disk::Version,
    movie::{Movie, Track, codec, languages},
};

/// Version of the packaged bytes. Any change to the bytes must change it, because caches keep packaged
/// resources for ever.
pub const FORMAT_VERSION: u64 = 1;

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

/// The tracks of a movie that are sent in segments, ordered by kind. Only the first video track is
/// offered: several video tracks of a movie are not renditions of each other.
pub fn offered(movie: &Movie) -> Vec<Offered> {
    let is_offered = |track: &&(usize, &Track)| track.1.entry.packageable().is_ok();
    let tracks: Vec<(usize, &Track)> = movie.tracks.iter().enumerate().collect();
    let of_kind = |name: &'static str, is_kind: fn(&Track) -> bool, most: usize| {
        let tracks = tracks.iter().filter(is_offered).filter(move |(_, track)| is_kind(track));
        tracks.take(most).enumerate().map(move |(number, (place, _))| Offered {
            folder: format!("{name}-{}", number + 1),
            place: *place,
        })
    };
    let video = of_kind("video", Track::is_video, 1).collect::<Vec<_>>();
    video.into_iter().chain(of_kind("audio", Track::is_audio, usize::MAX)).collect()
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
    tracks.filter(|(_, track)| cues::format(track).is_some()).map(|(place, _)| place)
}

/// The offered track with a folder.
pub fn find_track<'a>(movie: &'a Movie, folder: &str) -> Option<&'a Track> {
    let (kind, number) = folder.split_once('-')?;
    let is_kind: fn(&Track) -> bool = match kind {
        "video" if number == "1" => Track::is_video,
        "audio" if !number.starts_with(['0', '+']) => Track::is_audio,
        _ => return None,
    };
    let place = number.parse::<usize>().ok()?.checked_sub(1)?;
    let is_offered = |track: &&Track| is_kind(track) && track.entry.packageable().is_ok();
    movie.tracks.iter().filter(is_offered).nth(place)
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
    let mut has_audio = false;
    let mut tracks: Vec<_> = offered
        .iter()
        .map(|offered| {
            let track = &movie.tracks[offered.place];
            let is_default = track.is_video() || !std::mem::replace(&mut has_audio, true);
            let protection = protection::track_protection(movie, track);
            let track = describe_track(track, &offered.folder, version, is_default);
            presentation::Track { protection, ..track }
        })
        .collect();
    presentation::share_target_duration(&mut tracks);
    let ends_us = tracks.iter().filter_map(|track| {
        let end = track.segments.last()?.end();
        Some(presentation::microseconds(end, track.timescale))
    });
    let duration_us = ends_us.max().unwrap_or(0);
    let starts_us = tracks.iter().filter_map(|track| {
        let start = track.segments.first()?.start;
        Some(presentation::microseconds(start, track.timescale))
    });
    let start_us = starts_us.min().filter(|start_us| *start_us >= LATE_US);
    Presentation { title: title.to_owned(), duration_us, start_us, tracks, storyboard: None }
}

/// Describes AAC audio that was transcoded from the track at `place`: it has the name and the language of
/// that track.
pub fn transcoded_audio(
    movie: &Movie,
    place: usize,
    transcoded: presentation::Track,
) -> presentation::Track {
    let track = &movie.tracks[place];
    let offered = offered(movie).into_iter().find(|offered| offered.place == place);
    let is_first = movie.tracks.iter().position(Track::is_audio) == Some(place);
    // A track that is not offered has no folder; its number counts all audio tracks.
    let number = || movie.tracks[..=place].iter().filter(|track| track.is_audio()).count();
    let folder = offered.map_or_else(|| format!("audio-{}", number()), |offered| offered.folder);
    presentation::Track {
        language: language(track),
        label: label(track, &folder),
        is_default: is_first,
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
            bytes: cmaf::segment_len(track, number).unwrap_or(0),
        }
    };
    let segments: Arc<[_]> = (0..count).map(segment).collect();
    let kind = match &track.entry.media {
        codec::Media::Video(video) => {
            let iframe = |number| IFrame { bytes: cmaf::iframe_len(track, number).unwrap_or(0) };
            let size = (u32::from(video.width), u32::from(video.height));
            let pixel = (video.sample_aspect.h_spacing, video.sample_aspect.v_spacing);
            let ((width, height), (h_spacing, v_spacing)) = if track.is_rotated_by_quarter() {
                ((size.1, size.0), (pixel.1, pixel.0))
            } else {
                (size, pixel)
            };
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
                supplemental_codecs: supplemental_codecs(track, video),
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
        segments,
        target_duration_min_s: 0,
        protection: None,
        begins: track.index.segment_start(),
        kind,
    }
}

/// Language of a track (BCP 47).
pub fn language(track: &Track) -> Option<String> {
    let language = track.language.as_ref()?;
    Some(languages::parse_tag(language).unwrap_or_else(|| language.clone()))
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
