//! Output: a line per turn, a table per cell, and at the end all tables as Markdown, and the chart.

pub mod chart;
pub mod progress;
mod queued;
mod results;
mod table;
mod tables;

use std::path::{Path, PathBuf};

use anyhow::Result;

pub use results::{CellResult, JobResult, PausedResult, PeerInfo, Results};
use table::Table;

/// The tables of some cells; cells of different kinds have different tables.
pub fn cell_tables(results: &Results, cells: &[CellResult]) -> String {
    let of = |is_beside_cold: bool, drain: bool| {
        cells
            .iter()
            .filter(move |cell| cell.is_beside_cold() == is_beside_cold && cell.cell.drain == drain)
    };
    join([
        tables::costs(results, of(false, false)),
        tables::capacity(results, of(false, true)),
        tables::beside_cold(results, of(true, false)),
    ])
}

/// The table of cells of paused viewers.
pub fn paused_table(results: &Results, cells: &[PausedResult]) -> String {
    join([tables::paused(results, cells.iter())])
}

/// The tables of the queue.
pub fn job_tables(jobs: &[JobResult]) -> String {
    join(jobs.iter().map(queued::table))
}

/// All cells and facts, ready for a README.
pub fn markdown(results: &Results) -> String {
    let mut facts = Table::new(["", "this machine"]);
    for (name, value) in &results.facts {
        facts.row([name.clone(), value.clone()]);
    }
    facts.row(["turns beside other programs".to_owned(), results.disturbed()]);
    let tables = [
        cell_tables(results, &results.cells),
        paused_table(results, &results.paused),
        job_tables(&results.jobs),
        facts.to_string(),
    ];
    tables.into_iter().filter(|table| !table.is_empty()).collect::<Vec<_>>().join("\n")
}

/// Draws the results of earlier runs into one chart.
pub fn redraw(runs: &[PathBuf], svg: &Path) -> Result<()> {
    let results = runs.iter().map(|run| Results::read(run)).collect::<Result<Vec<_>>>()?;
    chart::write(&results, svg)
}

fn join(tables: impl IntoIterator<Item = Table>) -> String {
    let tables = tables.into_iter().filter(|table| !table.is_empty());
    tables.map(|table| table.to_string()).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use results::tests::results;

    /// The rows of a peer, without padding.
    fn rows(name: &str) -> Vec<String> {
        let markdown = markdown(&results());
        let rows = markdown.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let rows = rows.map(|words| words.join(" "));
        rows.filter(|line| line.contains(&format!("| {name} |"))).collect()
    }

    #[test]
    fn costs_are_medians_and_ratios_of_turns() {
        assert_eq!(
            rows("ours")[0],
            "| 1 MiB, 32 connections | ours | 1,000 | 1,000 | – | – | 0.0922 | 0.0900 \
             | 0.90 (0.80–1.20) | client (9 %, 99 %) |"
        );
        assert!(rows("off")[0].ends_with("| 0.102 | 0.100 | 1 | client (10 %, 99 %) |"));
    }

    #[test]
    fn fewer_turns_are_compared_with_as_many_and_a_peer_without_turns_has_no_row() {
        assert!(rows("slow")[0].contains("| 4.00 (4.00–4.00) |"));
        assert!(!rows("slow").iter().any(|row| row.contains("own cold-read copy")));
    }

    #[test]
    fn capacity_is_compared_with_the_faster_reference_and_names_the_busy_side() {
        assert_eq!(
            rows("ours")[2],
            "| 1 MiB, 32 connections | ours | 1,100 | 1.10 (1.10–1.10) | 1,000 | – | – | 0.900 \
             | 0.91 (0.91–0.91) | server (99 %, 50 %) |"
        );
        assert!(rows("on")[2].contains("| on | 1,000 | 1 |"));
    }

    #[test]
    fn beside_cold_downloads_more_requests_are_better() {
        let row = &rows("ours")[3];
        assert!(row.contains("| 600 | 1.00 | 8.00 | 256 | 50 % |"), "{row}");
        assert!(row.ends_with("| 2.00 (2.00–2.00) | 1.00 (1.00–1.00) |"), "{row}");
    }

    #[test]
    fn paused_viewers_are_counted_in_kib_each() {
        assert_eq!(rows("ours")[4], "| 10 paused viewers | ours | 4.50 | 0.50 (0.50–0.50) |");
        assert!(rows("on")[4].ends_with("| 9.00 | 1 |"));
    }
}
