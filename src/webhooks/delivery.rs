//! Deliveries: the event of a job, and the jobs that deliver it.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::Webhook;
use crate::{
    config::WebhookEvent,
    jobs::text::JobText,
    queue::{Class, Job, JobSubmission, State},
};

/// Kind of delivery jobs.
const KIND: &str = "webhook";

/// Attempts of a delivery: some hours, since the backoff doubles up to ten minutes.
const ATTEMPTS_MAX: u32 = 40;

/// Payload of a delivery job.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Delivery {
    /// URL of the receiver.
    pub(super) url: String,
    /// The body, as it is signed.
    pub(super) body: String,
}

/// Body of a delivery.
#[derive(Serialize)]
struct Body {
    r#type: WebhookEvent,
    timestamp: String,
    data: JobText,
}

/// The jobs that deliver the event of a job, if its state causes one, to the subscribed webhooks.
pub(super) fn deliveries(job: &Job, webhooks: &[Webhook]) -> Vec<JobSubmission> {
    let Some(event) = event(job) else {
        return Vec::new();
    };
    let timestamp = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
    let content = Body { r#type: event, timestamp, data: JobText::from(job) };
    let body = serde_json::to_string(&content).expect("text and numbers");
    let receivers = webhooks.iter().filter(|webhook| webhook.events.contains(&event));
    let delivery = |webhook: &Webhook| {
        let delivery = Delivery { url: webhook.url.clone(), body: body.clone() };
        JobSubmission {
            class: Class::Webhook,
            kind: KIND.into(),
            title: job.title.clone(),
            payload: serde_json::to_string(&delivery).expect("text"),
            priority: 0,
            dedupe_key: None,
            max_attempts: ATTEMPTS_MAX,
        }
    };
    receivers.map(delivery).collect()
}

/// The event that a job's state causes; most cause none.
fn event(job: &Job) -> Option<WebhookEvent> {
    // A child's end is its parent's business, and a failed delivery has no receiver.
    if job.parent.is_some() || job.class == Class::Webhook {
        return None;
    }
    match (job.state, job.kind.as_str()) {
        (State::Failed, _) => Some(WebhookEvent::JobFailed),
        (State::Done, "rendition" | "audio") => Some(WebhookEvent::RenditionReady),
        (State::Done, "remux") => Some(WebhookEvent::TitleReady),
        _ => None,
    }
}
