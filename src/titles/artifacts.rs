//! Artifacts of titles, and the requests that wait for them.
//!
//! Jobs produce artifacts. A request finds an artifact, or enqueues its job and waits a short time; an
//! artifact has one job, however many requests wait for it. After a failure requests do not retry for a
//! while: the queue keeps the reason. A client has a share of the queue's places: more of its requests are
//! refused, those of others are not.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures::FutureExt as _;
use quick_cache::sync::Cache;
use tokio::{
    runtime::Handle,
    select,
    time::{Instant, sleep, timeout, timeout_at},
};

use super::{
    Error,
    job_ends::JobEnds,
    readiness::Waiting,
    rendition_places::{RenditionPlace, RenditionPlaces},
};
use crate::{
    background::{Abandonment, Background},
    extent::{File, Place, bucket::BucketPlace, disk::OpenError},
    jobs::supervisor::{Supervisor, WorkerState},
    library::CacheLookups,
    queue::{Class, Job, JobId, JobSubmission, Queue, QueueError, State},
    shares::{ClientKey, Refused},
    store::artifacts::{Key, artifact_dir},
    transcode::JobSpec,
};

/// The most requests that wait for artifacts at a time.
const WAITING_MAX: usize = 512;

/// The places in the queue for jobs of one class that requests enqueue: a worker runs fewer while a request
/// waits.
const QUEUED_MAX: u32 = 256;

/// The most clients that are known to have their share of the queue, and the time for which they are refused
/// without a query of the database.
const REFUSED_MAX: usize = 4096;
const REFUSED_TTL: Duration = Duration::from_millis(500);

/// The most folders that are known without a query of the database, about 200 bytes of memory each.
const KNOWN_MAX: usize = 16_384;

/// The most short queries of the database at a time.
const QUERIES_MAX: usize = 256;

/// The most titles with cached lists of renditions, and the lifetime of such a list.
const RENDITIONS_MAX: usize = 1024;
const RENDITIONS_TTL: Duration = Duration::from_millis(100);

/// The most time that a manifest waits for the database.
const RENDITIONS_TIMEOUT: Duration = Duration::from_millis(500);

/// The delay before another look at a job that holds a place, after an error of the database.
const PLACE_RETRY_INTERVAL: Duration = Duration::from_secs(10);

/// The time without a retry after a job has failed.
const FAILURE_TTL: Duration = Duration::from_secs(600);

/// The same for an image, which depends on nothing but the bytes of its file: a library with hundreds of broken
/// files must not spend the image slots on them again and again.
const IMAGE_FAILURE_TTL: Duration = Duration::from_secs(86_400);

/// The most failures that are known without a query of the database, about 300 bytes of memory each, and the
/// time for which they are: another server may retry the job meanwhile.
const FAILED_MAX: usize = 4096;
const FAILED_TTL: Duration = Duration::from_secs(60);

/// The time without a retry after a job lacked a resource.
const UNAVAILABLE_TTL: Duration = Duration::from_secs(60);

/// The state of an artifact.
#[derive(Debug)]
pub enum ArtifactStatus {
    /// The artifact exists in this folder, for [`Artifacts::open`].
    Ready(PathBuf),
    /// The job is queued or runs.
    Pending(Box<Job>),
    /// The job failed; with the reason.
    Failed(String),
    /// The job cannot run now; with the missing resource.
    Unavailable(String),
}

/// Keys and tokens of a title's video and audio renditions.
pub type Renditions = Arc<[(String, i64)]>;

/// The artifacts of all titles, and the requests that wait for them.
pub struct Artifacts {
    queue: Queue,
    /// The folder of the artifacts.
    root: Place,
    /// The tokens that name folders, by key.
    known: Cache<String, i64>,
    /// The jobs that have failed, by the keys of their artifacts: the reason, and the time of the query.
    failed: Cache<String, (Instant, Arc<str>)>,
    /// The keys of artifacts that were used since the last [`Artifacts::take_used`].
    used: Mutex<HashSet<String>>,
    /// The renditions of versions of titles, and the time of the query.
    renditions: Cache<String, (Instant, Renditions)>,
    /// The clients that had their share of the queue, and the time of that.
    refused: Cache<(ClientKey, Class), Instant>,
    /// The renditions that playing has started.
    places: RenditionPlaces,
    ends: Arc<JobEnds>,
    supervisor: Supervisor,
    /// Runs requests that wait for jobs. The database's connections belong to this runtime.
    waiters: Background,
    /// Runs short queries, apart from requests that wait.
    queries: Background,
    /// The look-ups of artifacts without a query of the database, for metrics.
    pub lookups: CacheLookups,
    /// The reason why no job can run here.
    pub unavailable: Option<&'static str>,
}

