//! Whether ffmpeg itself works: it processes a movie that is known to be good.
//!
//! A run may fail because of its title, or because the program is broken: replaced by a shell script,
//! killed by a missing library, built without an encoder. The exit status does not distinguish them, so a
//! failed run is followed by this test, and only a program that passes it may blame the title.

use std::{
    path::Path,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::sync::watch;

use super::{Ffmpeg, FfmpegError, Input, Invocation, Limits};
use crate::extent::{Extent, Extents};

/// A movie of one gray frame of 16 by 16 pixels, in Motion JPEG, which the images of all titles need too.
const MOVIE: &[u8] = include_bytes!("self_test.mp4");

/// How to decode and encode its frame, and write it nowhere.
const ARGUMENTS: [&str; 8] = ["-i", "pipe:0", "-frames:v", "1", "-c:v", "mjpeg", "-f", "null"];

/// The time for which a result holds: less than the delay before a failed job runs again, so that a
/// repaired program renders it. One that works takes little time for its tests, however many titles fail.
const RESULT_TTL: Duration = Duration::from_secs(4);

/// The maximum time of a test, which takes some 50 ms on an idle processor.
const DEADLINE: Duration = Duration::from_secs(20);
const STALL: Duration = Duration::from_secs(10);

/// The time and the result of the last self-test.
#[derive(Debug, Default)]
pub(super) struct LastTest(Mutex<Option<(Instant, Result<(), String>)>>);

impl LastTest {
    fn get(&self) -> Option<(Instant, Result<(), String>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes a result, and returns the one before.
    fn replace(&self, result: Result<(), String>) -> Option<Result<(), String>> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.replace((Instant::now(), result)).map(|(_, before)| before)
    }
}

impl Ffmpeg {
    /// Tests the program again if the last test found it broken.
    ///
    /// # Errors
    /// [`FfmpegError::Broken`] if it still is.
    pub async fn check_if_broken(&self, folder: &Path) -> Result<(), FfmpegError> {
        match self.last_test.get() {
            Some((_, Err(_))) => self.self_test(folder).await,
            _ => Ok(()),
        }
    }

    /// Tests the program, unless it was tested a moment ago. Writes nothing into the folder, in which it
    /// runs.
    ///
    /// # Errors
    /// [`FfmpegError::Broken`] if it does not work.
    pub async fn self_test(&self, folder: &Path) -> Result<(), FfmpegError> {
        let result = match self.last_test.get() {
            Some((tested, result)) if tested.elapsed() < RESULT_TTL => result,
            _ => {
                let result = match self.process_known_movie(folder).await {
                    // A program that does nothing succeeds, too.
                    Ok(0) => Err("it decodes nothing".to_owned()),
                    Ok(_) => Ok(()),
                    Err(error) => Err(error.to_string()),
                };
                self.log_change(self.last_test.replace(result.clone()), &result);
                result
            }
        };
        result.map_err(FfmpegError::Broken)
    }

    /// Returns the number of frames that the program reports.
    async fn process_known_movie(&self, folder: &Path) -> Result<u64, FfmpegError> {
        let movie = Extents::from(Extent::Memory(Bytes::from_static(MOVIE)));
        let run = Invocation {
            arguments: ARGUMENTS.iter().chain(&["-"]).map(Into::into).collect(),
            input: Input::Extents(movie),
            output_dir: folder.to_owned(),
            limits: Limits {
                file_bytes: 0,
                threads: Some(1),
                deadline: DEADLINE,
                stall: STALL,
                ..Limits::default()
            },
        };
        let (_sender, cancel) = watch::channel(false);
        Ok(self.run(run, |_| {}, cancel).await?.progress.frames)
    }

    fn log_change(&self, before: Option<Result<(), String>>, now: &Result<(), String>) {
        let program = self.program.display();
        match (before, now) {
            (Some(Err(_)), Ok(())) => tracing::info!(%program, "ffmpeg works again"),
            (None | Some(Ok(())), Err(error)) => {
                tracing::error!(%program, error, "ffmpeg is broken: no images and renditions until it works");
            }
            _ => {}
        }
    }
}
