//! Work that takes longer than a request: what there is to do, and who is doing it.

pub mod housekeeping;
pub mod supervisor;
pub mod text;
pub mod worker;

use tokio::sync::watch;

/// Returns when somebody has told so, or is gone and cannot tell any more, which means the same.
async fn is_told(to: &mut watch::Receiver<bool>) {
    let _ = to.wait_for(|told| *told).await;
}
