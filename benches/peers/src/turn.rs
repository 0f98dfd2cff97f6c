//! One turn: one peer under one load, with what it cost.

use std::time::Duration;

use anyhow::{Context, Result};

use crate::clients::Load;
use crate::clients::cold::Cold;
use crate::cpu::{self, Cpu};
use crate::interrupt;
use crate::peers::Server;

/// A server is at rest when it uses less than this in [`WINDOW`]: 2 % of a core.
const REST: Duration = Duration::from_millis(2);
const WINDOW: Duration = Duration::from_millis(100);

/// Longest wait for all servers to rest.
const PATIENCE: u32 = 200;

/// What was measured in one turn.
#[derive(Clone, Copy, Debug)]
pub struct Turn {
    pub load: Load,
    /// What the server used, from before the client's start until after its end.
    pub cpu: Cpu,
    /// How long the server's core was busy, whoever kept it busy; to 10 ms. Not known if the
    /// server shares a core with the clients, or with the disk's interrupts.
    pub core: Option<Duration>,
    /// What came from the disk at the same time.
    pub cold: Option<Cold>,
}

impl Turn {
    pub fn requests_per_s(&self) -> f64 {
        self.load.requests as f64 / self.load.elapsed.as_secs_f64()
    }

    /// Of bodies alone.
    pub fn mib_per_s(&self) -> f64 {
        self.gib() * 1024.0 / self.load.elapsed.as_secs_f64()
    }

    /// Seconds per request over all connections: what a server is judged by that is busy with
    /// something else too.
    pub fn s_per_request(&self) -> f64 {
        1.0 / self.requests_per_s()
    }

    /// Of bodies from the disk; NaN if there were none.
    pub fn cold_mib_per_s(&self) -> f64 {
        let rate = |cold: Cold| cold.body_bytes as f64 / cold.elapsed.as_secs_f64();
        self.cold.map_or(f64::NAN, rate) / (1u64 << 20) as f64
    }

    /// Median time of an answer in milliseconds; NaN if it was not measured.
    pub fn median_ms(&self) -> f64 {
        self.load.latency.map_or(f64::NAN, |latency| latency.median.as_secs_f64() * 1000.0)
    }

    /// The time in milliseconds that 99 of 100 answers needed at most; NaN if not measured.
    pub fn p99_ms(&self) -> f64 {
        self.load.latency.map_or(f64::NAN, |latency| latency.p99.as_secs_f64() * 1000.0)
    }

    /// CPU seconds per GiB of bodies.
    pub fn cpu_s_per_gib(&self) -> f64 {
        self.cpu.total.as_secs_f64() / self.gib()
    }

    /// CPU seconds per 1,000 requests, which is CPU milliseconds per request.
    pub fn cpu_s_per_1000(&self) -> f64 {
        self.cpu.total.as_secs_f64() / (self.load.requests as f64 / 1000.0)
    }

    /// Share of the time in which the server was busy, from 0 to the number of its cores. Near
    /// that the server was the slower side, and its requests per second say something.
    pub fn busy(&self) -> f64 {
        self.cpu.total.as_secs_f64() / self.load.elapsed.as_secs_f64()
    }

    /// Share of the time in which the server's core was busy. What it has over [`Turn::busy`]
    /// are interrupts that came while the server slept, and other programs.
    pub fn core_busy(&self) -> Option<f64> {
        Some(self.core?.as_secs_f64() / self.load.elapsed.as_secs_f64())
    }

    /// Whether other programs ran on the server's core. They cost it cache and turns of its
    /// own; interrupts alone stay below this limit.
    pub fn is_disturbed(&self) -> bool {
        self.core_busy().is_some_and(|core| core - self.busy() > 0.15)
    }

    fn gib(&self) -> f64 {
        self.load.body_bytes as f64 / (1u64 << 30) as f64
    }
}

/// Runs `client` and reads what it cost `server`; `core` is the server's, if it is no one
/// else's.
pub fn measure(
    server: &Server,
    core: Option<usize>,
    client: impl FnOnce() -> Result<Load>,
) -> Result<Turn> {
    let core_before = core.map(cpu::of_core).transpose()?;
    let cpu_before = cpu::of_tree(server.id())?;
    let load = client()?;
    let cpu = cpu::of_tree(server.id())? - cpu_before;
    let core_after = core.map(cpu::of_core).transpose()?;
    let core = core_after.zip(core_before).map(|(after, before)| after.saturating_sub(before));
    Ok(Turn { load, cpu, core, cold: None })
}

/// Waits until no server does anything: what one still does for its last turn, or of its own
/// accord, would be counted for the next. If that takes too long, says so and goes on.
pub fn wait_for_rest<'a>(servers: impl Iterator<Item = &'a Server> + Clone) -> Result<()> {
    let used = || {
        let mut total = Duration::ZERO;
        for server in servers.clone() {
            total += cpu::of_tree(server.id()).context("a server died")?.total;
        }
        anyhow::Ok(total)
    };
    let mut before = used()?;
    for _ in 0..PATIENCE {
        interrupt::sleep(WINDOW)?;
        let now = used()?;
        if now.saturating_sub(before) < REST {
            return Ok(());
        }
        before = now;
    }
    println!("! the servers do not come to rest; figures may be too high");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::Latency;

    const TURN: Turn = Turn {
        load: Load {
            requests: 2048,
            body_bytes: 2 << 30,
            elapsed: Duration::from_secs(4),
            latency: None,
        },
        cpu: Cpu {
            total: Duration::from_secs(1),
            user: Duration::ZERO,
            system: Duration::from_secs(1),
        },
        core: Some(Duration::from_secs(2)),
        cold: None,
    };

    #[test]
    fn units_follow_from_counts() {
        assert_eq!(TURN.requests_per_s(), 512.0);
        assert_eq!(TURN.s_per_request(), 1.0 / 512.0);
        assert_eq!(TURN.mib_per_s(), 512.0);
        assert_eq!(TURN.cpu_s_per_gib(), 0.5);
        assert_eq!(TURN.cpu_s_per_1000(), 1.0 / 2.048);
        assert_eq!((TURN.busy(), TURN.core_busy()), (0.25, Some(0.5)));
        assert!(TURN.is_disturbed());
    }

    #[test]
    fn what_was_not_measured_is_no_number() {
        let units = [Turn::median_ms, Turn::p99_ms, Turn::cold_mib_per_s];
        assert!(units.iter().all(|unit| unit(&TURN).is_nan()));
        assert!(!Turn { core: None, ..TURN }.is_disturbed());
    }

    #[test]
    fn times_and_cold_bytes_have_their_units() {
        let mut turn = TURN;
        let (median, p99) = (Duration::from_micros(1500), Duration::from_millis(44));
        turn.load.latency = Some(Latency { median, p99, p999: p99 });
        turn.cold = Some(Cold { body_bytes: 6 << 20, elapsed: Duration::from_secs(2) });
        assert_eq!((turn.median_ms(), turn.p99_ms(), turn.cold_mib_per_s()), (1.5, 44.0, 3.0));
    }
}
