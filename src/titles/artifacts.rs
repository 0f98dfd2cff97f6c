//! What jobs make for requests that wait for it: once for all who ask, and kept.
//!
//! Nothing is made by whoever asks. A request finds what was made, or sees to it that a job makes it and
//! waits a little; however many ask for one thing, there is one job. What could not be made is not tried
//! again for everybody who asks: the queue remembers why, for a while.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use quick_cache::sync::Cache;
use tokio::{
    runtime::Handle,
    sync::Semaphore,
    time::{Instant, timeout, timeout_at},
};

use crate::http::Error;
use crate::{
    extent::disk::{File, OpenError, Root},
    jobs::supervisor::{Supervisor, WorkerState},
    queue::{Job, Queue, QueueError, State},
    store::artifacts::{Key, artifact_dir},
    transcode::JobSpec,
};

/// Requests that may wait for something to be made at a time.
const WAITING_MAX: usize = 512;

/// Things that may be waiting to be made: more than a worker makes while somebody waits.
const QUEUED_MAX: u32 = 256;

/// Folders that are known without asking the database, about 200 bytes of memory each.
const KNOWN: usize = 16_384;

/// Titles whose renditions are known without asking the database, and for how long they are.
const TITLES: usize = 1024;
const TRUST: Duration = Duration::from_millis(100);

/// How long somebody who wants to play waits for the database.
const AT_ONCE: Duration = Duration::from_millis(500);

/// For how long what could not be made is not tried again.
const FAILED: Duration = Duration::from_secs(600);

/// For how long what could not be made for want of something is not tried again.
const LACKED: Duration = Duration::from_secs(60);

const TOO_MUCH: Error = Error::NotReady("too much is being made at the moment");

/// How something stands that is made by a job.
#[derive(Debug)]
pub enum ArtifactStatus {
    /// It is here: the folder that it is in, for [`Artifacts::open`].
    Ready(PathBuf),
    /// It is being made, or is to be.
    Pending(Box<Job>),
    /// It cannot be made; why.
    Failed(String),
    /// It cannot be made now; what was lacking.
    Unavailable(String),
}

/// Keys and tokens of renditions and of sounds.
pub type Renditions = Arc<[(String, i64)]>;

/// What was made, and those who wait for more.
pub struct Artifacts {
    queue: Queue,
    /// The folder of what was made.
    root: Arc<Root>,
    /// The tokens that name folders, by key.
    known: Cache<String, i64>,
    /// What was asked for since [`Artifacts::take_used`].
    used: Mutex<HashSet<String>>,
    /// The renditions of versions of titles, and since when that is known.
    renditions: Cache<String, (Instant, Renditions)>,
    waiting: Semaphore,
    supervisor: Supervisor,
    beside: Handle,
    /// Why nothing can be made here.
    pub lacks: Option<&'static str>,
}

impl Artifacts {
    /// Of what lies in `root` and is named by a queue's database, whose connections are served by the
    /// runtime `beside`.
    pub fn new(
        queue: Queue,
        root: Arc<Root>,
        supervisor: Supervisor,
        beside: Handle,
        lacks: Option<&'static str>,
    ) -> Arc<Self> {
        Arc::new(Self {
            queue,
            root,
            known: Cache::new(KNOWN),
            used: Mutex::default(),
            renditions: Cache::new(TITLES),
            waiting: Semaphore::new(WAITING_MAX),
            supervisor,
            beside,
            lacks,
        })
    }

    /// How a task stands, once it has ended or so much time has gone by.
    pub async fn obtain(
        self: &Arc<Self>,
        spec: JobSpec,
        patience: Duration,
    ) -> Result<ArtifactStatus, Error> {
        let key = spec.key();
        if let Some(folder) = self.known(&key) {
            return Ok(ArtifactStatus::Ready(folder));
        }
        let _place = self.waiting.try_acquire().map_err(|_| TOO_MUCH)?;
        let artifacts = Arc::clone(self);
        let deadline = Instant::now() + patience;
        // The database's connections belong to the other runtime.
        let obtained = self
            .beside
            .spawn(async move { artifacts.enqueue_and_wait(&spec, &key, deadline).await });
        obtained.await.map_err(|error| Error::Internal(Box::new(error)))?
    }

