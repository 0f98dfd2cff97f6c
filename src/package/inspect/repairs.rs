//! What is put right while a movie is sent.

use super::{
    report::{Place, Repair},
    survey::Survey,
    track,
};
use crate::{movie::Movie, package::title::Offered};

/// Everything that differs in what is sent from what is in the file, but for the form itself.
pub(super) fn of(
    movie: &Movie,
    place: Place,
    surveys: &[Survey],
    offered: &[Offered],
) -> Vec<Repair> {
    let mut repairs = Vec::new();
    let mut whole = |what: String| repairs.push(Repair { track: None, what });
    if place == Place::End {
        whole("the index (moov) stands in front in play.mp4".to_owned());
    }
    // What is encrypted is not cut out of its fragments.
    let is_clear = movie.tracks.iter().all(|track| track.entry.encryption.is_none());
    if movie.fragments > 0 && is_clear {
        let fragments = match movie.fragments {
            1 => "the fragment becomes".to_owned(),
            fragments => format!("{fragments} fragments become"),
        };
        whole(format!("{fragments} one MP4 with one index in play.mp4"));
    }
    for (number, (of, survey)) in movie.tracks.iter().zip(surveys).enumerate() {
        let mut repair = |what: String| repairs.push(Repair { track: Some(of.id), what });
        of.entry.repairs.iter().for_each(|repaired| repair(repaired.to_string()));
        if of.index.raise > 0 {
            repair(
                "negative composition offsets are raised, and an edit takes that off again"
                    .to_owned(),
            );
        }
        let is_offered = offered.iter().any(|offered| offered.place == number);
        if is_offered && of.timeline.from > 0 {
            repair(
                "the empty edit in front becomes a later first decoding time in segments"
                    .to_owned(),
            );
        }
        if is_offered && track::hidden(of, survey) > 0 {
            repair("the edit list becomes one edit without end in the init segment".to_owned());
        }
    }
    repairs
}
