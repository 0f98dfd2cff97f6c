//! What the reader gets: a line per turn, a table per cell, Markdown, JSON and a chart at the end.

pub mod alone;
pub mod chart;
mod json;
pub mod queued;
mod table;
mod tables;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::cell::{Cell, Work, thousands};
use crate::machine::Fact;
use crate::memory::Memory;
use crate::peers::Role;
use crate::stats::Spread;
use crate::turn::Turn;
use alone::{FirstByte, IndexMemory};
use queued::Queued;
use table::Table;

/// All that a run has found out.
#[derive(Debug, Default)]
pub struct Report {
    pub facts: Vec<Fact>,
    pub peers: Vec<PeerName>,
    pub cells: Vec<CellResult>,
    pub paused: Vec<PausedResult>,
    pub index_memory: Vec<IndexMemory>,
    pub first_byte: Vec<FirstByte>,
    pub queued: Vec<Queued>,
}

/// A peer as the report needs it.
#[derive(Debug)]
pub struct PeerName {
    pub name: String,
    pub role: Role,
}

/// All turns of one cell, by peer in the order of [`Report::peers`]; none for a peer that did
/// not take part.
#[derive(Debug)]
pub struct CellResult {
    pub cell: Cell,
    pub turns: Vec<Vec<Turn>>,
}

/// One cell of paused viewers, by peer as in [`CellResult`].
#[derive(Debug)]
pub struct PausedResult {
    pub cell: Cell,
    pub peers: Vec<Paused>,
}

/// What the memory of one peer has grown by, each time it was started afresh.
#[derive(Debug)]
pub struct Paused {
    pub viewers: usize,
    pub samples: Vec<Memory>,
}

impl CellResult {
    /// Whether peers are judged by how soon they answer, and not by what it costs them.
    fn is_beside_cold(&self) -> bool {
        self.cell.work == Work::BesideCold
    }

    /// The unit in which peers are judged; less is better.
    fn judged(&self, turn: &Turn) -> f64 {
        match self.is_beside_cold() {
            true => turn.s_per_request(),
            false => turn.cpu_s_per_1000(),
        }
    }

    /// Some unit of one peer, turn by turn.
    fn values(&self, peer: usize, unit: impl Fn(&Turn) -> f64) -> Vec<f64> {
        self.turns[peer].iter().map(unit).collect()
    }

    /// The median of some unit over the turns of one peer.
    fn median(&self, peer: usize, unit: impl Fn(&Turn) -> f64) -> f64 {
        Spread::of(self.values(peer, unit)).median
    }

    /// The peer that all are compared with: the reference with the better median. One for the
    /// whole cell: the better one of each turn would be the luckier one.
    fn reference(&self, peers: &[PeerName]) -> usize {
        best_reference(peers, |peer| self.median(peer, |turn| self.judged(turn)))
    }

    /// Some unit of one peer ÷ that of the reference, over the turns that both had.
    fn ratio(&self, peer: usize, reference: usize, unit: impl Fn(&Turn) -> f64) -> Spread {
        Spread::of_ratios(&self.values(peer, &unit), &self.values(reference, &unit))
    }

    /// The ratio in the unit in which peers are judged.
    fn judged_ratio(&self, peer: usize, reference: usize) -> Spread {
        self.ratio(peer, reference, |turn| self.judged(turn))
    }
}

impl PausedResult {
    fn reference(&self, peers: &[PeerName]) -> usize {
        best_reference(peers, |peer| Spread::of(self.peers[peer].anon()).median)
    }
}

impl Paused {
    /// Some kind of memory per viewer in KiB, start by start.
    fn values(&self, kind: impl Fn(&Memory) -> i64) -> Vec<f64> {
        self.samples.iter().map(|memory| kind(memory) as f64 / self.viewers as f64).collect()
    }

    fn anon(&self) -> Vec<f64> {
        self.values(|memory| memory.anon_kib)
    }
}

/// The reference with the least `value`; if there is none, the best peer of all.
fn best_reference(peers: &[PeerName], value: impl Fn(usize) -> f64) -> usize {
    let any = peers.iter().any(|peer| peer.role == Role::Reference);
    // NaN, of a peer that did not take part, is above every number.
    (0..peers.len())
        .filter(|&peer| peers[peer].role == Role::Reference || !any)
        .min_by(|&a, &b| value(a).total_cmp(&value(b)))
        .expect("a run has at least one peer")
}

