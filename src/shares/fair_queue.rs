//! A queue in which clients take turns.

use std::collections::{HashMap, VecDeque};

use super::ClientKey;

/// A queue with one line for each client, served round robin: the first item of a client waits for at most
/// one item of each other client, however many those have queued. Each client's own items keep their order.
#[derive(Debug)]
pub struct FairQueue<T> {
    /// The items of each client that has any.
    lines: HashMap<ClientKey, VecDeque<T>>,
    /// The same clients, in the order of their turns.
    turns: VecDeque<ClientKey>,
    len: usize,
}

impl<T> Default for FairQueue<T> {
    fn default() -> Self {
        Self { lines: HashMap::new(), turns: VecDeque::new(), len: 0 }
    }
}

impl<T> FairQueue<T> {
    /// The number of items of all clients.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether a client may queue one more item, of at most `places` in all: a client may have as many
    /// items as there are free places. So one client alone gets half of the places, `n` greedy ones get
    /// `1/(n + 1)` each, and as much stays free for the next one.
    pub fn has_place_for(&self, client: ClientKey, places: usize) -> bool {
        let own = self.lines.get(&client).map_or(0, VecDeque::len);
        own < places.saturating_sub(self.len)
    }

    /// Queues an item.
    pub fn push(&mut self, client: ClientKey, item: T) {
        let line = self.lines.entry(client).or_default();
        if line.is_empty() {
            self.turns.push_back(client);
        }
        line.push_back(item);
        self.len += 1;
    }

    /// Takes the next item of the client whose turn it is.
    pub fn pop(&mut self) -> Option<T> {
        let client = self.turns.pop_front()?;
        let line = self.lines.get_mut(&client)?;
        let item = line.pop_front();
        if line.is_empty() {
            self.lines.remove(&client);
        } else {
            self.turns.push_back(client);
        }
        self.len -= 1;
        item
    }
}

#[cfg(test)]
mod tests {
    use std::{iter, net::Ipv4Addr};

    use super::*;

    fn client(number: u8) -> ClientKey {
        ClientKey::V4(Ipv4Addr::new(127, 0, 0, number))
    }

    #[test]
    fn clients_take_turns_and_each_keeps_its_order() {
        let mut queue = FairQueue::default();
        for item in ["a1", "a2", "a3"] {
            queue.push(client(1), item);
        }
        queue.push(client(2), "b1");
        queue.push(client(3), "c1");
        queue.push(client(2), "b2");
        let order: Vec<_> = iter::from_fn(|| queue.pop()).collect();
        assert_eq!(order, ["a1", "b1", "c1", "a2", "b2", "a3"]);
        assert!(queue.is_empty() && queue.lines.is_empty() && queue.turns.is_empty());
    }

    #[test]
    fn a_greedy_client_leaves_places_for_others() {
        let mut queue = FairQueue::default();
        for (number, places) in [(1, 50), (2, 25), (3, 13)] {
            let taken = iter::from_fn(|| {
                let has_place = queue.has_place_for(client(number), 100);
                has_place.then(|| queue.push(client(number), ()))
            });
            assert_eq!(taken.count(), places, "client {number}");
        }
    }

    #[test]
    fn a_full_queue_has_no_place() {
        let mut queue = FairQueue::default();
        (1..=3).for_each(|number| queue.push(client(number), ()));
        assert!(!queue.has_place_for(client(4), 3));
        assert!(queue.has_place_for(client(4), 4));
    }
}
