//! A bucket as a root: names from its listing, objects by their keys.

mod forgotten;
mod objects;

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError, RwLock, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use futures::{
    FutureExt as _,
    future::{BoxFuture, Shared},
};
use tokio::{runtime::Handle, time::sleep};

use super::{
    BreakerState, BucketSettings, Cache, CachedObject, Ends, FetchError, FetchSettings, Fetcher,
    ObjectId, Opened, Refusal, SettingsError, UNIT_BYTES,
    object::{Access, Object, unavailable},
    tree::{Tree, TreeEntry},
};

use forgotten::Forgotten;
pub use objects::LeftOut;

use crate::{
    extent::disk::{
        Buffers, DiskPool, DiskPoolSettings, Entry, EntryKind, Identity, Names, OpenError,
        Unavailable,
    },
    shares::ClientKey,
};

/// The most objects whose state is kept for the next request.
const KNOWN_MAX: usize = 16_384;

/// The time for which an object is trusted that the listing has in another state.
const TRUST_IF_DIFFERENT: Duration = Duration::from_secs(1);

/// The longest pause between two looks at whether an object is still in use: a task must not outlive it by long.
const KEEP_SLEEP_MAX: Duration = Duration::from_secs(60);

/// The interval between looks whether a bucket that failed responds again.
const REOPEN_INTERVAL: Duration = Duration::from_secs(5);

/// The most keys that are known to have no object.
const ABSENT_MAX: usize = 4096;

/// The settings of a bucket as a root.
#[derive(Clone, Debug)]
pub struct BucketPlaceSettings {
    /// The bucket.
    pub bucket: BucketSettings,
    /// The front of the keys to serve, without a slash at either end; empty for all.
    pub prefix: String,
    /// The limits of fetching.
    pub fetch: FetchSettings,
    /// The time for which the state of an object is trusted.
    pub trust: Duration,
    /// The time for which a key that has no object is known to have none.
    pub absent: Duration,
    /// The bytes to fetch ahead of a viewer who reads in order.
    pub ahead_bytes: u64,
    /// The threads that wait for the bucket.
    pub pool: DiskPoolSettings,
    /// The most objects to list.
    pub objects_max: usize,
    /// What is read to open an object that the listing does not have.
    pub unlisted: Ends,
}

/// A bucket, or the part of one below a prefix.
///
/// Its objects are opened by name, as the files of a folder are, and need not be listed before. What is known
/// of an object counts for the time of trust. While the object is in use, it is confirmed in the background each
/// half of that time.
#[derive(Debug)]
pub struct BucketPlace {
    /// `s3://bucket/prefix`, for logs.
    name: String,
    bucket: String,
    /// The front of all keys: empty, or with a slash at its end.
    prefix: String,
    /// The endpoint and the bucket.
    address: Arc<str>,
    cache: Arc<Cache>,
    access: Arc<Access>,
    trust: Duration,
    absent_for: Duration,
    objects_max: usize,
    unlisted: Ends,
    started: Instant,
    objects: quick_cache::sync::Cache<Arc<str>, Arc<Known>>,
    /// The keys without an object, and when that was found.
    absent: quick_cache::sync::Cache<Arc<str>, Instant>,
    heads: Mutex<HashMap<Arc<str>, Head>>,
    /// `None` before the first listing.
    tree: RwLock<Option<Arc<Tree>>>,
    /// The turn of the only writer that changes the tree.
    updating: Mutex<()>,
    /// How often objects were forgotten.
    forgotten: Forgotten,
    is_open: AtomicBool,
    has_reported: AtomicBool,
    /// Whether objects are not in the tree because it was full.
    has_left_out: AtomicBool,
}

/// A request for the state of an object, which all who need it wait for.
type Head = Shared<BoxFuture<'static, Result<Opened, FetchError>>>;

/// An object in the state in which the bucket had it. Times are in milliseconds since the start.
#[derive(Debug)]
struct Known {
    object: Arc<Object>,
    /// When its state was last confirmed, or the bucket did not respond when it was to be.
    trusted_from_ms: AtomicU64,
    /// Whether the listing has it in another state: one of them is about to change.
    differs: AtomicBool,
    used_ms: AtomicU64,
    /// Whether a task confirms it while it is in use.
    is_kept: AtomicBool,
}

