//! Remuxes a file that is no MP4, or that has codecs which browsers do not play.

use std::{
    fs,
    io::{self, Read as _},
    num::NonZeroU32,
    path::Path,
    time::Duration,
};

use tokio::task::spawn_blocking;

use super::{
    Failure, JobContext, JobRunner, Source,
    renditions::{as_millis, permille},
};
use crate::{
    extent::{File, ReadError, disk::PlainFile},
    movie::{MatroskaSummary, Movie},
    package::{
        text::{self, Parsed},
        title,
    },
    queue::Progress,
    transcode::{
        ffmpeg::{
            self, FfmpegError, Input, Invocation, Limits, arguments::FILE,
            probe_report::ProbeReport,
        },
        renditions::{
            remux::{REMUX_FILE, RemuxPlan, TextStream},
            remux_description::{DESCRIPTION_FILE, RemuxDescription},
        },
    },
};

/// The maximum time to probe a file. ffprobe reads its first megabytes.
const PROBE_DEADLINE: Duration = Duration::from_secs(60);

impl JobRunner {
    /// The approximate size of the movie of a file.
    pub(super) fn remux_bytes(&self, source: &Source) -> Result<u64, Failure> {
        let bytes = source.file.identity().size;
        if bytes > self.artifacts_max_bytes {
            let (movie_mib, max_mib) = (bytes >> 20, self.artifacts_max_bytes >> 20);
            return Err(Failure::permanent(format!(
                "the remuxed movie needs about {movie_mib} MiB, and all artifacts together may have \
                 {max_mib} MiB; raise artifacts_max_mib"
            )));
        }
        Ok(bytes)
    }

    /// Remuxes a file: copies the streams that an MP4 may contain, and encodes the others.
    pub(super) async fn remux(
        &self,
        source: &Source,
        folder: &Path,
        context: JobContext,
    ) -> Result<(), Failure> {
        let JobContext { progress, cancel } = context;
        let probe_limits = Limits { file_bytes: 0, deadline: PROBE_DEADLINE, ..self.limits() };
        let input = source.input(self, folder).await?;
        let mut report = self.ffmpeg.probe(input, folder, probe_limits, cancel.clone()).await?;
        let read = |file: &File| {
            MatroskaSummary::read(&file.blocking_reader()).map(|summary| summary.languages)
        };
        report.replace_languages(&source.file.compute(read).await.map_err(Failure::unavailable)??);
        let plan = RemuxPlan::new(&report).map_err(Failure::permanent)?;
        let file_bytes = self.remux_bytes_max().await?;
        let run = Invocation {
            arguments: plan.arguments(FILE.as_ref(), "".as_ref(), 1),
            input: Input::File(source.input(self, folder).await?),
            output_dir: folder.to_owned(),
            limits: Limits { file_bytes, ..self.limits() },
        };
        let template = ProgressTemplate::new(&report, &plan);
        progress.send_replace(template.at(Duration::ZERO));
        let on_progress =
            |block: &ffmpeg::Progress| drop(progress.send_replace(template.at(block.out_time)));
        let summary = match self.ffmpeg.run(run, on_progress, cancel).await {
            Err(FfmpegError::TooLarge { limit }) if limit < self.artifacts_max_bytes => {
                let mib = limit >> 20;
                return Err(Failure::unavailable(format!(
                    "the disk of the data folder has {mib} MiB left, and the remuxed movie needs \
                     more; free some space"
                )));
            }
            result => result?,
        };
        if !summary.tail.is_empty() {
            let (title, stderr) = (source.path.display(), summary.tail);
            tracing::info!(title, stderr, "remuxed with warnings");
        }
        let (folder, grid_ms) = (folder.to_owned(), self.library.indices.grid_ms());
        let finish = move || {
            check_movie(&folder.join(REMUX_FILE), grid_ms)?;
            describe(&folder, plan).map_err(Failure::unavailable)
        };
        spawn_blocking(finish).await.map_err(Failure::transient)?
    }

    /// The limit of the movie's size: the free disk space and the maximum of all artifacts, since an
    /// encoded movie may be larger than its source.
    async fn remux_bytes_max(&self) -> Result<u64, Failure> {
        let artifacts = self.artifacts.clone();
        let free_bytes = spawn_blocking(move || artifacts.available_bytes())
            .await
            .map_err(Failure::transient)?
            .map_err(Failure::unavailable)?;
        Ok(free_bytes.min(self.artifacts_max_bytes))
    }
}

/// Writes the description of a remuxed movie, and its subtitles as WebVTT in place of what ffmpeg wrote.
fn describe(folder: &Path, plan: RemuxPlan) -> io::Result<()> {
    let dropped = plan.dropped.into_iter().map(|stream| stream.reason).collect();
    let mut description = RemuxDescription {
        texts: Vec::new(),
        audio_languages: plan.audio_languages,
        left_out: dropped,
    };
    for stream in plan.texts {
        match convert_text(folder, &stream)? {
            Ok(()) => description.texts.push(stream.text),
            Err(why) => description.left_out.push(format!("{}: {why}", stream.name)),
        }
    }
    fs::write(folder.join(DESCRIPTION_FILE), serde_json::to_vec(&description)?)
}

/// Converts the subtitles that ffmpeg wrote into WebVTT. The inner error is the reason why there are none.
fn convert_text(folder: &Path, stream: &TextStream) -> io::Result<Result<(), String>> {
    let source = folder.join(stream.source_file());
    let mut bytes = Vec::new();
    match fs::File::open(&source) {
        // One byte beyond the maximum shows that they are too long.
        Ok(file) => {
            file.take(text::FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
            fs::remove_file(&source)?;
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let subtitles = match text::parse(&bytes, stream.format, stream.text.language.as_deref()) {
        Ok(Parsed { subtitles, .. }) if !subtitles.cues().is_empty() => subtitles,
        Ok(_) => return Ok(Err("these subtitles are empty".to_owned())),
        Err(why) => return Ok(Err(why.to_string())),
    };
    fs::write(folder.join(&stream.text.file), text::format_file(&subtitles)).map(Ok)
}

/// The constant part of the progress reports of a remux.
struct ProgressTemplate {
    duration_ms: Option<u64>,
    stage: &'static str,
    note: String,
}

impl ProgressTemplate {
    fn new(report: &ProbeReport, plan: &RemuxPlan) -> Self {
        let stage = if plan.encodes_video() { "encoding" } else { "copying" };
        let reasons: Vec<&str> = plan.dropped.iter().map(|stream| &*stream.reason).collect();
        let note = match &reasons[..] {
            [] => String::new(),
            reasons => format!("left out: {}", reasons.join("; ")),
        };
        Self { duration_ms: report.duration_ms(), stage, note }
    }

    fn at(&self, time: Duration) -> Progress {
        // Without a known duration the progress stays 0.
        let of_duration = |duration_ms| permille(as_millis(time), duration_ms);
        Progress {
            permille: self.duration_ms.map_or(0, of_duration),
            stage: self.stage.to_owned(),
            note: self.note.clone(),
        }
    }
}

/// Checks that an output is a playable movie.
pub(super) fn check_movie(path: &Path, grid_ms: NonZeroU32) -> Result<(), Failure> {
    let file = PlainFile::open(path).map_err(ReadError::from)?;
    let movie = Movie::read(&file, grid_ms)?.map_err(Failure::permanent)?;
    if title::offered(&movie).is_empty() {
        return Err(Failure::permanent("no track of the output can be played"));
    }
    Ok(())
}
