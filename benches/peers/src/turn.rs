//! One turn: one peer under one load, and what it cost.

use std::time::Duration;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::clients::Load;
use crate::clients::cold::Cold;
use crate::cpu;
use crate::interrupt;
use crate::peers::Server;
use crate::units::{mib, ms};

/// A server is at rest when it uses less than this in [`WINDOW`]: 2 % of a core.
const REST: Duration = Duration::from_millis(2);
const WINDOW: Duration = Duration::from_millis(100);

/// Windows to wait for all servers to rest.
const MAX_WINDOWS: u32 = 200;

/// The figures of one turn.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Turn {
    pub load: Load,
    /// CPU time of the server, from before the client's start until after its end.
    pub cpu: Duration,
    /// Time that the cores were busy. `None` if other work shares them: downloads from the disk.
    pub cores: Option<BusyCores>,
    /// The downloads from the disk at the same time.
    pub cold: Option<Cold>,
}

/// Busy time of both cores, by all processes and interrupts; to 10 ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BusyCores {
    pub server: Duration,
    pub client: Duration,
}

impl Turn {
    pub fn requests_per_s(&self) -> f64 {
        self.load.requests as f64 / self.load.elapsed.as_secs_f64()
    }

    /// Seconds per request over all connections.
    pub fn s_per_request(&self) -> f64 {
        1.0 / self.requests_per_s()
    }

    /// Of bodies alone.
    pub fn mib_per_s(&self) -> f64 {
        mib(self.load.body_bytes) / self.load.elapsed.as_secs_f64()
    }

    /// Of bodies from the disk; NaN if there were none.
    pub fn cold_mib_per_s(&self) -> f64 {
        self.cold.map_or(f64::NAN, |cold| mib(cold.body_bytes) / cold.elapsed.as_secs_f64())
    }

    /// Median time of a response in milliseconds; NaN if it was not measured.
    pub fn median_ms(&self) -> f64 {
        self.load.latency.map_or(f64::NAN, |latency| ms(latency.median))
    }

    /// 99th percentile of the time of a response in milliseconds; NaN if it was not measured.
    pub fn p99_ms(&self) -> f64 {
        self.load.latency.map_or(f64::NAN, |latency| ms(latency.p99))
    }

    /// CPU seconds per GiB of bodies.
    pub fn cpu_s_per_gib(&self) -> f64 {
        self.cpu.as_secs_f64() / (mib(self.load.body_bytes) / 1024.0)
    }

    /// CPU seconds per 1,000 requests, which is CPU milliseconds per request.
    pub fn cpu_s_per_1000(&self) -> f64 {
        self.cpu.as_secs_f64() / (self.load.requests as f64 / 1000.0)
    }

    /// Share of the time in which the server's processes were busy, from 0 to 1.
    pub fn busy(&self) -> f64 {
        self.share(self.cpu)
    }

    /// Share of the time in which the server's core was busy; NaN if it was not measured. What it
    /// has over [`Turn::busy`] are interrupts while the server slept, and other programs.
    pub fn server_core(&self) -> f64 {
        self.cores.map_or(f64::NAN, |cores| self.share(cores.server))
    }

    /// Share of the time in which the client's core was busy; NaN if it was not measured.
    pub fn client_core(&self) -> f64 {
        self.cores.map_or(f64::NAN, |cores| self.share(cores.client))
    }

    /// Whether other programs ran on the server's core. They cost it cache and time slices;
    /// interrupts alone stay below this limit.
    pub fn is_disturbed(&self) -> bool {
        self.server_core() - self.busy() > 0.15
    }

    fn share(&self, time: Duration) -> f64 {
        time.as_secs_f64() / self.load.elapsed.as_secs_f64()
    }
}

/// Runs `client` and reads what it cost `server`, and how busy the `cores` of server and client
/// were.
pub fn measure(
    server: &Server,
    cores: Option<(usize, usize)>,
    client: impl FnOnce() -> Result<Load>,
) -> Result<Turn> {
    let read = || cores.map(busy_cores).transpose();
    let (cores_before, cpu_before) = (read()?, cpu::of_tree(server.id())?);
    let load = client()?;
    let cpu = cpu::of_tree(server.id())?.saturating_sub(cpu_before);
    let cores = read()?.zip(cores_before).map(|(after, before)| BusyCores {
        server: after.server.saturating_sub(before.server),
        client: after.client.saturating_sub(before.client),
    });
    Ok(Turn { load, cpu, cores, cold: None })
}

fn busy_cores((server, client): (usize, usize)) -> Result<BusyCores> {
    Ok(BusyCores { server: cpu::of_core(server)?, client: cpu::of_core(client)? })
}

/// Waits until all servers are idle: work left over from the last turn, or of a server's own accord,
/// would count for the next. If that takes too long, prints a warning and goes on.
pub fn wait_for_rest<'a>(servers: impl Iterator<Item = &'a Server> + Clone) -> Result<()> {
    let used = || {
        let mut total = Duration::ZERO;
        for server in servers.clone() {
            total += cpu::of_tree(server.id()).context("a server died")?;
        }
        anyhow::Ok(total)
    };
    let mut before = used()?;
    for _ in 0..MAX_WINDOWS {
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
        cpu: Duration::from_secs(1),
        cores: Some(BusyCores { server: Duration::from_secs(2), client: Duration::from_secs(4) }),
        cold: None,
    };

    #[test]
    fn units_follow_from_counts() {
        assert_eq!(TURN.requests_per_s(), 512.0);
        assert_eq!(TURN.mib_per_s(), 512.0);
        assert_eq!(TURN.cpu_s_per_gib(), 0.5);
        assert_eq!(TURN.cpu_s_per_1000(), 1.0 / 2.048);
        assert_eq!((TURN.busy(), TURN.server_core(), TURN.client_core()), (0.25, 0.5, 1.0));
        assert!(TURN.is_disturbed());
    }

    #[test]
    fn figures_that_were_not_measured_are_nan() {
        let turn = Turn { cores: None, ..TURN };
        let units = [Turn::median_ms, Turn::p99_ms, Turn::cold_mib_per_s, Turn::server_core];
        assert!(units.iter().all(|unit| unit(&turn).is_nan()));
        assert!(!turn.is_disturbed());
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
