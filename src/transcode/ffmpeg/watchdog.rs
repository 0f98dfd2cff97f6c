//! Ends a run that exceeds a limit, stalls or is cancelled.

use std::{pin::Pin, process::ExitStatus, time::Duration};

use rustix::process::Signal;
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval, timeout},
};

use super::{FfmpegError, Limits, pipes::Output};
use crate::transcode::process_group::ProcessGroup;

/// The time to finish after SIGTERM, and the time that SIGKILL may take: a process in a disk call does
/// not die before the disk responds.
const GRACE: Duration = Duration::from_secs(2);

/// Interval between two checks of the run.
const CHECK_INTERVAL: Duration = Duration::from_millis(500);

/// Bytes that a run may print besides its outputs.
const PRINTED_BYTES_MAX: u64 = 16 << 20;

/// Checks the limits until one is exceeded, and returns the error.
pub(super) async fn enforce_limits(
    limits: &Limits,
    group: &ProcessGroup,
    output: &Output,
) -> FfmpegError {
    let started = Instant::now();
    let mut checks = interval(CHECK_INTERVAL.min(limits.stall).max(Duration::from_millis(1)));
    checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last_seen = None;
    let mut advanced = started;
    let written_max = limits.file_bytes.saturating_mul(2).saturating_add(PRINTED_BYTES_MAX);
    loop {
        checks.tick().await;
        let usage = output.update_usage(group);
        if usage.written_bytes > written_max {
            return FfmpegError::TooLarge { limit: limits.file_bytes };
        }
        if started.elapsed() >= limits.deadline {
            return FfmpegError::Deadline(limits.deadline);
        }
        let progress = *output.progress();
        let seen =
            Some((progress.out_time, progress.frames, progress.total_size, usage.read_bytes));
        if seen != last_seen {
            last_seen = seen;
            advanced = Instant::now();
        } else if advanced.elapsed() >= limits.stall {
            return FfmpegError::Stalled(limits.stall);
        }
    }
}

/// Returns when the run is cancelled; never, if the sender is dropped.
pub(super) async fn wait_for_cancel(cancel: &mut watch::Receiver<bool>) {
    if cancel.wait_for(|is_cancelled| *is_cancelled).await.is_err() {
        std::future::pending().await
    }
}

/// Sends SIGTERM and then SIGKILL. Polls `end` meanwhile, so that no pipe fills up.
pub(super) async fn terminate(group: &ProcessGroup, mut end: Pin<&mut impl Future>) {
    for signal in [Signal::TERM, Signal::KILL] {
        group.signal(signal);
        let ended = async {
            tokio::select! {
                () = group.wait() => {}
                _ = &mut end => {}
            }
        };
        if timeout(GRACE, ended).await.is_ok() {
            return;
        }
    }
}

/// Reaps the leader if it ends within [`GRACE`]. Otherwise dropping the group kills it when possible.
pub(super) async fn reap(group: ProcessGroup) -> Result<Option<ExitStatus>, FfmpegError> {
    match timeout(GRACE, group.wait()).await {
        Ok(()) => Ok(Some(group.reap()?)),
        Err(_) => Ok(None),
    }
}
