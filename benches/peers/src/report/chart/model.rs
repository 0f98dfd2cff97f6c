//! What is to be drawn, taken from the JSON of one or more runs.

use serde_json::Value;

use crate::cell::thousands;
use crate::peers::Role;

/// All panels; each may be empty.
#[derive(Debug, Default, PartialEq)]
pub struct Chart {
    /// CPU per request ÷ the reference's, by how the servers were set up.
    pub cpu: Vec<Section>,
    /// Hot requests per second beside cold downloads.
    pub hot: Vec<Group>,
    /// KiB of memory per paused viewer.
    pub memory: Vec<Group>,
    /// Processor and kernel.
    pub machine: String,
}

/// Groups under one heading.
#[derive(Debug, PartialEq)]
pub struct Section {
    pub heading: String,
    pub groups: Vec<Group>,
}

/// One load.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    pub label: String,
    pub bars: Vec<Bar>,
}

/// One peer under one load.
#[derive(Clone, Debug, PartialEq)]
pub struct Bar {
    pub peer: String,
    pub role: Role,
    pub value: f64,
    /// What stands beside the bar: the value, in its unit.
    pub text: String,
}

impl Chart {
    /// Reads runs; of a load that several have measured, peers of all of them. `None` if there
    /// is nothing to draw.
    pub fn of(runs: &[Value]) -> Option<Self> {
        let mut chart = Chart::default();
        for run in runs {
            chart.machine = machine(run);
            for cell in list(&run["cells"]) {
                match cell["is_beside_cold"].as_bool() {
                    Some(true) => add(&mut chart.hot, hot(cell)),
                    _ => add(chart.section(heading(cell)), cpu(cell)),
                }
            }
            for cell in list(&run["paused"]) {
                add(&mut chart.memory, memory(cell));
            }
        }
        chart.cpu.retain(|section| !section.groups.is_empty());
        let is_empty = chart.cpu.is_empty() && chart.hot.is_empty() && chart.memory.is_empty();
        (!is_empty).then_some(chart)
    }

    /// The groups under a heading, which is made if there is none.
    fn section(&mut self, heading: String) -> &mut Vec<Group> {
        let found = self.cpu.iter().position(|section| section.heading == heading);
        let at = found.unwrap_or_else(|| {
            self.cpu.push(Section { heading, groups: Vec::new() });
            self.cpu.len() - 1
        });
        &mut self.cpu[at].groups
    }
}

/// Adds a group, or its bars to the group of the same load.
fn add(groups: &mut Vec<Group>, new: Group) {
    match groups.iter_mut().find(|group| group.label == new.label) {
        Some(group) => {
            for bar in new.bars {
                if !group.bars.iter().any(|old| old.peer == bar.peer) {
                    group.bars.push(bar);
                }
            }
        }
        None if new.bars.is_empty() => {}
        None => groups.push(new),
    }
}

/// How the servers of a cell were set up.
fn heading(cell: &Value) -> String {
    let cores = match cell["cores"].as_u64() {
        Some(2) => "Two cores",
        _ => "One core",
    };
    match (cell["own_copy"].as_bool(), cell["is_made"].as_bool()) {
        (_, Some(true)) => {
            format!("{cores}, made of titles just in time; nginx sends the same bytes as files")
        }
        (Some(true), _) => {
            format!("{cores}, files that each server has read in from the disk itself")
        }
        _ => format!("{cores}, the same page cache for all"),
    }
}

/// The references are the line that all others are drawn from, not bars.
fn cpu(cell: &Value) -> Group {
    let results = list(&cell["results"]).filter(|result| result["role"] != "reference");
    group(cell, results, |result| {
        let ratio = result["cpu_ratio"]["median"].as_f64()?;
        Some((ratio, two_digits(ratio)))
    })
}

fn hot(cell: &Value) -> Group {
    group(cell, with_one_reference(cell), |result| {
        let rate = result["requests_per_s"].as_f64()?;
        let p99 = result["latency_p99_ms"].as_f64()?;
        Some((rate, format!("{}, p99 {} ms", thousands(rate), two_digits(p99))))
    })
}