impl Artifacts {
    /// The artifacts below `root`, with their names in the queue's database. `runtime` serves the database's
    /// connections.
    pub fn new(
        queue: Queue,
        root: Place,
        supervisor: Supervisor,
        runtime: Handle,
        unavailable: Option<&'static str>,
    ) -> Arc<Self> {
        Arc::new(Self {
            ends: JobEnds::new(queue.clone()),
            queue,
            root,
            known: Cache::new(KNOWN_MAX),
            failed: Cache::new(FAILED_MAX),
            used: Mutex::default(),
            renditions: Cache::new(RENDITIONS_MAX),
            refused: Cache::new(REFUSED_MAX),
            places: RenditionPlaces::default(),
            supervisor,
            waiters: Background::new(runtime.clone(), WAITING_MAX),
            queries: Background::new(runtime, QUERIES_MAX),
            lookups: CacheLookups::default(),
            unavailable,
        })
    }

    /// Waits until an artifact's job has ended or the timeout has passed, and returns the artifact's status.
    /// Enqueues the job if there is none, on the account of the present task's client.
    pub async fn obtain(
        self: &Arc<Self>,
        spec: JobSpec,
        wait_timeout: Duration,
    ) -> Result<ArtifactStatus, Error> {
        let submission = spec.submission();
        self.obtain_by(spec, submission, None, wait_timeout).await
    }

    /// As [`obtain`](Self::obtain), for a rendition without which a title does not play. It needs a place of
    /// the client until its job has ended, and comes before renditions that were requested for later.
    pub async fn obtain_to_play(self: &Arc<Self>, spec: JobSpec) -> Result<ArtifactStatus, Error> {
        let (key, submission) = (spec.key(), spec.urgent_submission());
        let place = match self.look_up(&spec).await? {
            Some(_) => None,
            None => self.places.take(key.as_str(), ClientKey::current()).map_err(|refused| {
                tracing::debug!(%refused, key = key.as_str(), "rendition not started");
                Error::NotReady(match refused {
                    Refused::OwnLimit => {
                        "other titles are transcoded for this address first, retry later"
                    }
                    Refused::Full => "other titles are transcoded first, retry later",
                })
            })?,
        };
        self.obtain_by(spec, submission, place, Duration::ZERO).await
    }

    /// As [`obtain`](Self::obtain), with this submission of the job, which holds a place until it has ended,
    /// also if the request is dropped.
    async fn obtain_by(
        self: &Arc<Self>,
        spec: JobSpec,
        submission: JobSubmission,
        place: Option<RenditionPlace>,
        wait_timeout: Duration,
    ) -> Result<ArtifactStatus, Error> {
        let key = spec.key();
        if let Some(folder) = self.known(&key) {
            return Ok(ArtifactStatus::Ready(folder));
        }
        if let Some(why) = self.known_failure(&key) {
            return Ok(ArtifactStatus::Failed(why));
        }
        let (artifacts, client) = (Arc::clone(self), ClientKey::current());
        if self.was_refused(client, spec.class()) {
            return Err(Error::Busy);
        }
        let deadline = Instant::now() + wait_timeout;
        let obtained = self.waiters.spawn_limited_with(async move |abandonment| {
            let job = match artifacts.enqueue(submission, &key, client).await? {
                ArtifactStatus::Pending(job) => *job,
                ended => return Ok(ended),
            };
            if let Some(place) = place {
                let held = hold_until_end(place, Arc::clone(&artifacts.ends), job.id);
                artifacts.waiters.runtime().spawn(held);
            }
            artifacts.wait_for(job, &key, deadline, abandonment).await
        });
        obtained.await?
    }

    /// The reason for the failure of an artifact's job, without a query of the database.
    fn known_failure(&self, key: &Key) -> Option<String> {
        let (since, why) = self.failed.get(key.as_str())?;
        (since.elapsed() < FAILED_TTL).then(|| why.to_string())
    }

