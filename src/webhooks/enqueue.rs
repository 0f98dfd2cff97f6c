//! Enqueues deliveries for the events in the queue's changes.

use std::convert::Infallible;

use super::{Webhook, delivery::deliveries};
use crate::queue::{Change, Queue, QueueError};

/// Changes that are read at a time.
const PAGE: u32 = 100;

/// Reads the changes of the queue, and enqueues the deliveries of their events.
pub(super) async fn keep_enqueueing(
    queue: &Queue,
    webhooks: &[Webhook],
) -> Result<Infallible, QueueError> {
    let mut seen = position(queue).await?;
    loop {
        let jobs = queue.changed_since(seen, PAGE).await?;
        // Most changes are progress only, which need no lock and no write.
        if jobs.iter().any(|job| !deliveries(job, webhooks).is_empty()) {
            seen = enqueue_page(queue, webhooks).await?;
        } else if let Some(last) = jobs.last() {
            seen = last.changed;
        } else {
            queue.wait_for_change(seen).await?;
        }
    }
}

/// The number of the last change that was read. The first call ever records that of the last change.
pub(super) async fn position(queue: &Queue) -> Result<i64, QueueError> {
    let mut change = queue.begin().await?;
    if let Some(last) = recorded_position(&mut change).await? {
        return Ok(last);
    }
    let now = queue.last_change().await?;
    let insert = "INSERT INTO webhooks_sequence (last) VALUES ($1)";
    change.transaction().execute(insert, &[now.into()]).await?;
    change.commit().await?;
    Ok(now)
}

/// Enqueues the deliveries of the next changes, and records in the same transaction that these were
/// read. The lock of a change serializes this with all other servers.
async fn enqueue_page(queue: &Queue, webhooks: &[Webhook]) -> Result<i64, QueueError> {
    let mut change = queue.begin().await?;
    let seen = recorded_position(&mut change).await?.ok_or(QueueError::LockLost)?;
    let jobs = queue.changed_since(seen, PAGE).await?;
    let Some(last) = jobs.last().map(|job| job.changed) else {
        return Ok(seen);
    };
    for delivery in jobs.iter().flat_map(|job| deliveries(job, webhooks)) {
        change.enqueue(delivery).await?;
    }
    let update = "UPDATE webhooks_sequence SET last = $1";
    change.transaction().execute(update, &[last.into()]).await?;
    change.commit().await?;
    Ok(last)
}

async fn recorded_position(change: &mut Change) -> Result<Option<i64>, QueueError> {
    let row = change.transaction().row("SELECT last FROM webhooks_sequence", &[]).await?;
    Ok(row.map(|row| row.get("last")).transpose()?)
}
