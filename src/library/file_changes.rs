//! Subscriptions to changes of single files, for responses that follow a growing file.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::Notify;

use super::MediaPath;

/// The files that have subscribers.
#[derive(Debug, Default)]
pub struct FileChanges {
    files: Mutex<HashMap<MediaPath, Weak<FileSubscription>>>,
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

    /// Wakes subscribers: a writer has closed the file.
    pub(super) fn notify_closed(&self, path: &MediaPath) {
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
