//! The objects that events are about, until they are checked.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

/// The most objects of a bucket that wait. A key has at most 1,024 bytes.
const WAITING_MAX: usize = 4096;

/// Too many objects wait for their checks.
#[derive(Debug, thiserror::Error)]
#[error("too many objects wait for their checks")]
pub struct TooManyEvents;

/// The objects of a bucket that wait, each once.
#[derive(Debug, Default)]
pub(super) struct Events {
    waiting: Mutex<Waiting>,
    added: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    order: VecDeque<Arc<str>>,
    keys: HashSet<Arc<str>>,
}

impl Events {
    /// Adds keys without the prefix, of which some may wait already. Returns how many keys there are.
    pub(super) fn push<'k>(
        &self,
        keys: impl Iterator<Item = &'k str>,
    ) -> Result<usize, TooManyEvents> {
        let mut waiting = self.lock();
        let mut count = 0;
        // Before the keys are there: a task that waits for them waits for the lock first.
        self.added.notify_one();
        for key in keys {
            count += 1;
            if waiting.keys.contains(key) {
                continue;
            }
            if waiting.order.len() >= WAITING_MAX {
                return Err(TooManyEvents);
            }
            let key: Arc<str> = key.into();
            waiting.keys.insert(Arc::clone(&key));
            waiting.order.push_back(key);
        }
        Ok(count)
    }

    /// Takes the first keys, and waits for one if there is none. An event of a taken key makes it wait again.
    pub(super) async fn take(&self, max: usize) -> Vec<Arc<str>> {
        loop {
            {
                let mut waiting = self.lock();
                let count = waiting.order.len().min(max);
                let taken: Vec<_> = waiting.order.drain(..count).collect();
                for key in &taken {
                    waiting.keys.remove(key);
                }
                if !taken.is_empty() {
                    return taken;
                }
            }
            self.added.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_object_waits_once_and_again_after_it_was_taken() {
        let events = Events::default();
        assert_eq!(events.push(["a", "b", "a"].into_iter()).expect("room"), 3);
        assert_eq!(events.take(1).await, [Arc::from("a")]);
        events.push(["b", "a"].into_iter()).expect("room");
        assert_eq!(events.take(9).await, [Arc::from("b"), Arc::from("a")]);
    }

    #[tokio::test]
    async fn more_than_the_maximum_is_refused_until_some_are_taken() {
        let events = Events::default();
        let keys: Vec<_> = (0..=WAITING_MAX).map(|number| number.to_string()).collect();
        assert!(events.push(keys.iter().map(String::as_str)).is_err());
        assert_eq!(events.push(["0"].into_iter()).expect("it waits already"), 1);
        assert_eq!(events.take(WAITING_MAX * 2).await.len(), WAITING_MAX);
        events.push(["x"].into_iter()).expect("room");
    }
}
