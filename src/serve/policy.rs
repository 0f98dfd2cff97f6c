//! Renditions that nobody has to ask for: the configured policy.

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

/// How often it is looked whether there are other titles.
const LOOK: Duration = Duration::from_secs(10);

/// Titles that are looked at in one go.
const PAGE: usize = 100;

/// Titles that are remembered as having been looked at, about 100 bytes of memory each.
const REMEMBERED: usize = 1_000_000;

/// Renditions that may be waiting to be made; for more it is looked again later.
const QUEUED_MAX: u32 = 1000;

/// After whatever somebody has asked for.
const PRIORITY: i64 = -10;

/// Asks for the renditions of titles as they are found, until the server ends.
pub(super) async fn follow(site: Arc<Site>, queue: Queue) {
    let mut looks = interval(LOOK);
    let mut seen = HashSet::new();
    let mut followed = RenditionPolicy::Off;
    let mut changes = None;
    loop {
        looks.tick().await;
        let policy = site.settings.load().auto_renditions;
        if policy != followed {
            // What one leaves alone another may want.
            seen.clear();
            followed = policy;
        }
        let now = (site.library.catalog.changes(), policy);
        if policy == RenditionPolicy::Off || changes == Some(now) {
            continue;
        }
        if look_at_all(&site, &queue, policy, &mut seen).await {
            changes = Some(now);
        }
    }
}

/// Returns whether nothing was left for the next time.
async fn look_at_all(
    site: &Site,
    queue: &Queue,
    policy: RenditionPolicy,
    seen: &mut HashSet<(MediaPath, Version)>,
) -> bool {
    let mut query = Query { limit: PAGE, ..Query::default() };
    loop {
        let titles = site.library.catalog.query(&query).titles;
        if titles.is_empty() {
            return true;
        }
        query.offset += titles.len();
        for Title { path, version, .. } in titles {
            if seen.contains(&(path.clone(), version)) {
                continue;
            }
            let asked = ask_for(site, queue, &path, policy).await;
            match asked {
                Ok(true) if seen.len() < REMEMBERED => drop(seen.insert((path, version))),
                Ok(true) => {}
                Ok(false) => return false,
                Err(error) => {
                    let title = path.display();
                    tracing::warn!(title, %error, "no renditions were asked for");
                    return false;
                }
            }
        }
    }
}

/// Asks for what a title lacks. Returns whether there was room in the queue.
async fn ask_for(
    site: &Site,
    queue: &Queue,
    path: &MediaPath,
    policy: RenditionPolicy,
) -> Result<bool, QueueError> {
    // What cannot be opened now is looked at when it has changed.
    let Ok(file) = site.library.open(path).await else {
        return Ok(true);
    };
    let indices = &site.library.indices;
    let Ok(Ok(movie)) = indices.index(&file).await else {
        return Ok(true);
    };
    let version = title::version(file.identity().version(), indices.grid_ms().get());
    for operation in lacking(&movie, policy) {
        let spec = JobSpec::new(path, version, operation);
        let key = spec.key();
        let is_there = queue.artifact(key.as_str()).await?.is_some();
        if is_there || queue.latest(key.as_str()).await?.is_some_and(|job| job.state != State::Done)
        {
            continue;
        }
        if queue.are_queued(spec.class(), QUEUED_MAX).await? {
            return Ok(false);
        }
        queue.enqueue(JobSubmission { priority: PRIORITY, ..spec.submission() }).await?;
    }
    Ok(true)
}

/// What a movie is to have besides itself: AAC of sounds that browsers do not play, which is soon made, and
/// then the ladder.
fn lacking(movie: &Movie, policy: RenditionPolicy) -> Vec<Operation> {
    let pictures = stills::track(movie).ok().and_then(VideoTrack::from_track);
    let pictures =
        pictures.filter(|pictures| policy == RenditionPolicy::All || !pictures.is_playable);
    let rungs =
        pictures.map(|pictures| spec::build_ladder(&pictures, VideoCodec::H264, Effort::Quick));
    let rungs = rungs.into_iter().flatten().map(|rendition| Operation::Rendition { rendition });
    Operation::audio_encodings(movie).chain(rungs).collect()
}
