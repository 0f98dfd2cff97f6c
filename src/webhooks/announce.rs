//! From what has ended to the jobs that tell of it.

use std::convert::Infallible;

use super::{Webhook, notice::deliveries};
use crate::queue::{Change, Queue, QueueError};

/// Jobs that are looked at at a time.
const PAGE: u32 = 100;

/// Reads the queue's changes, and enqueues what is to be told of them.
pub(super) async fn keep_announcing(
    queue: &Queue,
    webhooks: &[Webhook],
) -> Result<Infallible, QueueError> {
    let mut seen = begin(queue).await?;
    loop {
        let jobs = queue.changed_since(seen, PAGE).await?;
        // Most changes are no more than progress, for which nothing need be locked or written.
        if jobs.iter().any(|job| !deliveries(job, webhooks).is_empty()) {
            seen = announce(queue, webhooks).await?;
        } else if let Some(last) = jobs.last() {
            seen = last.changed;
        } else {
            queue.wait_for_change(seen).await?;
        }
    }
}

/// The number of the last change that was read; for the first time ever, of the last that there is.
pub(super) async fn begin(queue: &Queue) -> Result<i64, QueueError> {
    let mut change = queue.begin().await?;
    if let Some(last) = last(&mut change).await? {
        return Ok(last);
    }
    let now = queue.last_change().await?;
    let insert = "INSERT INTO announced (last) VALUES ($1)";
    change.transaction().execute(insert, &[now.into()]).await?;
    change.commit().await?;
    Ok(now)
}

/// Enqueues what is to be told of the changes that nobody has read, and notes that they are read:
/// both, or neither. Who begins a change waits for all others, also those of other servers.
async fn announce(queue: &Queue, webhooks: &[Webhook]) -> Result<i64, QueueError> {
    let mut change = queue.begin().await?;
    let seen = last(&mut change).await?.ok_or(QueueError::LockLost)?;
    let jobs = queue.changed_since(seen, PAGE).await?;
    let Some(last) = jobs.last().map(|job| job.changed) else {
        return Ok(seen);
    };
    for delivery in jobs.iter().flat_map(|job| deliveries(job, webhooks)) {
        change.enqueue(delivery).await?;
    }
    let update = "UPDATE announced SET last = $1";
    change.transaction().execute(update, &[last.into()]).await?;
    change.commit().await?;
    Ok(last)
}

async fn last(change: &mut Change) -> Result<Option<i64>, QueueError> {
    let row = change.transaction().row("SELECT last FROM announced", &[]).await?;
    Ok(row.map(|row| row.get("last")).transpose()?)
}
