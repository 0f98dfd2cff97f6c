//! Flights: parts of objects that are on their way. All who need a part wait for one flight.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

use super::{
    chunks::{CHUNK_BYTES, FLIGHT_BYTES_MAX},
    client::Opened,
    error::FetchError,
};

/// A part of an object that is on its way.
#[derive(Debug)]
pub(super) struct Flight {
    pub object: Opened,
    /// Begins at a chunk, and ends at one or with the object.
    pub range: Range<u64>,
    progress: watch::Sender<Progress>,
}

/// How far a flight has come.
#[derive(Clone, Debug)]
pub(super) struct Progress {
    /// All bytes of the flight in front of this offset are stored.
    pub until: u64,
    /// `None` while it is in progress.
    pub end: Option<End>,
    /// Whether a request waits, or waited, for it.
    is_awaited: bool,
}

/// How a flight ended.
#[derive(Clone, Debug)]
pub(super) enum End {
    Done,
    Failed(FetchError),
    /// It was read-ahead, or all who waited for its beginning are gone.
    Dropped,
}

impl From<FetchError> for End {
    fn from(error: FetchError) -> Self {
        Self::Failed(error)
    }
}

/// A flight for the beginning of a range.
#[derive(Debug)]
pub(super) struct Claim {
    pub flight: Arc<Flight>,
    pub progress: watch::Receiver<Progress>,
    /// Whether the flight is new, so that the caller must run it.
    pub is_new: bool,
}

/// The flights of all objects, by key and ETag, then by their beginning.
#[derive(Debug, Default)]
pub(super) struct Flights(Mutex<HashMap<ObjectKey, BTreeMap<u64, Arc<Flight>>>>);

type ObjectKey = (Arc<str>, Arc<str>);

impl Flights {
    /// The flight for the first chunk of a range: the one in progress, else a new one for the range as far
    /// as no other flight has it.
    pub(super) fn claim(&self, object: &Opened, range: &Range<u64>, is_awaited: bool) -> Claim {
        let mut all = self.lock();
        let flights = all.entry(object_key(object)).or_default();
        let start = range.start - range.start % CHUNK_BYTES;
        if let Some((_, flight)) = flights.range(..=start).next_back()
            && start < flight.range.end
        {
            if is_awaited {
                flight.progress.send_if_modified(|progress| {
                    progress.is_awaited = true;
                    false
                });
            }
            let progress = flight.progress.subscribe();
            return Claim { flight: Arc::clone(flight), progress, is_new: false };
        }
        let next = flights.range(start..).next().map_or(u64::MAX, |(next, _)| *next);
        let end = range.end.min(next).min(start.saturating_add(FLIGHT_BYTES_MAX));
        let flight = Arc::new(Flight::new(object.clone(), start..end, is_awaited));
        flights.insert(start, Arc::clone(&flight));
        let progress = flight.progress.subscribe();
        Claim { flight, progress, is_new: true }
    }

    /// Whether the byte at an offset is on its way.
    pub(super) fn is_coming(&self, object: &Opened, offset: u64) -> bool {
        let all = self.lock();
        let flights = all.get(&object_key(object));
        let before = flights.and_then(|flights| flights.range(..=offset).next_back());
        before.is_some_and(|(_, flight)| offset < flight.range.end)
    }

    /// A new flight for exactly this range, unless another flight has a part of it.
    pub(super) fn claim_whole(&self, object: &Opened, range: Range<u64>) -> Option<Arc<Flight>> {
        let mut all = self.lock();
        let flights = all.entry(object_key(object)).or_default();
        let before = flights.range(..range.end).next_back();
        if range.is_empty() || before.is_some_and(|(_, flight)| range.start < flight.range.end) {
            return None;
        }
        let flight = Arc::new(Flight::new(object.clone(), range, true));
        flights.insert(flight.range.start, Arc::clone(&flight));
        Some(flight)
    }

    /// Ends a flight, and tells all who wait for it.
    pub(super) fn end(&self, flight: &Flight, end: End) {
        self.remove(&mut self.lock(), flight);
        flight.progress.send_modify(|progress| progress.end = Some(end));
    }

    /// Ends a flight if no request waits for it any more. Returns whether it did.
    pub(super) fn end_if_unwanted(&self, flight: &Flight) -> bool {
        let mut all = self.lock();
        // Receivers are made under the lock.
        let is_unwanted = flight.progress.receiver_count() == 0;
        if is_unwanted {
            self.remove(&mut all, flight);
        }
        is_unwanted
    }

