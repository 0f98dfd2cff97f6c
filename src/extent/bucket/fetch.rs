//! Fetches parts of objects into a sink, each part once however many wait for it.

use std::{
    collections::HashMap,
    io,
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures::{
    FutureExt as _,
    future::{BoxFuture, Shared},
};
use tokio::{
    runtime::Handle,
    time::{Instant, timeout_at},
};

use super::{
    address::{BucketSettings, SettingsError},
    breaker::BreakerState,
    chunks::{CHUNK_BYTES, FLIGHT_BYTES_MAX, UNIT_BYTES, whole_units},
    client::{Ask, Client, Opened, Part},
    collected::Collected,
    error::{AttemptError, FetchError},
    flight::{Claim, End, Flights},
    listing::{self, Page},
    permits::RequestPermit,
    retry::{Body, Requests},
    transfer::Transfer,
    usage::{FetchUsage, Operation},
};
use crate::{
    extent::disk::{BUFFER_BYTES, Buffers},
    shares::ClientKey,
};

/// Where fetched bytes go.
pub trait Sink: Send + Sync + 'static {
    /// The parts of a range that it does not have.
    fn missing(
        &self,
        range: Range<u64>,
    ) -> impl Future<Output = io::Result<Vec<Range<u64>>>> + Send;

    /// Stores whole chunks of [`CHUNK_BYTES`], or what ends with the object.
    fn store(&self, offset: u64, bytes: Bytes) -> impl Future<Output = io::Result<()>> + Send;
}

/// Who needs the bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Need {
    /// A request waits for them.
    Awaited,
    /// A viewer may need them soon. Dropped when no request is free, or a viewer waits for one.
    ReadAhead,
}

/// What is read of an object to open it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ends {
    /// The first MiB: the object has no more, or its index is in front.
    First,
    /// The first and the last MiB at the same time: the index may be at either end.
    Both,
}

/// The limits of fetching from a bucket.
#[derive(Clone, Copy, Debug)]
pub struct FetchSettings {
    /// The longest wait for the next bytes.
    pub deadline: Duration,
    /// The most requests in progress.
    pub requests: usize,
    /// Whether a second request may be sent when the first is slow.
    pub hedge: bool,
}

/// An open in progress, for all who wait for it.
type Open = Shared<BoxFuture<'static, Result<Opened, FetchError>>>;

/// Reads objects of a bucket.
#[derive(Debug)]
pub struct Fetcher {
    requests: Arc<Requests>,
    flights: Arc<Flights>,
    /// The opens in progress, by key.
    opens: Mutex<HashMap<Arc<str>, Open>>,
    runtime: Handle,
    deadline: Duration,
}

impl Fetcher {
    /// A fetcher whose requests run on a runtime. Sends none; reads the file of root certificates.
    pub fn new(
        bucket: &BucketSettings,
        settings: FetchSettings,
        runtime: Handle,
    ) -> Result<Arc<Self>, SettingsError> {
        Ok(Self::with_client(Client::new(bucket)?, settings, runtime))
    }

    pub(super) fn with_client(
        client: Client,
        settings: FetchSettings,
        runtime: Handle,
    ) -> Arc<Self> {
        let requests = Requests::new(client, settings.requests, settings.hedge);
        Arc::new(Self {
            requests: Arc::new(requests),
            flights: Arc::default(),
            opens: Mutex::default(),
            runtime,
            deadline: settings.deadline,
        })
    }

    /// The endpoint and the bucket, as a URL.
    pub fn address(&self) -> String {
        self.requests.client.address.to_string()
    }

    /// The counters.
    pub fn usage(&self) -> FetchUsage {
        self.requests.counters.usage(self.breaker())
    }

    /// The state of the breaker.
    pub fn breaker(&self) -> BreakerState {
        self.requests.breaker.state(Instant::now())
    }

    /// Whether the last responses failed, be they too few to open the breaker.
    pub fn is_failing(&self) -> bool {
        self.requests.breaker.is_failing(Instant::now())
    }

