//! Sound that browsers do not play, as AAC beside the film: one movie of sound alone.
//!
//! A rendition has pictures only, since all share the sound of the film. Where that is of no use (AC-3,
//! DTS, PCM), this is played instead. It takes a minute for a film, so it is one piece.

use std::{ffi::OsString, path::Path};

use super::encode::Arguments;
use crate::movie::{
    Movie, Track,
    codec::{Codec, Media},
};

/// Bits per second of AAC with so many voices, of which there are one or two.
pub fn bit_rate(channels: u32) -> u64 {
    if channels == 1 { 96_000 } else { 160_000 }
}

/// Whether all browsers play a track's sound, so that nothing is to be done.
pub fn is_playable(track: &Track) -> bool {
    use Codec::*;
    matches!(track.entry.codec, Aac | HeAac | HeAacV2 | Mp3 | Opus | Flac)
}

/// Whether a track is sound that AAC can be made of.
pub fn is_encodable(track: &Track) -> bool {
    track.is_audio() && track.entry.encryption.is_none() && !is_playable(track)
}

/// The sounds of a movie that AAC is to be made of so that browsers play them.
pub fn encodable(movie: &Movie) -> impl Iterator<Item = &Track> {
    movie.tracks.iter().filter(|track| is_encodable(track))
}

/// Whether nothing of a movie would be heard in a browser, although there is something to hear.
pub fn is_silent(movie: &Movie) -> bool {
    let is_heard = |track: &Track| track.is_audio() && is_playable(track);
    encodable(movie).next().is_some() && !movie.tracks.iter().any(is_heard)
}

/// How many voices of a track are kept: one, or two of however many.
pub fn channels(track: &Track) -> u32 {
    match &track.entry.media {
        Media::Audio(audio) if audio.channels == 1 => 1,
        _ => 2,
    }
}

/// The arguments by which ffmpeg makes AAC of a track of the movie `input` in the file `output`. It begins
/// when the movie begins, with silence if the sound is late, so that it is in step with the pictures of
/// all renditions; gaps are silent, too.
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