impl BucketPlace {
    /// A bucket whose objects are cached in `cache` and fetched on `runtime`. Sends no request.
    ///
    /// # Errors
    /// If the settings cannot work.
    pub fn new(
        name: &str,
        settings: BucketPlaceSettings,
        cache: Arc<Cache>,
        buffers: Buffers,
        runtime: Handle,
    ) -> Result<Arc<Self>, SettingsError> {
        let BucketPlaceSettings { bucket, prefix, fetch, pool, .. } = settings;
        let fetcher = Fetcher::new(&bucket, fetch, runtime.clone())?;
        let url = format!("s3://{}/{prefix}", bucket.bucket);
        let access = Access {
            fetcher: Arc::clone(&fetcher),
            runtime,
            pool: Arc::new(DiskPool::new(&format!("bucket-{name}"), pool)),
            compute: Arc::new(DiskPool::for_computing(&format!("cpu-{name}"), pool)),
            buffers,
            ahead_bytes: settings.ahead_bytes,
        };
        Ok(Arc::new(Self {
            name: url.trim_end_matches('/').to_owned(),
            bucket: bucket.bucket,
            prefix: if prefix.is_empty() { prefix } else { format!("{prefix}/") },
            address: fetcher.address().into(),
            cache,
            access: Arc::new(access),
            trust: settings.trust,
            absent_for: settings.absent,
            objects_max: settings.objects_max,
            unlisted: settings.unlisted,
            started: Instant::now(),
            objects: quick_cache::sync::Cache::new(KNOWN_MAX),
            absent: quick_cache::sync::Cache::new(ABSENT_MAX),
            heads: Mutex::default(),
            tree: RwLock::default(),
            updating: Mutex::default(),
            forgotten: Forgotten::default(),
            is_open: AtomicBool::new(false),
            has_reported: AtomicBool::new(false),
            has_left_out: AtomicBool::new(false),
        }))
    }

    /// The bucket's URL, for logs.
    pub fn path(&self) -> PathBuf {
        PathBuf::from(&self.name)
    }

    /// What fetches from the bucket, for metrics.
    pub fn fetcher(&self) -> &Arc<Fetcher> {
        &self.access.fetcher
    }

    /// The cache of the objects.
    pub fn cache(&self) -> &Arc<Cache> {
        &self.cache
    }

    /// The threads that wait for the bucket.
    pub fn pool(&self) -> &DiskPool {
        &self.access.pool
    }

    /// The threads for calls that read objects and compute much from them.
    pub fn compute_pool(&self) -> &DiskPool {
        &self.access.compute
    }

