//! Webhooks (Standard Webhooks): delivers events of jobs to configured receivers.
//!
//! Several servers deliver each event once, and the end of a server loses none: `enqueue` reads the
//! changes of the queue, and each delivery is a job of the queue itself, enqueued in the transaction
//! that records how far the changes were read. The server's own loop, `deliver`, claims these jobs;
//! failed ones are retried with backoff for some hours. A receiver may get a delivery twice, with the
//! same `webhook-id`.

mod client;
mod deliver;
mod delivery;
mod enqueue;
mod signature;

use std::{io, sync::Arc, time::Duration};

use tokio::{runtime::Handle, time::sleep};

pub use signature::Secret;

use crate::{
    config::{WebhookConfig, WebhookEvent},
    queue::Queue,
    telemetry::Metrics,
    wire::drain::Drain,
};

/// Maximum number of concurrent deliveries.
const DELIVERIES_MAX: usize = 4;

/// Delay after a database error.
const RETRY_INTERVAL: Duration = Duration::from_secs(5);

/// A receiver of deliveries.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// Its URL.
    pub url: String,
    /// The secret that signs its deliveries.
    pub secret: Secret,
    /// The events that it receives.
    pub events: Vec<WebhookEvent>,
}

impl Webhook {
    /// Reads the secret of a configured webhook.
    pub fn from_config(config: &WebhookConfig) -> io::Result<Self> {
        let (url, events) = (config.url.to_string(), config.events.clone());
        Ok(Self { url, secret: Secret::read(&config.secret_file)?, events })
    }
}

/// Starts to deliver the events from now on, until the server stops.
pub async fn start(
    queue: &Queue,
    webhooks: Vec<Webhook>,
    background: &Handle,
    drain: &Drain,
    metrics: &Metrics,
) {
    if webhooks.is_empty() {
        return;
    }
    // Before the first event can occur. The loop below tries again.
    if let Err(error) = enqueue::position(queue).await {
        tracing::warn!(%error, "webhooks paused: database unavailable");
    }
    let webhooks: Arc<[Webhook]> = webhooks.into();
    let (events, receivers) = (queue.clone(), Arc::clone(&webhooks));
    background.spawn(until_drain(drain.clone(), async move {
        loop {
            let Err(error) = enqueue::keep_enqueueing(&events, &receivers).await;
            tracing::warn!(%error, "webhooks paused: database unavailable");
            sleep(RETRY_INTERVAL).await;
        }
    }));
    for _ in 0..DELIVERIES_MAX {
        let (queue, webhooks, metrics) = (queue.clone(), Arc::clone(&webhooks), metrics.clone());
        background.spawn(until_drain(drain.clone(), async move {
            loop {
                let Err(error) = deliver::keep_delivering(&queue, &webhooks, &metrics).await;
                tracing::warn!(%error, "webhook deliveries paused: database unavailable");
                sleep(RETRY_INTERVAL).await;
            }
        }));
    }
}

/// Runs `work` until the server stops. Work that is dropped half done is repeated after the next start.
async fn until_drain(drain: Drain, work: impl Future<Output = ()>) {
    tokio::select! { () = drain.begun() => {}, () = work => {} }
}
