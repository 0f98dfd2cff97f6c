//! Repairs: what Headwater fixes while it streams a movie.

use super::{
    report::{Place, Repair},
    survey::Survey,
    track::hidden_ticks,
};
use crate::{
    movie::Movie,
    package::{faststart::becomes_mp4, title::Offered},
};

/// All differences between the file and its streams, apart from the container format.
pub(super) fn repairs(
    movie: &Movie,
    place: Place,
    surveys: &[Survey],
    offered: &[Offered],
) -> Vec<Repair> {
    let mut repairs = Vec::new();
    let mut whole = |what: String| repairs.push(Repair { track: None, what });
    if place == Place::End {
        whole("the index (moov) moves to the front of play.mp4".to_owned());
    }
    if becomes_mp4(movie) {
        whole("the QuickTime movie becomes an MP4 in play.mp4".to_owned());
    }
    // Fragments of encrypted tracks are not merged.
    let is_clear = movie.tracks.iter().all(|track| track.entry.encryption.is_none());
    let fragments = movie.mp4().map_or(0, |mp4| mp4.fragments);
    if fragments > 0 && is_clear {
        let fragments = match fragments {
            1 => "the fragment becomes".to_owned(),
            fragments => format!("{fragments} fragments become"),
        };
        whole(format!("{fragments} one MP4 with one index in play.mp4"));
    }
    if fragments == 0 && movie.needs_new_tables() {
        whole("play.mp4 gets new sample tables".to_owned());
    }
    for (number, (track, survey)) in movie.tracks.iter().zip(surveys).enumerate() {
        let mut repair = |what: String| repairs.push(Repair { track: Some(track.id), what });
        track.entry.repairs.iter().for_each(|repaired| repair(repaired.to_string()));
        if track.index.raise > 0 {
            repair(
                "negative composition offsets become positive, and an edit list compensates"
                    .to_owned(),
            );
        }
        let is_offered = offered.iter().any(|offered| offered.place == number);
        if is_offered && track.timeline.from > 0 {
            repair("segments start at a later decoding time instead of an empty edit".to_owned());
        }
        if is_offered && hidden_ticks(track, survey) > 0 {
            repair("the init segment has one edit without end instead of the edit list".to_owned());
        }
    }
    repairs
}
