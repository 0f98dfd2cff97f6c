//! The jobs that tell, done one after the other.

use std::{convert::Infallible, time::Duration};

use tokio::time::timeout;

use super::{
    Webhook, client,
    notice::Delivery,
    signature::{self, Signed},
};
use crate::queue::{Class, Job, Queue, QueueError, Retry};

/// Longer than any delivery takes.
const LEASE: Duration = Duration::from_secs(60);

/// How long a delivery may take, from the name's look-up to the answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// How often it is looked whether one that failed is due again: of that nobody is told.
const DUE: Duration = Duration::from_secs(5);

/// Claims deliveries, and makes them.
pub(super) async fn keep_delivering(
    queue: &Queue,
    webhooks: &[Webhook],
) -> Result<Infallible, QueueError> {
    let owner = format!("server {}", std::process::id());
    loop {
        let seen = queue.last_change().await?;
        let Some((job, lease)) = queue.claim(&owner, &[Class::Webhook], LEASE).await? else {
            let _ = timeout(DUE, queue.wait_for_change(seen)).await;
            continue;
        };
        match deliver(&job, webhooks).await {
            Ok(()) => queue.finish(&lease, &[]).await?,
            Err(Refused { why, retry }) => {
                tracing::debug!(why, job = %job.id, "a webhook was not delivered");
                queue.fail(&lease, &why, retry).await?
            }
        };
    }
}

/// Why nobody has been told.
struct Refused {
    why: String,
    retry: Retry,
}

impl Refused {
    fn now(why: impl ToString) -> Self {
        Self { why: why.to_string(), retry: Retry::Backoff }
    }

    fn for_good(why: impl ToString) -> Self {
        Self { why: why.to_string(), retry: Retry::Never }
    }
}

async fn deliver(job: &Job, webhooks: &[Webhook]) -> Result<(), Refused> {
    let delivery: Delivery = serde_json::from_str(&job.payload).map_err(Refused::for_good)?;
    let webhook = webhooks.iter().find(|webhook| webhook.url == delivery.url);
    let webhook = webhook.ok_or_else(|| Refused::for_good("it is not configured any more"))?;
    let signed = Signed { id: &job.id.to_string(), timestamp: signature::now(), signature: "" };
    let value = webhook.secret.sign(signed.id, signed.timestamp, &delivery.body);
    let signed = Signed { signature: &value, ..signed };
    let answered = timeout(PATIENCE, client::post(&webhook.url, &signed, delivery.body)).await;
    let status = answered.map_err(|_| Refused::now("it took too long"))?.map_err(Refused::now)?;
    match status {
        200..=299 => Ok(()),
        410 => Err(Refused::for_good("it wants to be told no more: 410")),
        // Nor is it looked for elsewhere, if it has moved: who configured it said where it is.
        status => Err(Refused::now(format!("it answered {status}"))),
    }
}
