//! Requests that hold under faults: retries, hedges, the breaker and a deadline around the client.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures::{StreamExt as _, stream::FuturesUnordered};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::{
    breaker::{Breaker, Pass},
    budget::{Budget, Extra},
    client::{Answer, Ask, Client, Opened},
    error::{AttemptError, FetchError, Outage},
    hedge::FirstBytes,
    permits::{RequestPermit, RequestPermits},
    usage::{Counters, Operation, Outcome},
};

/// The attempts at a request.
const ATTEMPTS_MAX: usize = 3;

/// Without a response for so long, another attempt begins beside the first.
const LATE_AFTER: Duration = Duration::from_secs(2);

/// Without a byte for so long, the rest of a body is requested again.
const BODY_SILENCE_MAX: Duration = Duration::from_secs(5);

/// How often a retry that the budget does not allow yet waits again.
const POSTPONED_MAX: u32 = 4;

/// The wait before a retry is anything between these two.
const JITTER_MS: std::ops::Range<u64> = 50..400;

/// What all requests to a bucket share.
#[derive(Debug)]
pub(super) struct Requests {
    pub client: Client,
    pub permits: Arc<RequestPermits>,
    pub counters: Arc<Counters>,
    pub breaker: Arc<Breaker>,
    pub budget: Budget,
    first_bytes: FirstBytes,
    is_hedging: bool,
}

/// The response to a read, whose body is being received.
#[derive(Debug)]
pub(super) struct Body {
    answer: Answer,
    /// `None` once the result has been counted.
    pass: Option<Pass>,
    counters: Arc<Counters>,
    /// Of the request, and of the attempt that won.
    permits: [Option<RequestPermit>; 2],
}

/// The first attempt that succeeded.
struct First<T> {
    value: T,
    pass: Pass,
    permit: Option<RequestPermit>,
}

/// An attempt in progress, or what is left of it. Dropped without a result it counts as abandoned.
struct Attempt {
    counters: Arc<Counters>,
    operation: Operation,
    is_hedge: bool,
    since: Instant,
    /// `None` once its result has been counted.
    pass: Option<Pass>,
    permit: Option<RequestPermit>,
}

impl Requests {
    pub(super) fn new(client: Client, requests_max: usize, is_hedging: bool) -> Self {
        let now = Instant::now();
        Self {
            client,
            permits: RequestPermits::new(requests_max),
            counters: Arc::default(),
            breaker: Breaker::new(now),
            budget: Budget::new(now),
            first_bytes: FirstBytes::new(now),
            is_hedging,
        }
    }

    /// Reads a part of an object, up to the head of the response.
    pub(super) async fn get(&self, ask: &Ask, until: Instant) -> Result<Body, AttemptError> {
        let first =
            self.first(Operation::Get, until, |is_fresh| self.client.get(ask, is_fresh)).await?;
        let counters = Arc::clone(&self.counters);
        Ok(Body {
            answer: first.value,
            pass: Some(first.pass),
            counters,
            permits: [None, first.permit],
        })
    }

    /// Requests something whose response is small and read at once.
    pub(super) async fn small<T, F: Future<Output = Result<T, AttemptError>>>(
        &self,
        operation: Operation,
        until: Instant,
        request: impl Fn(bool) -> F,
    ) -> Result<T, AttemptError> {
        let first = self.first(operation, until, request).await?;
        first.pass.succeeded(Instant::now());
        self.counters.request(operation, Outcome::Ok);
        Ok(first.value)
    }

