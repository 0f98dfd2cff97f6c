//! The places of a resource that clients hold until they are done: connections, event streams.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

use super::ClientKey;

/// The places of one resource, and who holds them. Clones share the places.
///
/// A free place goes to any client that asks, so that a proxy in front may hold all of them. When no place is
/// free, a client takes over the newest place of the client that holds most, if that one has at least two
/// more. So whatever the others do, each of `n` clients gets the `n`th part of the places, rounded down: a
/// client with fewer finds another with more. The newest place, because least is lost with it.
#[derive(Clone, Debug)]
pub struct Shares {
    places_max: usize,
    /// 0 sets no limit.
    per_client_max: usize,
    held: Arc<Mutex<Held>>,
}

/// The places that are held.
#[derive(Debug, Default)]
struct Held {
    /// The places of each client that has any, by their numbers: the newest has the greatest.
    clients: HashMap<ClientKey, BTreeMap<u64, Revocation>>,
    /// The same clients by the number of their places.
    by_count: BTreeSet<(usize, ClientKey)>,
    count: usize,
    next_number: u64,
}

/// Its drop tells the holder of a place that another client has taken the place over.
type Revocation = oneshot::Sender<Infallible>;

/// A place of a client, until it is dropped.
#[derive(Debug)]
pub struct Share {
    client: ClientKey,
    number: u64,
    held: Arc<Mutex<Held>>,
    revocation: oneshot::Receiver<Infallible>,
}

/// The reason why a client gets no place.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refused {
    /// The client holds as many places as one client may.
    #[error("this address has too many already")]
    OwnLimit,
    /// No place is free, and no other client holds more than its share.
    #[error("no place is free")]
    Full,
}

/// The label, in metrics, of a place that another client took over.
pub const REVOKED: &str = "revoked";

impl Refused {
    /// The label for metrics, from a closed list.
    pub fn reason(self) -> &'static str {
        match self {
            Self::OwnLimit => "address",
            Self::Full => "full",
        }
    }
}

impl Shares {
    /// A resource of `places_max` places, of which one client may hold `per_client_max`; 0 sets no such
    /// limit.
    pub fn new(places_max: usize, per_client_max: usize) -> Self {
        Self { places_max, per_client_max, held: Arc::default() }
    }

    /// Takes a place for a client; perhaps that of another, who has to [give it up](Share::revoked).
    ///
    /// # Errors
    /// If the client has its limit or its share already.
    pub fn take(&self, client: ClientKey) -> Result<Share, Refused> {
        let mut held = lock(&self.held);
        let own = held.count_of(client);
        if self.per_client_max > 0 && own >= self.per_client_max {
            return Err(Refused::OwnLimit);
        }
        if held.count >= self.places_max {
            let (most, greediest) = held.by_count.last().copied().ok_or(Refused::Full)?;
            if most < own + 2 {
                return Err(Refused::Full);
            }
            held.revoke_newest(greediest);
        }
        Ok(self.add(&mut held, client))
    }

    /// Takes a free place for work that cannot end early, if it leaves as many to others as the client then
    /// has: one client alone gets half of the places.
    ///
    /// # Errors
    /// If the client has its limit, or more places than are free.
    pub fn take_free(&self, client: ClientKey) -> Result<Share, Refused> {
        let mut held = lock(&self.held);
        let (own, free) = (held.count_of(client), self.places_max.saturating_sub(held.count));
        match own {
            _ if self.per_client_max > 0 && own >= self.per_client_max => Err(Refused::OwnLimit),
            _ if own >= free => Err(Refused::Full),
            _ => Ok(self.add(&mut held, client)),
        }
    }

    fn add(&self, held: &mut Held, client: ClientKey) -> Share {
        let (revocation, revoked) = oneshot::channel();
        let number = held.add(client, revocation);
        Share { client, number, held: Arc::clone(&self.held), revocation: revoked }
    }

    /// The number of places that are held.
    pub fn count(&self) -> usize {
        lock(&self.held).count
    }
}

impl Share {
    /// The client that has the place.
    pub fn client(&self) -> ClientKey {
        self.client
    }

    /// Waits until another client takes the place over. The holder must then end what it does.
    pub async fn revoked(&mut self) {
        // No value is ever sent: the channel closes.
        let _ = (&mut self.revocation).await;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        lock(&self.held).remove(self.client, self.number);
    }
}

impl Held {
    fn count_of(&self, client: ClientKey) -> usize {
        self.clients.get(&client).map_or(0, BTreeMap::len)
    }

