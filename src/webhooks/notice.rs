//! What there is to tell of.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::Webhook;
use crate::{
    jobs::text::JobText,
    queue::{Class, Job, JobSubmission, State},
};

/// The kind of the jobs that deliver.
const KIND: &str = "webhook";

/// Some hours, since the pauses double up to ten minutes.
const ATTEMPTS_MAX: u32 = 40;

/// Something that others may be told of.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Event {
    /// A rendition of a title can be played.
    #[serde(rename = "rendition.ready")]
    RenditionReady,
    /// A title can be played that could not: a job has made a movie of it.
    #[serde(rename = "title.ready")]
    TitleReady,
    /// A job was given up.
    #[serde(rename = "job.failed")]
    JobFailed,
}

impl Event {
    /// What there is to tell of a job that has come to this state: nothing of most.
    pub fn of(job: &Job) -> Option<Self> {
        // Pieces are their parents' business, and of a delivery that failed there is nobody to tell.
        if job.parent.is_some() || job.class == Class::Webhook {
            return None;
        }
        match (job.state, job.kind.as_str()) {
            (State::Failed, _) => Some(Self::JobFailed),
            (State::Done, "rendition" | "audio") => Some(Self::RenditionReady),
            (State::Done, "remux") => Some(Self::TitleReady),
            _ => None,
        }
    }
}

/// What a job that delivers carries.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Delivery {
    /// To whom.
    pub(super) url: String,
    /// What is sent, as it is signed.
    pub(super) body: String,
}

/// What is sent.
#[derive(Serialize)]
struct Body {
    r#type: Event,
    timestamp: String,
    data: JobText,
}

/// The jobs that tell all who want to know it of this job.
pub(super) fn deliveries(job: &Job, webhooks: &[Webhook]) -> Vec<JobSubmission> {
    let Some(event) = Event::of(job) else {
        return Vec::new();
    };
    let timestamp = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
    let body = Body { r#type: event, timestamp, data: JobText::from(job) };
    let body = serde_json::to_string(&body).expect("text and numbers");
    let told = webhooks.iter().filter(|webhook| webhook.events.contains(&event));
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
    told.map(delivery).collect()
}
