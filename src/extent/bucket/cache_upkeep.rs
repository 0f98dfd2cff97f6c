//! The upkeep of a cache, in two threads of its own: one counts what is in the folder after a start and
//! ends, the other looks after the shelves once a second.

use std::{
    convert::Infallible,
    io,
    ops::ControlFlow,
    sync::{
        Arc, Weak,
        atomic::Ordering,
        mpsc::{Receiver, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use super::{cache::Cache, cache_folder::CacheFolder};

/// The time between two looks.
const INTERVAL: Duration = Duration::from_secs(1);

/// The time after which the page of a shelf is written that changes all the time.
const PAGES_INTERVAL: Duration = Duration::from_secs(30);

/// The time between two log lines about a full disk.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// Starts the threads. They end soon after the cache is dropped, whose sender `ended` notices.
pub(super) fn start(cache: &Arc<Cache>, ended: Receiver<Infallible>) -> io::Result<()> {
    let (counted, folder) = (Arc::downgrade(cache), Arc::clone(cache.folder()));
    spawn("cache count", move || count(&counted, &folder))?;
    let kept = Arc::downgrade(cache);
    spawn("cache upkeep", move || look_after(&kept, &ended))
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name(name.to_owned()).spawn(run).map(drop)
}

/// Counts the shelves in the folder.
fn count(handle: &Weak<Cache>, folder: &CacheFolder) {
    let counted = folder.for_each_shelf(|key| {
        let Some(cache) = handle.upgrade() else { return ControlFlow::Break(()) };
        if let Err(error) = cache.count_found(key) {
            tracing::warn!(%error, "cannot count a file of the cache");
        }
        ControlFlow::Continue(())
    });
    if let Err(error) = counted {
        tracing::warn!(%error, "cannot count the files of the cache");
    }
    if let Some(cache) = handle.upgrade() {
        cache.finish_count();
    }
}

/// Looks after the shelves until the cache is dropped.
fn look_after(handle: &Weak<Cache>, ended: &Receiver<Infallible>) {
    let (mut pages_written, mut logged) = (Instant::now(), None);
    while ended.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
        let Some(cache) = handle.upgrade() else { return };
        cache.touch_used();
        // One that is whole does not change any more.
        let is_due = pages_written.elapsed() >= PAGES_INTERVAL;
        cache.write_pages(|shelf| is_due || shelf.is_whole());
        if is_due {
            pages_written = Instant::now();
        }
        cache.fit_to_disk();
        let is_log_due = logged.is_none_or(|logged: Instant| logged.elapsed() >= LOG_INTERVAL);
        if is_log_due && cache.log_refused() {
            logged = Some(Instant::now());
        }
    }
}

impl Cache {
    /// Tells the policy which shelves are in use. Here and not where they are used: an I/O thread sets a
    /// flag and takes no lock of the policy.
    fn touch_used(&self) {
        for key in self.open_shelves().keys() {
            if self.open_shelves().get(&key).is_some_and(|shelf| shelf.take_used()) {
                self.policy().touch(&key);
            }
        }
    }

    /// Logs how often the disk was full since the last line. False if it was not.
    fn log_refused(&self) -> bool {
        let refused = self.refused.swap(0, Ordering::Relaxed);
        if refused > 0 {
            let folder = self.folder().path().display();
            tracing::warn!(%folder, refused, "the disk of the cache is full: objects are read through memory");
        }
        refused > 0
    }

    /// Counts a write for which the disk has no room, and returns its error.
    pub(super) fn refuse(&self) -> io::Error {
        self.refused.fetch_add(1, Ordering::Relaxed);
        io::Error::new(io::ErrorKind::StorageFull, "the disk of the cache is full")
    }
}
