//! The places for renditions that playing starts: each encodes for minutes or hours, so a client has few at a
//! time. A place belongs to the job, not to the request that started it.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::shares::{ClientKey, Refused, Share, Shares};

/// The most places, of which one client gets no more than [`PER_CLIENT_MAX`].
const PLACES_MAX: usize = 32;

/// The most places of one client: a household may have one address.
const PER_CLIENT_MAX: usize = 4;

/// The places, and the keys of the renditions that have one.
pub struct RenditionPlaces {
    shares: Shares,
    keys: Arc<Mutex<HashSet<String>>>,
}

/// The place of a rendition, until it is dropped.
#[derive(Debug)]
pub struct RenditionPlace {
    key: String,
    keys: Arc<Mutex<HashSet<String>>>,
    _share: Share,
}

impl Default for RenditionPlaces {
    /// All places are free.
    fn default() -> Self {
        Self { shares: Shares::new(PLACES_MAX, PER_CLIENT_MAX), keys: Arc::default() }
    }
}

impl RenditionPlaces {
    /// Takes a place for a rendition; `None` if it has one.
    ///
    /// # Errors
    /// If the client has its share.
    pub fn take(&self, key: &str, client: ClientKey) -> Result<Option<RenditionPlace>, Refused> {
        let mut keys = lock(&self.keys);
        if keys.contains(key) {
            return Ok(None);
        }
        let share = self.shares.take_free(client)?;
        keys.insert(key.to_owned());
        let place =
            RenditionPlace { key: key.to_owned(), keys: Arc::clone(&self.keys), _share: share };
        Ok(Some(place))
    }
}

impl Drop for RenditionPlace {
    fn drop(&mut self) {
        lock(&self.keys).remove(&self.key);
    }
}

fn lock(keys: &Mutex<HashSet<String>>) -> MutexGuard<'_, HashSet<String>> {
    // A change cannot panic half-way.
    keys.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn client(number: u8) -> ClientKey {
        ClientKey::V4(Ipv4Addr::new(192, 0, 2, number))
    }

    #[test]
    fn a_client_has_few_places_and_leaves_some_to_others() {
        let places = RenditionPlaces::default();
        let mut held = Vec::new();
        for number in 0..PER_CLIENT_MAX {
            let place = places.take(&format!("own {number}"), client(1)).expect("a place");
            held.push(place.expect("a new rendition"));
        }
        assert_eq!(places.take("one more", client(1)).err(), Some(Refused::OwnLimit));
        let other = places.take("other", client(2)).expect("a place").expect("a new rendition");
        held.pop();
        assert!(places.take("one more", client(1)).expect("the place is free again").is_some());
        drop(other);
    }

    #[test]
    fn a_rendition_that_several_clients_want_has_one_place() {
        let places = RenditionPlaces::default();
        let first = places.take("film", client(1)).expect("a place");
        assert!(first.is_some());
        assert!(places.take("film", client(2)).expect("no further place is needed").is_none());
        drop(first);
        assert!(places.take("film", client(2)).expect("a place").is_some());
    }
}
