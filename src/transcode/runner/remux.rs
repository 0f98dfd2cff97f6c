//! The movie of a file that is none: of another container, or of codecs that nobody plays.

use std::{num::NonZeroU32, path::Path, time::Duration};

use tokio::task::spawn_blocking;

use super::{
    Failure, JobContext, JobRunner, Source,
    renditions::{millis, permille},
};
use crate::{
    extent::{ReadError, disk::PlainFile},
    movie::Movie,
    package::title,
    queue::Progress,
    transcode::{
        ffmpeg::{FfmpegError, Input, Limits, Progress as Coming, ReportError, Run},
        ladder::{remux::Remux, report::Report},
    },
};

/// The name of a movie in its folder.
pub const REMUX_FILE: &str = "movie.mp4";

/// How long it may take to say what is in a file. ffprobe looks at its first megabytes.
const REPORT_DEADLINE: Duration = Duration::from_secs(60);

impl JobRunner {
    /// About how many bytes the movie of a file takes.
    pub(super) fn movie_bytes(&self, source: &Source) -> Result<u64, Failure> {
        let bytes = source.file.identity().size;
        if bytes > self.budget_bytes {
            let (movie_mib, most_mib) = (bytes >> 20, self.budget_bytes >> 20);
            return Err(Failure::for_good(format!(
                "its movie would have about {movie_mib} MiB, and all that is made here together \
                 may have {most_mib} MiB (artifacts_max_mib)"
            )));
        }
        Ok(bytes)
    }

    /// Makes the movie of a file: copies what can be copied, and encodes the rest.
    pub(super) async fn movie(
        &self,
        source: &Source,
        folder: &Path,
        watch: JobContext,
    ) -> Result<(), Failure> {
        let JobContext { progress, halted } = watch;
        let on_disk = self.on_disk(source)?;
        let brief = Limits { file_bytes: 0, deadline: REPORT_DEADLINE, ..self.limits() };
        let report = self.ffmpeg.report(&on_disk, folder, brief, halted.clone()).await?;
        let remux = Remux::of(&report).map_err(Failure::for_good)?;
        let bytes_max = self.movie_bytes_max().await?;
        let run = Run {
            args: remux.arguments(&on_disk, REMUX_FILE, 1),
            stdin: Input::Nothing,
            reads: vec![on_disk],
            writes: folder.to_owned(),
            limits: Limits { file_bytes: bytes_max, ..self.limits() },
        };
        let telling = Telling::of(&report, &remux);
        progress.send_replace(telling.at(Duration::ZERO));
        let coming = |coming: &Coming| drop(progress.send_replace(telling.at(coming.out_time)));
        let ended = match self.ffmpeg.run(run, coming, halted).await {
            Err(FfmpegError::TooLarge { limit }) if limit < self.budget_bytes => {
                let mib = limit >> 20;
                return Err(Failure::lacking(format!(
                    "the disk of the data folder has {mib} MiB left, and its movie takes more"
                )));
            }
            ended => ended?,
        };
        if !ended.tail.is_empty() {
            let (title, said) = (source.path.display(), ended.tail);
            tracing::info!(title, said, "a movie was made of it all the same");
        }
        let (made, grid_ms) = (folder.join(REMUX_FILE), self.library.indices.grid_ms());
        spawn_blocking(move || check(&made, grid_ms)).await.map_err(Failure::passing)?
    }

    /// Generous, as a film that is encoded can become longer than it was; but all that is kept has a
    /// budget, and the disk an end.
    async fn movie_bytes_max(&self) -> Result<u64, Failure> {
        let artifacts = self.artifacts.clone();
        let room = spawn_blocking(move || artifacts.available_bytes()).await;
        let room_bytes = room.map_err(Failure::passing)?.map_err(Failure::lacking)?;
        Ok(room_bytes.min(self.budget_bytes))
    }
}

/// What is told while a movie is made.
struct Telling {
    duration_ms: Option<u64>,
    stage: &'static str,
    note: String,
}

impl Telling {
    fn of(report: &Report, remux: &Remux) -> Self {
        let stage = if remux.encodes_pictures() { "encoding" } else { "copying" };
        let left_out: Vec<&str> = remux.left_out.iter().map(|left| &*left.why).collect();
        let note = match left_out.join("; ") {
            reasons if reasons.is_empty() => reasons,
            reasons => format!("left out: {reasons}"),
        };
        Self { duration_ms: report.duration_ms(), stage, note }
    }

    fn at(&self, time: Duration) -> Progress {
        // Of a film whose length is not told, nobody knows how far it is.
        let of = |duration_ms| permille(millis(time), duration_ms);
        Progress {
            permille: self.duration_ms.map_or(0, of),
            stage: self.stage.to_owned(),
            note: self.note.clone(),
        }
    }
}

/// Whether what was made is a movie that plays.
pub(super) fn check(made: &Path, grid_ms: NonZeroU32) -> Result<(), Failure> {
    let file = PlainFile::open(made).map_err(ReadError::from)?;
    let movie = Movie::read(&file, grid_ms)?;
    let movie = movie.map_err(Failure::for_good)?;
    if title::offered(&movie).is_empty() {
        return Err(Failure::for_good("nothing of what was made of it can be played"));
    }
    Ok(())
}

impl From<ReportError> for Failure {
    fn from(error: ReportError) -> Self {
        match error {
            ReportError::Ffmpeg(error) => error.into(),
            ReportError::NoReport(error) => Self::for_good(error),
        }
    }
}
