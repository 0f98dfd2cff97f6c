//! The last lines of what a child complains about: bounded, printable, and without the server's paths.

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
};

/// Most lines that are kept.
const LINES: usize = 40;

/// Most bytes of one line; 40 of them are 8 KiB.
const LINE_BYTES: usize = 204;

/// How they complain about memory: ffmpeg itself, its allocator's limit, encoders written in C++ and in
/// Rust.
const FOR_MEMORY: [&str; 3] = ["Cannot allocate memory", "bad_alloc", "memory allocation of"];

/// How they complain about a disk that is full.
const FOR_ROOM: &str = "No space left on device";

/// The last lines of a stream of text.
#[derive(Debug, Default)]
pub struct Tail {
    lines: VecDeque<String>,
    open: Vec<u8>,
    wanted_memory: bool,
    wanted_room: bool,
    /// What is not shown, and what stands for it.
    hidden: Vec<(String, String)>,
}

impl Tail {
    /// One that shows of these files only their names, and of the folder nothing.
    pub fn hiding(files: &[PathBuf], folder: &Path) -> Self {
        let name = |path: &Path| path.file_name().unwrap_or_default().display().to_string();
        let file = |path: &PathBuf| (path.display().to_string(), name(path));
        let mut hidden: Vec<_> = files.iter().map(file).collect();
        hidden.push((format!("{}/", folder.display()), String::new()));
        // The longer first: one path may begin with another.
        hidden.sort_by_key(|(path, _)| std::cmp::Reverse(path.len()));
        hidden.retain(|(path, _)| path.len() > 1);
        Self { hidden, ..Self::default() }
    }

    /// Takes what was printed.
    pub fn take(&mut self, printed: &[u8]) {
        for &byte in printed {
            match byte {
                b'\n' | b'\r' => self.end_of_line(),
                // A path is hidden before the line is cut, so a line may be longer until its end.
                _ if self.open.len() < 16 * LINE_BYTES => self.open.push(byte),
                _ => {}
            }
        }
    }

    fn end_of_line(&mut self) {
        let mut line = String::from_utf8_lossy(&self.open).into_owned();
        self.open.clear();
        self.wanted_memory |= FOR_MEMORY.iter().any(|words| line.contains(words));
        self.wanted_room |= line.contains(FOR_ROOM);
        for (path, name) in &self.hidden {
            line = line.replace(path, name);
        }
        // A title may hold what moves a terminal's cursor.
        line.retain(|character| !character.is_control());
        line.truncate(line.floor_char_boundary(LINE_BYTES));
        if line.trim().is_empty() {
            return;
        }
        if self.lines.len() == LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }

    /// Whether any line so far, kept or not, was about memory that was not to be had.
    pub fn wanted_memory(&self) -> bool {
        self.wanted_memory
    }

    /// Whether any line so far was about room on a disk that was not to be had.
    pub fn wanted_room(&self) -> bool {
        self.wanted_room
    }

    /// The lines so far.
    pub fn text(&mut self) -> String {
        self.end_of_line();
        self.lines.make_contiguous().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_kept_and_each_is_cut() {
        let mut tail = Tail::default();
        for number in 0..1000 {
            tail.take(format!("line {number} {}\n", "é".repeat(500)).as_bytes());
        }
        let text = tail.text();
        assert_eq!(text.lines().count(), LINES);
        assert!(text.starts_with("line 960 ") && text.len() <= 8192, "{}", text.len());
    }

    #[test]
    fn paths_of_the_server_and_control_characters_are_not_shown() {
        let file = PathBuf::from("/srv/films/private/a.mkv");
        let mut tail = Tail::hiding(&[file], Path::new("/var/tmp/job-7"));
        tail.take(b"file:/srv/films/private/a.mkv: \x1b[2Jbad\r\n/var/tmp/job-7/1.jpg: full");
        assert_eq!(tail.text(), "file:a.mkv: [2Jbad\n1.jpg: full");
    }

    #[test]
    fn a_line_without_end_takes_no_memory() {
        let mut tail = Tail::default();
        for _ in 0..1000 {
            tail.take(&[b'x'; 4096]);
        }
        assert!(tail.open.len() <= 16 * LINE_BYTES);
    }
}
