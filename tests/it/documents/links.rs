//! Links between documents, and the length of the README.

use std::path::Path;

use crate::support::documents::{Document, ROOT, document, markdown_files};

/// The README is read in five minutes.
const README_WORDS_MAX: usize = 900;

fn all_documents() -> Vec<Document> {
    let folders = ["", "docs", "docs/operations", "benches/peers", "benches/attacks"];
    let paths = folders.iter().flat_map(|folder| markdown_files(folder));
    paths.map(|path| document(&path)).collect()
}

/// The targets of the links of a document, without code blocks.
fn targets(document: &Document) -> Vec<String> {
    let mut text = document.text.clone();
    for block in document.blocks() {
        text = text.replace(&block.code, "");
    }
    let links = text.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    let images = text.split("<img src=\"").skip(1).filter_map(|rest| rest.split_once('"'));
    links.chain(images).map(|(target, _)| target.to_owned()).collect()
}

/// The anchors of the headings of a document, as GitHub names them.
fn anchors(document: &Document) -> Vec<String> {
    let headings = document.text.lines().filter_map(|line| {
        let heading = line.trim_start_matches('#');
        (heading.len() < line.len()).then(|| heading.strip_prefix(' ')).flatten()
    });
    let kept = |letter: &char| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_');
    let anchor = |heading: &str| -> String { heading.chars().filter(kept).collect() };
    headings.map(|heading| anchor(heading).to_lowercase().replace(' ', "-")).collect()
}

#[test]
fn every_link_between_documents_leads_somewhere() {
    let mut links = 0;
    for from in all_documents() {
        let folder = Path::new(&from.path).parent().expect("a folder");
        for target in targets(&from) {
            if target.starts_with("http") {
                continue;
            }
            links += 1;
            let (path, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let place = format!("{} -> {target}", from.path);
            let file = if path.is_empty() { from.path.clone().into() } else { folder.join(path) };
            assert!(Path::new(ROOT).join(&file).exists(), "{place}: no such file");
            if !anchor.is_empty() {
                let text = document(file.to_str().expect("text"));
                let anchors = anchors(&text);
                assert!(anchors.iter().any(|known| known == anchor), "{place}: {anchors:?}");
            }
        }
    }
    assert!(links > 30, "the documents have links: {links}");
}

#[test]
fn the_index_of_the_documents_has_each_of_them() {
    let index = document("docs/README.md").text;
    for path in markdown_files("docs") {
        let name = path.strip_prefix("docs/").expect("its folder");
        assert!(name == "README.md" || index.contains(&format!("({name})")), "{name}");
    }
}

#[test]
fn the_readme_is_short() {
    let readme = document("README.md").text;
    let words = readme.split_whitespace().filter(|word| word.contains(char::is_alphanumeric));
    let words = words.count();
    assert!(words <= README_WORDS_MAX, "{words} words");
}
