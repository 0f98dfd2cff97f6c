//! Telling others what has happened, by a request to an address of theirs (Standard Webhooks).
//!
//! Nothing is told twice by several servers, and nothing is lost when one ends: what has ended is
//! read from the queue's changes, and each delivery is a job of the queue itself, written in the
//! transaction that notes how far the changes were read. The server's own loop claims these jobs;
//! one that fails is tried again, later and later, for some hours. A receiver may get a delivery
//! more than once, and knows it by its `webhook-id`.

mod announce;
mod client;
mod deliver;
mod notice;
mod signature;

use std::{io, path::Path, sync::Arc, time::Duration};

use tokio::{runtime::Handle, time::sleep};

pub use notice::Event;
pub use signature::Secret;

use crate::{config::value::WebhookConfig, queue::Queue, wire::drain::Drain};

/// Deliveries under way at a time.
const DELIVERIES: usize = 4;

/// The pause after a database that did not answer.
const PAUSE: Duration = Duration::from_secs(5);

/// One who is told.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// Where.
    pub url: String,
    /// What the deliveries are signed with.
    pub secret: Secret,
    /// Of what.
    pub events: Vec<Event>,
}

impl Webhook {
    /// One of the configuration, with its secret.
    pub fn of(config: &WebhookConfig) -> io::Result<Self> {
        let (url, events) = (config.url.to_string(), config.events.clone());
        Ok(Self { url, secret: Secret::read(Path::new(&config.secret_file))?, events })
    }
}

/// Tells all of these of what happens to the queue's jobs from now on, until the server goes down.
pub async fn start(queue: &Queue, webhooks: Vec<Webhook>, beside: &Handle, drain: &Drain) {
    if webhooks.is_empty() {
        return;
    }
    // Before anything can happen. Later is better than never.
    if let Err(error) = announce::begin(queue).await {
        tracing::warn!(%error, "nobody is told what happens at the moment");
    }
    let webhooks: Arc<[Webhook]> = webhooks.into();
    let (announcing, all) = (queue.clone(), Arc::clone(&webhooks));
    beside.spawn(until(drain.clone(), async move {
        loop {
            let Err(error) = announce::keep_announcing(&announcing, &all).await;
            tracing::warn!(%error, "nobody is told what happens at the moment");
            sleep(PAUSE).await;
        }
    }));
    for _ in 0..DELIVERIES {
        let (queue, webhooks) = (queue.clone(), Arc::clone(&webhooks));
        beside.spawn(until(drain.clone(), async move {
            loop {
                let Err(error) = deliver::keep_delivering(&queue, &webhooks).await;
                tracing::warn!(%error, "no webhook is delivered at the moment");
                sleep(PAUSE).await;
            }
        }));
    }
}

/// Whatever is dropped in the middle is done again by whoever comes next.
async fn until(drain: Drain, work: impl Future<Output = ()>) {
    tokio::select! { () = drain.begun() => {}, () = work => {} }
}
