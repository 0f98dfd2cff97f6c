//! The report about text: tracks, captions in the video, and the subtitle files beside the movie.

use super::{
    problems::Problems,
    report::{Report, Severity, SubtitleFile, Text},
};
use crate::{
    extent::{ReadAt, ReadError},
    movie::{
        Captions, Movie, Track,
        codec::{self, ForcedSamples},
    },
    package::{
        cues,
        text::{self, Parsed, SubtitleError, SubtitleFormat},
        text_track::{self, HasText},
        title,
    },
};

/// Whether a text track that manifests would list has no cue, by its sample sizes, or else by reading it.
pub(super) fn is_without_cues<R: ReadAt + ?Sized>(
    track: &Track,
    source: &R,
) -> Result<bool, ReadError> {
    Ok(cues::is_text(track)
        && match text_track::has_text(track) {
            HasText::Yes => false,
            HasText::No => true,
            HasText::Unknown => cues::read(track, source)?.cues().is_empty(),
        })
}

/// The flags of a text track; `None` for one that manifests do not list.
pub(super) fn flags(movie: &Movie, place: usize) -> Option<Text> {
    title::text_tracks(movie).find(|other| *other == place)?;
    let described = text_track::describe(movie, place);
    Some(Text {
        label: described.label,
        is_default: described.is_default,
        is_forced: described.text.forced,
        is_for_hearing_impaired: described.text.hearing_impaired,
    })
}

impl Problems {
    /// Adds the notes about a text track.
    pub(super) fn text(&mut self, track: &Track, is_without_cues: bool) {
        if is_without_cues {
            let what = "The text track has no cue: HLS and DASH do not list it.";
            let advice = "No action needed, unless there should be subtitles: extract the track with ffmpeg.";
            self.add(Severity::Note, Some(track.id), what.to_owned(), advice);
        }
        if codec::forced_samples(&track.entry) == ForcedSamples::Some {
            let what = "Only some of the subtitles are forced: players show all of them, or none.";
            let advice =
                "Put the forced ones into a track or a file of their own (film.en.forced.srt).";
            self.add(Severity::Note, Some(track.id), what.to_owned(), advice);
        }
    }

    /// Adds a note about captions in a video track.
    pub(super) fn captions(&mut self, track: &Track) {
        let captions: Captions = track.captions;
        let names = captions.names();
        if !names.is_empty() {
            let what = format!("The video carries closed captions: {}.", names.join(", "));
            let advice = "HLS and DASH announce them; players that decode captions show them.";
            self.add(Severity::Note, Some(track.id), what, advice);
        } else if captions.is_carried {
            let what =
                "The video has room for closed captions, but its first two segments have none.";
            let advice = "HLS leaves open whether there are captions; players may find later ones.";
            self.add(Severity::Note, Some(track.id), what.to_owned(), advice);
        }
    }
}

/// Describes a subtitle file beside a movie. `content` is the file, or the reason why it cannot be read.
pub fn subtitle_file(
    name: &str,
    label: &str,
    language: Option<&str>,
    content: Result<&[u8], String>,
) -> SubtitleFile {
    let format = SubtitleFormat::from_name(name.as_bytes());
    let refused = |error: SubtitleError| error.to_string();
    let parsed = content.and_then(|bytes| text::parse(bytes, format, language).map_err(refused));
    let (parsed, why) = match parsed {
        Ok(parsed) => (parsed, None),
        Err(why) => (Parsed::default(), Some(why)),
    };
    let first_lost = parsed.faults.first;
    let cues = parsed.subtitles.cues().len();
    let in_line =
        || first_lost.map(|(line, fault)| format!("no cue is valid; in line {line}, {fault}"));
    let why = why
        .or_else(|| (cues == 0).then(|| in_line().unwrap_or_else(|| "it has no cue".to_owned())));
    SubtitleFile {
        name: name.to_owned(),
        label: label.to_owned(),
        language: language.map(str::to_owned),
        not_offered: why,
        cues,
        lost_cues: parsed.faults.count,
        first_lost_line: first_lost.map(|(line, _)| line),
        first_lost_reason: first_lost.map(|(_, fault)| fault.to_string()),
    }
}

/// Adds the subtitle files beside the movie to its report.
pub fn add_subtitle_files(report: &mut Report, files: Vec<SubtitleFile>) {
    let mut problems = Problems::from_list(std::mem::take(&mut report.problems));
    for file in &files {
        let name = &file.name;
        if let Some(why) = &file.not_offered {
            let what = format!("The subtitle file {name} is not offered: {why}.");
            let advice = "Correct the file, or convert it: ffmpeg -i IN OUT.vtt.";
            problems.add(Severity::Warning, None, what, advice);
        } else if let (Some(line), Some(reason)) = (file.first_lost_line, &file.first_lost_reason) {
            let lost = file.lost_cues;
            let what = format!(
                "The subtitle file {name} loses {lost} of its cues, the first in line {line}: {reason}."
            );
            problems.add(Severity::Warning, None, what, "Correct the file there.");
        }
    }
    report.problems = problems.sorted();
    report.subtitle_files = files;
}
