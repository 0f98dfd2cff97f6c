//! The circuit breaker of a bucket: while most responses fail, requests fail at once.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::recent::Recent;

/// The time over which responses are counted.
const WINDOW: Duration = Duration::from_secs(10);

/// The fewest failures that open the breaker, if they are half of the responses. (Of the first 20 responses
/// half fail by chance once in 20 times, if 30 % of all fail.)
const FAILURES_MIN: u32 = 20;

/// How long the breaker stays open at first, and at most.
const OPEN_MIN: Duration = Duration::from_secs(1);
const OPEN_MAX: Duration = Duration::from_secs(30);

/// The failures in a row after which the bucket counts as failing, for so long after the last one.
const FAILING_MIN: u32 = 2;
const FAILING_FOR: Duration = Duration::from_secs(30);

const SUCCEEDED: usize = 0;
const FAILED: usize = 1;

/// Opens when at least 20 responses in 10 s failed, and half of all, for 1 s at first. Then one request at a
/// time may probe the bucket: if it succeeds, the breaker closes, else it opens for twice as long, up to 30 s.
#[derive(Debug)]
pub(super) struct Breaker(Mutex<State>);

/// The state for metrics.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BreakerState {
    /// Requests pass.
    Closed,
    /// One request probes the bucket, or may do so.
    Probing,
    /// No request passes.
    Open,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    responses: Recent<2>,
    /// How long it opens the next time.
    open_for: Duration,
    /// The failures since the last success, and the time of the last one.
    failed_in_row: u32,
    failed_at: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Closed,
    Open { until: Instant },
    Probing,
}

/// A request that may be sent. Dropping it without a result counts neither as success nor as failure.
#[derive(Debug)]
pub(super) struct Pass {
    breaker: Arc<Breaker>,
    is_probe: bool,
    is_done: bool,
}

impl Breaker {
    pub(super) fn new(now: Instant) -> Arc<Self> {
        let responses = Recent::new(WINDOW, now);
        Arc::new(Self(Mutex::new(State {
            phase: Phase::Closed,
            responses,
            open_for: OPEN_MIN,
            failed_in_row: 0,
            failed_at: None,
        })))
    }

    /// Lets a request pass, or says after which time to try again.
    pub(super) fn admit(self: &Arc<Self>, now: Instant) -> Result<Pass, Duration> {
        let mut state = self.lock();
        let is_probe = match state.phase {
            Phase::Closed => false,
            Phase::Open { until } if until <= now => true,
            Phase::Open { until } => return Err(until - now),
            Phase::Probing => return Err(OPEN_MIN),
        };
        if is_probe {
            state.phase = Phase::Probing;
        }
        Ok(Pass { breaker: Arc::clone(self), is_probe, is_done: false })
    }

    pub(super) fn is_closed(&self) -> bool {
        matches!(self.lock().phase, Phase::Closed)
    }

    pub(super) fn state(&self, now: Instant) -> BreakerState {
        match self.lock().phase {
            Phase::Closed => BreakerState::Closed,
            Phase::Open { until } if until > now => BreakerState::Open,
            Phase::Open { .. } | Phase::Probing => BreakerState::Probing,
        }
    }

    /// Whether the last responses failed, be they too few to open it.
    pub(super) fn is_failing(&self, now: Instant) -> bool {
        let state = self.lock();
        let is_recent = state.failed_at.is_some_and(|at| now.duration_since(at) < FAILING_FOR);
        state.failed_in_row >= FAILING_MIN && is_recent
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn open(&mut self, now: Instant) {
        self.phase = Phase::Open { until: now + self.open_for };
        self.open_for = (self.open_for * 2).min(OPEN_MAX);
        self.responses = Recent::new(WINDOW, now);
    }
}

impl Pass {
    /// Whether the request probes the bucket.
    pub(super) fn is_probe(&self) -> bool {
        self.is_probe
    }

