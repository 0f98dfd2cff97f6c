//! The last lines of a child's stderr: bounded, printable, and without the server's paths.

use std::{cmp::Reverse, collections::VecDeque, path::Path};

use super::arguments;

/// Maximum number of kept lines.
const LINES_MAX: usize = 40;

/// Maximum bytes of one line; 40 of them are 8 KiB.
const LINE_BYTES_MAX: usize = 204;

/// Messages of failed allocations: of ffmpeg, and of encoders in C++ and in Rust.
const OUT_OF_MEMORY: [&str; 3] = ["Cannot allocate memory", "bad_alloc", "memory allocation of"];

/// Messages of an ffmpeg that is too old, or was built without what a job needs.
const INCAPABLE: [&str; 3] = ["Unknown encoder", "Unrecognized option", "No such filter"];

/// The message of ENOSPC.
const DISK_FULL: &str = "No space left on device";

/// The last lines of a stream of text.
#[derive(Debug, Default)]
pub struct Tail {
    lines: VecDeque<String>,
    partial: Vec<u8>,
    out_of_memory: bool,
    disk_full: bool,
    incapable: bool,
    /// Paths to hide, and their replacements.
    hidden: Vec<(String, String)>,
}

impl Tail {
    /// A tail that shows the name of the input file instead of its descriptor, the names of these programs, and
    /// no path of the folder.
    pub fn hiding(input: Option<&str>, programs: &[&Path], folder: &Path) -> Self {
        let name = |path: &Path| path.file_name().unwrap_or_default().display().to_string();
        let mut hidden: Vec<_> =
            programs.iter().map(|path| (path.display().to_string(), name(path))).collect();
        hidden.push((format!("{}/", folder.display()), String::new()));
        hidden.push((folder.display().to_string(), name(folder)));
        // The longest first: one path may be a prefix of another.
        hidden.sort_by_key(|(path, _)| Reverse(path.len()));
        hidden.retain(|(path, _)| path.len() > 1);
        hidden.extend(input.map(|name| (arguments::FILE.to_owned(), name.to_owned())));
        Self { hidden, ..Self::default() }
    }

    /// Adds output.
    pub fn push(&mut self, printed: &[u8]) {
        for &byte in printed {
            match byte {
                b'\n' | b'\r' => self.end_line(),
                // Paths are replaced before the line is cut, so it may be longer until its end.
                _ if self.partial.len() < 16 * LINE_BYTES_MAX => self.partial.push(byte),
                _ => {}
            }
        }
    }

    fn end_line(&mut self) {
        let mut line = String::from_utf8_lossy(&self.partial).into_owned();
        self.partial.clear();
        self.out_of_memory |= OUT_OF_MEMORY.iter().any(|message| line.contains(message));
        self.disk_full |= line.contains(DISK_FULL);
        self.incapable |= INCAPABLE.iter().any(|message| line.contains(message));
        for (path, name) in &self.hidden {
            line = line.replace(path, name);
        }
        // A file's metadata may contain escape sequences for terminals.
        line.retain(|character| !character.is_control());
        line.truncate(line.floor_char_boundary(LINE_BYTES_MAX));
        if line.trim().is_empty() {
            return;
        }
        if self.lines.len() == LINES_MAX {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }

    /// Whether any line so far, kept or not, reported a failed allocation.
    pub fn is_out_of_memory(&self) -> bool {
        self.out_of_memory
    }

    /// Whether any line so far reported a full disk.
    pub fn is_disk_full(&self) -> bool {
        self.disk_full
    }

    /// Whether any line so far reported that this build of ffmpeg lacks something.
    pub fn is_incapable(&self) -> bool {
        self.incapable
    }

    /// The kept lines.
    pub fn text(&mut self) -> String {
        self.end_line();
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
            tail.push(format!("line {number} {}\n", "é".repeat(500)).as_bytes());
        }
        let text = tail.text();
        assert_eq!(text.lines().count(), LINES_MAX);
        assert!(text.starts_with("line 960 ") && text.len() <= 8192, "{}", text.len());
    }

    #[test]
    fn paths_of_the_server_and_control_characters_are_not_shown() {
        let program = Path::new("/opt/ffmpeg/bin/ffmpeg");
        let mut tail = Tail::hiding(Some("a.mkv"), &[program], Path::new("/var/tmp/job-7"));
        tail.push(format!("{}: \x1b[2Jbad\r\n", arguments::FILE).as_bytes());
        tail.push(b"/var/tmp/job-7/1.jpg: full\n/opt/ffmpeg/bin/ffmpeg: gone");
        assert_eq!(tail.text(), "a.mkv: [2Jbad\n1.jpg: full\nffmpeg: gone");
    }

    #[test]
    fn a_line_without_end_takes_no_memory() {
        let mut tail = Tail::default();
        for _ in 0..1000 {
            tail.push(&[b'x'; 4096]);
        }
        assert!(tail.partial.len() <= 16 * LINE_BYTES_MAX);
    }
}
