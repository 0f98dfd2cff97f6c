//! Claims delivery jobs, one after another, and sends the deliveries.

use std::{convert::Infallible, time::Duration};

use tokio::time::timeout;

use super::{
    Webhook, client,
    delivery::Delivery,
    signature::{self, Signed},
};
use crate::{
    queue::{Class, Job, Queue, QueueError, Retry},
    telemetry::Metrics,
};

/// Lease of a delivery, longer than any takes.
const LEASE: Duration = Duration::from_secs(60);

/// Timeout of a delivery, from the name lookup to the response.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(20);

/// Poll interval for failed deliveries that are due again, which is no change of the queue.
const POLL_INTERVAL: Duration = Duration::from_secs(5);

/// Claims delivery jobs and sends the deliveries.
pub(super) async fn keep_delivering(
    queue: &Queue,
    webhooks: &[Webhook],
    metrics: &Metrics,
) -> Result<Infallible, QueueError> {
    let owner = format!("server {}", std::process::id());
    loop {
        let seen = queue.last_change().await?;
        let Some((job, lease)) = queue.claim(&owner, &[Class::Webhook], LEASE).await? else {
            let _ = timeout(POLL_INTERVAL, queue.wait_for_change(seen)).await;
            continue;
        };
        match deliver(&job, webhooks).await {
            Ok(()) => {
                metrics.webhook_delivery("delivered");
                queue.finish(&lease, &[]).await?
            }
            Err(DeliveryError { reason, retry }) => {
                metrics.webhook_delivery(match retry {
                    Retry::Never => "refused",
                    _ => "failed",
                });
                tracing::debug!(reason, job = %job.id, "webhook delivery failed");
                queue.fail(&lease, &reason, retry).await?
            }
        };
    }
}

/// Why a delivery failed.
struct DeliveryError {
    reason: String,
    retry: Retry,
}

impl DeliveryError {
    fn transient(reason: impl ToString) -> Self {
        Self { reason: reason.to_string(), retry: Retry::Backoff }
    }

    fn permanent(reason: impl ToString) -> Self {
        Self { reason: reason.to_string(), retry: Retry::Never }
    }
}

async fn deliver(job: &Job, webhooks: &[Webhook]) -> Result<(), DeliveryError> {
    let delivery: Delivery =
        serde_json::from_str(&job.payload).map_err(DeliveryError::permanent)?;
    let webhook = webhooks
        .iter()
        .find(|webhook| webhook.url == delivery.url)
        .ok_or_else(|| DeliveryError::permanent("no longer configured"))?;
    let id = job.id.to_string();
    let timestamp = signature::now();
    let signature = webhook.secret.sign(&id, timestamp, &delivery.body);
    let signed = Signed { id: &id, timestamp, signature: &signature };
    let post = timeout(DELIVERY_TIMEOUT, client::post(&webhook.url, &signed, delivery.body));
    let response = post.await.map_err(|_| DeliveryError::transient("timed out"))?;
    match response.map_err(DeliveryError::transient)? {
        200..=299 => Ok(()),
        410 => Err(DeliveryError::permanent("the receiver responded 410 Gone")),
        // Redirects fail too: the configuration has the receiver's URL.
        status => Err(DeliveryError::transient(format!("the receiver responded {status}"))),
    }
}
