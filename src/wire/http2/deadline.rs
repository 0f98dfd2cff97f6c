//! The one deadline of a connection, by what it waits for.

use std::{
    task::{Context, Poll},
    time::Duration,
};

use crate::wire::{connection::Timeouts, timer::Timer};

/// The time for a client to answer a GOAWAY, and then to close the connection: a reset in reply to bytes that
/// still arrive would discard what the client has not received yet.
pub(super) const LINGER: Duration = Duration::from_secs(2);

/// A stalled client must accept this many bytes of bodies within the send timeout: one that accepts a byte
/// now and then could otherwise hold a connection for ever.
const PROGRESS_BYTES: u64 = 4096;

/// What the timer of a connection limits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Phase {
    /// The wait for the first request.
    FirstRequest,
    /// The wait for another request, after this many.
    Idle { requests: u64 },
    /// Nothing: the server works.
    Working,
    /// The wait for a client that accepts nothing, since it had accepted this many bytes of bodies, and this
    /// many streams were over.
    Stalled { taken: u64, ended: u64 },
    /// The wait for the end of the connection.
    Closing,
    /// The wait for the last bytes to leave.
    Ending,
    /// The wait for the client to close the connection.
    Lingering,
}

/// The deadline of the current phase.
pub(super) struct Deadline {
    timer: Timer,
    timeouts: Timeouts,
    phase: Phase,
}

impl Deadline {
    pub(super) fn new(timer: Timer, timeouts: Timeouts) -> Self {
        Self { timer, timeouts, phase: Phase::Working }
    }

    pub(super) fn phase(&self) -> Phase {
        self.phase
    }

    /// Sets the deadline, unless the phase lasts.
    pub(super) fn enter(&mut self, phase: Phase) {
        let lasts = match (self.phase, phase) {
            // There is no way back from the end.
            (Phase::Ending, now) => now != Phase::Lingering,
            // Progress restarts the wait.
            (Phase::Stalled { taken, ended }, Phase::Stalled { taken: now, ended: over }) => {
                now < taken + PROGRESS_BYTES && over == ended
            }
            (before, now) => before == now,
        };
        if lasts {
            return;
        }
        match phase {
            Phase::Working => self.timer.clear(),
            Phase::FirstRequest => self.timer.set(self.timeouts.request_head),
            Phase::Idle { .. } => self.timer.set(self.timeouts.keep_alive),
            Phase::Stalled { .. } => self.timer.set(self.timeouts.send),
            Phase::Closing | Phase::Ending | Phase::Lingering => self.timer.set(LINGER),
        }
        self.phase = phase;
    }

    /// Ready once the deadline has passed. Wakes the task then, and also when the server begins to shut down.
    pub(super) fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        self.timer.poll(cx)
    }
}