    /// The first success of up to three attempts. A failure is followed by a retry, silence by another
    /// attempt beside the first: if a bucket takes 7 s for a response, that response is still the result.
    async fn first<T, F: Future<Output = Result<T, AttemptError>>>(
        &self,
        operation: Operation,
        until: Instant,
        request: impl Fn(bool) -> F,
    ) -> Result<First<T>, AttemptError> {
        let now = Instant::now();
        let pass = self.admit(now)?;
        let is_probe = pass.is_probe();
        self.budget.count_needed(now);
        let mut attempts = vec![self.attempt(operation, now, pass)];
        let mut running = FuturesUnordered::new();
        let run = |number: usize, is_fresh| {
            let request = request(is_fresh);
            async move { (number, request.await) }
        };
        // A probe over a connection from before the outage may meet the server that failed.
        running.push(run(0, is_probe));

        let is_hedged = self.is_hedging && operation == Operation::Get;
        let delay = if is_hedged { self.first_bytes.hedge_delay(now) } else { None };
        let mut hedge_at = delay.map(|delay| now + delay);
        let mut late_at = Some(now + LATE_AFTER + jitter());
        // When to retry, and after which error.
        let mut retry: Option<(Instant, AttemptError)> = None;
        let mut postponed = 0;
        let result = loop {
            // Without a time the sleep is not polled.
            let at = |time: Option<Instant>| sleep_until(time.unwrap_or(until));
            let is_running = !running.is_empty();
            tokio::select! {
                biased;
                Some((number, result)) = running.next(), if is_running => {
                    let now = Instant::now();
                    let error = match result {
                        Ok(value) => break Ok((number, value)),
                        Err(error) => error,
                    };
                    self.count_error(operation, &mut attempts[number], &error, now);
                    let again_at = now + jitter().max(error.retry_after().unwrap_or_default());
                    if !error.is_failure() {
                        break Err(error);
                    } else if running.is_empty() {
                        let is_possible = attempts.len() < ATTEMPTS_MAX && again_at < until;
                        if !is_possible || !self.breaker.is_closed() {
                            break Err(error);
                        }
                        retry = Some((again_at, error));
                    }
                }
                () = at(retry.as_ref().map(|(at, _)| *at)), if retry.is_some() => {
                    let Some((_, last_error)) = retry.take() else {
                        continue;
                    };
                    let now = Instant::now();
                    let pass = match self.admit(now) {
                        Ok(pass) => pass,
                        Err(error) => break Err(error),
                    };
                    if !self.budget.allow(Extra::Retry, now) {
                        if postponed == POSTPONED_MAX {
                            break Err(last_error);
                        }
                        postponed += 1;
                        retry = Some((now + jitter(), last_error));
                        continue;
                    }
                    hedge_at = delay.map(|delay| now + delay);
                    late_at = Some(now + LATE_AFTER + jitter());
                    running.push(run(attempts.len(), true));
                    attempts.push(self.attempt(operation, now, pass));
                }
                () = at(hedge_at), if hedge_at.is_some() && is_running => {
                    hedge_at = None;
                    if let Some(attempt) = self.extra(operation, Extra::Hedge, attempts.len()) {
                        running.push(run(attempts.len(), true));
                        attempts.push(attempt);
                    }
                }
                () = at(late_at), if late_at.is_some() && is_running => {
                    late_at = None;
                    if let Some(attempt) = self.extra(operation, Extra::Late, attempts.len()) {
                        late_at = Some(Instant::now() + LATE_AFTER + jitter());
                        running.push(run(attempts.len(), true));
                        attempts.push(attempt);
                    }
                }
                () = sleep_until(until) => {
                    let now = Instant::now();
                    for attempt in &mut attempts {
                        self.count_error(operation, attempt, &AttemptError::Silent, now);
                    }
                    break Err(AttemptError::Silent);
                }
            }
        };
        drop(running);
        self.settle(attempts, result)
    }

    /// Counts what became of the attempts.
    fn settle<T>(
        &self,
        mut attempts: Vec<Attempt>,
        result: Result<(usize, T), AttemptError>,
    ) -> Result<First<T>, AttemptError> {
        let now = Instant::now();
        let first = result.as_ref().ok().map(|(number, _)| *number);
        if attempts.iter().any(|attempt| attempt.is_hedge) {
            self.counters.hedge(first.is_some_and(|number| attempts[number].is_hedge));
        }
        for (number, attempt) in attempts.iter().enumerate() {
            if Some(number) != first && attempt.pass.is_some() {
                // Its own time would have been longer.
                self.first_bytes.count(now - attempt.since, now);
            }
        }
        let (number, value) = result?;
        let mut winner = attempts.swap_remove(number);
        self.first_bytes.count(now - winner.since, now);
        self.counters.first_byte(now - winner.since);
        if self.counters.credentials(None) {
            tracing::info!(bucket = %self.client.address, "the bucket accepts the credentials");
        }
        let pass = winner.pass.take().ok_or(AttemptError::Wrong("two results of one attempt"))?;
        Ok(First { value, pass, permit: winner.permit.take() })
    }

