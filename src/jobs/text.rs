//! A job as people are shown it.

use std::time::{Duration, SystemTime};

use serde::Serialize;

use crate::queue::Job;
use crate::transcode::{JobSpec, Operation};

/// A job as JSON.
#[derive(Debug, Serialize)]
pub struct JobText {
    id: String,
    kind: String,
    title: String,
    /// What is to be made.
    operation: Option<Operation>,
    state: &'static str,
    /// Whether it is to end as soon as it can.
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
    /// Greater than those of all changes to any job before its last.
    changed: i64,
}

/// How far it is.
#[derive(Debug, Serialize)]
struct ProgressText {
    percent: f64,
    stage: String,
    note: String,
}

impl From<&Job> for JobText {
    fn from(job: &Job) -> Self {
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
            operation: spec.map(|spec| spec.operation),
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

/// Milliseconds since 1970 as RFC 3339 writes them, in UTC.
fn date(ms: i64) -> String {
    let since = Duration::from_millis(u64::try_from(ms).unwrap_or_default());
    // The formatter knows years of four digits.
    let time = SystemTime::UNIX_EPOCH.checked_add(since.min(LAST_SECOND));
    humantime::format_rfc3339_millis(time.unwrap_or(SystemTime::UNIX_EPOCH)).to_string()
}

/// The last second of the year 9999.
const LAST_SECOND: Duration = Duration::from_secs(253_402_300_799);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_dates_whatever_they_are() {
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