impl Report {
    /// The line that is printed after a turn.
    pub fn progress(&self, number: u64, peer: usize, turn: &Turn) -> String {
        let mut line = format!(
            "{}  {:>9} req/s  {:>6} MiB/s  {:.4} CPU-s/GiB  busy {:3.0} %",
            self.who(number, peer),
            tables::rate(turn.requests_per_s()),
            thousands(turn.mib_per_s()),
            turn.cpu_s_per_gib(),
            turn.busy() * 100.0,
        );
        if let Some(core) = turn.core_busy() {
            line += &format!(" of {:3.0} %", core * 100.0);
        }
        if turn.load.latency.is_some() {
            line += &format!("  p99 {:.1} ms", turn.p99_ms());
        }
        if turn.cold.is_some() {
            line += &format!("  cold {} MiB/s", thousands(turn.cold_mib_per_s()));
        }
        if turn.is_disturbed() {
            line += "  ! other programs on this core";
        }
        line
    }

    /// The line that is printed after a start in a cell of paused viewers.
    pub fn paused_progress(
        &self,
        number: u64,
        peer: usize,
        sample: Memory,
        viewers: usize,
    ) -> String {
        let per_viewer = |kib: i64| kib as f64 / viewers as f64;
        format!(
            "{}  {:7.2} KiB of its own per viewer, {:7.2} KiB of mapped files",
            self.who(number, peer),
            per_viewer(sample.anon_kib),
            per_viewer(sample.file_kib),
        )
    }

    /// How a line of progress begins.
    fn who(&self, number: u64, peer: usize) -> String {
        let width = self.peers.iter().map(|peer| peer.name.len()).max().unwrap_or(0);
        format!("  turn {:<2} {:width$}", number + 1, self.peers[peer].name)
    }

    /// The last cell as a text table.
    pub fn last_cell(&self) -> String {
        let cells = self.cells.last().into_iter();
        match self.cells.last().is_some_and(CellResult::is_beside_cold) {
            true => tables::beside_cold(self, cells).text(),
            false => tables::costs(self, cells).text(),
        }
    }

    /// The last cell of paused viewers as a text table.
    pub fn last_paused(&self) -> String {
        tables::paused(self, self.paused.last().into_iter()).text()
    }

    /// The last cells of Headwater alone as a text table.
    pub fn last_index_memory(&self) -> String {
        alone::index_memory(self.index_memory.last().into_iter()).text()
    }

    pub fn last_first_byte(&self) -> String {
        alone::first_byte(self.first_byte.last().into_iter()).text()
    }

    /// The last cell of the queue as a text table.
    pub fn last_queued(&self) -> String {
        self.queued.last().map(|queued| queued.table().text()).unwrap_or_default()
    }

    /// All cells and the facts, ready for a README.
    pub fn markdown(&self) -> String {
        let mut facts = Table::new(["", "this machine"]);
        for (name, value) in &self.facts {
            facts.row([name.clone(), value.clone()]);
        }
        facts.row(["turns beside other programs".to_owned(), self.disturbed()]);
        let (cold, costs): (Vec<&CellResult>, Vec<_>) =
            self.cells.iter().partition(|cell| cell.is_beside_cold());
        let queued = self.queued.iter().map(Queued::table);
        let tables = [
            tables::costs(self, costs.into_iter()),
            tables::beside_cold(self, cold.into_iter()),
            tables::paused(self, self.paused.iter()),
            alone::index_memory(self.index_memory.iter()),
            alone::first_byte(self.first_byte.iter()),
        ];
        let tables = tables.into_iter().chain(queued).chain([facts]);
        let tables = tables.filter(|table| !table.is_empty()).map(|table| table.markdown());
        tables.collect::<Vec<_>>().join("\n")
    }

    /// Every turn with its raw counts.
    pub fn json(&self) -> serde_json::Value {
        json::of(self)
    }

    /// Writes every turn to `file`.
    pub fn write_json(&self, file: &Path) -> Result<()> {
        let text = format!("{:#}\n", self.json());
        fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
    }

    /// How many turns were disturbed, of how many.
    fn disturbed(&self) -> String {
        let turns = || self.cells.iter().flat_map(|cell| cell.turns.iter().flatten());
        let disturbed = turns().filter(|turn| turn.is_disturbed()).count();
        format!("{disturbed} of {}", turns().count())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clients::cold::Cold;
    use crate::clients::{Latency, Load};
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
        Turn { load, cpu, core: Some(Duration::from_millis(cpu_ms)), cold: None }
    }

    /// A turn of so many hot requests in one second beside cold downloads.
    fn beside_cold(requests: u64) -> Turn {
        let mut turn = turn(500);
        let p99 = Duration::from_millis(8);
        let latency = Latency { median: Duration::from_millis(1), p99, p999: p99 };
        turn.load.requests = requests;
        turn.load.latency = Some(latency);
        turn.cold = Some(Cold { body_bytes: 512 << 20, elapsed: Duration::from_secs(2) });
        turn
    }