    fn add(&mut self, client: ClientKey, revocation: Revocation) -> u64 {
        let number = self.next_number;
        self.next_number += 1;
        self.change(client, |places| drop(places.insert(number, revocation)));
        number
    }

    /// Removes a place; one that was revoked is not there any more.
    fn remove(&mut self, client: ClientKey, number: u64) {
        self.change(client, |places| drop(places.remove(&number)));
    }

    fn revoke_newest(&mut self, client: ClientKey) {
        self.change(client, |places| drop(places.pop_last()));
    }

    /// Changes the places of a client, and what follows from their number.
    fn change(&mut self, client: ClientKey, change: impl FnOnce(&mut BTreeMap<u64, Revocation>)) {
        let places = self.clients.entry(client).or_default();
        let before = places.len();
        change(places);
        let after = places.len();
        if after == 0 {
            self.clients.remove(&client);
        }
        if after != before {
            self.by_count.remove(&(before, client));
            self.count = self.count - before + after;
            if after > 0 {
                self.by_count.insert((after, client));
            }
        }
    }
}

fn lock(held: &Mutex<Held>) -> MutexGuard<'_, Held> {
    // A change cannot panic half-way.
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use futures::FutureExt as _;

    use super::*;

    fn client(number: u8) -> ClientKey {
        ClientKey::V4(Ipv4Addr::new(127, 0, 0, number))
    }

    /// Takes places until the client gets no more.
    fn take_all(shares: &Shares, number: u8) -> Vec<Share> {
        std::iter::from_fn(|| shares.take(client(number)).ok()).collect()
    }

    fn is_revoked(share: &mut Share) -> bool {
        share.revoked().now_or_never().is_some()
    }

    #[test]
    fn one_client_may_hold_all_places_until_another_asks() {
        let shares = Shares::new(10, 0);
        let mut first = take_all(&shares, 1);
        assert_eq!(first.len(), 10);
        let second = shares.take(client(2)).expect("the newest of the first client");
        let revoked: Vec<_> = first.iter_mut().map(is_revoked).collect();
        assert_eq!(revoked, [[false; 9].as_slice(), &[true]].concat());
        assert_eq!(shares.take(client(1)).err(), Some(Refused::Full));
        drop(second);
        shares.take(client(1)).expect("the place is free again");
    }

    #[test]
    fn each_client_gets_its_part_whatever_the_others_hold() {
        for clients in 1..=12 {
            let shares = Shares::new(100, 0);
            // The first has all, before the others come.
            let held: Vec<_> = (1..=clients).map(|number| take_all(&shares, number)).collect();
            assert_eq!(shares.count(), 100);
            for (number, mut shares) in (1..=clients).zip(held) {
                let kept = shares.iter_mut().map(is_revoked).filter(|revoked| !revoked).count();
                assert!(kept >= 100 / usize::from(clients), "{number} of {clients} has {kept}");
            }
        }
    }

    #[test]
    fn clients_with_equal_parts_do_not_take_places_from_each_other() {
        let shares = Shares::new(3, 0);
        let mut held: Vec<_> =
            (1..=3).map(|number| shares.take(client(number)).expect("a free place")).collect();
        assert_eq!(shares.take(client(4)).err(), Some(Refused::Full));
        assert!(!held.iter_mut().any(is_revoked));
    }

    #[test]
    fn a_client_has_a_limit_of_its_own() {
        let shares = Shares::new(10, 2);
        let first = take_all(&shares, 1);
        assert_eq!(first.len(), 2);
        assert_eq!(shares.take(client(1)).err(), Some(Refused::OwnLimit));
        shares.take(client(2)).expect("a free place");
        drop(first);
        assert_eq!(take_all(&shares, 1).len(), 2);
    }

    #[test]
    fn work_that_cannot_end_early_leaves_places_to_others() {
        let shares = Shares::new(100, 0);
        let greedy: Vec<_> = std::iter::from_fn(|| shares.take_free(client(1)).ok()).collect();
        assert_eq!(greedy.len(), 50);
        shares.take_free(client(2)).expect("a place is left");
    }

    #[test]
    fn nothing_is_kept_of_clients_that_are_gone() {
        let shares = Shares::new(2, 0);
        let (first, second) = (take_all(&shares, 1), take_all(&shares, 2));
        drop((first, second));
        let held = lock(&shares.held);
        assert!(held.clients.is_empty() && held.by_count.is_empty());
        assert_eq!(held.count, 0);
    }
}
