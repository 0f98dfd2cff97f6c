//! A job as the API, the events and the webhooks show it.

use std::time::{Duration, SystemTime};

use serde::Serialize;

use crate::queue::Job;
use crate::transcode::{
    JobSpec, Operation,
    renditions::spec::{Effort, RenditionSpec, VideoCodec},
};

/// A job as JSON. The queue's payload is internal: clients see the members that they may ask for.
#[derive(Debug, Serialize)]
pub struct JobText {
    id: String,
    kind: String,
    title: String,
    #[serde(flatten)]
    parameters: Parameters,
    state: &'static str,
    /// Whether the job ends as soon as it can.
    cancelling: bool,
    priority: i64,
    progress: ProgressText,
    attempts: u32,
    max_attempts: u32,
    created: String,
    started: Option<String>,
    finished: Option<String>,
    error: Option<String>,
    parent: Option<String>,
    /// The number of its last change: greater than the numbers of all changes before.
    changed: i64,
}

/// The parameters of a job, named as in a request. A kind has only its own members.
#[derive(Debug, Default, Eq, PartialEq, Serialize)]
struct Parameters {
    #[serde(skip_serializing_if = "Option::is_none")]
    height: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    codec: Option<VideoCodec>,
    #[serde(skip_serializing_if = "Option::is_none")]
    effort: Option<Effort>,
    /// The number of the chunk, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    chunk: Option<u32>,
    /// The identifier of the audio track.
    #[serde(skip_serializing_if = "Option::is_none")]
    track: Option<u32>,
}

impl Parameters {
    fn new(operation: &Operation) -> Self {
        let video = |rendition: &RenditionSpec| Self {
            height: Some(rendition.height),
            codec: Some(rendition.codec),
            effort: Some(rendition.effort),
            ..Self::default()
        };
        match operation {
            Operation::Rendition { rendition } => video(rendition),
            Operation::Chunk { rendition, number } => {
                Self { chunk: Some(*number), ..video(rendition) }
            }
            Operation::Audio { track } => Self { track: Some(*track), ..Self::default() },
            Operation::Image(_)
            | Operation::Storyboard
            | Operation::Remux
            | Operation::Index { .. }
            | Operation::SourcePoster { .. } => Self::default(),
        }
    }
}

/// The progress of a job.
#[derive(Debug, Serialize)]
struct ProgressText {
    percent: f64,
    stage: String,
    note: String,
}

impl From<&Job> for JobText {
    fn from(job: &Job) -> Self {
        // Another version of the server may have enqueued a job that this one does not know.
        let spec: Option<JobSpec> = serde_json::from_str(&job.payload).ok();
        let progress = ProgressText {
            percent: f64::from(job.progress.permille) / 10.0,
            stage: job.progress.stage.clone(),
            note: job.progress.note.clone(),
        };
        Self {
            id: job.id.to_string(),
            kind: job.kind.clone(),
            title: job.title.clone(),
            parameters: spec.map(|spec| Parameters::new(&spec.operation)).unwrap_or_default(),
            state: job.state.as_str(),
            cancelling: job.cancel_requested,
            priority: job.priority,
            progress,
            attempts: job.attempts,
            max_attempts: job.max_attempts,
            created: date(job.created_ms),
            started: job.started_ms.map(date),
            finished: job.finished_ms.map(date),
            error: job.last_error.clone(),
            parent: job.parent.map(|parent| parent.to_string()),
            changed: job.changed,
        }
    }
}

/// Milliseconds since 1970 as an RFC 3339 date in UTC.
fn date(ms: i64) -> String {
    let since = Duration::from_millis(u64::try_from(ms).unwrap_or_default());
    // humantime refuses years of more than four digits.
    let time = SystemTime::UNIX_EPOCH.checked_add(since.min(LAST_SECOND));
    humantime::format_rfc3339_millis(time.unwrap_or(SystemTime::UNIX_EPOCH)).to_string()
}

/// The last second of the year 9999.
const LAST_SECOND: Duration = Duration::from_secs(253_402_300_799);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_has_a_date() {
        for (ms, expected) in [
            (1_700_000_000_123, "2023-11-14T22:13:20.123Z"),
            (0, "1970-01-01T00:00:00.000Z"),
            (-1, "1970-01-01T00:00:00.000Z"),
            (i64::MAX, "9999-12-31T23:59:59.000Z"),
        ] {
            assert_eq!(date(ms), expected);
        }
    }
}
