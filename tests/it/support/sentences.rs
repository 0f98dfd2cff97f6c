//! The sentences of a report (`inspect`): whether it says one, and all that the sources can say.
//!
//! A test of a sentence is a *row*: a call of [`says`] (or [`report_says`]) with the sentence as in the
//! source, a `*` in place of each `{…}`, a file of which it is true and one of which it is not. Rows may be in
//! any file below `tests/it`; `media::inspection_sentences` fails for each sentence of the sources that is in
//! no row.

use std::{
    fs,
    num::NonZeroU32,
    path::{Path, PathBuf},
};

use headwater::{
    extent::disk::Version,
    movie::Movie,
    package::inspect::{inspect, report::Report},
};
use serde_json::Value;

const GRID_MS: NonZeroU32 = NonZeroU32::new(6000).expect("not zero");

/// The report of a file.
pub fn report(file: &[u8]) -> Report {
    let index = Movie::read(file, GRID_MS).expect("bytes in memory");
    inspect(file, index.as_ref(), Version::default(), GRID_MS).expect("bytes in memory")
}

/// The report of one file says this, and that of another does not. `*` in the sentence is any text; capital
/// letters do not count, because a sentence may begin inside another one.
#[track_caller]
pub fn says(sentence: &str, of: &[u8], not_of: &[u8]) {
    report_says(sentence, &report(of), &report(not_of));
}

/// One report says this, and the other does not.
#[track_caller]
pub fn report_says(sentence: &str, of: &Report, not_of: &Report) {
    let is_said = |texts: &[String]| texts.iter().any(|text| contains(text, sentence));
    let (true_of, false_of) = (texts(of), texts(not_of));
    assert!(is_said(&true_of), "{sentence:?} is not in {true_of:#?}");
    assert!(!is_said(&false_of), "{sentence:?} is in {false_of:#?}");
}

/// All texts of a report.
fn texts(report: &Report) -> Vec<String> {
    let mut texts = Vec::new();
    collect(&serde_json::to_value(report).expect("any report is JSON"), &mut texts);
    texts
}

fn collect(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) => texts.push(text.clone()),
        Value::Array(values) => values.iter().for_each(|value| collect(value, texts)),
        Value::Object(fields) => fields.values().for_each(|value| collect(value, texts)),
        _ => {}
    }
}

fn contains(text: &str, sentence: &str) -> bool {
    let (text, sentence) = (text.to_lowercase(), sentence.to_lowercase());
    let mut rest = text.as_str();
    sentence.split('*').all(|part| {
        let found = rest.find(part);
        rest = found.map_or(rest, |at| &rest[at + part.len()..]);
        found.is_some()
    })
}

/// The rows below `tests/it`: the sentences of all calls of a function whose name ends with `says`.
pub fn rows() -> Vec<String> {
    let calls = |path: PathBuf| {
        let literals = literals(&fs::read_to_string(path).expect("a source file"));
        literals.into_iter().filter(|(before, _)| before.ends_with("says(")).map(|(_, text)| text)
    };
    files(&here().join("tests/it")).into_iter().flat_map(calls).collect()
}

/// The sentences of the sources, each with its file: the texts of at least two words in `package/inspect`,
/// in the repairs of sample entries and in what refuses a track, and the errors of `movie`.
pub fn sentences() -> Vec<(PathBuf, String)> {
    let movie = here().join("src/movie");
    let whole =
        ["mp4.rs", "entries.rs", "tables.rs", "codec/repair.rs"].map(|name| movie.join(name));
    let inspect = files(&here().join("src/package/inspect"));
    let mut sentences = Vec::new();
    for path in files(&movie).into_iter().chain(inspect) {
        if path.file_stem().is_some_and(|stem| stem == "tests")
            || path.components().any(|part| part.as_os_str() == "tests")
        {
            continue;
        }
        let is_whole = whole.contains(&path) || !path.starts_with(&movie);
        let source = fs::read_to_string(&path).expect("a source file");
        let product = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        for (before, text) in literals(product) {
            let is_said = is_whole || before.ends_with("#[error(") || before.ends_with("refuse!(");
            let sentence = with_wildcards(&text);
            if is_said && !is_for_programmers(&before) && is_sentence(&sentence) {
                sentences.push((path.clone(), sentence));
            }
        }
    }
    sentences
}

fn here() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All source files in a folder and below, in order.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn is_for_programmers(before: &str) -> bool {
    ["expect(", "unreachable!(", "panic!(", "reason =", "assert!("]
        .iter()
        .any(|end| before.ends_with(end))
}

/// At least two words of two letters.
fn is_sentence(text: &str) -> bool {
    let words = text.split(|letter: char| !letter.is_alphabetic()).filter(|word| word.len() > 1);
    text.contains(' ') && words.count() > 1
}

/// A format string with `*` in place of its arguments.
fn with_wildcards(format: &str) -> String {
    let mut parts = format.split('{');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text.push('*');
        text.push_str(part.split_once('}').map_or(part, |(_, behind)| behind));
    }
    text
}

/// The string literals of a source file, each with the code before it, without comments.
fn literals(source: &str) -> Vec<(String, String)> {
    let code: String = source
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| [line, "\n"])
        .collect();
    let mut literals = Vec::new();
    // Neither a quotation mark as a character nor one of a literal begins a text.
    let code = code.replace("'\"'", "' '").replace("\\\\", "\0").replace("\\\"", "\u{1}");
    let mut parts = code.split('"');
    while let (Some(before), Some(text)) = (parts.next(), parts.next()) {
        let lines = text.split("\\\n").enumerate();
        let text: String = lines
            .map(|(number, line)| if number == 0 { line } else { line.trim_start() })
            .collect::<String>()
            .replace('\u{1}', "\"")
            .replace('\0', "\\");
        let tail = before.trim_end().chars().rev().take(40).collect::<Vec<_>>();
        let tail: String = tail.into_iter().rev().collect();
        literals.push((tail, text));
    }
    literals
}
