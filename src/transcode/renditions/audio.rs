//! AAC for audio that browsers do not play: a movie with one audio track.
//!
//! A rendition has video only, since all share the audio of the title. Where browsers do not play that
//! audio (AC-3, DTS, PCM), they play this movie instead. Encoding a title of two hours takes a minute, so
//! it is one job without chunks.

use std::{ffi::OsString, path::Path};

use super::encode::Arguments;
use crate::movie::{
    Movie, Track,
    codec::{Codec, Media},
};

/// The bit rate of AAC with one or two channels.
pub fn bit_rate(channels: u32) -> u64 {
    if channels == 1 { 96_000 } else { 160_000 }
}

/// Whether all browsers play the audio of a track.
pub fn is_playable(track: &Track) -> bool {
    use Codec::*;
    matches!(track.entry.codec, Aac | HeAac | HeAacV2 | Mp3 | Opus | Flac)
}

/// Whether a track is audio that needs AAC, and can be decoded.
pub fn is_encodable(track: &Track) -> bool {
    track.is_audio() && track.entry.encryption.is_none() && !is_playable(track)
}

/// The audio tracks of a movie that need AAC.
pub fn encodable(movie: &Movie) -> impl Iterator<Item = &Track> {
    movie.tracks.iter().filter(|track| is_encodable(track))
}

/// Whether browsers play none of a movie's audio tracks although one of them can be encoded as AAC.
pub fn is_silent(movie: &Movie) -> bool {
    let is_heard = |track: &Track| track.is_audio() && is_playable(track);
    encodable(movie).next().is_some() && !movie.tracks.iter().any(is_heard)
}

/// The channels of the AAC: one for mono, otherwise two.
pub fn channels(track: &Track) -> u32 {
    match &track.entry.media {
        Media::Audio(audio) if audio.channels == 1 => 1,
        _ => 2,
    }
}

/// ffmpeg's arguments to encode a track of `input` into the file `output`. The output starts when the
/// movie starts, with silence if the audio is late, so that it is in sync with the video of all
/// renditions; gaps become silence, too.
pub fn arguments(input: &Path, track: &Track, output: &str) -> Vec<OsString> {
    let channels = channels(track);
    let mut arguments = Arguments::default();
    arguments.add("-threads", "1");
    arguments.flag("-copyts");
    arguments.input(input);
    arguments.add("-map", &format!("0:i:{}", track.id));
    arguments.add("-map_metadata:g", "-1");
    arguments.add("-map_chapters", "-1");
    arguments.add("-af", "aresample=async=1:first_pts=0");
    arguments.add("-c:a", "aac");
    arguments.add("-ac", &channels.to_string());
    arguments.add("-b:a", &bit_rate(channels).to_string());
    arguments.add("-movflags", "+faststart");
    arguments.add("-f", "mp4");
    arguments.flag(output);
    arguments.0
}
