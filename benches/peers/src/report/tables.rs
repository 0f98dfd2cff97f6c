//! The tables that compare peers: cost of requests, capacity of a core, hot requests beside cold
//! downloads, memory of paused viewers.

use super::results::{CellResult, PausedResult, Results};
use super::table::Table;
use crate::peers::Role;
use crate::stats::Spread;
use crate::turn::Turn;
use crate::units::{figure, percent};

/// A core is a bottleneck from this busy share on. Below, it is idle for longer than the 10 ms ticks of
/// `/proc/stat` can be wrong in a turn of a second.
const SATURATED: f64 = 0.95;

/// CPU per byte and per request, with a client that copies bodies.
pub fn costs<'a>(results: &Results, cells: impl Iterator<Item = &'a CellResult>) -> Table {
    let ratio = format!("CPU ÷ {}", reference_name(results));
    let mut table = Table::new([
        "load",
        "peer",
        "req/s",
        "MiB/s",
        "p50 ms",
        "p99 ms",
        "CPU-s/GiB",
        "CPU-s/1,000 req",
        &ratio,
        "bottleneck (core busy: server, client)",
    ]);
    for (cell, peer, name) in rows(results, cells) {
        let median = |unit| cell.median(peer, unit);
        let cheapest = cell.reference(&results.peers, Turn::cpu_s_per_1000);
        table.row([
            cell.cell.to_string(),
            name.to_owned(),
            figure(median(Turn::requests_per_s)),
            figure(median(Turn::mib_per_s)),
            figure(median(Turn::median_ms)),
            figure(median(Turn::p99_ms)),
            figure(median(Turn::cpu_s_per_gib)),
            figure(median(Turn::cpu_s_per_1000)),
            ratio_cell(cell, peer, cheapest, Turn::cpu_s_per_1000),
            bottleneck(cell, peer).1,
        ]);
    }
    table
}

/// Requests per second of one core, with a client that discards bodies. A lower bound (`≥`) where the
/// server's core was not the busy one.
pub fn capacity<'a>(results: &Results, cells: impl Iterator<Item = &'a CellResult>) -> Table {
    let name = reference_name(results);
    let (rate_ratio, cpu_ratio) = (format!("req/s ÷ {name}"), format!("CPU ÷ {name}"));
    let mut table = Table::new([
        "load",
        "peer",
        "req/s per server core",
        &rate_ratio,
        "MiB/s",
        "p50 ms",
        "p99 ms",
        "CPU-s/1,000 req",
        &cpu_ratio,
        "bottleneck (core busy: server, client)",
    ]);
    for (cell, peer, name) in rows(results, cells) {
        let median = |unit| cell.median(peer, unit);
        let fastest = cell.reference(&results.peers, Turn::s_per_request);
        let cheapest = cell.reference(&results.peers, Turn::cpu_s_per_1000);
        let (is_server, bottleneck) = bottleneck(cell, peer);
        let bound = if is_server { "" } else { "≥ " };
        table.row([
            cell.cell.work.to_string(),
            name.to_owned(),
            format!("{bound}{}", figure(median(Turn::requests_per_s))),
            ratio_cell(cell, peer, fastest, Turn::requests_per_s),
            figure(median(Turn::mib_per_s)),
            figure(median(Turn::median_ms)),
            figure(median(Turn::p99_ms)),
            figure(median(Turn::cpu_s_per_1000)),
            ratio_cell(cell, peer, cheapest, Turn::cpu_s_per_1000),
            bottleneck,
        ]);
    }
    table
}

/// Hot requests beside downloads from the disk.
pub fn beside_cold<'a>(results: &Results, cells: impl Iterator<Item = &'a CellResult>) -> Table {
    let name = reference_name(results);
    let (hot_ratio, p99_ratio) = (format!("hot ÷ {name}"), format!("p99 ÷ {name}"));
    let mut table = Table::new([
        "load",
        "peer",
        "hot req/s",
        "p50 ms",
        "p99 ms",
        "cold MiB/s",
        "server busy",
        &hot_ratio,
        &p99_ratio,
    ]);
    for (cell, peer, name) in rows(results, cells) {
        let median = |unit| cell.median(peer, unit);
        let fastest = cell.reference(&results.peers, Turn::s_per_request);
        table.row([
            cell.cell.to_string(),
            name.to_owned(),
            figure(median(Turn::requests_per_s)),
            figure(median(Turn::median_ms)),
            figure(median(Turn::p99_ms)),
            figure(median(Turn::cold_mib_per_s)),
            percent(median(Turn::busy)),
            ratio_cell(cell, peer, fastest, Turn::requests_per_s),
            ratio_cell(cell, peer, fastest, Turn::p99_ms),
        ]);
    }
    table
}

/// Memory per paused viewer.
pub fn paused<'a>(results: &Results, cells: impl Iterator<Item = &'a PausedResult>) -> Table {
    let ratio = format!("RssAnon ÷ {}", reference_name(results));
    let mut table = Table::new(["load", "peer", "RssAnon KiB each", &ratio]);
    for cell in cells {
        let reference = cell.reference(&results.peers);
        for (peer, info) in results.peers.iter().enumerate() {
            if cell.grown_kib[peer].is_empty() {
                continue;
            }
            let ratio = Spread::of_ratios(&cell.per_viewer(peer), &cell.per_viewer(reference));
            table.row([
                cell.cell.to_string(),
                info.name.clone(),
                format!("{:.2}", Spread::of(cell.per_viewer(peer)).median),
                if peer == reference { "1".to_owned() } else { ratio.to_string() },
            ]);
        }
    }
    table
}

/// Every cell with every peer that took part in it, and the peer's name.
fn rows<'a, 'b>(
    results: &'b Results,
    cells: impl Iterator<Item = &'a CellResult>,
) -> impl Iterator<Item = (&'a CellResult, usize, &'b str)> {
    cells.flat_map(|cell| {
        let peers = results.peers.iter().enumerate();
        let peers = peers.filter(|&(peer, _)| !cell.turns[peer].is_empty());
        peers.map(move |(peer, info)| (cell, peer, &info.name[..]))
    })
}

/// The denominator of ratios.
fn reference_name(results: &Results) -> &'static str {
    match results.peers.iter().any(|peer| peer.role == Role::Reference) {
        true => "nginx",
        false => "best",
    }
}

/// `0.97 (0.95–0.99)`; the reference itself is 1.
fn ratio_cell(cell: &CellResult, peer: usize, reference: usize, unit: fn(&Turn) -> f64) -> String {
    match peer == reference {
        true => "1".to_owned(),
        false => cell.ratio(peer, reference, unit).to_string(),
    }
}

/// Whether the server's core is the bottleneck, and the slower side in words with the medians of the
/// busy shares of both cores: `server (99 %, 71 %)`. Where other programs kept the server's core busy in
/// most turns, no side is.
fn bottleneck(cell: &CellResult, peer: usize) -> (bool, String) {
    let shares = [Turn::server_core, Turn::client_core].map(|unit| cell.median(peer, unit));
    let is_disturbed = cell.median(peer, |turn| f64::from(turn.is_disturbed())) > 0.5;
    let side = match shares.map(|share| share >= SATURATED) {
        _ if is_disturbed => "other programs",
        [true, true] => "both",
        [true, false] => "server",
        [false, true] => "client",
        [false, false] => "neither",
    };
    let is_server = shares[0] >= SATURATED && !is_disturbed;
    (is_server, format!("{side} ({}, {})", percent(shares[0]), percent(shares[1])))
}
