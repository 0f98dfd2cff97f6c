//! Slots: how many jobs of each class a worker runs at the same time.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::queue::Class;

/// The slots of a worker. Images have their own: viewers wait for them, and they take a second. Thumbnails
/// leave one of these free, if there are two, so that a poster never waits for the thumbnails of others.
pub(super) struct Slots {
    encode: Arc<Semaphore>,
    image: Arc<Semaphore>,
    /// Taken in addition to an image slot.
    thumbnail: Arc<Semaphore>,
}

/// The slots of a running job, until they are dropped.
pub(super) type Slot = Vec<OwnedSemaphorePermit>;

impl Slots {
    pub(super) fn new(encode: usize, image: usize) -> Self {
        let slots = |count| Arc::new(Semaphore::new(count));
        let thumbnail = image.saturating_sub(1).max(1);
        Self { encode: slots(encode), image: slots(image), thumbnail: slots(thumbnail) }
    }

    /// The slots that a job of a class takes; none if workers do not run it.
    fn of_class(&self, class: Class) -> Vec<&Arc<Semaphore>> {
        match class {
            Class::Image => vec![&self.image],
            Class::Thumbnail => vec![&self.image, &self.thumbnail],
            Class::Remux | Class::Encode => vec![&self.encode],
            // Servers deliver webhooks.
            Class::Webhook => Vec::new(),
        }
    }

    /// The classes with a free slot.
    pub(super) fn free(&self) -> Vec<Class> {
        let is_free = |class: &Class| {
            let slots = self.of_class(*class);
            !slots.is_empty() && slots.iter().all(|slots| slots.available_permits() > 0)
        };
        Class::ALL.iter().copied().filter(is_free).collect()
    }

    /// Takes the free slots of a class.
    pub(super) fn take(&self, class: Class) -> Slot {
        let slots = self.of_class(class).into_iter();
        slots.filter_map(|slots| Arc::clone(slots).try_acquire_owned().ok()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thumbnails_leave_an_image_slot_free() {
        let slots = Slots::new(1, 3);
        let thumbnails = [slots.take(Class::Thumbnail), slots.take(Class::Thumbnail)];
        assert!(!slots.free().contains(&Class::Thumbnail));
        assert!(slots.free().contains(&Class::Image));
        let poster = slots.take(Class::Image);
        assert_eq!(slots.free(), [Class::Remux, Class::Encode]);
        drop((thumbnails, poster));
        assert_eq!(slots.free(), [Class::Image, Class::Thumbnail, Class::Remux, Class::Encode]);
    }

    #[test]
    fn the_only_image_slot_is_for_thumbnails_too() {
        let slots = Slots::new(1, 1);
        assert!(slots.free().contains(&Class::Thumbnail));
        let _thumbnail = slots.take(Class::Thumbnail);
        assert_eq!(slots.free(), [Class::Remux, Class::Encode]);
    }
}
