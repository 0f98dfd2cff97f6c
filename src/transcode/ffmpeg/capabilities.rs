//! Checks that ffmpeg runs on this machine, and which mechanisms confine it.

use std::process::Stdio;

use tokio::time::timeout;

use super::{Capabilities, Ffmpeg, FfmpegError, Limits, pipes::read_to_end, tail::Tail};
use crate::transcode::{
    process_group::ProcessGroup,
    sandbox::{Confinement, ERROR_PREFIX},
};

impl Ffmpeg {
    /// Runs `ffmpeg -version` in the sandbox, and returns the version and the enforced mechanisms.
    ///
    /// # Errors
    /// If this machine cannot run ffmpeg as the policy demands.
    pub async fn capabilities(&self) -> Result<Capabilities, FfmpegError> {
        let mut confinement = self.confinement(false, None, &Limits::default());
        let enforced = self.read_stdout(&confinement).await?;
        confinement.program = vec![self.program.clone().into(), "-version".into()];
        let banner = self.read_stdout(&confinement).await?;
        let version = banner.split_ascii_whitespace().nth(2).unwrap_or_default().to_owned();
        Ok(Capabilities { version, enforced })
    }

    /// Runs the helper and returns its stdout.
    async fn read_stdout(&self, confinement: &Confinement) -> Result<String, FfmpegError> {
        let mut command = confinement.command(&self.helper);
        command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut group = ProcessGroup::spawn(command).await?;
        let (stdout, stderr) = (group.take_stdout()?, group.take_stderr()?);
        let (mut printed, mut tail) = (Vec::new(), Tail::default());
        let end = async {
            tokio::try_join!(
                read_to_end(stdout, |bytes| printed.extend_from_slice(bytes)),
                read_to_end(stderr, |bytes| tail.push(bytes)),
            )?;
            group.wait().await;
            Ok::<_, FfmpegError>(())
        };
        let limit = Limits::default().stall;
        timeout(limit, end).await.map_err(|_| FfmpegError::Stalled(limit))??;
        if group.reap()?.success() {
            return Ok(String::from_utf8_lossy(&printed).trim().to_owned());
        }
        let error = tail.text();
        Err(FfmpegError::Sandbox(match error.strip_prefix(ERROR_PREFIX) {
            Some(reason) => reason.to_owned(),
            None => format!("ffmpeg does not start in its sandbox: {error}"),
        }))
    }
}