    fn remove(&self, all: &mut HashMap<ObjectKey, BTreeMap<u64, Arc<Flight>>>, flight: &Flight) {
        let key = object_key(&flight.object);
        let Some(flights) = all.get_mut(&key) else {
            return;
        };
        let is_this = |present: &Arc<Flight>| std::ptr::eq(Arc::as_ptr(present), flight);
        if flights.get(&flight.range.start).is_some_and(is_this) {
            flights.remove(&flight.range.start);
        }
        if flights.is_empty() {
            all.remove(&key);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ObjectKey, BTreeMap<u64, Arc<Flight>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Flight {
    fn new(object: Opened, range: Range<u64>, is_awaited: bool) -> Self {
        let progress = Progress { until: range.start, end: None, is_awaited };
        Self { object, range, progress: watch::Sender::new(progress) }
    }

    /// All bytes in front of this offset are stored.
    pub(super) fn advance(&self, until: u64) {
        self.progress.send_if_modified(|progress| {
            let has_advanced = until > progress.until;
            progress.until = progress.until.max(until);
            has_advanced
        });
    }

    /// Whether a request waits, or waited, for it; if not, it is read-ahead.
    pub(super) fn is_awaited(&self) -> bool {
        self.progress.borrow().is_awaited
    }

    /// Returns when no request waits for it.
    pub(super) async fn unwanted(&self) {
        self.progress.closed().await;
    }
}

impl Claim {
    /// Waits until all bytes in front of an offset are stored, or the flight has ended.
    pub(super) async fn stored(mut self, until: u64) -> End {
        let until = until.min(self.flight.range.end);
        let reached =
            self.progress.wait_for(|progress| progress.until >= until || progress.end.is_some());
        match reached.await {
            Ok(progress) if progress.until >= until => End::Done,
            Ok(progress) => progress.end.clone().unwrap_or(End::Dropped),
            Err(_) => End::Dropped,
        }
    }
}

fn object_key(object: &Opened) -> ObjectKey {
    (Arc::clone(&object.key), Arc::clone(&object.etag))
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    fn object() -> Opened {
        Opened {
            key: "a.mp4".into(),
            etag: "\"e\"".into(),
            size: 100 * CHUNK_BYTES,
            version_id: None,
            modified: None,
        }
    }

    fn chunks(range: Range<u64>) -> Range<u64> {
        range.start * CHUNK_BYTES..range.end * CHUNK_BYTES
    }

    #[test]
    fn no_two_flights_have_the_same_chunk() {
        let (flights, object) = (Flights::default(), object());
        let first = flights.claim(&object, &chunks(10..20), true);
        assert!(first.is_new && first.flight.range == chunks(10..20));
        let joined = flights.claim(&object, &(chunks(19..40).start + 5..chunks(19..40).end), true);
        assert!(!joined.is_new);
        let before = flights.claim(&object, &chunks(5..40), true);
        assert_eq!(before.flight.range, chunks(5..10));
        let behind = flights.claim(&object, &chunks(20..40), true);
        assert_eq!(behind.flight.range, chunks(20..40));
        assert!(flights.is_coming(&object, 5 * CHUNK_BYTES + 7));
        assert!(!flights.is_coming(&object, 4 * CHUNK_BYTES));
        assert!(!flights.is_coming(&object, 40 * CHUNK_BYTES));
        assert!(flights.claim_whole(&object, chunks(39..41)).is_none());
        assert!(flights.claim_whole(&object, chunks(4..6)).is_none());
        assert!(flights.claim_whole(&object, chunks(40..41)).is_some());

        flights.end(&first.flight, End::Done);
        assert!(flights.claim(&object, &chunks(10..20), true).is_new);
    }

    #[test]
    fn all_who_wait_hear_of_the_same_end_and_those_whose_bytes_came_of_none() {
        let (flights, object) = (Flights::default(), object());
        let first = flights.claim(&object, &chunks(0..20), true);
        let flight = Arc::clone(&first.flight);
        let second = flights.claim(&object, &chunks(1..2), true);
        flight.advance(CHUNK_BYTES);
        flights.end(&flight, End::Failed(FetchError::NotFound));
        let first = first.stored(CHUNK_BYTES).now_or_never();
        assert!(matches!(first, Some(End::Done)), "{first:?}");
        let second = second.stored(2 * CHUNK_BYTES).now_or_never();
        assert!(matches!(second, Some(End::Failed(FetchError::NotFound))), "{second:?}");
        assert!(flights.lock().is_empty());
    }

    #[test]
    fn a_flight_that_nobody_waits_for_can_end() {
        let (flights, object) = (Flights::default(), object());
        let claim = flights.claim(&object, &chunks(0..20), true);
        let flight = Arc::clone(&claim.flight);
        assert!(!flights.end_if_unwanted(&flight));
        drop(claim);
        assert!(flights.end_if_unwanted(&flight));
        assert!(flights.lock().is_empty());
    }
}
