//! The seeds of the fuzz targets, and every input that ever broke one, checked against the same
//! invariants.

use std::{fs, path::Path};

use crate::support::fuzz_corpus::invariants;

/// Runs `check` on each file of a corpus, and names the file when it fails.
fn replay(corpus: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let mut inputs = 0;
    for entry in fs::read_dir(folder.join(corpus)).expect("a corpus") {
        let path = entry.expect("an input").path();
        let input = fs::read(&path).expect("an input");
        let name = path.file_name().unwrap_or_default().display();
        let held = std::panic::catch_unwind(|| check(&input));
        assert!(
            held.is_ok(),
            "{corpus}/{name} breaks an invariant: {:?}",
            &input[..input.len().min(500)]
        );
        inputs += 1;
    }
    assert!(inputs >= 30, "{corpus} has lost its seeds: {inputs}");
}

#[test]
fn every_range_of_the_corpus_keeps_the_invariants() {
    replay("range", invariants::check_range);
}

#[test]
fn every_path_of_the_corpus_keeps_the_invariants() {
    replay("path", invariants::check_path);
}

#[test]
fn every_movie_of_the_corpus_keeps_the_invariants() {
    replay("movie", invariants::check_movie);
}
