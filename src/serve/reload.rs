//! SIGHUP: reads the configuration and opens its files again, while the server goes on.
//!
//! A file may be on a disk that hangs, or be a FIFO. A thread of its own therefore reads and opens; the task
//! that waits for signals waits for it too, up to a deadline, and applies what it found, which blocks
//! nothing.

use std::{future::pending, io, sync::Arc, thread, time::Duration};

use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};
use tracing::warn;

use crate::{
    config::Settings,
    http::{access_log::Target, authorization::Token},
};

/// Time for reading and opening all files.
const DEADLINE: Duration = Duration::from_secs(10);

/// A configuration that was read again, with what its files hold.
pub(super) struct Fresh {
    pub(super) settings: Settings,
    /// The file of the access log, if there is one.
    pub(super) access_log: io::Result<Option<Target>>,
    /// The API token, if there is one.
    pub(super) token: io::Result<Option<Token>>,
}

/// Reads the configuration.
pub(super) type ReadSettings = Arc<dyn Fn() -> Result<Settings, String> + Send + Sync>;

/// The reload in progress, if there is one.
pub(super) struct Reload {
    read_settings: ReadSettings,
    reading: Option<oneshot::Receiver<Result<Fresh, String>>>,
    /// `None` when it has passed.
    deadline: Option<Instant>,
    /// A signal came while files were being read, perhaps too late to see a change.
    is_repeated: bool,
}

impl Reload {
    pub(super) fn new(read_settings: ReadSettings) -> Self {
        Self { read_settings, reading: None, deadline: None, is_repeated: false }
    }

    /// Begins a reload, or repeats the one in progress when it has ended.
    pub(super) fn begin(&mut self) {
        if self.reading.is_some() {
            if self.deadline.is_none() {
                warn!("configuration not reloaded: the last reload still waits for a file");
            }
            self.is_repeated = true;
            return;
        }
        let (finish, reading) = oneshot::channel();
        let read_settings = Arc::clone(&self.read_settings);
        // The receiver is gone if the server has ended meanwhile.
        let read = move || drop(finish.send(read_settings().map(Fresh::open)));
        match thread::Builder::new().name("reload".into()).spawn(read) {
            Ok(_detached) => {
                self.reading = Some(reading);
                self.deadline = Some(Instant::now() + DEADLINE);
            }
            Err(error) => warn!(%error, "configuration not reloaded"),
        }
    }

    /// Waits for the configuration of a reload. May be dropped and called again.
    pub(super) async fn finished(&mut self) -> Fresh {
        loop {
            let Some(reading) = &mut self.reading else {
                return pending().await;
            };
            let read = match self.deadline {
                None => reading.await,
                Some(deadline) => match timeout_at(deadline, reading).await {
                    Ok(read) => read,
                    Err(_elapsed) => {
                        let seconds = DEADLINE.as_secs();
                        warn!(
                            "configuration not reloaded: a file could not be read or opened within \
                             {seconds} s"
                        );
                        self.deadline = None;
                        continue;
                    }
                },
            };
            let is_late = self.deadline.is_none();
            self.reading = None;
            if std::mem::take(&mut self.is_repeated) || is_late {
                // What was read before the last signal, or long ago, is out of date.
                self.begin();
                continue;
            }
            match read {
                Ok(Ok(fresh)) => return fresh,
                Ok(Err(error)) => warn!(%error, "configuration not reloaded"),
                Err(_panicked) => warn!("configuration not reloaded: internal error"),
            }
        }
    }
}

impl Fresh {
    /// Opens the files of a configuration. May block.
    fn open(settings: Settings) -> Self {
        let access_log = settings.access_log.as_deref().map(Target::open).transpose();
        let token = settings.api_token_file.as_deref().map(Token::read).transpose();
        Self { settings, access_log, token }
    }
}
