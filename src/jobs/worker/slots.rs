//! How many jobs of which class are worked on at the same time.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::queue::Class;

/// Places for jobs. Pictures have places of their own: somebody waits for them, and they take a second.
pub(super) struct Slots {
    films: Arc<Semaphore>,
    pictures: Arc<Semaphore>,
}

impl Slots {
    pub(super) fn new(films: usize, pictures: usize) -> Self {
        Self {
            films: Arc::new(Semaphore::new(films)),
            pictures: Arc::new(Semaphore::new(pictures)),
        }
    }

    /// Those of a class; `None` if no worker does such jobs.
    fn of(&self, class: Class) -> Option<&Arc<Semaphore>> {
        match class {
            Class::Image => Some(&self.pictures),
            Class::Remux | Class::Encode => Some(&self.films),
            // The servers' own business.
            Class::Webhook => None,
        }
    }

    /// The classes that have a place.
    pub(super) fn free(&self) -> Vec<Class> {
        let has_place =
            |class: &Class| self.of(*class).is_some_and(|places| places.available_permits() > 0);
        Class::ALL.iter().copied().filter(has_place).collect()
    }

    /// Takes a place, if there is one; it is free again when the permit is dropped.
    pub(super) fn take(&self, class: Class) -> Option<OwnedSemaphorePermit> {
        Arc::clone(self.of(class)?).try_acquire_owned().ok()
    }
}
