//! The shelves that are open: found by their name, each once.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use super::{shelf::Shelf, shelf_key::ShelfKey};

/// The number of locks, so that threads seldom meet at one.
const STRIPES: usize = 16;

/// The open shelves. Locks are held for a look-up or a change of the table, and never across a call of the
/// system: I/O threads look shelves up.
#[derive(Debug, Default)]
pub(super) struct OpenShelves([RwLock<HashMap<ShelfKey, Arc<Shelf>>>; STRIPES]);

impl OpenShelves {
    /// An open shelf.
    pub fn get(&self, key: &ShelfKey) -> Option<Arc<Shelf>> {
        self.read(key).get(key).cloned()
    }

    /// Adds a shelf.
    pub fn insert(&self, shelf: Arc<Shelf>) {
        let key = shelf.key();
        let replaced = self.write(&key).insert(key, shelf);
        drop(replaced);
    }

    /// Removes a shelf, and returns it.
    pub fn remove(&self, key: &ShelfKey) -> Option<Arc<Shelf>> {
        self.write(key).remove(key)
    }

    /// Removes a shelf that nothing else refers to and whose page is up to date.
    pub fn remove_idle(&self, key: &ShelfKey) {
        let mut shelves = self.write(key);
        // Under the lock nothing else can take a reference.
        let is_idle = |shelf: &Arc<Shelf>| Arc::strong_count(shelf) == 1 && !shelf.is_dirty();
        let idle = shelves.get(key).is_some_and(is_idle).then(|| shelves.remove(key));
        drop(shelves);
        drop(idle);
    }

    /// The names of all shelves. Not the shelves: who holds one keeps its descriptor open.
    pub fn keys(&self) -> Vec<ShelfKey> {
        let stripes = self.0.iter().map(read);
        stripes.flat_map(|shelves| shelves.keys().copied().collect::<Vec<_>>()).collect()
    }

    /// The number of shelves.
    pub fn len(&self) -> usize {
        self.0.iter().map(|stripe| read(stripe).len()).sum()
    }

    fn read(&self, key: &ShelfKey) -> RwLockReadGuard<'_, HashMap<ShelfKey, Arc<Shelf>>> {
        read(&self.0[stripe(key)])
    }

    fn write(&self, key: &ShelfKey) -> RwLockWriteGuard<'_, HashMap<ShelfKey, Arc<Shelf>>> {
        self.0[stripe(key)].write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(
    stripe: &RwLock<HashMap<ShelfKey, Arc<Shelf>>>,
) -> RwLockReadGuard<'_, HashMap<ShelfKey, Arc<Shelf>>> {
    stripe.read().unwrap_or_else(PoisonError::into_inner)
}

fn stripe(key: &ShelfKey) -> usize {
    // Shelves of one object are spread, too.
    (usize::from(key.object.0[1]) + key.number as usize) % STRIPES
}
