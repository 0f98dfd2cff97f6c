//! Runs ffprobe, confined and supervised as ffmpeg is.

use std::{
    ffi::OsString,
    io,
    path::{Path, PathBuf},
};

use tokio::sync::watch;

use super::{
    Ffmpeg, FfmpegError, Input, InputFile, Invocation, Limits, arguments,
    probe_report::{self, ProbeReport, ReportError},
    run::Launch,
};
use crate::transcode::program::find_program;

/// Why there is no report of a file.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// ffprobe failed.
    #[error(transparent)]
    Ffmpeg(#[from] FfmpegError),
    /// Its report is invalid.
    #[error(transparent)]
    Report(#[from] ReportError),
}

impl Ffmpeg {
    /// Probes a file. `folder` is the working directory; nothing is written.
    pub async fn probe(
        &self,
        file: InputFile,
        folder: &Path,
        limits: Limits,
        cancel: watch::Receiver<bool>,
    ) -> Result<ProbeReport, ProbeError> {
        let program = self.find_ffprobe().ok_or_else(|| {
            let message = "ffprobe is not installed; it comes with ffmpeg";
            FfmpegError::from(io::Error::new(io::ErrorKind::NotFound, message))
        })?;
        let mut options: Vec<OsString> = probe_report::ARGUMENTS.map(OsString::from).into();
        options.push(arguments::FILE.into());
        let run = Invocation {
            arguments: options,
            input: Input::File(file),
            output_dir: folder.to_owned(),
            limits,
        };
        let assemble = tokio::task::spawn_blocking(move || {
            arguments::assemble_probe(&run).map(|arguments| (run, arguments))
        });
        let assembled = assemble.await.map_err(|error| FfmpegError::from(io::Error::other(error)));
        let (run, arguments) = assembled?.map_err(FfmpegError::from)?;
        let mut printed = Vec::new();
        let on_stdout = |bytes: &[u8]| {
            // One byte beyond the limit shows that the report is too long.
            let bytes_left = (probe_report::BYTES_MAX + 1).saturating_sub(printed.len());
            printed.extend_from_slice(&bytes[..bytes.len().min(bytes_left)]);
        };
        let output = self.output(&run);
        let launch = Launch { program: &program, run, arguments, stdin: None };
        self.supervise(launch, on_stdout, &output, cancel).await?;
        Ok(ProbeReport::parse(&printed)?)
    }

    /// Finds ffprobe beside ffmpeg, or in `$PATH`.
    fn find_ffprobe(&self) -> Option<PathBuf> {
        let sibling = self.program.with_file_name("ffprobe");
        if sibling.is_file() { Some(sibling) } else { find_program("ffprobe") }
    }
}