    /// Forgets that a job has failed, because a client retries it.
    pub fn forget_failure(&self, key: &str) {
        self.failed.remove(key);
    }

    /// The status after a job that did not succeed.
    fn note_failure(&self, key: &Key, job: Job) -> ArtifactStatus {
        let status = failure_status(job);
        if let ArtifactStatus::Failed(why) = &status {
            let failure = (Instant::now(), why.as_str().into());
            self.failed.insert(key.as_str().to_owned(), failure);
        }
        status
    }

    /// Whether a client had its share of the queue a moment ago.
    fn was_refused(&self, client: ClientKey, class: Class) -> bool {
        let refused = self.refused.get(&(client, class));
        refused.is_some_and(|refused| refused.elapsed() < REFUSED_TTL)
    }

    /// The status of an artifact. Enqueues no job; `None` if there is no job, or it failed long ago.
    pub async fn look_up(
        self: &Arc<Self>,
        spec: &JobSpec,
    ) -> Result<Option<ArtifactStatus>, Error> {
        let key = spec.key();
        if let Some(folder) = self.known(&key) {
            return Ok(Some(ArtifactStatus::Ready(folder)));
        }
        if let Some(why) = self.known_failure(&key) {
            return Ok(Some(ArtifactStatus::Failed(why)));
        }
        let artifacts = Arc::clone(self);
        let status = self.queries.spawn_limited(async move { artifacts.status(&key).await });
        status.await?
    }

    /// The folder of an artifact, without a query of the database; `None` if it is not known to exist.
    pub fn known(&self, key: &Key) -> Option<PathBuf> {
        let Some(token) = self.known.get(key.as_str()) else {
            self.lookups.miss();
            return None;
        };
        self.lookups.hit();
        self.note_use(key.as_str());
        Some(artifact_dir(key, token))
    }

    /// Whether an artifact is known to exist.
    pub fn is_known(&self, key: &Key) -> bool {
        self.known.get(key.as_str()).is_some()
    }

    /// Opens a file of an artifact.
    pub async fn open(
        &self,
        folder: &Path,
        name: &str,
        waiting: Waiting,
    ) -> Result<Arc<File>, Error> {
        let path = folder.join(name);
        match self.open_file(&path, waiting).await {
            Err(OpenError::NotFound) => {
                // A user may have deleted the data folder, and a worker has created another one.
                if matches!(self.root.reopen().boxed().await, Ok(Ok(true)))
                    && let Ok(file) = self.root.open_file(&path).boxed().await
                {
                    return Ok(file);
                }
                self.forget_lost(folder);
                Err(Error::NotReady("the artifact was just removed, retry later"))
            }
            opened => Ok(opened?),
        }
    }

    /// Forgets an artifact whose folder is gone although a row names it: this server or another evicted
    /// it a moment ago, or the folder was lost. The next request enqueues its job again.
    fn forget_lost(&self, folder: &Path) {
        let key = folder.parent().and_then(Path::to_str).unwrap_or_default().to_owned();
        self.known.remove(&key);
        let token = folder.file_name().and_then(|name| name.to_str()?.parse().ok());
        if let Some(token) = token {
            let queue = self.queue.clone();
            let runtime = self.queries.runtime();
            runtime.spawn(async move { queue.delete_artifact(&key, token).await });
        }
    }

    /// Opens the file of a rendition by its path.
    pub async fn open_rendition(&self, path: &Path, waiting: Waiting) -> Result<Arc<File>, Error> {
        let opened = self.open_file(path, waiting).await;
        let mut folders = path.ancestors().skip(1);
        if let (Some(folder), Some(key)) = (folders.next(), folders.next().and_then(Path::to_str)) {
            match &opened {
                Ok(_) => self.note_use(key),
                Err(OpenError::NotFound) => self.forget_lost_rendition(folder),
                Err(_) => {}
            }
        }
        Ok(opened?)
    }

    async fn open_file(&self, path: &Path, waiting: Waiting) -> Result<Arc<File>, OpenError> {
        if let Some(file) = self.root.open_file_now(path) {
            return Ok(file);
        }
        waiting.begin().await;
        self.root.open_file(path).boxed().await
    }