    /// One cell of each kind.
    pub fn report() -> Report {
        let peer = |name: &str, role| PeerName { name: name.to_owned(), role };
        let cell = |typed: &str, turns: [Vec<Turn>; 4]| CellResult {
            cell: typed.parse().unwrap(),
            turns: turns.into(),
        };
        let paused = |(viewers, anon_kib)| Paused {
            viewers,
            samples: vec![Memory { anon_kib, file_kib: 20 }],
        };
        Report {
            facts: vec![("CPU".to_owned(), "one".to_owned())],
            peers: vec![
                peer("ours", Role::Ours),
                peer("on", Role::Reference),
                peer("off", Role::Reference),
                peer("slow", Role::Other),
            ],
            cells: vec![
                cell(
                    "1m",
                    [
                        [90, 80, 240].map(turn).into(),
                        [110, 120, 260].map(turn).into(),
                        [100, 100, 200].map(turn).into(),
                        [400].map(turn).into(),
                    ],
                ),
                cell("1m:own", [vec![turn(80)], vec![turn(100)], vec![turn(120)], vec![]]),
                cell("hls-video", [vec![turn(90)], vec![turn(100)], vec![turn(120)], vec![]]),
                cell(
                    "beside-cold",
                    [[600], [200], [300], [50]].map(|turns| turns.map(beside_cold).into()),
                ),
            ],
            paused: vec![PausedResult {
                cell: "paused@10".parse().unwrap(),
                peers: [(10, 45), (10, 90), (10, 100), (8, 2000)].map(paused).into(),
            }],
            index_memory: vec![alone::tests::indices()],
            first_byte: vec![alone::tests::cold()],
            queued: queued::tests::all(),
        }
    }

    /// The rows of the Markdown in which a peer stands.
    fn rows(name: &str) -> Vec<String> {
        let markdown = report().markdown();
        let rows = markdown.lines().filter(|line| line.contains(&format!("| {name} |")));
        rows.map(str::to_owned).collect()
    }

    #[test]
    fn the_reference_is_the_cheaper_one_even_if_a_stranger_is_cheaper_still() {
        let report = report();
        assert_eq!(report.cells[0].reference(&report.peers), 2);
    }

    #[test]
    fn without_a_reference_the_best_peer_is_it() {
        let mut report = report();
        report.peers.iter_mut().for_each(|peer| peer.role = Role::Other);
        assert_eq!(report.cells[0].reference(&report.peers), 0);
    }

    #[test]
    fn the_table_shows_medians_and_ratios_of_turns() {
        assert_eq!(
            rows("ours")[0],
            "| 1 MiB, 32 connections | ours | 1,000 | 1,000 | – | – | 0.0922 | 0.0900 \
             | 0.90 (0.80–1.20) |"
        );
        assert!(rows("off")[0].ends_with("| 0.1024 | 0.1000 | 1 |"));
    }

    #[test]
    fn who_had_fewer_turns_is_compared_in_those_and_who_had_none_is_left_out() {
        assert!(rows("slow")[0].ends_with("| 4.00 (4.00–4.00) |"));
        assert!(!rows("slow").iter().any(|row| row.contains("own cold-read copy")));
    }

    #[test]
    fn beside_cold_downloads_the_reference_answers_more_and_more_is_better() {
        let report = report();
        let cell = &report.cells[3];
        assert_eq!(cell.reference(&report.peers), 2);
        let row = &rows("ours")[3];
        assert!(row.contains("| 600 | 1.0 | 8.0 | 256 | 50 % |"), "{row}");
        assert!(row.ends_with("| 2.00 (2.00–2.00) | 1.00 (1.00–1.00) |"), "{row}");
    }

    #[test]
    fn paused_viewers_are_counted_in_kib_each() {
        assert_eq!(
            rows("ours")[4],
            "| 10 paused viewers | ours | 4.50 | 2.00 | 0.50 (0.50–0.50) |"
        );
        assert!(rows("on")[4].ends_with("| 9.00 | 2.00 | 1 |"));
        assert!(rows("slow")[2].starts_with("| 8 paused viewers | slow | 250.00 |"));
    }

    #[test]
    fn a_disturbed_turn_is_marked() {
        let report = report();
        let mut turn = turn(100);
        assert!(!report.progress(0, 1, &turn).contains('!'));
        turn.core = Some(Duration::from_millis(300));
        let line = report.progress(0, 1, &turn);
        assert!(line.contains("busy  10 % of  30 %"), "{line}");
        assert!(line.ends_with("! other programs on this core"), "{line}");
    }
}
