//! `headwater check` of a bucket: what it responded, and what that means.

use std::time::{Duration, SystemTime};

use super::findings::Findings;
use crate::{
    config::BucketConfig,
    extent::bucket::{FetchError, Probe, probe},
    serve::bucket_settings::bucket_settings,
};

/// The difference of clocks that is worth a word. `Date` has whole seconds.
const SKEW_MIN: Duration = Duration::from_secs(30);

/// The sentence for clocks that do not differ.
const CLOCKS_AGREE: &str = "clocks agree";

/// Probes a bucket.
pub(super) fn examine(config: &BucketConfig, deadline: Duration) -> Findings {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let problem = |problem: String| Findings { problem: Some(problem), notes: Vec::new() };
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return problem(error.to_string()),
    };
    let settings = bucket_settings(config);
    match runtime.block_on(probe(&settings, config.url.prefix(), deadline)) {
        Ok(probe) => Findings { problem: problem_of(&probe), notes: notes(&probe) },
        Err(error) => problem(error.to_string()),
    }
}

/// Why nothing of a bucket can be served, and what to do.
fn problem_of(probe: &Probe) -> Option<String> {
    match (&probe.listed, &probe.read) {
        (Err(error), _) => Some(format!("{error}{}", next_step(error, "s3:ListBucket"))),
        (_, Some(Err(error))) => {
            Some(format!("its objects cannot be read: {error}{}", next_step(error, "s3:GetObject")))
        }
        _ => None,
    }
}

fn next_step(error: &FetchError, action: &str) -> String {
    match error {
        FetchError::Credentials { status: Some(_), .. } => {
            format!(
                "; check credentials_file or AWS_ACCESS_KEY_ID, and that a policy allows {action}"
            )
        }
        FetchError::Credentials { status: None, .. } => {
            "; set credentials_file, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY".to_owned()
        }
        FetchError::Unavailable { .. } | FetchError::Broken(_) => "; check its endpoint".to_owned(),
        _ => String::new(),
    }
}

/// What a bucket can do, a sentence for each result.
fn notes(probe: &Probe) -> Vec<String> {
    let mut notes = Vec::new();
    match (&probe.listed, &probe.read) {
        (Ok(Some(key)), Some(Ok(()))) => {
            notes.push(format!("the bucket is listed and read: {}", key.escape_debug()));
        }
        (Ok(None), _) => notes.push("the bucket is listed, and has no object there yet".to_owned()),
        _ => {}
    }
    if probe.listed.is_ok() {
        notes.extend(probe.refuses_other_etag.map(|refuses| if_match(refuses).to_owned()));
        notes.push(versions(probe.keeps_versions).to_owned());
    }
    let clocks = probe.times.map(|(theirs, ours)| clocks(theirs, ours));
    // Beside a failure only what may be its reason.
    notes.extend(clocks.filter(|clocks| probe.listed.is_ok() || clocks != CLOCKS_AGREE));
    if probe.listed.is_ok() {
        notes.push(unfinished_uploads(probe.removes_unfinished_uploads).to_owned());
    }
    notes
}

fn if_match(is_obeyed: bool) -> &'static str {
    match is_obeyed {
        true => "If-Match is obeyed: a part of a replaced object is never sent for the old one",
        false => {
            "If-Match is ignored: each response's ETag is compared, and a response is cut when its object \
             is replaced"
        }
    }
}

fn versions(are_kept: Option<bool>) -> &'static str {
    match are_kept {
        Some(true) => {
            "versions are kept: a response in progress ends with the old bytes when its object is replaced"
        }
        Some(false) => "no versions: a response in progress ends early when its object is replaced",
        None => {
            "the credentials do not allow to ask for versions (s3:GetBucketVersioning); without them, a \
             response in progress ends early when its object is replaced"
        }
    }
}

fn clocks(theirs: SystemTime, ours: SystemTime) -> String {
    let (skew, way) = match ours.duration_since(theirs) {
        Ok(skew) => (skew, "ahead of"),
        Err(error) => (error.duration(), "behind"),
    };
    if skew < SKEW_MIN {
        return CLOCKS_AGREE.to_owned();
    }
    let skew = humantime::format_duration(Duration::from_secs(skew.as_secs()));
    format!(
        "this machine's clock is {skew} {way} the bucket's: from 15 minutes on the bucket refuses requests; \
         set it by NTP"
    )
}

fn unfinished_uploads(are_removed: Option<bool>) -> &'static str {
    match are_removed {
        Some(true) => "a lifecycle rule removes unfinished uploads",
        Some(false) => {
            "no lifecycle rule removes unfinished uploads: they take space, and no listing shows them"
        }
        None => {
            "the credentials do not allow to ask for lifecycle rules (s3:GetLifecycleConfiguration); one \
             should remove unfinished uploads, which no listing shows"
        }
    }
}
