//! What ffprobe says of a file: as confined as ffmpeg is, and as watched.

use std::{
    ffi::OsString,
    io,
    path::{Path, PathBuf},
};

use tokio::sync::watch;

use super::{
    Ffmpeg, FfmpegError, Input, Limits, Run, arguments, pipes::Output, run::Part, tail::Tail,
};
use crate::transcode::{
    ladder::report::{self, NoReport, Report},
    program::find_program,
};

/// Why there is no report of a file.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// ffprobe did not do what it was to do.
    #[error(transparent)]
    Ffmpeg(#[from] FfmpegError),
    /// What it said makes no sense.
    #[error(transparent)]
    NoReport(#[from] NoReport),
}

impl Ffmpeg {
    /// The report of a file, by its whole path. `folder` is what a run would write; nothing is
    /// written there.
    pub async fn report(
        &self,
        file: &Path,
        folder: &Path,
        limits: Limits,
        cancel: watch::Receiver<bool>,
    ) -> Result<Report, ReportError> {
        let program = self.ffprobe().ok_or_else(|| {
            let missing = "ffprobe is not installed, which belongs to it";
            FfmpegError::from(io::Error::new(io::ErrorKind::NotFound, missing))
        })?;
        let mut args: Vec<OsString> = report::ARGUMENTS.map(OsString::from).into();
        args.push(file.into());
        let (reads, writes) = (vec![file.to_owned()], folder.to_owned());
        let run = Run { args, stdin: Input::Nothing, reads, writes, limits };
        let assembled = tokio::task::spawn_blocking(move || {
            let arguments = arguments::assemble_probe(&run);
            arguments.map(|arguments| (run, arguments))
        });
        let assembled = assembled.await.map_err(|error| FfmpegError::from(io::Error::other(error)));
        let (run, arguments) = assembled?.map_err(FfmpegError::from)?;
        let mut printed = Vec::new();
        let hear = |more: &[u8]| {
            // One byte too many is enough to know that it is too long.
            let room = (report::BYTES_MAX + 1).saturating_sub(printed.len());
            printed.extend_from_slice(&more[..more.len().min(room)]);
        };
        let part = Part { program: &program, run: &run, arguments, fed: None };
        let heard = Output::new(Tail::hiding(&run.reads, &run.writes));
        self.supervise(part, hear, &heard, cancel).await?;
        Ok(Report::read(&printed)?)
    }

    /// That beside ffmpeg, or that of the search path.
    fn ffprobe(&self) -> Option<PathBuf> {
        let beside = self.program.with_file_name("ffprobe");
        if beside.is_file() { Some(beside) } else { find_program("ffprobe") }
    }
}
