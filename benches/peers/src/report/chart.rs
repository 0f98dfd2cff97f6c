//! The chart: CPU per request of every peer beside nginx's, one bar each, drawn by plotters.
//!
//! Ratios have a logarithmic axis and bars begin at 1: half of nginx's CPU is as long to the left as
//! twice of it is to the right, and ten times still fits.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::results::{CellResult, Results};
use crate::peers::Role;
use crate::turn::Turn;

const WIDTH: u32 = 860;
/// Room for the names of loads, and for the text behind the longest bar.
const LEFT: u32 = 320;
const RIGHT: u32 = 150;
const ROW: u32 = 16;
const TITLE: &str = "CPU per request ÷ nginx’s better setting: less is better";

const OURS: RGBColor = RGBColor(10, 126, 164);
const OTHER: RGBColor = RGBColor(182, 190, 200);
const TEXT: RGBColor = RGBColor(31, 35, 40);
const GRID: RGBColor = RGBColor(216, 222, 228);

/// One load with its bars.
#[derive(Debug, PartialEq)]
struct Group {
    load: String,
    bars: Vec<Bar>,
}

/// One peer under one load.
#[derive(Debug, PartialEq)]
struct Bar {
    peer: String,
    role: Role,
    ratio: f64,
}

/// Draws runs into one chart.
pub fn write(runs: &[Results], file: &Path) -> Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    let svg = draw(&groups(runs))?;
    fs::write(file, svg).with_context(|| format!("cannot write {}", file.display()))
}

/// The ratios of all runs; if several have measured a load, the peers of all of them.
fn groups(runs: &[Results]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for run in runs {
        let is_cost = |cell: &&CellResult| !cell.is_beside_cold() && !cell.cell.drain;
        for cell in run.cells.iter().filter(is_cost) {
            let load = cell.cell.to_string();
            let reference = cell.reference(&run.peers, Turn::cpu_s_per_1000);
            for (peer, info) in run.peers.iter().enumerate() {
                let ratio = cell.ratio(peer, reference, Turn::cpu_s_per_1000).median;
                // The reference is the line that bars begin at.
                if info.role == Role::Reference || !ratio.is_normal() {
                    continue;
                }
                let at = groups.iter().position(|group| group.load == load).unwrap_or_else(|| {
                    groups.push(Group { load: load.clone(), bars: Vec::new() });
                    groups.len() - 1
                });
                let bars = &mut groups[at].bars;
                if !bars.iter().any(|bar| bar.peer == info.name) {
                    bars.push(Bar { peer: info.name.clone(), role: info.role, ratio });
                }
            }
        }
    }
    groups
}

fn draw(groups: &[Group]) -> Result<String> {
    let ratios = || groups.iter().flat_map(|group| &group.bars).map(|bar| bar.ratio);
    let low = ratios().fold(0.5, |low: f64, ratio| low.min(ratio.log2().floor().exp2()));
    let high = ratios().fold(2.0, |high: f64, ratio| high.max(ratio.log2().ceil().exp2()));
    // An empty row separates groups.
    let rows = groups.iter().map(|group| group.bars.len() + 1).sum::<usize>() as u32;

    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (WIDTH, rows * ROW + 90)).into_drawing_area();
        root.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&root)
            .caption(TITLE, ("sans-serif", 18).with_color(TEXT))
            .margin(10)
            .margin_left(LEFT)
            .margin_right(RIGHT)
            .x_label_area_size(30)
            .build_cartesian_2d((low..high).log_scale().base(2.0), f64::from(rows)..0.0)?;
        chart
            .configure_mesh()
            .disable_y_mesh()
            .disable_y_axis()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID)
            .x_label_formatter(&|ratio| ratio.to_string())
            .label_style(("sans-serif", 12).with_color(TEXT))
            .draw()?;
        let style = |horizontal| {
            let style = ("sans-serif", 12).into_text_style(&root).color(&TEXT);
            style.pos(Pos::new(horizontal, VPos::Center))
        };
        let mut row = 0.5;
        for group in groups {
            let name = Text::new(group.load.clone(), (-8, 0), style(HPos::Right));
            let middle = row + group.bars.len() as f64 / 2.0;
            chart.draw_series([EmptyElement::at((low, middle)) + name])?;
            for bar in &group.bars {
                let color = if bar.role == Role::Ours { OURS } else { OTHER };
                let corners = [(1.0, row + 0.1), (bar.ratio, row + 0.9)];
                chart.draw_series([Rectangle::new(corners, color.filled())])?;
                let text = format!("{:.2} {}", bar.ratio, bar.peer);
                let text = Text::new(text, (6, 0), style(HPos::Left));
                chart.draw_series([EmptyElement::at((bar.ratio.max(1.0), row + 0.5)) + text])?;
                row += 1.0;
            }
            row += 1.0;
        }
        let nginx = PathElement::new([(1.0, 0.0), (1.0, f64::from(rows))], TEXT);
        chart.draw_series([nginx])?;
        root.present()?;
    }
    Ok(svg)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::results::tests::results;

    fn peers(group: &Group) -> Vec<&str> {
        group.bars.iter().map(|bar| &bar.peer[..]).collect()
    }

    #[test]
    fn every_load_that_compares_cpu_has_bars_and_the_reference_has_none() {
        let groups = groups(&[results()]);
        let loads: Vec<_> = groups.iter().map(|group| &group.load[..]).collect();
        let own = "1 MiB, 32 connections, own cold-read copy";
        assert_eq!(loads, ["1 MiB, 32 connections", own]);
        assert_eq!((peers(&groups[0]), peers(&groups[1])), (vec!["ours", "slow"], vec!["ours"]));
    }

    #[test]
    fn a_second_run_adds_its_peers_and_repeats_none() {
        let (first, mut second) = (results(), results());
        second.peers[3].name = "late".to_owned();
        assert_eq!(peers(&groups(&[first, second])[0]), ["ours", "slow", "late"]);
    }

    #[test]
    fn every_figure_is_drawn() {
        let svg = draw(&groups(&[results()])).unwrap();
        for text in ["0.90 ours", "4.00 slow", "0.80 ours", "own cold-read copy"] {
            assert!(svg.contains(text), "{text}: {svg}");
        }
        assert!(draw(&[]).is_ok());
    }
}
