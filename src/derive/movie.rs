//! Makes the movie of a file that is none: of another container, or of codecs that nobody plays.

use std::{num::NonZeroU32, path::Path, time::Duration};

use tokio::task::spawn_blocking;

use super::{
    Failure, MOVIE, Maker, Next, Task, Watch,
    ffmpeg::{self, Input, Limits, ProbeError, Run},
    ladder::{remux::Remux, report::Report},
    maker::REPLACED,
};
use crate::{
    extent::{ReadError, disk::PlainFile},
    jobs::queue::Progress,
    movie::Movie,
    package::title,
};

/// How long it may take to say what is in a file. ffprobe looks at its first megabytes.
const PROBE_DEADLINE: Duration = Duration::from_secs(60);

/// How far a film is at most that is not finished: what is still to be checked takes a moment.
const NEARLY: u64 = 999;

impl Maker {
    /// About how many bytes the movie of a task's title takes.
    pub(super) async fn movie_bytes(&self, task: &Task) -> Result<u64, Failure> {
        let (_, file) = self.source(task).await?;
        let bytes = file.identity().size;
        if bytes > self.budget_bytes {
            let (movie_mib, most_mib) = (bytes >> 20, self.budget_bytes >> 20);
            return Err(Failure::for_good(format!(
                "its movie would have about {movie_mib} MiB, and all that is made here together \
                 may have {most_mib} MiB (artifacts_mib)"
            )));
        }
        Ok(bytes)
    }

    /// Makes the movie of a task's title.
    pub(super) async fn movie(
        &self,
        task: &Task,
        folder: &Path,
        watch: Watch,
    ) -> Result<Next, Failure> {
        let (path, file) = self.source(task).await?;
        let on_disk = self.library.path_on_disk(&path);
        let on_disk = on_disk.ok_or_else(|| Failure::for_good(REPLACED))?;
        let ffmpeg = self.ffmpeg.as_ref().map_err(Failure::for_good)?;
        let Watch { progress, halted } = watch;
        let limits = self.movie_limits().await?;
        let brief =
            Limits { file_bytes: 0, deadline: PROBE_DEADLINE.min(limits.deadline), ..limits };
        let report = ffmpeg.report(&on_disk, folder, brief, halted.clone()).await?;
        let remux = Remux::of(&report).map_err(Failure::for_good)?;
        let run = Run {
            args: remux.arguments(&on_disk, MOVIE, 1),
            stdin: Input::Nothing,
            reads: vec![on_disk],
            writes: folder.to_owned(),
            limits,
        };
        let told = Telling::of(&report, &remux);
        progress.send_replace(told.at(Duration::ZERO));
        let tell = |now: &ffmpeg::Progress| drop(progress.send_replace(told.at(now.out_time)));
        let ended = ffmpeg.run(run, tell, halted).await?;
        if !ended.tail.is_empty() {
            tracing::info!(
                title = task.title,
                complaints = ended.tail,
                "a movie was made all the same"
            );
        }
        let (made, grid_ms) = (folder.join(MOVIE), self.library.indices.grid_ms());
        let checked = spawn_blocking(move || check(&made, grid_ms)).await;
        checked.map_err(Failure::passing)??;
        // What was read was read by name.
        file.check().map_err(Failure::for_good)?;
        let now = self.library.identity(&path).await?;
        if !now.is_some_and(|now| now.same_file(file.identity())) {
            return Err(Failure::for_good(REPLACED));
        }
        Ok(Next::Publish)
    }

    /// Generous: a film that is encoded can become longer than it was. All that is kept has a budget,
    /// and the disk has an end.
    async fn movie_limits(&self) -> Result<Limits, Failure> {
        let artifacts = self.artifacts.clone();
        let room = spawn_blocking(move || artifacts.room_bytes()).await;
        let room_bytes = room.map_err(Failure::passing)?.map_err(Failure::passing)?;
        Ok(Limits {
            memory_bytes: self.memory_bytes,
            file_bytes: room_bytes.min(self.budget_bytes),
            threads: Some(1),
            deadline: self.deadline,
            stall: self.stall,
            ..Limits::default()
        })
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
        let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let permille = ms.saturating_mul(1000).checked_div(self.duration_ms.unwrap_or_default());
        let permille = permille.unwrap_or_default().min(NEARLY);
        Progress {
            permille: u16::try_from(permille).unwrap_or_default(),
            stage: self.stage.to_owned(),
            note: self.note.clone(),
        }
    }
}

/// Whether what was made is a movie that plays.
fn check(made: &Path, grid_ms: NonZeroU32) -> Result<(), Failure> {
    let file = PlainFile::open(made).map_err(ReadError::from).map_err(Failure::passing)?;
    let movie = Movie::read(&file, grid_ms).map_err(Failure::passing)?;
    let movie = movie.map_err(Failure::for_good)?;
    if title::offered(&movie).is_empty() {
        return Err(Failure::for_good("nothing of what was made of it can be played"));
    }
    Ok(())
}

impl From<ProbeError> for Failure {
    fn from(error: ProbeError) -> Self {
        match error {
            ProbeError::Ffmpeg(error) => error.into(),
            ProbeError::NoReport(error) => Self::for_good(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_the_part_of_the_film_that_is_made() {
        let at = |duration_ms, ms| {
            let telling = Telling { duration_ms, stage: "copying", note: String::new() };
            telling.at(Duration::from_millis(ms)).permille
        };
        assert_eq!(at(Some(8000), 2000), 250);
        assert_eq!(at(Some(8000), 9000), 999);
        assert_eq!(at(Some(0), 9000), 0);
        assert_eq!(at(None, 9000), 0);
        assert_eq!(at(Some(1), u64::MAX), 999);
    }
}
