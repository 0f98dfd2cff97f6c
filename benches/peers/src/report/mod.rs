//! What the reader gets: a line per turn, a table per cell, Markdown and JSON at the end.

mod json;
mod table;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::cell::{Cell, thousands};
use crate::machine::Fact;
use crate::stats::Spread;
use crate::turn::Turn;
use table::Table;

/// All that a run has found out.
#[derive(Debug, Default)]
pub struct Report {
    pub facts: Vec<Fact>,
    pub peers: Vec<PeerName>,
    pub cells: Vec<CellResult>,
}

/// A peer as the report needs it.
#[derive(Debug)]
pub struct PeerName {
    pub name: String,
    pub is_reference: bool,
}

/// All turns of one cell, by peer in the order of [`Report::peers`].
#[derive(Debug)]
pub struct CellResult {
    pub cell: Cell,
    pub turns: Vec<Vec<Turn>>,
}

impl CellResult {
    /// CPU per request of one peer, turn by turn.
    fn costs(&self, peer: usize) -> Vec<f64> {
        self.turns[peer].iter().map(Turn::cpu_s_per_1000).collect()
    }

    /// The peer that all are compared with: the reference with the lower median of CPU per
    /// request. One for the whole cell: the better one of each turn would be the luckier one.
    fn reference(&self, peers: &[PeerName]) -> usize {
        let any = peers.iter().any(|peer| peer.is_reference);
        let median = |&peer: &usize| Spread::of(self.costs(peer)).median;
        (0..peers.len())
            .filter(|&peer| peers[peer].is_reference || !any)
            .min_by(|a, b| median(a).total_cmp(&median(b)))
            .expect("a run has at least one peer")
    }

    /// CPU per request of one peer ÷ that of the reference, over the turns.
    fn ratio(&self, peer: usize, reference: usize) -> Spread {
        Spread::of_ratios(&self.costs(peer), &self.costs(reference))
    }
}

impl Report {
    /// The line that is printed while measuring.
    pub fn progress(&self, number: u64, peer: usize, turn: &Turn) -> String {
        let width = self.peers.iter().map(|p| p.name.len()).max().unwrap_or(0);
        let mut line = format!(
            "  turn {:<2} {:width$}  {:>9} req/s  {:>6} MiB/s  {:.4} CPU-s/GiB  busy {:3.0} % of {:3.0} %",
            number + 1,
            self.peers[peer].name,
            rate(turn.requests_per_s()),
            thousands(turn.mib_per_s()),
            turn.cpu_s_per_gib(),
            turn.busy() * 100.0,
            turn.core_busy() * 100.0,
        );
        if let Some(latency) = turn.load.latency {
            line += &format!("  p99 {:.1} ms", latency.p99.as_secs_f64() * 1000.0);
        }
        if turn.is_disturbed() {
            line += "  ! other programs on this core";
        }
        line
    }

    /// The last cell as a text table.
    pub fn last_cell(&self) -> String {
        let last = self.cells.len().saturating_sub(1);
        self.table(&self.cells[last..]).text()
    }

    /// Facts and all cells, ready for a README.
    pub fn markdown(&self) -> String {
        let mut facts = Table::new(["", "this machine"]);
        for (name, value) in &self.facts {
            facts.row([name.clone(), value.clone()]);
        }
        facts.row(["turns beside other programs".to_owned(), self.disturbed()]);
        format!("{}\n{}", self.table(&self.cells).markdown(), facts.markdown())
    }

    /// Writes every turn to `file`.
    pub fn write_json(&self, file: &Path) -> Result<()> {
        let text = format!("{:#}\n", json::of(self));
        fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
    }

    /// How many turns were disturbed, of how many.
    fn disturbed(&self) -> String {
        let turns = || self.cells.iter().flat_map(|cell| cell.turns.iter().flatten());
        let disturbed = turns().filter(|turn| turn.is_disturbed()).count();
        format!("{disturbed} of {}", turns().count())
    }

    fn table(&self, cells: &[CellResult]) -> Table {
        let ratio = match self.peers.iter().any(|peer| peer.is_reference) {
            true => "CPU ÷ nginx",
            false => "CPU ÷ best",
        };
        let mut table =
            Table::new(["load", "peer", "req/s", "MiB/s", "CPU-s/GiB", "CPU-s/1,000 req", ratio]);
        for cell in cells {
            let reference = cell.reference(&self.peers);
            for (peer, PeerName { name, .. }) in self.peers.iter().enumerate() {
                let median =
                    |unit: fn(&Turn) -> f64| Spread::of(cell.turns[peer].iter().map(unit)).median;
                table.row([
                    cell.cell.to_string(),
                    name.clone(),
                    rate(median(Turn::requests_per_s)),
                    thousands(median(Turn::mib_per_s)),
                    seconds(median(Turn::cpu_s_per_gib)),
                    seconds(median(Turn::cpu_s_per_1000)),
                    ratio_cell(cell.ratio(peer, reference), peer == reference),
                ]);
            }
        }
        table
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

/// Requests per second, with decimals where there are few.
fn rate(per_s: f64) -> String {
    match per_s {
        few if few < 100.0 => format!("{few:.2}"),
        many => thousands(many),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clients::Load;
    use crate::cpu::Cpu;

    /// A turn of 1,000 requests of 1 MiB in one second.
    fn turn(cpu_ms: u64) -> Turn {
        let load = Load {
            requests: 1000,
            body_bytes: 1000 << 20,
            elapsed: Duration::from_secs(1),
            latency: None,
        };
        let cpu = Cpu { total: Duration::from_millis(cpu_ms), ..Cpu::default() };
        Turn { load, cpu, core: Duration::from_millis(cpu_ms) }
    }

    fn report() -> Report {
        let peer = |name: &str, is_reference| PeerName { name: name.to_owned(), is_reference };
        Report {
            facts: vec![("CPU".to_owned(), "one".to_owned())],
            peers: vec![peer("ours", false), peer("on", true), peer("off", true)],
            cells: vec![CellResult {
                cell: "1m".parse().unwrap(),
                turns: [[90, 80, 240], [110, 120, 260], [100, 100, 200]]
                    .map(|turns| turns.map(turn).into())
                    .into(),
            }],
        }
    }

    #[test]
    fn the_reference_is_the_cheaper_one_even_if_a_stranger_is_cheaper_still() {
        let report = report();
        assert_eq!(report.cells[0].reference(&report.peers), 2);
    }

    #[test]
    fn without_a_reference_the_best_peer_is_it() {
        let mut report = report();
        report.peers.iter_mut().for_each(|p| p.is_reference = false);
        assert_eq!(report.cells[0].reference(&report.peers), 0);
    }

    #[test]
    fn the_table_shows_medians_and_ratios_of_turns() {
        let markdown = report().markdown();
        let row = |name: &str| {
            let line = markdown.lines().find(|line| line.contains(name));
            line.expect("every peer has a row").to_owned()
        };
        assert_eq!(
            row(" ours "),
            "| 1 MiB, 32 connections | ours | 1,000 | 1,000 | 0.0922 | 0.0900 | 0.90 (0.80–1.20) |"
        );
        assert!(row(" off ").ends_with("| 0.1024 | 0.1000 | 1 |"));
    }

    #[test]
    fn a_disturbed_turn_is_marked() {
        let report = report();
        let mut turn = turn(100);
        assert!(!report.progress(0, 1, &turn).contains('!'));
        turn.core = Duration::from_millis(300);
        let line = report.progress(0, 1, &turn);
        assert!(line.contains("busy  10 % of  30 %"), "{line}");
        assert!(line.ends_with("! other programs on this core"), "{line}");
    }
}