    /// Opens an object by reading one or both of its ends. The bytes go into the sink that `sink` makes; all who open the object
    /// meanwhile share them. Returns before they have all arrived.
    pub async fn open<S: Sink>(
        self: &Arc<Self>,
        key: &str,
        ends: Ends,
        sink: impl FnOnce(&Opened) -> Arc<S> + Send + 'static,
    ) -> Result<Opened, FetchError> {
        let until = Instant::now() + self.deadline;
        let open = {
            let mut opens = self.opens.lock().unwrap_or_else(PoisonError::into_inner);
            match opens.get(key) {
                Some(open) => open.clone(),
                None => {
                    let key: Arc<str> = key.into();
                    let (fetcher, client) = (Arc::clone(self), ClientKey::current());
                    let open = OpenInProgress { fetcher: Arc::clone(self), key: Arc::clone(&key) };
                    let task = async move {
                        let open = open;
                        fetcher.open_once(&open.key, ends, client, until, sink).await
                    };
                    // Spawned when it is polled, without the lock: a runtime that has ended drops it at once.
                    let runtime = self.runtime.clone();
                    let open = async move {
                        runtime.spawn(task).await.unwrap_or(Err(FetchError::Broken("panicked")))
                    };
                    let open = open.boxed().shared();
                    opens.insert(key, open.clone());
                    open
                }
            }
        };
        timeout_at(until, open).await.unwrap_or_else(|_| Err(FetchError::timeout()))
    }

    async fn open_once<S: Sink>(
        &self,
        key: &Arc<str>,
        ends: Ends,
        client: ClientKey,
        until: Instant,
        sink: impl FnOnce(&Opened) -> Arc<S>,
    ) -> Result<Opened, FetchError> {
        let (head, tail) = match self.read_ends(key, ends, client, until).await {
            // It was replaced between the two responses.
            Err(AttemptError::Final(FetchError::Changed)) => {
                self.read_ends(key, ends, client, until).await?
            }
            Err(AttemptError::Unsatisfiable) => return self.open_empty(key, until).await,
            read => read?,
        };
        let object = head.object().clone();
        let sink = sink(&object);
        let first_end = object.size.min(UNIT_BYTES);
        let last_start = object.size.saturating_sub(UNIT_BYTES).next_multiple_of(CHUNK_BYTES);
        let last_start = last_start.max(first_end);
        let parts = [(0..first_end, Some(head)), (last_start..object.size, tail)];
        for (range, body) in parts {
            if let Some(body) = body
                && let Some(flight) = self.flights.claim_whole(&object, range)
            {
                self.run(self.transfer(flight, Arc::clone(&sink), client).with_body(body));
            }
        }
        Ok(object)
    }

    /// The first and, if a request for it is free, the last MiB of an object, of the same state.
    async fn read_ends(
        &self,
        key: &Arc<str>,
        ends: Ends,
        client: ClientKey,
        until: Instant,
    ) -> Result<(Body, Option<Body>), AttemptError> {
        let requests = &self.requests;
        let get = |part, permit: RequestPermit| {
            let ask = Ask { key: Arc::clone(key), part, state: None };
            async move { requests.get(&ask, until).await.map(|body| body.holding(permit)) }
        };
        let permit = timeout_at(until, requests.permits.acquire(client)).await;
        let permit = permit.map_err(|_| AttemptError::Silent)?;
        let head = get(Part::Range(0..UNIT_BYTES), permit);
        // Without waiting: opens that wait for a second permit while they hold one could wait for each other.
        // While the breaker probes, one request may pass.
        let is_single = ends == Ends::First || !requests.breaker.is_closed();
        let permit = if is_single { None } else { requests.permits.try_acquire() };
        let Some(permit) = permit else {
            return Ok((head.await?, None));
        };
        let tail = get(Part::Last(UNIT_BYTES), permit);
        let (head, tail) = futures::try_join!(head, tail)?;
        let is_same = |one: &Opened, other: &Opened| {
            (&one.etag, one.size, &one.version_id) == (&other.etag, other.size, &other.version_id)
        };
        match is_same(head.object(), tail.object()) {
            true => Ok((head, Some(tail))),
            false => Err(AttemptError::Final(FetchError::Changed)),
        }
    }