    /// The bucket responded as it should, be it with an error such as 404.
    pub(super) fn succeeded(mut self, now: Instant) {
        self.is_done = true;
        let mut state = self.breaker.lock();
        state.failed_in_row = 0;
        match state.phase {
            Phase::Probing if self.is_probe => {
                state.phase = Phase::Closed;
                state.open_for = OPEN_MIN;
            }
            Phase::Closed => state.responses.add(SUCCEEDED, now),
            // A response to a request from before the breaker opened.
            Phase::Open { .. } | Phase::Probing => {}
        }
    }

    /// No response came in time, or a broken one, or one with a 5xx status.
    pub(super) fn failed(mut self, now: Instant) {
        self.is_done = true;
        let mut state = self.breaker.lock();
        state.failed_in_row = state.failed_in_row.saturating_add(1);
        state.failed_at = Some(now);
        match state.phase {
            Phase::Probing if self.is_probe => state.open(now),
            Phase::Closed => {
                state.responses.add(FAILED, now);
                let [succeeded, failed] = state.responses.sums(now);
                if failed >= FAILURES_MIN.max(succeeded) {
                    state.open(now);
                }
            }
            Phase::Open { .. } | Phase::Probing => {}
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if self.is_probe && !self.is_done {
            let mut state = self.breaker.lock();
            if matches!(state.phase, Phase::Probing) {
                // The next request probes.
                state.phase = Phase::Open { until: Instant::now() };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn pass(breaker: &Arc<Breaker>, now: Instant) -> Pass {
        breaker.admit(now).expect("it lets requests pass")
    }

    fn opened(now: Instant) -> Arc<Breaker> {
        let breaker = Breaker::new(now);
        for _ in 0..FAILURES_MIN {
            pass(&breaker, now).failed(now);
        }
        breaker
    }

    #[test]
    fn twenty_failures_open_it_if_they_are_half_of_the_responses() {
        let now = Instant::now();
        for (succeeded, opening) in [(0, 20), (10, 20), (30, 30)] {
            let breaker = Breaker::new(now);
            (0..succeeded).for_each(|_| pass(&breaker, now).succeeded(now));
            (1..opening).for_each(|_| pass(&breaker, now).failed(now));
            assert_eq!(breaker.state(now), BreakerState::Closed);
            pass(&breaker, now).failed(now);
            assert_eq!(breaker.state(now), BreakerState::Open);
            assert_eq!(breaker.admit(now).expect_err("it is open"), SECOND);
        }
    }

    #[test]
    fn the_bucket_fails_from_the_second_failure_in_a_row_until_a_success_or_for_half_a_minute() {
        let now = Instant::now();
        let breaker = Breaker::new(now);
        pass(&breaker, now).failed(now);
        assert!(!breaker.is_failing(now));
        pass(&breaker, now).failed(now);
        assert!(breaker.is_failing(now));
        assert!(!breaker.is_failing(now + FAILING_FOR));
        pass(&breaker, now).succeeded(now);
        assert!(!breaker.is_failing(now));
    }

    #[test]
    fn old_failures_do_not_open_it() {
        let start = Instant::now();
        let breaker = Breaker::new(start);
        for _ in 0..19 {
            pass(&breaker, start).failed(start);
        }
        let later = start + 11 * SECOND;
        pass(&breaker, later).failed(later);
        assert_eq!(breaker.state(later), BreakerState::Closed);
    }

    #[test]
    fn one_request_at_a_time_probes_and_each_failure_doubles_the_wait_up_to_half_a_minute() {
        let mut now = Instant::now();
        let breaker = opened(now);
        for open_s in [1, 2, 4, 8, 16, 30, 30] {
            assert!(breaker.admit(now + open_s * SECOND - SECOND / 1000).is_err(), "{open_s}");
            now += open_s * SECOND;
            let probe = pass(&breaker, now);
            assert!(breaker.admit(now).is_err(), "a second probe");
            probe.failed(now);
        }
        now += 30 * SECOND;
        pass(&breaker, now).succeeded(now);
        assert_eq!(breaker.state(now), BreakerState::Closed);
    }

    #[test]
    fn an_abandoned_probe_lets_the_next_one_pass() {
        let start = Instant::now();
        let breaker = opened(start);
        let later = start + SECOND;
        drop(pass(&breaker, later));
        pass(&breaker, later.max(Instant::now())).succeeded(later);
        assert!(breaker.is_closed());
    }
}
