//! The documents of the repository, and their code blocks.

use std::{fs, path::Path};

/// The root of the repository.
pub const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A Markdown document.
pub struct Document {
    /// Path from the root of the repository.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// A fenced code block.
pub struct Block {
    /// Path of the document, and line of the block, for messages.
    pub place: String,
    /// Language, as the fence names it.
    pub language: String,
    /// The lines between the fences.
    pub code: String,
    /// Text of the comment in front of the block.
    pub mark: Option<String>,
}

/// The documents for people who use Headwater.
pub fn user_documents() -> Vec<Document> {
    let mut paths = vec!["README.md".to_owned(), "SECURITY.md".to_owned()];
    paths.extend(["docs", "docs/operations"].into_iter().flat_map(markdown_files));
    paths.iter().map(|path| document(path)).collect()
}

/// A document.
pub fn document(path: &str) -> Document {
    let text = fs::read_to_string(Path::new(ROOT).join(path)).expect("a document");
    Document { path: path.to_owned(), text }
}

/// Paths of the Markdown files of a folder, sorted.
pub fn markdown_files(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(Path::new(ROOT).join(folder)).expect("a folder").flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut paths: Vec<_> = names
        .filter(|name| name.ends_with(".md"))
        .map(|name| if folder.is_empty() { name } else { format!("{folder}/{name}") })
        .collect();
    paths.sort();
    paths
}

impl Document {
    /// Its code blocks.
    pub fn blocks(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut lines = self.text.lines().enumerate();
        let mut previous = "";
        while let Some((number, line)) = lines.next() {
            if let Some(language) = line.strip_prefix("```") {
                let code = lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```");
                let mark =
                    previous.strip_prefix("<!-- ").and_then(|mark| mark.strip_suffix(" -->"));
                blocks.push(Block {
                    place: format!("{}:{}", self.path, number + 1),
                    language: language.to_owned(),
                    code: code.map(|line| line.to_owned() + "\n").collect(),
                    mark: mark.map(str::to_owned),
                });
            }
            previous = line;
        }
        blocks
    }

    /// Its only block in a language that contains a word.
    pub fn block(&self, language: &str, word: &str) -> String {
        let mut found = self.blocks();
        found.retain(|block| block.language == language && block.code.contains(word));
        assert_eq!(
            found.len(),
            1,
            "{} blocks of {language} in {} have {word}",
            found.len(),
            self.path
        );
        found.swap_remove(0).code
    }
}