    /// No range lies in an empty object, so a bucket refuses every one.
    async fn open_empty(&self, key: &Arc<str>, until: Instant) -> Result<Opened, FetchError> {
        let client = &self.requests.client;
        let head = |is_fresh| client.head(key, None, is_fresh);
        let object = self.requests.small(Operation::Head, until, head).await?;
        match object.size {
            0 => Ok(object),
            _ => Err(FetchError::Broken("no range of an object that is not empty")),
        }
    }

    /// The state of an object, without its bytes.
    pub async fn head(&self, key: &str) -> Result<Opened, FetchError> {
        self.head_since(&key.into(), None).await
    }

    /// As [`head`](Self::head), of an object that had a state before: the bucket may respond that it has it
    /// still.
    pub(super) async fn head_since(
        &self,
        key: &Arc<str>,
        state: Option<Opened>,
    ) -> Result<Opened, FetchError> {
        let (requests, until) = (Arc::clone(&self.requests), Instant::now() + self.deadline);
        let key = Arc::clone(key);
        self.on_runtime(async move {
            let head = |is_fresh| requests.client.head(&key, state.as_ref(), is_fresh);
            Ok(requests.small(Operation::Head, until, head).await?)
        })
        .await
    }

    /// Whether the byte of an object at an offset is on its way.
    pub(super) fn is_coming(&self, object: &Opened, offset: u64) -> bool {
        self.flights.is_coming(object, offset)
    }

    /// A page of the listing: objects with a prefix, behind the key `after`.
    pub async fn list_page(&self, prefix: &str, after: Option<&str>) -> Result<Page, FetchError> {
        let (requests, until) = (Arc::clone(&self.requests), Instant::now() + self.deadline);
        let url = requests.client.address.listing(prefix, after, listing::PAGE_KEYS_MAX);
        self.on_runtime(async move {
            let page = |is_fresh| {
                let page = requests.client.document(url.clone(), listing::PAGE_BYTES_MAX, is_fresh);
                async move { listing::parse(&page.await?) }
            };
            Ok(requests.small(Operation::List, until, page).await?)
        })
        .await
    }