    /// How a task stands, which is not begun by asking; `None` if nobody has begun it, or it failed long
    /// ago.
    pub async fn look(self: &Arc<Self>, spec: &JobSpec) -> Result<Option<ArtifactStatus>, Error> {
        let key = spec.key();
        if let Some(folder) = self.known(&key) {
            return Ok(Some(ArtifactStatus::Ready(folder)));
        }
        let _place = self.waiting.try_acquire().map_err(|_| TOO_MUCH)?;
        let artifacts = Arc::clone(self);
        let looked = self.beside.spawn(async move { artifacts.stands(&key).await });
        looked.await.map_err(|error| Error::Internal(Box::new(error)))?
    }

    /// The folder of what is known to have been made, without asking the database.
    pub fn known(&self, key: &Key) -> Option<PathBuf> {
        let token = self.known.get(key.as_str())?;
        self.note_use(key.as_str());
        Some(artifact_dir(key, token))
    }

    /// Opens a file of what was made.
    pub async fn open(&self, folder: &Path, name: &str) -> Result<Arc<File>, Error> {
        match self.root.open_file(&folder.join(name)).await {
            Err(OpenError::NotFound) => {
                self.forget_lost(folder);
                Err(Error::NotReady("it was removed just now; ask again"))
            }
            opened => Ok(opened?),
        }
    }

    /// Something was evicted a moment ago, by this server or another, or its folder is lost; then a
    /// row still names it. Whoever asks again sees to it that it is made again.
    fn forget_lost(&self, folder: &Path) {
        let key = folder.parent().and_then(Path::to_str).unwrap_or_default().to_owned();
        self.known.remove(&key);
        let token = folder.file_name().and_then(|name| name.to_str()?.parse().ok());
        if let Some(token) = token {
            let queue = self.queue.clone();
            self.beside.spawn(async move { queue.delete_artifact(&key, token).await });
        }
    }

    /// Opens a file of a rendition, by its whole path.
    pub async fn file(&self, path: &Path) -> Result<Arc<File>, Error> {
        let opened = self.root.open_file(path).await;
        if let (Err(OpenError::NotFound), Some(folder)) = (&opened, path.parent()) {
            self.forget_lost_rendition(folder);
        }
        Ok(opened?)
    }

    /// As [`forget_lost`](Self::forget_lost), for one that may never have been: this path comes from a
    /// URL, and whoever makes URLs up must not have the database written to. So it is forgotten only if
    /// the database has named it.
    fn forget_lost_rendition(&self, folder: &Path) {
        let is_it = |(key, token): &(String, i64)| {
            folder.parent() == Some(Path::new(key)) && folder.ends_with(token.to_string())
        };
        let version = folder.to_str().and_then(|folder| folder.split('-').next());
        let known = version.and_then(|version| Some((version, self.renditions.get(version)?)));
        if let Some((version, (asked, known))) = known
            && known.iter().any(is_it)
        {
            let others = known.iter().filter(|rendition| !is_it(rendition)).cloned().collect();
            self.renditions.insert(version.to_owned(), (asked, others));
            self.forget_lost(folder);
        }
    }

    /// As [`file`](Self::file) of whatever was made, if that needs no waiting.
    pub fn file_now(&self, path: &Path) -> Option<Arc<File>> {
        self.root.open_file_now(path)
    }