    /// As [`forget_lost`](Self::forget_lost), for a rendition that may never have existed: its path comes
    /// from a URL, and invented URLs must not cause writes to the database. So only a rendition that the
    /// database has listed is forgotten.
    fn forget_lost_rendition(&self, folder: &Path) {
        let is_lost = |(key, token): &(String, i64)| {
            folder.parent() == Some(Path::new(key)) && folder.ends_with(token.to_string())
        };
        let version = folder.to_str().and_then(|folder| folder.split('-').next());
        let known = version.and_then(|version| Some((version, self.renditions.get(version)?)));
        if let Some((version, (since, known))) = known
            && known.iter().any(is_lost)
        {
            let others = known.iter().filter(|rendition| !is_lost(rendition)).cloned().collect();
            self.renditions.insert(version.to_owned(), (since, others));
            self.forget_lost(folder);
        }
    }

    /// The renditions of a version of a title, by key and token. If the database does not respond soon, these
    /// are the last known ones: playback does not wait for the database.
    pub async fn renditions(self: &Arc<Self>, version: &str) -> Renditions {
        if let Some((since, known)) = self.renditions.get(version)
            && since.elapsed() < RENDITIONS_TTL
        {
            return known;
        }
        let (artifacts, requested) = (Arc::clone(self), version.to_owned());
        let query = self.queries.spawn_limited(async move {
            let prefix = format!("{requested}-");
            let select = artifacts.queue.artifacts_of_kinds(&prefix, ["rendition", "audio"]);
            let rows = timeout(RENDITIONS_TIMEOUT, select).await.ok()?.ok()?;
            let found: Renditions = rows.into_iter().map(|row| (row.key, row.token)).collect();
            artifacts.renditions.insert(requested, (Instant::now(), Arc::clone(&found)));
            for (key, _) in &*found {
                artifacts.note_use(key);
            }
            Some(found)
        });
        let current = query.await.ok().flatten();
        current.or_else(|| self.renditions.get(version).map(|(_, known)| known)).unwrap_or_default()
    }

    /// The bucket of the artifacts; `None` if they are in a folder.
    pub fn bucket(&self) -> Option<&Arc<BucketPlace>> {
        self.root.bucket()
    }

    /// The state of the local worker process.
    pub fn worker(&self) -> WorkerState {
        self.supervisor.state()
    }

    /// The keys of artifacts that were used since the last call.
    pub fn take_used(&self) -> Vec<String> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *used).into_iter().collect()
    }

    /// Forgets an artifact that was removed, and closes its files.
    pub fn forget(&self, key: &str, token: i64) {
        self.known.remove(key);
        self.root.forget_below(&Path::new(key).join(token.to_string()));
    }

    /// Closes the files of artifacts that other processes have removed, or that were opened while this one
    /// removed them: no request would use them again, and they would occupy their disk space.
    pub fn forget_removed(&self) {
        self.root.forget_removed();
    }

    /// The status of an artifact, whose job is enqueued if there is none.
    async fn enqueue(
        &self,
        submission: JobSubmission,
        key: &Key,
        client: ClientKey,
    ) -> Result<ArtifactStatus, Error> {
        let class = submission.class;
        match self.status(key).await? {
            // Perhaps behind many of another client.
            Some(ArtifactStatus::Pending(job)) if job.state == State::Queued => {}
            Some(status) => return Ok(status),
            None => {}
        }
        match self.queue.enqueue_for(&client.to_string(), QUEUED_MAX, submission).await? {
            Some(job) => Ok(ArtifactStatus::Pending(Box::new(job))),
            None => {
                self.refused.insert((client, class), Instant::now());
                Err(Error::Busy)
            }
        }
    }

    async fn wait_for(
        &self,
        job: Job,
        key: &Key,
        deadline: Instant,
        mut abandonment: Abandonment,
    ) -> Result<ArtifactStatus, Error> {
        self.supervisor.wake();
        let ended = select! {
            ended = timeout_at(deadline, self.ends.wait(job.id)) => match ended {
                Ok(ended) => ended?,
                Err(_late) => None,
            },
            () = abandonment.wait() => None,
        };
        let artifact = match ended {
            Some(job) if job.state == State::Done => self.find(key).await?,
            Some(job) => return Ok(self.note_failure(key, job)),
            None => None,
        };
        // A job that is done and has no artifact: it was removed at this moment.
        Ok(artifact.unwrap_or_else(|| ArtifactStatus::Pending(Box::new(job))))
    }

    async fn status(&self, key: &Key) -> Result<Option<ArtifactStatus>, Error> {
        if let Some(artifact) = self.find(key).await? {
            return Ok(Some(artifact));
        }
        if let Some(why) = self.unavailable {
            return Err(Error::Unavailable(why.to_owned()));
        }
        Ok(match self.queue.latest(key.as_str()).await? {
            Some(job) if !job.state.is_end() => Some(ArtifactStatus::Pending(Box::new(job))),
            // The job may have ended after the first look-up.
            Some(job) if job.state == State::Done => self.find(key).await?,
            Some(job) if has_failed_lately(&job) => Some(self.note_failure(key, job)),
            _ => None,
        })
    }

    async fn find(&self, key: &Key) -> Result<Option<ArtifactStatus>, QueueError> {
        let Some(artifact) = self.queue.artifact(key.as_str()).await? else {
            return Ok(None);
        };
        self.known.insert(key.as_str().to_owned(), artifact.token);
        self.note_use(key.as_str());
        Ok(Some(ArtifactStatus::Ready(artifact_dir(key, artifact.token))))
    }

    fn note_use(&self, key: &str) {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if used.len() < KNOWN_MAX && !used.contains(key) {
            used.insert(key.to_owned());
        }
    }
}

