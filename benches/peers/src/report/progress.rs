//! The line after every turn of a peer.

use super::results::Results;
use crate::turn::Turn;
use crate::units::{figure, percent};

/// A turn of requests.
pub fn turn(results: &Results, number: u64, peer: usize, turn: &Turn) -> String {
    let mut line = format!(
        "{}  {:>9} req/s  {:>6} MiB/s  {:.4} CPU-s/GiB  busy {}",
        prefix(results, number, peer),
        figure(turn.requests_per_s()),
        figure(turn.mib_per_s()),
        turn.cpu_s_per_gib(),
        percent(turn.busy()),
    );
    if turn.cores.is_some() {
        line += &format!(" of {}", percent(turn.server_core()));
        line += &format!(", client {}", percent(turn.client_core()));
    }
    if turn.load.latency.is_some() {
        line += &format!("  p99 {} ms", figure(turn.p99_ms()));
    }
    if turn.cold.is_some() {
        line += &format!("  cold {} MiB/s", figure(turn.cold_mib_per_s()));
    }
    if turn.is_disturbed() {
        line += "  ! other programs on this core";
    }
    line
}

/// A start in a cell of paused viewers, with the growth of memory per viewer.
pub fn paused(results: &Results, number: u64, peer: usize, kib: f64) -> String {
    format!("{}  {kib:7.2} KiB per viewer", prefix(results, number, peer))
}

fn prefix(results: &Results, number: u64, peer: usize) -> String {
    let width = results.peers.iter().map(|peer| peer.name.len()).max().unwrap_or(0);
    format!("  turn {:<2} {:width$}", number + 1, results.peers[peer].name)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::report::results::tests::{results, turn as example};
    use crate::turn::BusyCores;

    #[test]
    fn a_disturbed_turn_is_marked() {
        let mut disturbed = example(100);
        assert!(!turn(&results(), 0, 1, &disturbed).contains('!'));
        let server = Duration::from_millis(300);
        disturbed.cores = Some(BusyCores { server, client: server });
        let line = turn(&results(), 0, 1, &disturbed);
        assert!(line.contains("busy 10 % of 30 %, client 30 %"), "{line}");
        assert!(line.ends_with("! other programs on this core"), "{line}");
    }
}
