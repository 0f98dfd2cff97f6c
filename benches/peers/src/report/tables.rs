//! The three tables: what requests cost, how soon hot ones are answered beside cold downloads,
//! and what a paused viewer takes of the server's memory.

use super::table::Table;
use super::{CellResult, PausedResult, Report};
use crate::cell::{Work, thousands};
use crate::peers::Role;
use crate::stats::Spread;
use crate::turn::Turn;

/// CPU per byte and per request.
pub fn costs<'a>(report: &Report, cells: impl Iterator<Item = &'a CellResult>) -> Table {
    let ratio = format!("CPU ÷ {}", reference_name(report));
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
    ]);
    for_each_peer(report, cells, |cell, peer, reference| {
        let median = |unit: fn(&Turn) -> f64| cell.median(peer, unit);
        table.row([
            cell.cell.to_string(),
            report.peers[peer].name.clone(),
            rate(median(Turn::requests_per_s)),
            thousands(median(Turn::mib_per_s)),
            milliseconds(median(Turn::median_ms)),
            milliseconds(median(Turn::p99_ms)),
            seconds(median(Turn::cpu_s_per_gib)),
            seconds(median(Turn::cpu_s_per_1000)),
            ratio_cell(cell.judged_ratio(peer, reference), peer == reference),
        ]);
    });
    table
}

/// Hot requests while others are downloaded from the disk.
pub fn beside_cold<'a>(report: &Report, cells: impl Iterator<Item = &'a CellResult>) -> Table {
    let name = reference_name(report);
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
    for_each_peer(report, cells, |cell, peer, reference| {
        let median = |unit: fn(&Turn) -> f64| cell.median(peer, unit);
        let ratio = |unit: fn(&Turn) -> f64| {
            ratio_cell(cell.ratio(peer, reference, unit), peer == reference)
        };
        table.row([
            cell.cell.to_string(),
            report.peers[peer].name.clone(),
            rate(median(Turn::requests_per_s)),
            milliseconds(median(Turn::median_ms)),
            milliseconds(median(Turn::p99_ms)),
            thousands(median(Turn::cold_mib_per_s)),
            format!("{:.0} %", median(Turn::busy) * 100.0),
            ratio(Turn::requests_per_s),
            ratio(Turn::p99_ms),
        ]);
    });
    table
}

/// Memory per paused viewer.
pub fn paused<'a>(report: &Report, cells: impl Iterator<Item = &'a PausedResult>) -> Table {
    let ratio = format!("RssAnon ÷ {}", reference_name(report));
    let mut table = Table::new(["load", "peer", "RssAnon KiB each", "RssFile KiB each", &ratio]);
    for cell in cells {
        let reference = cell.reference(&report.peers);
        let anon_of_reference = cell.peers[reference].anon();
        for (peer, paused) in cell.peers.iter().enumerate() {
            let anon = paused.anon();
            if anon.is_empty() {
                continue;
            }
            let file = Spread::of(paused.values(|memory| memory.file_kib)).median;
            table.row([
                Work::Paused { viewers: paused.viewers }.to_string(),
                report.peers[peer].name.clone(),
                format!("{:.2}", Spread::of(anon.iter().copied()).median),
                format!("{file:.2}"),
                ratio_cell(Spread::of_ratios(&anon, &anon_of_reference), peer == reference),
            ]);
        }
    }
    table
}

/// Calls `row` for every peer of every cell that it took part in, with the cell's reference.
fn for_each_peer<'a>(
    report: &Report,
    cells: impl Iterator<Item = &'a CellResult>,
    mut row: impl FnMut(&CellResult, usize, usize),
) {
    for cell in cells {
        let reference = cell.reference(&report.peers);
        for peer in (0..report.peers.len()).filter(|&peer| !cell.turns[peer].is_empty()) {
            row(cell, peer, reference);
        }
    }
}

/// What ratios are to.
fn reference_name(report: &Report) -> &'static str {
    match report.peers.iter().any(|peer| peer.role == Role::Reference) {
        true => "nginx",
        false => "best",
    }
}

/// `0.97 (0.95–0.99)`; the reference itself is 1 by definition.
fn ratio_cell(ratio: Spread, is_reference: bool) -> String {
    match is_reference {
        true => "1".to_owned(),
        false => format!("{:.2} ({:.2}–{:.2})", ratio.median, ratio.min, ratio.max),
    }
}

/// CPU seconds, with more decimals below 1.
fn seconds(value: f64) -> String {
    match value {
        small if small < 1.0 => format!("{small:.4}"),
        large => format!("{large:.2}"),
    }
}

/// Milliseconds, with more decimals below 1; a dash for what was not measured.
fn milliseconds(value: f64) -> String {
    match value {
        none if none.is_nan() => "–".to_owned(),
        small if small < 1.0 => format!("{small:.2}"),
        large => format!("{large:.1}"),
    }
}

/// Requests per second, with decimals where there are few.
pub fn rate(per_s: f64) -> String {
    match per_s {
        few if few < 100.0 => format!("{few:.2}"),
        many => thousands(many),
    }
}
