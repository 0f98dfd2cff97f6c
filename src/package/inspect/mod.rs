//! Inspection of a file: contents, problems, player support, and fixes while streaming.
//!
//! [`inspect`] reads the top-level boxes and all samples once, and builds a [`Report`]. Routes print the
//! report as JSON, the command line as text. A file that is not a movie has a report, too. Inspection has
//! no effect on responses.

mod boxes;
mod corrections;
mod edits;
pub mod foreign;
mod orientation;
pub mod playable;
mod players;
mod problems;
pub mod remux;
mod repairs;
pub mod report;
mod survey;
#[cfg(test)]
mod tests;
mod texts;
mod track;
mod verdicts;
mod words;

use std::num::NonZeroU32;

pub use self::{
    texts::{add_subtitle_files, subtitle_file},
    words::codec as codec_name,
};

use self::{
    boxes::TopBoxes,
    problems::Problems,
    report::{File, Index, Interleaving, LeftOut, Place, Plays, Report},
    survey::Survey,
    verdicts::MediaTracks,
};
use super::{
    chapters::{self, Chapter},
    presentation,
    title::{self, Offered},
};
use crate::{
    extent::{ReadAt, ReadError, disk::Version},
    movie::{FourCc, Movie, MovieRefused, Mp4},
};

/// Inspects a file. `index` is its index with segments on a grid of `grid_ms`, or the reason why it has
/// none; `version` is the version of the file.
///
/// Takes up to some tenths of a second of CPU for very long movies, and blocks if `source` does.
pub fn inspect<R: ReadAt + ?Sized>(
    source: &R,
    index: Result<&Movie, &MovieRefused>,
    version: Version,
    grid_ms: NonZeroU32,
) -> Result<Report, ReadError> {
    let boxes = TopBoxes::read(source)?;
    let mut left = survey::SAMPLES_MAX;
    let tracks = index.map(|movie| &movie.tracks[..]).unwrap_or_default();
    let surveys: Vec<Survey> = tracks
        .iter()
        .map(|track| Survey::read(track, source, &mut left))
        .collect::<Result<_, _>>()?;
    Ok(match index {
        Ok(movie) => Report {
            chapters: chapters::read(movie, source)?.into_iter().map(chapter).collect(),
            ..movie_report(movie, &boxes, &surveys, source.len(), version, grid_ms)
        },
        Err(refused) => refused_report(refused, &boxes, source.len(), version),
    })
}

/// The file according to its top-level boxes.
fn file(boxes: &TopBoxes, size_bytes: u64, version: Version) -> File {
    let container = match (boxes.container(), boxes.brand) {
        (Some(name), _) => name,
        (None, Some(FourCc([b'q', b't', b' ', b' ']))) => "QuickTime",
        (None, Some(_)) => "MP4",
        // QuickTime is older than brands.
        (None, None) if boxes.find(b"moov").is_some() => "QuickTime",
        (None, None) => "unknown",
    };
    File {
        size_bytes,
        version: version.to_string(),
        streams_version: None,
        container: container.to_owned(),
        brand: boxes.brand.map(|brand| brand.to_string().trim_end().to_owned()),
        index: boxes.index(),
        fragments: 0,
        box_count: boxes.count(),
        boxes: boxes.listed(),
        trailing_bytes: boxes.trailing_bytes,
        interleaving: None,
        average_extent_bytes: None,
    }
}

fn empty(file: File) -> Report {
    Report {
        playable: false,
        reasons: Vec::new(),
        browsers: None,
        file,
        remux: None,
        duration_s: None,
        tracks: Vec::new(),
        subtitle_files: Vec::new(),
        chapters: Vec::new(),
        left_out: Vec::new(),
        repairs: Vec::new(),
        transcodes: Vec::new(),
        players_as_of: players::AS_OF,
        players: Vec::new(),
        problems: Vec::new(),
    }
}

fn refused_report(
    refused: &MovieRefused,
    boxes: &TopBoxes,
    size_bytes: u64,
    version: Version,
) -> Report {
    let mut problems = Problems::default();
    problems.refused(refused, boxes);
    problems.boxes(boxes);
    let left_out = match refused {
        MovieRefused::NoTrack(left_out) | MovieRefused::NotInPlace(left_out) => &left_out[..],
        _ => &[],
    };
    let foreign_ms = boxes.foreign.as_ref().and_then(|foreign| foreign.duration_ms);
    let report = Report {
        reasons: vec![match boxes.container() {
            Some(name) => format!("this is {name}, not MP4 or MOV"),
            None => refused.to_string(),
        }],
        browsers: boxes.foreign.as_ref().map(|foreign| foreign.browsers.clone()),
        duration_s: foreign_ms.map(|ms| ms as f64 / 1000.0),
        left_out: left_out.iter().map(left_out_track).collect(),
        problems: problems.sorted(),
        ..empty(file(boxes, size_bytes, version))
    };
    match (refused, &boxes.foreign) {
        (MovieRefused::NoMovie | MovieRefused::NotInPlace(_), Some(_)) => {
            report.before_remux(&remux::Progress::NotStarted)
        }
        _ => report,
    }
}

fn chapter(chapter: Chapter) -> report::Chapter {
    report::Chapter { start_s: chapter.start_ms as f64 / 1000.0, title: chapter.title }
}

