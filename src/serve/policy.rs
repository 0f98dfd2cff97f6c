//! Renditions without a request: the policy of `auto_renditions`.

use std::{collections::HashSet, sync::Arc, time::Duration};

use tokio::time::interval;

use crate::{
    config::RenditionPolicy,
    extent::disk::Version,
    http::Site,
    library::{MediaPath, Title, catalog::Query},
    movie::Movie,
    package::{stills, title},
    queue::{JobSubmission, Queue, QueueError, State},
    transcode::{
        JobSpec, Operation,
        renditions::spec::{self, Effort, VideoCodec, VideoTrack},
    },
};

/// Interval of looking for changed titles.
const POLL_INTERVAL: Duration = Duration::from_secs(10);

/// Titles per query of the catalog.
const PAGE: usize = 100;

/// Titles to remember as checked, about 100 bytes of memory each.
const CHECKED_MAX: usize = 1_000_000;

/// Maximum number of queued renditions; the rest waits for a later round.
const QUEUED_MAX: u32 = 1000;

/// Below the priority of all requests.
const PRIORITY: i64 = -10;

/// Enqueues the renditions of titles as they appear, until the server ends.
pub(super) async fn run(site: Arc<Site>, queue: Queue) {
    let mut ticks = interval(POLL_INTERVAL);
    let mut checked = HashSet::new();
    let mut current = RenditionPolicy::Off;
    let mut done = None;
    loop {
        ticks.tick().await;
        let policy = site.settings.load().auto_renditions;
        if policy != current {
            // Another policy may select other titles.
            checked.clear();
            current = policy;
        }
        let state = (site.titles.library.catalog.changes(), policy);
        if policy == RenditionPolicy::Off || done == Some(state) {
            continue;
        }
        if check_titles(&site, &queue, policy, &mut checked).await {
            done = Some(state);
        }
    }
}

/// Checks all titles. Returns whether none is left for the next round.
async fn check_titles(
    site: &Site,
    queue: &Queue,
    policy: RenditionPolicy,
    checked: &mut HashSet<(MediaPath, Version)>,
) -> bool {
    let mut query = Query { limit: PAGE, ..Query::default() };
    loop {
        let titles = site.titles.library.catalog.query(&query).titles;
        if titles.is_empty() {
            return true;
        }
        query.offset += titles.len();
        for Title { path, version, .. } in titles {
            if checked.contains(&(path.clone(), version)) {
                continue;
            }
            match enqueue_missing(site, queue, &path, policy).await {
                Ok(true) if checked.len() < CHECKED_MAX => drop(checked.insert((path, version))),
                Ok(true) => {}
                Ok(false) => return false,
                Err(error) => {
                    let title = path.display();
                    tracing::warn!(title, %error, "could not enqueue renditions, retrying");
                    return false;
                }
            }
        }
    }
}

/// Enqueues the missing renditions of a title. Returns `false` if the queue is full.
async fn enqueue_missing(
    site: &Site,
    queue: &Queue,
    path: &MediaPath,
    policy: RenditionPolicy,
) -> Result<bool, QueueError> {
    // A title that cannot be opened is checked again once it has changed.
    let Ok(file) = site.titles.library.open(path).await else {
        return Ok(true);
    };
    let indices = &site.titles.library.indices;
    let Ok(Ok(movie)) = indices.index(&file).await else {
        return Ok(true);
    };
    let version = title::version(file.identity().version(), indices.grid_ms().get());
    for operation in desired_operations(&movie, policy) {
        let spec = JobSpec::new(path, version, operation);
        let key = spec.key();
        let exists = queue.artifact(key.as_str()).await?.is_some();
        if exists || queue.latest(key.as_str()).await?.is_some_and(|job| job.state != State::Done) {
            continue;
        }
        if queue.are_queued(spec.class(), QUEUED_MAX).await? {
            return Ok(false);
        }
        queue.enqueue(JobSubmission { priority: PRIORITY, ..spec.submission() }).await?;
    }
    Ok(true)
}

/// The renditions that a movie should have: AAC of audio that browsers do not play, which is quick to
/// encode, and then the ladder.
fn desired_operations(movie: &Movie, policy: RenditionPolicy) -> Vec<Operation> {
    let video = stills::track(movie)
        .ok()
        .and_then(VideoTrack::from_track)
        .filter(|video| policy == RenditionPolicy::All || !video.is_playable);
    let ladder = video.map(|video| spec::build_ladder(&video, VideoCodec::H264, Effort::Quick));
    let renditions =
        ladder.into_iter().flatten().map(|rendition| Operation::Rendition { rendition });
    Operation::audio_encodings(movie).chain(renditions).collect()
}