    /// Counts an attempt that failed.
    fn count_error(
        &self,
        operation: Operation,
        attempt: &mut Attempt,
        error: &AttemptError,
        now: Instant,
    ) {
        let Some(pass) = attempt.pass.take() else {
            return;
        };
        attempt.permit = None;
        self.counters.request(operation, Outcome::from(error));
        if let AttemptError::Final(FetchError::Credentials { status, reason }) = error
            && self.counters.credentials(Some(status.unwrap_or(401)))
        {
            tracing::warn!(
                bucket = %self.client.address,
                status,
                %reason,
                "the bucket refuses the credentials"
            );
        }
        if error.is_failure() { pass.failed(now) } else { pass.succeeded(now) }
    }

    fn admit(&self, now: Instant) -> Result<Pass, AttemptError> {
        self.breaker.admit(now).map_err(|retry_after| {
            let reason = Outage::BreakerOpen;
            AttemptError::Final(FetchError::Unavailable { reason, retry_after })
        })
    }

    fn attempt(&self, operation: Operation, since: Instant, pass: Pass) -> Attempt {
        let counters = Arc::clone(&self.counters);
        Attempt { counters, operation, is_hedge: false, since, pass: Some(pass), permit: None }
    }

    /// Another attempt beside those that run, if everything allows it.
    fn extra(&self, operation: Operation, extra: Extra, attempts: usize) -> Option<Attempt> {
        let now = Instant::now();
        if attempts >= ATTEMPTS_MAX || !self.breaker.is_closed() {
            return None;
        }
        let permit = self.permits.try_acquire()?;
        if !self.budget.allow(extra, now) {
            return None;
        }
        let pass = self.breaker.admit(now).ok()?;
        let mut attempt = self.attempt(operation, now, pass);
        (attempt.is_hedge, attempt.permit) = (extra == Extra::Hedge, Some(permit));
        Some(attempt)
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if self.pass.is_some() {
            self.counters.request(self.operation, Outcome::Abandoned);
        }
    }
}

impl Body {
    /// Holds the permit of its request until it ends.
    pub(super) fn holding(mut self, permit: RequestPermit) -> Self {
        self.permits[0] = Some(permit);
        self
    }

    /// The object of which this is a part.
    pub(super) fn object(&self) -> &Opened {
        &self.answer.object
    }

    /// The offset of the next byte in the object.
    pub(super) fn at(&self) -> u64 {
        self.answer.at
    }

    /// The next bytes; `None` at the end, or an error if there is no byte until then or for 5 s.
    pub(super) async fn next(&mut self, until: Instant) -> Result<Option<Bytes>, AttemptError> {
        let until = until.min(Instant::now() + BODY_SILENCE_MAX);
        let next = timeout_at(until, self.answer.next()).await;
        let next = next.unwrap_or(Err(AttemptError::Silent));
        match (&next, self.pass.take()) {
            (Ok(Some(bytes)), pass) => {
                self.counters.bytes(bytes.len());
                self.pass = pass;
            }
            (Ok(None), Some(pass)) => {
                self.counters.request(Operation::Get, Outcome::Ok);
                pass.succeeded(Instant::now());
            }
            (Err(error), Some(pass)) => {
                self.counters.request(Operation::Get, Outcome::from(error));
                pass.failed(Instant::now());
            }
            (_, None) => {}
        }
        next
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        if let Some(pass) = self.pass.take() {
            self.counters.request(Operation::Get, Outcome::Abandoned);
            pass.succeeded(Instant::now());
        }
    }
}

/// The wait before a retry.
pub(super) fn jitter() -> Duration {
    // The keys of a new hasher are random enough.
    let random = RandomState::new().hash_one(0);
    Duration::from_millis(JITTER_MS.start + random % (JITTER_MS.end - JITTER_MS.start))
}
