//! The catalog of buckets: their objects as rows of the database.
//!
//! **One lister.** To list a million objects is a thousand requests, so one process at a time lists a bucket: the
//! one that holds the lease of a row. It merges each page with the rows of the page's keys, and writes only
//! differences. The row has the key behind which the next page begins, where the next lister goes on if this one
//! is killed.
//!
//! **Followers.** Each origin has the names of all objects in memory, and follows the rows by the numbers of their
//! changes, as clients follow those of jobs. A changed row makes it drop the object, so that all origins serve the
//! same bytes a moment later.
//!
//! **Events** of the bucket are hints: each key is checked by a request, and its row gets what that found and a new
//! number, so that an older page of a listing loses. They come more than once, in any order, or not at all; the next
//! listing repairs that.
//!
//! **Without the database** an origin keeps what it knows for as long as a listing counts (`rescan_s`), and then
//! lists for itself, as often: an outage must not hide new titles for its whole time. With it again, it reads all
//! rows.

pub mod abandoned;
mod checks;
mod events;
mod follower;
mod lister;
pub mod notification;
pub mod rows;
mod statements;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicBool},
    time::Duration,
};

use arc_swap::ArcSwapOption;
use futures::future::join_all;
use sha2::{Digest as _, Sha256};
use tokio::{runtime::Handle, sync::watch, task::JoinHandle, time::timeout};

use self::{events::Events, notification::ObjectEvent};
use crate::{
    extent::bucket::{BucketPlace, ObjectChange},
    library::Library,
    store::{ChangeSignal, Database},
};

pub use self::events::TooManyEvents;

/// Channel of LISTEN and NOTIFY; the statements have it, too.
const CHANNEL: &str = "headwater_library";

/// The time that a lister may take for a page, beyond the deadline of its request.
const LEASE_GRACE: Duration = Duration::from_secs(20);

/// The time that listers have to release their leases when the server stops. Later, the leases end.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// The buckets among the roots of a library.
#[derive(Debug)]
pub struct BucketCatalog {
    buckets: Vec<Arc<ListedBucket>>,
    /// The tasks that list.
    listers: Mutex<Vec<JoinHandle<()>>>,
    shared: Arc<Shared>,
}

/// What all buckets share.
#[derive(Debug)]
struct Shared {
    library: Arc<Library>,
    /// Once it is open.
    database: ArcSwapOption<Database>,
    signal: Arc<ChangeSignal>,
    /// The interval of listings.
    interval: Duration,
    /// How long a lister may take for a page.
    lease: Duration,
    is_stopping: watch::Sender<bool>,
}

/// A root that is a bucket.
#[derive(Debug)]
struct ListedBucket {
    /// Its number in the library.
    root: usize,
    place: Arc<BucketPlace>,
    /// Its name in the tables.
    id: String,
    source: Mutex<ListingSource>,
    events: Events,
    /// Whether this origin has noted states of objects that are not in the rows, so that it must read them all.
    is_ahead: AtomicBool,
    shared: Arc<Shared>,
}

/// Where the names of a bucket's objects come from.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ListingSource {
    /// No listing is complete yet.
    #[default]
    Pending,
    /// The database, for which one origin lists.
    Database,
    /// Listings of this origin alone: the database does not respond.
    Own,
}

impl ListingSource {
    /// Its name in documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Database => "database",
            Self::Own => "own",
        }
    }
}

impl BucketCatalog {
    /// The catalog of a library's buckets, which are listed each `interval`; a request to one takes at most
    /// `deadline`. Does nothing before [`start`](Self::start).
    pub fn new(library: Arc<Library>, interval: Duration, deadline: Duration) -> Self {
        let shared = Arc::new(Shared {
            library: Arc::clone(&library),
            database: ArcSwapOption::empty(),
            signal: ChangeSignal::new(CHANNEL),
            interval,
            lease: deadline + LEASE_GRACE,
            is_stopping: watch::Sender::new(false),
        });
        let buckets = library.roots().iter().enumerate().filter_map(|(root, named)| {
            let place = Arc::clone(named.root.bucket()?);
            Some(Arc::new(ListedBucket {
                root,
                id: id(&place.root_url()),
                place,
                source: Mutex::default(),
                events: Events::default(),
                is_ahead: AtomicBool::new(false),
                shared: Arc::clone(&shared),
            }))
        });
        Self { buckets: buckets.collect(), listers: Mutex::default(), shared }
    }

    /// Lists and follows all buckets, for as long as the runtime lives.
    pub fn start(&self, background: &Handle) {
        for bucket in &self.buckets {
            let lister = background.spawn(Arc::clone(bucket).keep_listing());
            self.listers.lock().unwrap_or_else(PoisonError::into_inner).push(lister);
            background.spawn(Arc::clone(bucket).keep_following());
            background.spawn(Arc::clone(bucket).keep_checking());
        }
        background.spawn(Arc::clone(&self.shared).keep_deleting_abandoned());
    }

    /// Stops listing, so that other origins go on from the last page at once.
    pub async fn stop(&self) {
        self.shared.is_stopping.send_replace(true);
        let listers =
            std::mem::take(&mut *self.listers.lock().unwrap_or_else(PoisonError::into_inner));
        // Of a database that does not respond the leases end.
        let _ = timeout(STOP_TIMEOUT, join_all(listers)).await;
    }

    /// Uses a database, once it is open.
    pub fn use_database(&self, database: Database) {
        self.shared.database.store(Some(Arc::new(database)));
    }

    /// Enqueues checks of the objects that events are about, if they are in a bucket of the library. Returns how
    /// many.
    ///
    /// # Errors
    /// If too many are waiting. None or some of these are among them.
    pub fn note_events(&self, events: &[ObjectEvent]) -> Result<usize, TooManyEvents> {
        let mut noted = 0;
        for bucket in &self.buckets {
            let is_here = |event: &&ObjectEvent| event.bucket == bucket.place.bucket_name();
            let events = events.iter().filter(is_here);
            let keys = events.filter_map(|event| bucket.place.relative(&event.key));
            noted += bucket.events.push(keys)?;
        }
        Ok(noted)
    }

    /// Where the names of a root come from; `None` for one that is no bucket.
    pub fn source(&self, root: usize) -> Option<ListingSource> {
        self.buckets.iter().find(|bucket| bucket.root == root).map(|bucket| *bucket.source())
    }
}

impl Shared {
    /// Waits until the server stops.
    async fn stopped(&self) {
        // The sender lives as long as this.
        let _ = self.is_stopping.subscribe().wait_for(|is_stopping| *is_stopping).await;
    }
}

impl ListedBucket {
    fn database(&self) -> Option<Arc<Database>> {
        self.shared.database.load_full()
    }

    fn source(&self) -> MutexGuard<'_, ListingSource> {
        self.source.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes the present states of objects: in the names of the bucket, in what is open, and in the library.
    async fn apply(&self, changes: &[ObjectChange]) {
        self.place.update(changes);
        for ObjectChange { key, state } in changes {
            let identity = state.as_ref().map(|listed| self.place.identity(listed));
            let library = &self.shared.library;
            library.note_object(self.root, key.as_ref().as_ref(), identity.as_ref()).await;
        }
    }
}

/// A short name that all origins have for a bucket.
fn id(url: &str) -> String {
    let digest = Sha256::digest(url.as_bytes());
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
