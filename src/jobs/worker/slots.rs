//! How many jobs of which class are worked on at the same time.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::jobs::queue::Class;

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

    fn of(&self, class: Class) -> &Arc<Semaphore> {
        match class {
            Class::Picture => &self.pictures,
            Class::Remux | Class::Encode => &self.films,
        }
    }

    /// The classes that have a place.
    pub(super) fn free(&self) -> Vec<Class> {
        let has_place = |class: &Class| self.of(*class).available_permits() > 0;
        [Class::Picture, Class::Remux, Class::Encode].into_iter().filter(has_place).collect()
    }

    /// Takes a place, if there is one; it is free again when the permit is dropped.
    pub(super) fn take(&self, class: Class) -> Option<OwnedSemaphorePermit> {
        Arc::clone(self.of(class)).try_acquire_owned().ok()
    }
}
