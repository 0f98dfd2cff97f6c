//! Runs jobs: the worker, its supervisor, and housekeeping.

pub mod housekeeping;
pub mod object_sweep;
pub mod round_error;
pub mod supervisor;
pub mod text;
pub mod worker;
pub mod workspaces;

use tokio::sync::watch;

/// Waits until the flag is set or its sender is dropped; both mean stop.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}
