//! AAC for audio that browsers do not play in segments: a movie with one audio track.
//!
//! A rendition has video only, since all share the audio of the title. Where browsers do not play that
//! audio in segments (AC-3, DTS, PCM; MP3; AAC without a channel configuration), they play this movie
//! instead. Encoding a title of two hours takes a minute, so it is one job without chunks.

use std::{ffi::OsString, path::Path};

use super::encode::Arguments;
use crate::movie::{
    Movie, Track,
    codec::{Media, SegmentAudio},
};

/// The bit rate of AAC with this many channels.
pub fn bit_rate(channels: u32) -> u64 {
    match channels {
        1 => 96_000,
        2 => 160_000,
        _ => 384_000,
    }
}

/// Whether all browsers play the audio of a track in segments.
pub fn is_playable(track: &Track) -> bool {
    track.entry.segment_audio() == Some(SegmentAudio::Plays)
}

/// Whether a track is audio that needs AAC, and can be decoded.
pub fn is_encodable(track: &Track) -> bool {
    track.is_audio() && track.entry.encryption.is_none() && !is_playable(track)
}

/// The audio tracks of a movie that need AAC.
pub fn encodable(movie: &Movie) -> impl Iterator<Item = &Track> {
    movie.tracks.iter().filter(|track| is_encodable(track))
}

/// The audio tracks that get AAC at the first request: all that need it if browsers would play none of the
/// movie's, else those of which CODECS does not tell players that they fail.
pub fn urgent(movie: &Movie) -> impl Iterator<Item = &Track> {
    let is_heard = movie.tracks.iter().any(|track| track.is_audio() && is_playable(track));
    encodable(movie).filter(move |track| {
        !is_heard || track.entry.segment_audio() == Some(SegmentAudio::Misleads)
    })
}

/// The channels of the AAC: one for mono, two for the others. AAC that only lacks a channel configuration
/// keeps 5.1: its AAC takes its place for all players, also for those that play surround.
pub fn channels(track: &Track) -> u32 {
    match &track.entry.media {
        Media::Audio(audio) if audio.channels == 1 => 1,
        Media::Audio(audio) if audio.has_program_config && audio.channels >= 6 => 6,
        _ => 2,
    }
}

/// ffmpeg's name for a number of channels of AAC that has a channel configuration: 5.1 has the back
/// speakers, since 5.1(side) has none.
pub(super) fn layout(channels: u32) -> &'static str {
    match channels {
        1 => "mono",
        2 => "stereo",
        _ => "5.1",
    }
}

/// The track in the file of its movie, as ffmpeg selects a stream.
pub fn stream(movie: &Movie, track: &Track) -> String {
    match movie.audio_place(track) {
        Some(place) => format!("a:{place}"),
        None => format!("i:{}", track.id),
    }
}

/// ffmpeg's arguments to encode a [stream](stream()) of `input` into the file `output`, with so many channels. The
/// output starts when the movie starts, with silence if the audio is late, so that it is in sync with the video of
/// all renditions; gaps become silence, too.
pub fn arguments(input: &Path, stream: &str, channels: u32, output: &str) -> Vec<OsString> {
    let layout = layout(channels);
    let mut arguments = Arguments::default();
    arguments.add("-threads", "1");
    arguments.flag("-copyts");
    arguments.input(input);
    arguments.add("-map", &format!("0:{stream}"));
    arguments.add("-map_metadata:g", "-1");
    arguments.add("-map_chapters", "-1");
    let filters = format!("aresample=async=1:first_pts=0,aformat=channel_layouts={layout}");
    arguments.add("-af", &filters);
    arguments.add("-c:a", "aac");
    arguments.add("-b:a", &bit_rate(channels).to_string());
    arguments.add("-movflags", "+faststart");
    arguments.add("-f", "mp4");
    arguments.flag(output);
    arguments.0
}