fn memory(cell: &Value) -> Group {
    let viewers = |result: &Value| result["viewers"].as_u64();
    let most = list(&cell["results"]).filter_map(viewers).max();
    group(cell, with_one_reference(cell), |result| {
        let kib = result["anon_kib_per_viewer"]["median"].as_f64()?;
        let mut text = format!("{} KiB", two_digits(kib));
        if let Some(fewer) = viewers(result).filter(|_| viewers(result) < most) {
            text += &format!(", of {} viewers", thousands(fewer as f64));
        }
        Some((kib, text))
    })
}

/// All results of a cell but those of the references that were not the best.
fn with_one_reference(cell: &Value) -> impl Iterator<Item = &Value> {
    let is_in =
        |result: &&Value| result["role"] != "reference" || result["peer"] == cell["reference"];
    list(&cell["results"]).filter(is_in)
}

/// Makes the bars of those results that have a value.
fn group<'a>(
    cell: &Value,
    results: impl Iterator<Item = &'a Value>,
    value: impl Fn(&Value) -> Option<(f64, String)>,
) -> Group {
    let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    let bars = results.filter_map(|result| {
        let (value, shown) = value(result)?;
        let role = match result["role"].as_str() {
            Some("ours") => Role::Ours,
            Some("reference") => Role::Reference,
            _ => Role::Other,
        };
        Some(Bar { peer: text(&result["peer"]), role, value, text: shown })
    });
    let label = if cell["work"].is_string() { &cell["work"] } else { &cell["load"] };
    Group { label: text(label), bars: bars.collect() }
}

fn machine(run: &Value) -> String {
    let fact = |name: &str| run["machine"][name].as_str().unwrap_or("unknown").to_owned();
    format!("{}, {}", fact("CPU"), fact("kernel"))
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// Two digits that count, more before the point: 0.87, 3.4, 13, 1,234.
fn two_digits(value: f64) -> String {
    match value {
        small if small < 1.995 => format!("{small:.2}"),
        middle if middle < 9.95 => format!("{middle:.1}"),
        large => thousands(large),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::report;

    #[test]
    fn every_kind_of_cell_has_its_panel() {
        let chart = Chart::of(&[report().json()]).unwrap();
        let headings: Vec<_> = chart.cpu.iter().map(|section| &section.heading[..]).collect();
        assert_eq!(
            headings,
            [
                "One core, the same page cache for all",
                "One core, files that each server has read in from the disk itself",
                "One core, made of titles just in time; nginx sends the same bytes as files",
            ]
        );
        assert_eq!((chart.hot.len(), chart.memory.len()), (1, 1));
    }

    #[test]
    fn the_reference_is_a_line_for_cpu_and_a_bar_elsewhere() {
        let chart = Chart::of(&[report().json()]).unwrap();
        let peers =
            |group: &Group| group.bars.iter().map(|bar| bar.peer.clone()).collect::<Vec<_>>();
        assert_eq!(peers(&chart.cpu[0].groups[0]), ["ours", "slow"]);
        assert_eq!(peers(&chart.hot[0]), ["ours", "off", "slow"]);
        assert_eq!(peers(&chart.memory[0]), ["ours", "on", "slow"]);
        assert_eq!(chart.hot[0].bars[0].text, "600, p99 8.0 ms");
        assert_eq!(chart.memory[0].bars[1].text, "9.0 KiB");
        assert_eq!(chart.memory[0].bars[2].text, "250 KiB, of 8 viewers");
    }

    #[test]
    fn a_second_run_adds_its_peers_and_repeats_none() {
        let (first, mut second) = (report(), report());
        second.peers[3].name = "late".to_owned();
        let chart = Chart::of(&[first.json(), second.json()]).unwrap();
        let bars = &chart.cpu[0].groups[0].bars;
        assert_eq!(
            bars.iter().map(|bar| &bar.peer[..]).collect::<Vec<_>>(),
            ["ours", "slow", "late"]
        );
    }

    #[test]
    fn nothing_makes_no_chart() {
        assert_eq!(Chart::of(&[]), None);
        assert_eq!(Chart::of(&[serde_json::json!({ "cells": "none" })]), None);
    }

    #[test]
    fn figures_have_the_digits_that_count() {
        let table =
            [(0.871, "0.87"), (1.0, "1.00"), (3.44, "3.4"), (13.2, "13"), (1234.0, "1,234")];
        for (value, shown) in table {
            assert_eq!(two_digits(value), shown);
        }
    }
}
