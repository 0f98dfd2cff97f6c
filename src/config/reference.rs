//! The tables of `docs/configuration.md`, generated from the list of keys.
//!
//! `UPDATE_DOCS=1 cargo test --lib config::reference` writes them.

use std::{env, fmt::Write as _, fs, path::Path};

use super::{KEYS, Key};

/// The document, from the folder of the package on.
const DOCUMENT: &str = "docs/configuration.md";

/// Between these lines the document is generated.
const BEGIN: &str = "<!-- Generated from src/config/keys.rs. -->\n";
const END: &str = "<!-- End of the generated part. -->\n";

/// Headings, each with the first key below it.
const SECTIONS: [(&str, &str); 9] = [
    ("Server", "listen"),
    ("Connections", "io_threads"),
    ("Disks and memory", "disk_threads"),
    ("Library", "max_titles"),
    ("Buckets", "cache"),
    ("Streams", "segment_ms"),
    ("Jobs", "database"),
    ("Caches and other origins", "file_max_age_s"),
    ("Development", "ui_dir"),
];

/// The tables of all keys, as Markdown.
fn tables() -> String {
    let mut text = String::new();
    for key in KEYS {
        if let Some((heading, _)) = SECTIONS.iter().find(|(_, first)| *first == key.name) {
            let row = "| key | default | meaning |\n| --- | --- | --- |\n";
            write!(text, "\n### {heading}\n\n{row}").expect("a string");
        }
        text += &row(key);
    }
    text + "\n"
}

fn row(key: &Key) -> String {
    let default = key.default.map_or("–".to_owned(), |default| format!("`{default}`"));
    let range = range(key.value_type).map(|range| format!(" ({range})")).unwrap_or_default();
    let reload = if key.live { " *Reload.*" } else { "" };
    let meaning = key.doc.trim().replace('|', "\\|");
    format!("| `{}` | {default} | {meaning}{range}{reload} |\n", key.name)
}

/// The range of a [`Within`](super::value::Within), from the name of the type.
fn range(value_type: &str) -> Option<String> {
    let digits: String = value_type.chars().filter(|char| !char.is_whitespace()).collect();
    let (least, most) = digits.strip_prefix("Within<")?.strip_suffix('>')?.split_once(',')?;
    Some(format!("{least} to {most}").replace('_', ""))
}

#[test]
fn the_document_of_the_configuration_is_generated_from_the_keys() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(DOCUMENT);
    let document = fs::read_to_string(&path).expect("a document");
    let (before, rest) = document.split_once(BEGIN).expect("its generated part begins");
    let (_, after) = rest.split_once(END).expect("its generated part ends");
    let generated = [before, BEGIN, &tables(), END, after].concat();
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, generated).expect("written");
        return;
    }
    let differs = "UPDATE_DOCS=1 cargo test --lib config::reference";
    assert!(document == generated, "{DOCUMENT} differs from the keys; run: {differs}");
}

#[test]
fn every_section_begins_with_a_key() {
    for (heading, first) in SECTIONS {
        assert!(KEYS.iter().any(|key| key.name == first), "{heading} begins with {first}");
    }
    assert_eq!(SECTIONS[0].1, KEYS[0].name);
}

#[test]
fn a_row_has_the_range_and_whether_a_signal_reloads_the_key() {
    let row_of = |name| row(KEYS.iter().find(|key| key.name == name).expect("a key"));
    assert!(row_of("max_connections").ends_with(" (1 to 10000000) |\n"));
    assert!(row_of("log").starts_with("| `log` | `\"info\"` | Log level "));
    assert!(row_of("log").ends_with(" *Reload.* |\n"));
    assert!(row_of("data").starts_with("| `data` | – | "));
}
