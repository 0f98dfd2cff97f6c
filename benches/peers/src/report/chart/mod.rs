//! The results as a picture: one SVG file that needs nothing else and follows the reader's
//! choice of light or dark.
//!
//! It is drawn from what [`super::json`] writes, so that a picture can be drawn again without
//! measuring again, and from several runs together.

mod draw;
mod model;
mod svg;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

/// Draws runs into one chart.
pub fn write(runs: &[Value], file: &Path) -> Result<()> {
    let chart = model::Chart::of(runs).context("no figures to draw")?;
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(file, draw::draw(&chart)).with_context(|| format!("cannot write {}", file.display()))
}

/// Draws what earlier runs have written.
pub fn redraw(runs: &[PathBuf], file: &Path) -> Result<()> {
    let read = |run: &PathBuf| -> Result<Value> {
        let text = fs::read(run).with_context(|| format!("cannot read {}", run.display()))?;
        serde_json::from_slice(&text).with_context(|| run.display().to_string())
    };
    write(&runs.iter().map(read).collect::<Result<Vec<_>>>()?, file)
}