fn left_out_track(left_out: &crate::movie::LeftOut) -> LeftOut {
    LeftOut {
        id: left_out.id,
        handler: left_out.handler.map(|handler| handler.to_string()),
        format: left_out.format.map(|format| format.to_string()),
        why: left_out.why.clone(),
    }
}

fn movie_report(
    movie: &Movie,
    boxes: &TopBoxes,
    surveys: &[Survey],
    size_bytes: u64,
    version: Version,
    grid_ms: NonZeroU32,
) -> Report {
    let streams_version = title::version(version, grid_ms.get());
    let presented = title::presentation(movie, "", streams_version);
    let offered = title::offered(movie);
    let folders = folders(movie, &offered, surveys);
    let mut report = empty(File {
        streams_version: Some(streams_version.to_string()),
        fragments: movie.mp4().map_or(0, |mp4| mp4.fragments),
        index: movie.mp4().map_or_else(|| boxes.index(), index),
        interleaving: interleaving(movie, surveys),
        average_extent_bytes: {
            let bytes: u64 = surveys.iter().map(|survey| survey.bytes).sum();
            bytes.checked_div(surveys.iter().map(|survey| survey.extents).sum())
        },
        ..file(boxes, size_bytes, version)
    });
    report.browsers = boxes.foreign.as_ref().map(|foreign| foreign.browsers.clone());
    let mut problems = Problems::default();
    problems.boxes(boxes);
    problems.in_place(movie, boxes, surveys);
    for (place, (track, survey)) in movie.tracks.iter().zip(surveys).enumerate() {
        let folder =
            folders.iter().find(|(other, _)| *other == place).map(|(_, folder)| folder.as_str());
        let in_manifests =
            presented.tracks.iter().find(|track| Some(track.folder.as_str()) == folder);
        let alone;
        let described = match in_manifests {
            Some(described) => described,
            None => {
                alone = title::describe_track(track, "", streams_version, false);
                &alone
            }
        };
        report.tracks.push(report::Track {
            text: texts::flags(movie, place),
            ..track::report(track, folder, described, survey)
        });
        problems.track(track, survey, folder.is_some());
    }
    let duration_ms = duration_ms(movie);
    report.duration_s = Some(duration_ms as f64 / 1000.0);
    report.left_out = movie.left_out.iter().map(left_out_track).collect();
    report.repairs = repairs::repairs(movie, report.file.index.place, surveys, &offered);
    let tracks = MediaTracks::new(movie, &offered);
    report.transcodes = tracks.transcodes();
    report.players = tracks.players();
    report.reasons = reasons(&report.players);
    report.playable = report.reasons.is_empty();
    problems.movie(movie, &report);
    report.problems = problems.sorted();
    report
}

/// The duration of a movie: the end of its last track, rounded to the millisecond.
fn duration_ms(movie: &Movie) -> u64 {
    let ends_us = movie
        .tracks
        .iter()
        .map(|track| presentation::microseconds(track.index.end.unsigned_abs(), track.timescale));
    ends_us.max().unwrap_or(0).saturating_add(500) / 1000
}

/// The folders of tracks in URLs, by their place in the movie. Text tracks of the movie come before those
/// of sidecars, and share the cuts of the other tracks. One without cues keeps its number and has no folder.
fn folders(movie: &Movie, offered: &[Offered], surveys: &[Survey]) -> Vec<(usize, String)> {
    let mut folders: Vec<_> =
        offered.iter().map(|offered| (offered.place, offered.folder.clone())).collect();
    if !folders.is_empty() {
        let texts = (1..).zip(title::text_tracks(movie));
        let listed = texts.filter(|(_, place)| !surveys[*place].is_without_cues);
        folders.extend(listed.map(|(number, place)| (place, format!("text-{number}"))));
    }
    folders
}

/// Position of the index of an MP4, even if it comes after more boxes than [`TopBoxes`] reads.
fn index(mp4: &Mp4) -> Index {
    let moov = mp4.moov.whole();
    let is_after_media = mp4.mdat.is_some_and(|mdat| mdat < moov.start);
    let place = if is_after_media { Place::End } else { Place::Front };
    Index { place, size_bytes: Some(moov.end - moov.start) }
}

/// Why no player plays the movie; empty if one does.
fn reasons(players: &[report::Player]) -> Vec<String> {
    let verdicts = players.iter().flat_map(|it| [&it.progressive, &it.hls, &it.dash]);
    if verdicts.clone().any(|verdict| verdict.plays != Plays::No) {
        return Vec::new();
    }
    let mut reasons: Vec<String> = verdicts.map(|verdict| verdict.reason.clone()).collect();
    reasons.sort();
    reasons.dedup();
    reasons
}

/// Distance between audio and video, for the audio track that is farthest away.
fn interleaving(movie: &Movie, surveys: &[Survey]) -> Option<Interleaving> {
    let of_kind = |is_kind: fn(&crate::movie::Track) -> bool| {
        let tracks = movie.tracks.iter().zip(surveys);
        tracks.filter(move |(track, _)| is_kind(track)).map(|(_, survey)| survey)
    };
    let video = of_kind(crate::movie::Track::is_video).next()?;
    let distances =
        of_kind(crate::movie::Track::is_audio).filter_map(|audio| video.distance(audio));
    let (largest_distance_bytes, at_s) = distances.max()?;
    Some(Interleaving { largest_distance_bytes, at_s })
}