    /// The renditions of a version of a title, by key and token. None if the database does not say so
    /// at once: whoever wants to play does not wait for it.
    pub async fn renditions(self: &Arc<Self>, version: &str) -> Renditions {
        if let Some((asked, known)) = self.renditions.get(version)
            && asked.elapsed() < TRUST
        {
            return known;
        }
        let (artifacts, of) = (Arc::clone(self), version.to_owned());
        let ask = self.beside.spawn(async move {
            let prefix = format!("{of}-");
            let ask = artifacts.queue.artifacts_of_kinds(&prefix, ["rendition", "audio"]);
            let found = timeout(AT_ONCE, ask).await.ok()?.ok()?;
            let found = found.into_iter().map(|made| (made.key, made.token));
            let found: Renditions = found.collect();
            artifacts.renditions.insert(of, (Instant::now(), Arc::clone(&found)));
            for (key, _) in &*found {
                artifacts.note_use(key);
            }
            Some(found)
        });
        let asked = ask.await.ok().flatten();
        // What was known last is better than nothing.
        asked.or_else(|| self.renditions.get(version).map(|(_, known)| known)).unwrap_or_default()
    }

    /// How it is with the worker beside the server.
    pub fn worker(&self) -> WorkerState {
        self.supervisor.state()
    }

    /// What was asked for since this was called last.
    pub fn take_used(&self) -> Vec<String> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *used).into_iter().collect()
    }

    /// Forgets where something is, because it is about to be removed.
    pub fn forget(&self, key: &str) {
        self.known.remove(key);
    }

    async fn enqueue_and_wait(
        &self,
        spec: &JobSpec,
        key: &Key,
        deadline: Instant,
    ) -> Result<ArtifactStatus, Error> {
        let mut job = match self.stands(key).await? {
            Some(ArtifactStatus::Pending(job)) => *job,
            Some(ended) => return Ok(ended),
            None => {
                if self.queue.are_queued(spec.class(), QUEUED_MAX).await? {
                    return Err(TOO_MUCH);
                }
                self.queue.enqueue(spec.submission()).await?.0
            }
        };
        self.supervisor.wake();
        loop {
            // Asked before the job is looked at, so that what changes meanwhile is seen.
            let seen = self.queue.last_change().await?;
            match self.queue.job(job.id).await? {
                Some(now) => job = now,
                None => return Ok(ArtifactStatus::Pending(Box::new(job))),
            }
            match job.state {
                State::Done => {
                    let made = self.find(key).await?;
                    // Else it was removed in the same moment.
                    return Ok(made.unwrap_or_else(|| ArtifactStatus::Pending(Box::new(job))));
                }
                State::Failed | State::Cancelled => return Ok(failed(job)),
                State::Queued | State::Running | State::Waiting => {}
            }
            if timeout_at(deadline, self.queue.wait_for_change(seen)).await.is_err() {
                return Ok(ArtifactStatus::Pending(Box::new(job)));
            }
        }
    }

    async fn stands(&self, key: &Key) -> Result<Option<ArtifactStatus>, Error> {
        if let Some(made) = self.find(key).await? {
            return Ok(Some(made));
        }
        if let Some(lacks) = self.lacks {
            return Err(Error::NotReady(lacks));
        }
        Ok(match self.queue.latest(key.as_str()).await? {
            Some(job) if !job.state.is_end() => Some(ArtifactStatus::Pending(Box::new(job))),
            // Perhaps since it was looked for.
            Some(job) if job.state == State::Done => self.find(key).await?,
            Some(job) if has_ended_lately(&job) => Some(failed(job)),
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
        if used.len() < KNOWN && !used.contains(key) {
            used.insert(key.to_owned());
        }
    }
}

fn failed(job: Job) -> ArtifactStatus {
    match job.last_error {
        Some(why) if job.unavailable => ArtifactStatus::Unavailable(why),
        Some(why) => ArtifactStatus::Failed(why),
        None => ArtifactStatus::Failed("it was cancelled".to_owned()),
    }
}

/// Whether it failed, or somebody ended it, a little while ago: what asks again and again must not begin
/// it anew.
fn has_ended_lately(job: &Job) -> bool {
    let long = if job.unavailable { LACKED } else { FAILED };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let ended = u128::try_from(job.finished_ms.unwrap_or_default()).unwrap_or_default();
    matches!(job.state, State::Failed | State::Cancelled) && now.abs_diff(ended) < long.as_millis()
}