    /// Whether the bucket ever responded.
    pub fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Relaxed)
    }

    /// Tries to reach a bucket that never responded, or whose last responses failed. Returns whether it
    /// responds for the first time; an error says why it does not respond.
    pub async fn reopen(&self) -> io::Result<bool> {
        if !self.is_open() {
            self.fetcher().list_page(&self.prefix, None).await.map_err(io::Error::other)?;
            return Ok(!self.is_open.swap(true, Ordering::Relaxed));
        }
        let usage = self.fetcher().usage();
        if usage.breaker != BreakerState::Closed || usage.refused_status.is_some() {
            self.fetcher().list_page(&self.prefix, None).await.map_err(io::Error::other)?;
        }
        Ok(false)
    }

    /// Tries to reach a bucket that does not respond, for as long as it is in use: the cause of its last failure
    /// must not be shown until a viewer needs it again.
    pub async fn keep_reopening(weak: Weak<Self>) {
        loop {
            let Some(place) = weak.upgrade() else { return };
            if let Err(error) = place.reopen().await {
                tracing::debug!(%error, "the bucket is not available");
            }
            drop(place);
            sleep(REOPEN_INTERVAL).await;
        }
    }

    fn tree(&self) -> Result<Arc<Tree>, Unavailable> {
        let tree = self.tree.read().unwrap_or_else(PoisonError::into_inner);
        tree.clone().ok_or(Unavailable::Offline)
    }

    /// Lists a directory; empty for the root.
    pub async fn list(
        self: &Arc<Self>,
        relative: &Path,
    ) -> Result<io::Result<Vec<Entry>>, Unavailable> {
        let tree = self.tree()?;
        let Some(directory) = relative.to_str().map(str::to_owned) else {
            return Ok(Err(io::ErrorKind::NotFound.into()));
        };
        let place = Arc::clone(self);
        let list = move || {
            let entry = |entry| match entry {
                TreeEntry::File(name, listed) => {
                    Entry { name: name.into(), kind: EntryKind::File(place.identity(listed)) }
                }
                TreeEntry::Directory(name) => {
                    Entry { name: name.into(), kind: EntryKind::Directory }
                }
            };
            let entries: Vec<Entry> = tree.directory(&directory).map(entry).collect();
            match entries.is_empty() && !directory.is_empty() {
                true => Err(io::ErrorKind::NotFound.into()),
                false => Ok(entries),
            }
        };
        self.access.pool.run_without_deadline(list).await
    }

    /// Calls `evaluate` with the names in a directory, as of the last listing.
    pub async fn names<T: Send + 'static>(
        &self,
        relative: &Path,
        evaluate: impl FnOnce(&Names) -> T + Send + 'static,
    ) -> Result<T, OpenError> {
        let tree = self.tree()?;
        let directory = relative.to_str().ok_or(OpenError::NotFound)?.to_owned();
        let call = move || evaluate(&tree.names(&directory));
        Ok(self.access.pool.run(ClientKey::current(), call).await?)
    }

    /// Looks a name up: an object, a directory, or an error (`NotFound` if there is nothing).
    pub async fn look_up(self: &Arc<Self>, path: &Path) -> Result<EntryKind, OpenError> {
        let key = self.key(path)?;
        if let Some(object) = self.known(&key) {
            return Ok(EntryKind::File(*object.identity()));
        }
        let relative = &key[self.prefix.len()..];
        if self
            .tree()
            .is_ok_and(|tree| tree.get(relative).is_none() && tree.has_directory(relative))
        {
            return Ok(EntryKind::Directory);
        }
        if self.is_absent(&key) {
            return Err(OpenError::NotFound);
        }
        let forgotten = self.forgotten.count(&key);
        let opened = self.head(&key).await;
        Ok(EntryKind::File(*self.note_or_last(&key, opened, forgotten)?.identity()))
    }

    /// Opens an object in its present state.
    pub async fn open_file(self: &Arc<Self>, path: &Path) -> Result<Arc<Object>, OpenError> {
        let key = self.key(path)?;
        if let Some(object) = self.known(&key) {
            return Ok(object);
        }
        if self.is_absent(&key) {
            return Err(OpenError::NotFound);
        }
        let forgotten = self.forgotten.count(&key);
        let opened = match self.is_in_cache(&key).await {
            true => self.head(&key).await,
            false => self.open_ends(&key).await,
        };
        self.note_or_last(&key, opened, forgotten)
    }

    /// As [`open_file`](Self::open_file) without waiting; `None` if that is not possible.
    pub fn open_file_now(self: &Arc<Self>, path: &Path) -> Option<Arc<Object>> {
        self.known(&self.key(path).ok()?)
    }

    /// Requires that the bucket confirms an object before its next use.
    pub fn forget(&self, path: &Path) {
        if let Ok(key) = self.key(path) {
            self.forget_key(&key);
        }
    }

    fn forget_key(&self, key: &Arc<str>) {
        // A response that is on its way may be that of the state before.
        self.forgotten.add(key);
        self.heads.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
        self.fetcher().forget_open(key);
        self.objects.remove(key);
        self.absent.remove(key);
    }

    /// As [`forget`](Self::forget), for all objects below a directory.
    pub fn forget_below(&self, path: &Path) {
        if let Ok(key) = self.key(path) {
            let is_below = |other: &str| {
                other.strip_prefix(&*key).is_some_and(|rest| {
                    rest.is_empty() || rest.starts_with('/') || path.as_os_str().is_empty()
                })
            };
            self.forgotten.add_all();
            let mut heads = self.heads.lock().unwrap_or_else(PoisonError::into_inner);
            heads.retain(|other, _| !is_below(other));
            drop(heads);
            self.objects.retain(|other, _| !is_below(other));
            self.absent.retain(|other, _| !is_below(other));
        }
    }

    /// The key of a path below the root.
    fn key(&self, path: &Path) -> Result<Arc<str>, OpenError> {
        let relative = path.to_str().ok_or(OpenError::NotFound)?;
        Ok(self.key_of(relative))
    }

    fn key_of(&self, relative: &str) -> Arc<str> {
        match self.prefix.as_str() {
            "" => relative.into(),
            prefix => format!("{prefix}{relative}").into(),
        }
    }

    /// An object whose state is trusted. From now on it is confirmed in the background, while it is in use.
    fn known(self: &Arc<Self>, key: &Arc<str>) -> Option<Arc<Object>> {
        let known = self.objects.get(key)?;
        let is_trusted = self.age(&known.trusted_from_ms) < self.trust_in(&known);
        if !is_trusted || known.object.is_replaced() {
            return None;
        }
        known.used_ms.store(self.now_ms(), Ordering::Relaxed);
        if !known.is_kept.swap(true, Ordering::Relaxed) {
            let keep = Self::keep(Arc::downgrade(self), Arc::clone(key), Arc::clone(&known));
            self.access.runtime.spawn(keep);
        }
        Some(Arc::clone(&known.object))
    }

    /// Confirms an object each half of the time of trust, until nothing has used it for that time: so a viewer
    /// who watches it never waits for that.
    async fn keep(weak: Weak<Self>, key: Arc<str>, known: Arc<Known>) {
        let until_half = |place: Arc<Self>| {
            (place.trust_in(&known) / 2).saturating_sub(place.age(&known.trusted_from_ms))
        };
        while let Some(time) = weak.upgrade().map(until_half) {
            sleep(time.min(KEEP_SLEEP_MAX)).await;
            let Some(place) = weak.upgrade() else { break };
            let is_known = place.objects.peek(&key).is_some_and(|it| Arc::ptr_eq(&it, &known));
            if !is_known || place.age(&known.used_ms) >= place.trust || known.object.is_replaced() {
                break;
            }
            if time > KEEP_SLEEP_MAX {
                continue;
            }
            let forgotten = place.forgotten.count(&key);
            let opened = place.head(&key).await;
            match place.note(&key, opened, forgotten) {
                Ok(object) if Arc::ptr_eq(&object, &known.object) => {}
                Err(error) if is_down(&error) => place.trust_from_now(&known),
                Ok(_) | Err(OpenError::NotFound) => break,
                Err(error) => {
                    tracing::debug!(%error, "an object is not confirmed");
                    break;
                }
            }
        }
        known.is_kept.store(false, Ordering::Relaxed);
    }

    /// The time for which a state is trusted.
    fn trust_in(&self, known: &Known) -> Duration {
        match known.differs.load(Ordering::Relaxed) {
            true => self.trust.min(TRUST_IF_DIFFERENT),
            false => self.trust,
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn age(&self, since_ms: &AtomicU64) -> Duration {
        let since = Duration::from_millis(since_ms.load(Ordering::Relaxed));
        self.started.elapsed().saturating_sub(since)
    }

    fn trust_from_now(&self, known: &Known) {
        known.trusted_from_ms.store(self.now_ms(), Ordering::Relaxed);
    }

    fn is_absent(&self, key: &Arc<str>) -> bool {
        self.absent.get(key).is_some_and(|found| found.elapsed() < self.absent_for)
    }

    /// Whether the cache has the front of an object, so that its state is all that is missing.
    async fn is_in_cache(&self, key: &Arc<str>) -> bool {
        let cached = match self.objects.get(key) {
            Some(known) if known.object.is_replaced() => return false,
            Some(known) => self.cached(known.object.opened()),
            None => {
                let Ok(tree) = self.tree() else { return false };
                let Some(listed) = tree.get(&key[self.prefix.len()..]) else { return false };
                self.cached_by(key, &listed.etag, listed.size)
            }
        };
        let missing = cached.in_pool(|cached| cached.missing(0..1)).await;
        missing.is_ok_and(|missing| missing.is_empty())
    }

    /// Opens an object by the bytes of its ends, which go into the cache.
    async fn open_ends(self: &Arc<Self>, key: &Arc<str>) -> Result<Opened, FetchError> {
        let tree = self.tree().ok();
        let listed = tree.as_ref().and_then(|tree| tree.get(&key[self.prefix.len()..]));
        let place = Arc::clone(self);
        let sink = move |opened: &Opened| place.cached(opened);
        let ends = match listed {
            Some(listed) if listed.size <= UNIT_BYTES => Ends::First,
            Some(_) => Ends::Both,
            None => self.unlisted,
        };
        self.fetcher().open(key, ends, sink).await
    }

    /// The state of an object. All who need it at the same time wait for one request.
    async fn head(self: &Arc<Self>, key: &Arc<str>) -> Result<Opened, FetchError> {
        let head = {
            let mut heads = self.heads.lock().unwrap_or_else(PoisonError::into_inner);
            let start = || {
                let (place, key) = (Arc::clone(self), Arc::clone(key));
                let known = self.objects.get(&key).filter(|known| !known.object.is_replaced());
                let state = known.map(|known| known.object.opened().clone());
                let task = self.access.runtime.spawn(async move {
                    let opened = place.fetcher().head_since(&key, state).await;
                    place.heads.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
                    opened
                });
                async move { task.await.unwrap_or(Err(FetchError::Broken("panicked"))) }
                    .boxed()
                    .shared()
            };
            heads.entry(Arc::clone(key)).or_insert_with(start).clone()
        };
        head.await
    }

    /// As [`note`](Self::note). While the bucket is down, the last known state counts, so that what the cache
    /// has of the object plays on, and is trusted: only the first request waits for the bucket.
    fn note_or_last(
        &self,
        key: &Arc<str>,
        opened: Result<Opened, FetchError>,
        forgotten: u64,
    ) -> Result<Arc<Object>, OpenError> {
        let noted = self.note(key, opened, forgotten);
        if noted.as_ref().is_err_and(is_down)
            && let Some(last) = self.objects.get(key)
            && !last.object.is_replaced()
        {
            self.trust_from_now(&last);
            return Ok(Arc::clone(&last.object));
        }
        noted
    }

    /// Notes what the bucket responded, and returns the object in that state. `forgotten`: the count from before
    /// the request.
    fn note(
        &self,
        key: &Arc<str>,
        opened: Result<Opened, FetchError>,
        forgotten: u64,
    ) -> Result<Arc<Object>, OpenError> {
        let is_late = forgotten != self.forgotten.count(key);
        if matches!(opened, Ok(_) | Err(FetchError::NotFound)) {
            self.is_open.store(true, Ordering::Relaxed);
        }
        let opened = match opened {
            Ok(opened) => opened,
            Err(FetchError::NotFound) => {
                self.objects.remove(key);
                if !is_late {
                    self.absent.insert(Arc::clone(key), Instant::now());
                }
                return Err(OpenError::NotFound);
            }
            Err(error) => return Err(open_error(error)),
        };
        if let Some(known) = self.objects.get(key)
            && !known.object.is_replaced()
            && (&known.object.opened().etag, known.object.opened().size)
                == (&opened.etag, opened.size)
        {
            self.trust_from_now(&known);
            // The bucket has said it twice: it is the listing that is old.
            known.differs.store(false, Ordering::Relaxed);
            return Ok(Arc::clone(&known.object));
        }
        let Opened { etag, size, modified, .. } = &opened;
        let identity = Identity::of_object(&self.address, key, etag, *size, *modified);
        let (cached, differs) = (self.cached(&opened), self.differs_from_listing(&opened));
        let object = Arc::new(Object::new(opened, identity, cached, Arc::clone(&self.access)));
        if is_late {
            return Ok(object);
        }
        let known = Known {
            object: Arc::clone(&object),
            trusted_from_ms: self.now_ms().into(),
            differs: AtomicBool::new(differs),
            used_ms: self.now_ms().into(),
            is_kept: AtomicBool::new(false),
        };
        self.absent.remove(key);
        self.objects.insert(Arc::clone(key), Arc::new(known));
        Ok(object)
    }

    /// Whether the listing has an object in another state. An object without an entry is one that was not listed
    /// yet.
    fn differs_from_listing(&self, opened: &Opened) -> bool {
        let Ok(tree) = self.tree() else { return false };
        let listed = tree.get(&opened.key[self.prefix.len()..]);
        listed.is_some_and(|listed| !opened.is_as(listed))
    }

    fn cached(&self, opened: &Opened) -> Arc<CachedObject> {
        self.cached_by(&opened.key, &opened.etag, opened.size)
    }

    fn cached_by(&self, key: &Arc<str>, etag: &Arc<str>, size: u64) -> Arc<CachedObject> {
        let (key, etag, bucket) = (Arc::clone(key), Arc::clone(etag), Arc::clone(&self.address));
        self.cache.object(&ObjectId { bucket, key, etag, size })
    }
}

/// Whether the bucket does not respond as it should.
fn is_down(error: &OpenError) -> bool {
    matches!(error, OpenError::Unavailable(Unavailable::BucketDown { .. }))
}

/// The error of an object that cannot be opened.
fn open_error(error: FetchError) -> OpenError {
    match (unavailable(&error), error) {
        (Some(unavailable), _) => OpenError::Unavailable(unavailable),
        (None, FetchError::NotFound) => OpenError::NotFound,
        (None, FetchError::Refused(Refusal::NoSuchBucket | Refusal::OtherRegion)) => {
            OpenError::Unavailable(Unavailable::Offline)
        }
        (None, FetchError::Refused(refusal)) => OpenError::Refused(refusal.to_string()),
        (None, error) => OpenError::Io(io::Error::other(error)),
    }
}