/// Keeps a place until its job has ended.
async fn hold_until_end(place: RenditionPlace, ends: Arc<JobEnds>, job: JobId) {
    while ends.wait(job).await.is_err() {
        sleep(PLACE_RETRY_INTERVAL).await;
    }
    drop(place);
}

fn failure_status(job: Job) -> ArtifactStatus {
    match job.last_error {
        Some(why) if job.unavailable => ArtifactStatus::Unavailable(why),
        Some(why) => ArtifactStatus::Failed(why),
        None => ArtifactStatus::Failed("the job was cancelled".to_owned()),
    }
}

/// Whether a job failed or was cancelled a short time ago: repeated requests must not enqueue it again.
fn has_failed_lately(job: &Job) -> bool {
    let is_image = matches!(job.class, Class::Image | Class::Thumbnail);
    let ttl = match job.state {
        _ if job.unavailable => UNAVAILABLE_TTL,
        State::Failed if is_image => IMAGE_FAILURE_TTL,
        _ => FAILURE_TTL,
    };
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let ended_ms = u128::try_from(job.finished_ms.unwrap_or_default()).unwrap_or_default();
    matches!(job.state, State::Failed | State::Cancelled)
        && now_ms.abs_diff(ended_ms) < ttl.as_millis()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_image_is_not_tried_again_for_a_day_and_other_jobs_for_minutes() {
        let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis();
        let ended = |class: Class, state: State, unavailable: bool, ago: Duration| {
            let finished_ms = i64::try_from(now_ms - ago.as_millis()).expect("a time");
            let job = Job { class, state, unavailable, finished_ms: Some(finished_ms), ..job() };
            has_failed_lately(&job)
        };
        let (minutes, hours) = (Duration::from_secs(300), Duration::from_secs(7200));
        let days = Duration::from_secs(100_000);
        for (class, state, unavailable, expected) in [
            (Class::Image, State::Failed, false, [true, true, false]),
            (Class::Image, State::Failed, true, [false; 3]),
            (Class::Image, State::Cancelled, false, [true, false, false]),
            (Class::Remux, State::Failed, false, [true, false, false]),
            (Class::Image, State::Done, false, [false; 3]),
        ] {
            let found = [minutes, hours, days].map(|ago| ended(class, state, unavailable, ago));
            assert_eq!(found, expected, "{class} {state} {unavailable}");
        }
    }

    fn job() -> Job {
        Job {
            id: "01890000-0000-7000-8000-000000000000".parse().expect("an id"),
            class: Class::Image,
            kind: "poster".to_owned(),
            title: "a.mkv".to_owned(),
            payload: String::new(),
            priority: 0,
            state: State::Failed,
            dedupe_key: None,
            attempts: 1,
            max_attempts: 1,
            run_at_ms: 0,
            lease_token: 1,
            lease_owner: None,
            lease_until_ms: None,
            progress: crate::queue::Progress::default(),
            cancel_requested: false,
            last_error: Some("broken".to_owned()),
            unavailable: false,
            parent: None,
            created_ms: 0,
            started_ms: None,
            finished_ms: None,
            changed: 1,
        }
    }
}
