//! The work of a flight: requests what is missing, and stores it chunk by chunk.

use std::{ops::Range, sync::Arc, time::Duration};

use tokio::time::{Instant, sleep, timeout_at};

use super::{
    budget::Extra,
    chunks::{Chunks, whole_chunks},
    client::{Ask, Part},
    error::{AttemptError, FetchError},
    fetch::Sink,
    flight::{End, Flight, Flights},
    permits::RequestPermit,
    retry::{Body, Requests, jitter},
};
use crate::shares::ClientKey;

/// The bodies in a row that may break before a chunk of them is stored.
const BROKEN_BODIES_MAX: u32 = 3;

/// A flight and all that it needs.
#[derive(Debug)]
pub(super) struct Transfer<S> {
    requests: Arc<Requests>,
    flight: EndedFlight,
    sink: Arc<S>,
    client: ClientKey,
    /// The longest time from one stored chunk to the next.
    deadline: Duration,
    permit: Option<RequestPermit>,
    /// A response that is there already.
    body: Option<Body>,
}

/// A flight that ends when this is dropped, also by a panic.
#[derive(Debug)]
struct EndedFlight {
    flights: Arc<Flights>,
    flight: Arc<Flight>,
    end: End,
}

impl Drop for EndedFlight {
    fn drop(&mut self) {
        self.flights.end(&self.flight, std::mem::replace(&mut self.end, End::Dropped));
    }
}

impl<S: Sink> Transfer<S> {
    pub(super) fn new(
        requests: Arc<Requests>,
        flights: Arc<Flights>,
        flight: Arc<Flight>,
        sink: Arc<S>,
        client: ClientKey,
        deadline: Duration,
    ) -> Self {
        let end = End::Failed(FetchError::Broken("the task ended"));
        let flight = EndedFlight { flights, flight, end };
        Self { requests, flight, sink, client, deadline, permit: None, body: None }
    }

    /// With a permit for its requests.
    pub(super) fn with_permit(self, permit: RequestPermit) -> Self {
        Self { permit: Some(permit), ..self }
    }

    /// With a response, which has its own permit.
    pub(super) fn with_body(self, body: Body) -> Self {
        Self { body: Some(body), ..self }
    }

    /// Runs the flight to its end.
    pub(super) async fn run(mut self) {
        let flight = Arc::clone(&self.flight.flight);
        let requests = Arc::clone(&self.requests);
        let unwanted = async {
            if flight.is_awaited() {
                return std::future::pending().await;
            }
            requests.permits.contended().await;
            if flight.is_awaited() {
                std::future::pending().await
            }
        };
        let end = tokio::select! {
            end = self.fetch() => end,
            () = unwanted => End::Dropped,
        };
        self.flight.end = end;
    }

    async fn fetch(&mut self) -> End {
        let flight = Arc::clone(&self.flight.flight);
        let missing = match self.sink.missing(flight.range.clone()).await {
            Ok(missing) => whole_chunks(missing, &flight.range),
            Err(error) => return End::Failed(error.into()),
        };
        let Some((first, last)) = missing.first().zip(missing.last()) else {
            flight.advance(flight.range.end);
            return End::Done;
        };
        flight.advance(first.start);
        // A response that is there has all bytes in order, so holes are filled, too.
        let parts = match &self.body {
            Some(_) => std::iter::once(first.start..last.end).collect(),
            None => missing,
        };
        for part in parts {
            flight.advance(part.start);
            if let Err(end) = self.fetch_part(part).await {
                return end;
            }
        }
        flight.advance(flight.range.end);
        End::Done
    }

    /// Waits for a permit as long as a request waits for the flight.
    async fn acquire_permit(&self, until: Instant) -> Result<RequestPermit, End> {
        let EndedFlight { flights, flight, .. } = &self.flight;
        let mut acquiring = std::pin::pin!(self.requests.permits.acquire(self.client));
        loop {
            tokio::select! {
                biased;
                permit = timeout_at(until, &mut acquiring) => {
                    return permit.map_err(|_| End::Failed(FetchError::timeout()));
                }
                () = flight.unwanted() => {
                    if flights.end_if_unwanted(flight) {
                        return Err(End::Dropped);
                    }
                }
            }
        }
    }

    async fn fetch_part(&mut self, part: Range<u64>) -> Result<(), End> {
        let object = self.flight.flight.object.clone();
        let mut chunks = Chunks::new(part.clone());
        let mut stored_at = Instant::now();
        let mut broken_bodies = 0;
        while chunks.at() < part.end {
            let until = stored_at + self.deadline;
            let body = match self.body.take() {
                Some(body) => body,
                None => {
                    if self.permit.is_none() {
                        self.permit = Some(self.acquire_permit(until).await?);
                    }
                    let key = Arc::clone(&object.key);
                    let rest = Part::Range(chunks.at()..part.end);
                    let ask = Ask { key, part: rest, state: Some(object.clone()) };
                    self.requests.get(&ask, until).await.map_err(FetchError::from)?
                }
            };
            let former_at = stored_at;
            let copied = self.copy(body, &mut chunks, &mut stored_at).await?;
            let Err(error) = copied else {
                continue;
            };
            broken_bodies = if stored_at > former_at { 1 } else { broken_bodies + 1 };
            let now = Instant::now();
            let may_retry = error.is_failure()
                && broken_bodies < BROKEN_BODIES_MAX
                && now < stored_at + self.deadline
                && self.requests.budget.allow(Extra::Retry, now);
            if !may_retry {
                return Err(End::Failed(error.into()));
            }
            sleep(jitter()).await;
        }
        Ok(())
    }

    /// Stores a body as it arrives. The inner error is that of the body, the outer one that of the sink.
    async fn copy(
        &self,
        mut body: Body,
        chunks: &mut Chunks,
        stored_at: &mut Instant,
    ) -> Result<Result<(), AttemptError>, FetchError> {
        loop {
            let offset = body.at();
            let bytes = match body.next(*stored_at + self.deadline).await {
                Ok(Some(bytes)) => bytes,
                Ok(None) => return Ok(Ok(())),
                Err(error) => return Ok(Err(error)),
            };
            if let Some((offset, bytes)) = chunks.push(offset, &bytes) {
                let end = offset + bytes.len() as u64;
                self.sink.store(offset, bytes).await?;
                *stored_at = Instant::now();
                self.flight.flight.advance(end);
            }
        }
    }
}
