//! Who ends a run that does not end by itself.

use std::{pin::Pin, process::ExitStatus, time::Duration};

use rustix::process::Signal;
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval, timeout},
};

use super::{FfmpegError, Limits, pipes::Output};
use crate::transcode::child::Group;

/// How long it may put things in order after it was asked to end, and how long killing may take: a
/// process that waits for a disk is not dead before the disk answers.
const GRACE: Duration = Duration::from_secs(2);

/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// Written beside the outputs themselves: what is printed.
const PRINTED: u64 = 16 << 20;

/// Returns when it must not go on, and says why.
pub(super) async fn watch_over(limits: &Limits, group: &Group, heard: &Output) -> FfmpegError {
    let begun = Instant::now();
    let mut looks = interval(LOOK.min(limits.stall).max(Duration::from_millis(1)));
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut before = None;
    let mut since = begun;
    loop {
        looks.tick().await;
        let usage = heard.usage(group);
        if usage.written_bytes > limits.file_bytes.saturating_mul(2).saturating_add(PRINTED) {
            return FfmpegError::TooLarge { limit: limits.file_bytes };
        }
        if begun.elapsed() >= limits.deadline {
            return FfmpegError::Deadline(limits.deadline);
        }
        let now = *heard.progress();
        let now = Some((now.out_time, now.frames, now.total_size, usage.read_bytes));
        if now != before {
            before = now;
            since = Instant::now();
        } else if since.elapsed() >= limits.stall {
            return FfmpegError::Stalled(limits.stall);
        }
    }
}

/// Returns when it is cancelled. Who can no longer say so does not want to.
pub(super) async fn cancelled(cancel: &mut watch::Receiver<bool>) {
    if cancel.wait_for(|is_cancelled| *is_cancelled).await.is_err() {
        std::future::pending().await
    }
}

/// Asks it to end, and makes it end. Listens meanwhile, so that nothing waits for a full pipe.
pub(super) async fn terminate(group: &Group, mut end: Pin<&mut impl Future>) {
    for signal in [Signal::TERM, Signal::KILL] {
        group.signal(signal);
        let ended = async {
            tokio::select! {
                () = group.ended() => {}
                _ = &mut end => {}
            }
        };
        if timeout(GRACE, ended).await.is_ok() {
            return;
        }
    }
}

/// How it ended, if it has. Else it is left to be killed when it can be.
pub(super) async fn reap(group: Group) -> Result<Option<ExitStatus>, FfmpegError> {
    match timeout(GRACE, group.ended()).await {
        Ok(()) => Ok(Some(group.reap()?)),
        Err(_) => Ok(None),
    }
}
