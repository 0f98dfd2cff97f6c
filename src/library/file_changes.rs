//! Subscriptions to changes of single files, for responses that follow a growing file.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

use tokio::sync::Notify;

use super::MediaPath;

/// The most files whose last close is known. The next one replaces all.
const CLOSES_MAX: usize = 4096;

/// The files that have subscribers, and those that were closed lately.
#[derive(Debug, Default)]
pub struct FileChanges {
    files: Mutex<HashMap<MediaPath, Weak<FileSubscription>>>,
    closes: Mutex<HashMap<MediaPath, SystemTime>>,
}

/// A subscription to the changes of one file.
#[derive(Debug, Default)]
pub struct FileSubscription {
    changed: Notify,
    closes: AtomicU64,
}

impl FileChanges {
    /// Subscribes to changes of a file until the result is dropped.
    pub fn subscribe(&self, path: &MediaPath) -> Arc<FileSubscription> {
        let mut files = self.lock();
        if let Some(subscription) = files.get(path).and_then(Weak::upgrade) {
            return subscription;
        }
        files.retain(|_, subscription| subscription.strong_count() > 0);
        let subscription = Arc::new(FileSubscription::default());
        files.insert(path.clone(), Arc::downgrade(&subscription));
        subscription
    }

    /// Wakes subscribers: the file may have changed.
    pub(super) fn notify_changed(&self, path: &MediaPath) {
        self.notify(path, |_| {});
    }

    /// Whether a writer is known to have closed the file at this time or later.
    pub fn was_closed_since(&self, path: &MediaPath, time: SystemTime) -> bool {
        self.closes().get(path).is_some_and(|closed| *closed >= time)
    }

    /// Wakes subscribers: a writer has closed the file.
    pub(super) fn notify_closed(&self, path: &MediaPath) {
        let mut closes = self.closes();
        if closes.len() >= CLOSES_MAX {
            closes.clear();
        }
        closes.insert(path.clone(), SystemTime::now());
        drop(closes);
        self.notify(path, |subscription| {
            subscription.closes.fetch_add(1, Ordering::Release);
        });
    }

    fn notify(&self, path: &MediaPath, update: impl FnOnce(&FileSubscription)) {
        if let Some(subscription) = self.lock().get(path).and_then(Weak::upgrade) {
            update(&subscription);
            subscription.changed.notify_waiters();
        }
    }

    fn closes(&self) -> MutexGuard<'_, HashMap<MediaPath, SystemTime>> {
        self.closes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<MediaPath, Weak<FileSubscription>>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FileSubscription {
    /// Completes at the next change, or never. Changes count from this call on, not from the first poll
    /// of the result.
    pub fn changed(&self) -> impl Future<Output = ()> {
        self.changed.notified()
    }

    /// The number of times that writers have closed the file: a count, because several subscribers may
    /// compare it.
    pub fn closes(&self) -> u64 {
        self.closes.load(Ordering::Acquire)
    }
}
