//! Slots: how many jobs of each class a worker runs at the same time.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::queue::Class;

/// The slots of a worker. Images have their own: viewers wait for them, and they take a second.
pub(super) struct Slots {
    encode: Arc<Semaphore>,
    image: Arc<Semaphore>,
}

impl Slots {
    pub(super) fn new(encode: usize, image: usize) -> Self {
        Self { encode: Arc::new(Semaphore::new(encode)), image: Arc::new(Semaphore::new(image)) }
    }

    /// The slots of a class; `None` if workers do not run it.
    fn of_class(&self, class: Class) -> Option<&Arc<Semaphore>> {
        match class {
            Class::Image => Some(&self.image),
            Class::Remux | Class::Encode => Some(&self.encode),
            // Servers deliver webhooks.
            Class::Webhook => None,
        }
    }

    /// The classes with a free slot.
    pub(super) fn free(&self) -> Vec<Class> {
        let is_free = |class: &Class| {
            self.of_class(*class).is_some_and(|slots| slots.available_permits() > 0)
        };
        Class::ALL.iter().copied().filter(is_free).collect()
    }

    /// Takes a free slot, until the permit is dropped.
    pub(super) fn take(&self, class: Class) -> Option<OwnedSemaphorePermit> {
        Arc::clone(self.of_class(class)?).try_acquire_owned().ok()
    }
}
