//! One turn: one peer under one load, with what it cost.

use std::time::Duration;

use anyhow::{Context, Result};

use crate::clients::Load;
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
    /// How long the server's core was busy, whoever kept it busy; to 10 ms.
    pub core: Duration,
}

impl Turn {
    pub fn requests_per_s(&self) -> f64 {
        self.load.requests as f64 / self.load.elapsed.as_secs_f64()
    }

    /// Of bodies alone.
    pub fn mib_per_s(&self) -> f64 {
        self.gib() * 1024.0 / self.load.elapsed.as_secs_f64()
    }

    /// CPU seconds per GiB of bodies.
    pub fn cpu_s_per_gib(&self) -> f64 {
        self.cpu.total.as_secs_f64() / self.gib()
    }

    /// CPU seconds per 1,000 requests, which is CPU milliseconds per request.
    pub fn cpu_s_per_1000(&self) -> f64 {
        self.cpu.total.as_secs_f64() / (self.load.requests as f64 / 1000.0)
    }

    /// Share of the time in which the server was busy, from 0 to 1. Near 1 the server was the
    /// slower side, and its requests per second say something.
    pub fn busy(&self) -> f64 {
        self.cpu.total.as_secs_f64() / self.load.elapsed.as_secs_f64()
    }

    /// Share of the time in which the server's core was busy. What it has over [`Turn::busy`]
    /// are interrupts that came while the server slept, and other programs.
    pub fn core_busy(&self) -> f64 {
        self.core.as_secs_f64() / self.load.elapsed.as_secs_f64()
    }

    /// Whether other programs ran on the server's core. They cost it cache and turns of its
    /// own; interrupts alone stay below this limit.
    pub fn is_disturbed(&self) -> bool {
        self.core_busy() - self.busy() > 0.15
    }

    fn gib(&self) -> f64 {
        self.load.body_bytes as f64 / (1u64 << 30) as f64
    }
}

/// Runs `client` and reads what it cost `server`, which runs on `core`.
pub fn measure(
    server: &Server,
    core: usize,
    client: impl FnOnce() -> Result<Load>,
) -> Result<Turn> {
    let (core_before, cpu_before) = (cpu::of_core(core)?, cpu::of_tree(server.id())?);
    let load = client()?;
    let cpu = cpu::of_tree(server.id())? - cpu_before;
    let core = cpu::of_core(core)?.saturating_sub(core_before);
    Ok(Turn { load, cpu, core })
}

/// Waits until no server does anything: what one still does for its last turn, or of its own
/// accord, would be counted for the next. If that takes too long, says so and goes on.
pub fn wait_for_rest(servers: &[Server]) -> Result<()> {
    let used = || {
        let mut total = Duration::ZERO;
        for server in servers {
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

    #[test]
    fn units_follow_from_counts() {
        let turn = Turn {
            load: Load {
                requests: 2048,
                body_bytes: 2 << 30,
                elapsed: Duration::from_secs(4),
                latency: None,
            },
            cpu: Cpu { total: Duration::from_secs(1), ..Cpu::default() },
            core: Duration::from_secs(2),
        };
        assert_eq!(turn.requests_per_s(), 512.0);
        assert_eq!(turn.mib_per_s(), 512.0);
        assert_eq!(turn.cpu_s_per_gib(), 0.5);
        assert_eq!(turn.cpu_s_per_1000(), 1.0 / 2.048);
        assert_eq!((turn.busy(), turn.core_busy()), (0.25, 0.5));
        assert!(turn.is_disturbed());
    }
}