    async fn on_runtime<T: Send + 'static>(
        &self,
        request: impl Future<Output = Result<T, FetchError>> + Send + 'static,
    ) -> Result<T, FetchError> {
        self.runtime.spawn(request).await.unwrap_or(Err(FetchError::Broken("panicked")))
    }

    /// Fetches a range, at most 8 MiB of it, to the end of a unit. If a request waits, returns once the chunk
    /// of its first byte is stored, which should be the first missing one; read-ahead returns at once.
    pub async fn fetch<S: Sink>(
        &self,
        object: &Opened,
        range: Range<u64>,
        sink: &Arc<S>,
        need: Need,
    ) -> Result<(), FetchError> {
        let range = whole_units(&range, object.size);
        let until = Instant::now() + self.deadline;
        while !range.is_empty() {
            let Some(claim) = self.start(object, &range, sink, need) else {
                break;
            };
            let stored = timeout_at(until, claim.stored(range.start + CHUNK_BYTES)).await;
            match stored.unwrap_or(End::Failed(FetchError::timeout())) {
                End::Done => break,
                End::Failed(error) => return Err(error),
                // It was the read-ahead of another.
                End::Dropped => {}
            }
        }
        Ok(())
    }

    /// Lets no later open share the result of one in progress, which may be that of a state before.
    pub(super) fn forget_open(&self, key: &str) {
        self.opens.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }

    /// Starts to fetch a range that a viewer may need soon, unless no request is free. Returns at once, so that
    /// who reads it next waits for what this started.
    pub(super) fn read_ahead<S: Sink>(&self, object: &Opened, range: Range<u64>, sink: &Arc<S>) {
        drop(self.start(object, &whole_units(&range, object.size), sink, Need::ReadAhead));
    }

    /// Fetches a range, and returns once all of it is stored.
    pub async fn fetch_all<S: Sink>(
        &self,
        object: &Opened,
        range: Range<u64>,
        sink: &Arc<S>,
    ) -> Result<(), FetchError> {
        let range = whole_units(&range, object.size);
        let mut at = range.start;
        while at < range.end {
            let Some(claim) = self.start(object, &(at..range.end), sink, Need::Awaited) else {
                break;
            };
            let end = claim.flight.range.end;
            match claim.stored(end).await {
                End::Done => at = end,
                End::Failed(error) => return Err(error),
                End::Dropped => {}
            }
        }
        Ok(())
    }

    /// Reads the front of a range, as much as a buffer holds, past the cache: for a cache that cannot store.
    pub async fn read(
        &self,
        object: &Opened,
        range: Range<u64>,
        buffers: &Buffers,
    ) -> Result<Bytes, FetchError> {
        let end = range.end.min(range.start.saturating_add(BUFFER_BYTES as u64)).min(object.size);
        let range = range.start.min(end)..end;
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        // Not as long as the request may take, so that the error says what is lacking.
        let longest = self.deadline / 2;
        let sink = Arc::new(Collected::new(range.clone(), buffers.clone(), longest));
        // In flights of its own: those of others end with the error of the cache.
        let flights = Arc::new(Flights::default());
        let claim = flights.claim(object, &range, true);
        let (requests, flight) = (Arc::clone(&self.requests), Arc::clone(&claim.flight));
        let client = ClientKey::current();
        let to_memory = Arc::clone(&sink);
        self.run(Transfer::new(requests, flights, flight, to_memory, client, self.deadline));
        let end = claim.flight.range.end;
        match timeout_at(Instant::now() + self.deadline, claim.stored(end)).await {
            Ok(End::Done) => Ok(sink.take()),
            Ok(End::Failed(error)) => Err(error),
            Ok(End::Dropped) | Err(_) => Err(FetchError::timeout()),
        }
    }

    /// Starts the flights for a range that are not in progress yet, and returns the first of them; `None`
    /// for read-ahead.
    fn start<S: Sink>(
        &self,
        object: &Opened,
        range: &Range<u64>,
        sink: &Arc<S>,
        need: Need,
    ) -> Option<Claim> {
        let client = ClientKey::current();
        let end = match need {
            Need::Awaited => range.end.min(range.start.saturating_add(FLIGHT_BYTES_MAX)),
            Need::ReadAhead => range.end,
        };
        let (mut first, mut at) = (None, range.start);
        while at < end {
            let mut permit = None;
            if need == Need::ReadAhead {
                // Without a permit there is no read-ahead, and while the bucket fails, neither.
                permit = Some(self.requests.permits.try_acquire_ahead()?);
                if !self.requests.breaker.is_closed() {
                    return None;
                }
            }
            let claim = self.flights.claim(object, &(at..end), need == Need::Awaited);
            at = claim.flight.range.end;
            if claim.is_new {
                let flight = Arc::clone(&claim.flight);
                let transfer = self.transfer(flight, Arc::clone(sink), client);
                self.run(match permit {
                    Some(permit) => transfer.with_permit(permit),
                    None => transfer,
                });
            }
            if need == Need::Awaited {
                first.get_or_insert(claim);
            }
        }
        first
    }

    fn transfer<S: Sink>(
        &self,
        flight: Arc<super::flight::Flight>,
        sink: Arc<S>,
        client: ClientKey,
    ) -> Transfer<S> {
        let (requests, flights) = (Arc::clone(&self.requests), Arc::clone(&self.flights));
        Transfer::new(requests, flights, flight, sink, client, self.deadline)
    }

    /// Flights belong to the runtime and not to those who wait for them.
    fn run<S: Sink>(&self, transfer: Transfer<S>) {
        self.runtime.spawn(transfer.run());
    }
}

/// An open in progress; ends when it is dropped, also by a panic.
struct OpenInProgress {
    fetcher: Arc<Fetcher>,
    key: Arc<str>,
}

impl Drop for OpenInProgress {
    fn drop(&mut self) {
        let mut opens = self.fetcher.opens.lock().unwrap_or_else(PoisonError::into_inner);
        opens.remove(&self.key);
    }
}
