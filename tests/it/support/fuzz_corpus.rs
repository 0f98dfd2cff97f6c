//! The seeds of the fuzz targets, and the invariants that the targets check.

use std::path::{Path, PathBuf};

#[path = "../../../fuzz/invariants.rs"]
pub mod invariants;

/// The folder of the movies: small, of every kind, and most of them broken.
pub fn movies() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/movie")
}
