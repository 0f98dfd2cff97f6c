//! All figures of a run. As JSON they are the raw file for other evaluations, and for the chart.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::cell::{Cell, Work};
use crate::machine::Fact;
use crate::peers::Role;
use crate::queue::{rendition, responsive, storyboard};
use crate::stats::Spread;
use crate::turn::Turn;

#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Results {
    pub facts: Vec<Fact>,
    pub peers: Vec<PeerInfo>,
    pub cells: Vec<CellResult>,
    pub paused: Vec<PausedResult>,
    pub jobs: Vec<JobResult>,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct PeerInfo {
    pub name: String,
    pub role: Role,
}

/// All turns of one cell, by peer in the order of [`Results::peers`]; empty for a peer that did not
/// take part.
#[derive(Debug, Serialize, Deserialize)]
pub struct CellResult {
    pub cell: Cell,
    pub turns: Vec<Vec<Turn>>,
}

/// One cell of paused viewers: growth of memory by peer as in [`CellResult`], one sample per start.
#[derive(Debug, Serialize, Deserialize)]
pub struct PausedResult {
    pub cell: Cell,
    pub viewers: usize,
    pub grown_kib: Vec<Vec<i64>>,
}

/// One cell of the queue.
#[derive(Debug, Serialize, Deserialize)]
pub enum JobResult {
    Storyboard(Vec<storyboard::Sample>),
    Rendition(rendition::Sample),
    Responsive(Vec<responsive::Sample>),
}

impl CellResult {
    pub fn is_beside_cold(&self) -> bool {
        self.cell.work == Work::BesideCold
    }

    /// Some unit of one peer, turn by turn.
    fn values(&self, peer: usize, unit: fn(&Turn) -> f64) -> Vec<f64> {
        self.turns[peer].iter().map(unit).collect()
    }

    /// The median of some unit over the turns of one peer.
    pub fn median(&self, peer: usize, unit: fn(&Turn) -> f64) -> f64 {
        Spread::of(self.values(peer, unit)).median
    }

    /// The reference with the better median of some unit, of which less is better. One for the whole
    /// cell: the better one of each turn would be the luckier one.
    pub fn reference(&self, peers: &[PeerInfo], unit: fn(&Turn) -> f64) -> usize {
        best_reference(peers, |peer| self.median(peer, unit))
    }

    /// Some unit of one peer ÷ that of another, over the turns of both.
    pub fn ratio(&self, peer: usize, reference: usize, unit: fn(&Turn) -> f64) -> Spread {
        Spread::of_ratios(&self.values(peer, unit), &self.values(reference, unit))
    }
}

impl PausedResult {
    /// Growth of RssAnon per viewer in KiB, start by start.
    pub fn per_viewer(&self, peer: usize) -> Vec<f64> {
        self.grown_kib[peer].iter().map(|&kib| kib as f64 / self.viewers as f64).collect()
    }

    pub fn reference(&self, peers: &[PeerInfo]) -> usize {
        best_reference(peers, |peer| Spread::of(self.per_viewer(peer)).median)
    }
}

/// The reference with the least `value`; without a reference, the best peer.
fn best_reference(peers: &[PeerInfo], value: impl Fn(usize) -> f64) -> usize {
    let any = peers.iter().any(|peer| peer.role == Role::Reference);
    // NaN, of a peer that did not take part, is above every number.
    (0..peers.len())
        .filter(|&peer| peers[peer].role == Role::Reference || !any)
        .min_by(|&a, &b| value(a).total_cmp(&value(b)))
        .expect("a run has at least one peer")
}

impl Results {
    /// Number of turns beside other programs, of all.
    pub fn disturbed(&self) -> String {
        let turns = || self.cells.iter().flat_map(|cell| cell.turns.iter().flatten());
        let disturbed = turns().filter(|turn| turn.is_disturbed()).count();
        format!("{disturbed} of {}", turns().count())
    }

    pub fn write(&self, file: &Path) -> Result<()> {
        let text = serde_json::to_vec_pretty(self)?;
        fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
    }

    pub fn read(file: &Path) -> Result<Self> {
        let text = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        serde_json::from_slice(&text).with_context(|| file.display().to_string())
    }
}

#[cfg(test)]
pub mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clients::cold::Cold;
    use crate::clients::{Latency, Load};
    use crate::turn::BusyCores;

    /// A turn of 1,000 requests of 1 MiB in one second.
    pub fn turn(cpu_ms: u64) -> Turn {
        let load = Load {
            requests: 1000,
            body_bytes: 1000 << 20,
            elapsed: Duration::from_secs(1),
            latency: None,
        };
        let cpu = Duration::from_millis(cpu_ms);
        let cores = BusyCores { server: cpu, client: Duration::from_millis(990) };
        Turn { load, cpu, cores: Some(cores), cold: None }
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

    /// A turn of so many requests in one second that saturate the server's core.
    fn saturating(requests: u64) -> Turn {
        let mut turn = turn(990);
        turn.load.requests = requests;
        turn.cores = turn.cores.map(|cores| BusyCores { client: cores.client / 2, ..cores });
        turn
    }

    /// One cell of each kind that compares peers.
    pub fn results() -> Results {
        let peer = |name: &str, role| PeerInfo { name: name.to_owned(), role };
        let cell = |typed: &str, turns: [Vec<Turn>; 4]| CellResult {
            cell: typed.parse().unwrap(),
            turns: turns.into(),
        };
        let each = |make: fn(u64) -> Turn, values: [u64; 4]| values.map(|value| vec![make(value)]);
        Results {
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
                cell("1m:drain", each(saturating, [1100, 1000, 900, 100])),
                cell("beside-cold", each(beside_cold, [600, 200, 300, 50])),
            ],
            paused: vec![PausedResult {
                cell: "paused@10".parse().unwrap(),
                viewers: 10,
                grown_kib: vec![vec![45], vec![90], vec![100], vec![]],
            }],
            jobs: Vec::new(),
        }
    }

    #[test]
    fn the_reference_is_the_cheaper_one_even_if_another_peer_is_cheaper_still() {
        let results = results();
        let reference = results.cells[0].reference(&results.peers, Turn::cpu_s_per_1000);
        assert_eq!(reference, 2);
    }

    #[test]
    fn without_a_reference_the_best_peer_is_it() {
        let mut results = results();
        results.peers.iter_mut().for_each(|peer| peer.role = Role::Other);
        assert_eq!(results.cells[0].reference(&results.peers, Turn::cpu_s_per_1000), 0);
    }

    #[test]
    fn results_survive_a_file() {
        let scratch = tempfile::tempdir().unwrap();
        let file = scratch.path().join("results.json");
        results().write(&file).unwrap();
        let read = Results::read(&file).unwrap();
        assert_eq!(format!("{read:?}"), format!("{:?}", results()));
    }
}
