//! Whether ffmpeg runs here, and what confines it.

use std::process::Stdio;

use tokio::time::timeout;

use super::{Ffmpeg, FfmpegError, Limits, Probed, pipes::listen, tail::Tail};
use crate::transcode::{
    child::Group,
    sandbox::{Confinement, PREFIX},
};

impl Ffmpeg {
    /// Whether this machine can run it as the policy demands. Starts it once, and does nothing else.
    pub async fn probe(&self) -> Result<Probed, FfmpegError> {
        let mut confinement = self.confinement(&[], None, &Limits::default());
        let enforced = self.said(&confinement).await?;
        confinement.program = vec![self.program.clone().into(), "-version".into()];
        let said = self.said(&confinement).await?;
        let version = said.split_ascii_whitespace().nth(2).unwrap_or_default().to_owned();
        Ok(Probed { version, enforced })
    }

    /// What a run without an output says.
    async fn said(&self, confinement: &Confinement) -> Result<String, FfmpegError> {
        let mut command = confinement.command(&self.helper);
        command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut group = Group::start(command).await?;
        let (stdout, stderr) = (group.stdout()?, group.stderr()?);
        let (mut said, mut tail) = (Vec::new(), Tail::default());
        let listening = async {
            tokio::try_join!(
                listen(stdout, |printed| said.extend_from_slice(printed)),
                listen(stderr, |printed| tail.take(printed)),
            )?;
            group.ended().await;
            Ok::<_, FfmpegError>(())
        };
        let patience = Limits::default().stall;
        timeout(patience, listening).await.map_err(|_| FfmpegError::Stalled(patience))??;
        if group.reap()?.success() {
            return Ok(String::from_utf8_lossy(&said).trim().to_owned());
        }
        let why = tail.text();
        Err(FfmpegError::Sandbox(match why.strip_prefix(PREFIX) {
            Some(why) => why.to_owned(),
            None => format!("ffmpeg does not start in its sandbox: {why}"),
        }))
    }
}
