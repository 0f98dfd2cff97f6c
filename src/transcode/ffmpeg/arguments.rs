//! The arguments that every run has besides the caller's own.

use std::{
    ffi::{OsStr, OsString},
    io,
};

use rustix::{
    fs::{FileType, fstat},
    io::{Errno, pread},
};

use super::{
    Input, InputFile, Invocation,
    demuxer::{self, FIRST_BYTES, UnsupportedFormat},
};

/// The name of the input that comes through stdin.
pub const PIPE: &str = "pipe:0";

/// The name of the input that is a file: its descriptor. ffmpeg before version 6 has no protocol for that.
pub const FILE: &str = if cfg!(target_os = "linux") { "/proc/self/fd/0" } else { "/dev/fd/0" };

/// Why an input is not passed to ffmpeg.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// The input is not the run's.
    #[error("an input is not that of this run")]
    NotListed,
    /// The file cannot be read.
    #[error("{name}: {error}")]
    Unreadable {
        /// Its name.
        name: String,
        /// The error of the system.
        error: io::Error,
    },
    /// A device, a pipe or a folder: reading it might never end.
    #[error("{0}: not a regular file")]
    NotRegular(String),
    /// Its format is not supported.
    #[error("{name} is not decoded: {reason}")]
    Format {
        /// Its name.
        name: String,
        /// Why not.
        reason: UnsupportedFormat,
    },
}

/// Builds all arguments of a run of ffmpeg. `stdin` holds the first bytes of the piped input, if there is
/// one. Reads the first bytes of an input file: not for an I/O thread.
pub fn assemble(run: &Invocation, stdin: Option<&[u8]>) -> Result<Vec<OsString>, InputError> {
    let mut all = Vec::new();
    add(&mut all, &["-nostdin", "-progress", "pipe:1", "-y"]);
    if let Some(threads) = run.limits.threads {
        let threads = threads.to_string();
        add(&mut all, &["-filter_threads", &threads, "-filter_complex_threads", &threads]);
    }
    assemble_after(all, run, stdin)
}

/// Builds all arguments of a run of ffprobe, which has neither outputs nor filters. Reads files as
/// [`assemble`] does.
pub fn assemble_probe(run: &Invocation) -> Result<Vec<OsString>, InputError> {
    assemble_after(Vec::new(), run, None)
}

fn assemble_after(
    mut all: Vec<OsString>,
    run: &Invocation,
    stdin: Option<&[u8]>,
) -> Result<Vec<OsString>, InputError> {
    add(&mut all, &["-hide_banner", "-v", "error"]);
    add(&mut all, &["-max_alloc", &run.limits.memory_bytes.min(INT_MAX).to_string()]);
    // Options come before the file that they apply to, so they are kept until that file is known.
    let mut options: Vec<&OsStr> = Vec::new();
    let mut rest = run.arguments.iter().map(OsString::as_os_str);
    while let Some(argument) = rest.next() {
        if argument != "-i" {
            options.push(argument);
            continue;
        }
        let input = rest.next().ok_or(InputError::NotListed)?;
        let is_forced = options.iter().any(|option| *option == "-f");
        let protocol = if input == PIPE { "pipe" } else { "file" };
        let demuxer = match &run.input {
            _ if is_forced => None,
            Input::File(file) if input == FILE => {
                Some(detect(&file.name, &read_first_bytes(file)?)?)
            }
            _ if input == PIPE => Some(detect(PIPE, stdin.ok_or(InputError::NotListed)?)?),
            _ => return Err(InputError::NotListed),
        };
        add_input_options(&mut all, run, protocol);
        if let Some(demuxer) = demuxer {
            force_demuxer(&mut all, demuxer);
        }
        all.extend(options.drain(..).map(OsStr::to_owned));
        add(&mut all, &["-i"]);
        all.push(input.into());
    }
    all.extend(options.into_iter().map(OsStr::to_owned));
    Ok(all)
}

/// The largest value of an `int` option of ffmpeg.
const INT_MAX: u64 = i32::MAX as u64;

fn add(all: &mut Vec<OsString>, more: &[&str]) {
    all.extend(more.iter().map(OsString::from));
}

fn add_input_options(all: &mut Vec<OsString>, run: &Invocation, protocol: &str) {
    add(all, &["-protocol_whitelist", protocol]);
    add(all, &["-max_pixels", &run.limits.pixels_max.min(INT_MAX).to_string()]);
    if let Some(threads) = run.limits.threads {
        add(all, &["-threads", &threads.to_string()]);
    }
}

fn force_demuxer(all: &mut Vec<OsString>, demuxer: &str) {
    add(all, &["-f", demuxer]);
    if demuxer == "mov" {
        // Both are ffmpeg's defaults, which a build could change.
        add(all, &["-enable_drefs", "0", "-use_absolute_path", "0"]);
    }
}

fn detect(name: &str, first: &[u8]) -> Result<&'static str, InputError> {
    demuxer::detect(first).map_err(|reason| InputError::Format { name: name.to_owned(), reason })
}

fn read_first_bytes(file: &InputFile) -> Result<Vec<u8>, InputError> {
    let unreadable = |error: Errno| {
        let (name, error) = (file.name.clone(), io::Error::from(error));
        InputError::Unreadable { name, error }
    };
    let status = fstat(&file.fd).map_err(unreadable)?;
    if FileType::from_raw_mode(status.st_mode) != FileType::RegularFile {
        return Err(InputError::NotRegular(file.name.clone()));
    }
    let mut first = vec![0; FIRST_BYTES];
    let mut length = 0;
    while length < FIRST_BYTES {
        match pread(&file.fd, &mut first[length..], length as u64) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(Errno::INTR) => {}
            Err(error) => return Err(unreadable(error)),
        }
    }
    first.truncate(length);
    Ok(first)
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;
    use crate::transcode::ffmpeg::Limits;

    fn run(arguments: &[&str], input: Input) -> Invocation {
        Invocation {
            arguments: arguments.iter().map(OsString::from).collect(),
            input,
            output_dir: "/nowhere".into(),
            limits: Limits::default(),
        }
    }

    fn input(path: &Path) -> Input {
        let fd = fs::File::open(path).expect("a file").into();
        let name = path.file_name().expect("a name").display().to_string();
        Input::File(InputFile { fd, name })
    }

    fn joined(arguments: &[OsString]) -> String {
        arguments
            .iter()
            .map(|argument| argument.to_str().expect("text"))
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn an_input_has_its_demuxer_forced_before_the_callers_options() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("a.bin");
        fs::write(&file, b"\0\0\0\x08ftyp").expect("a file");
        let run = run(&["-ss", "3", "-i", FILE, "out.jpg"], input(&file));
        let all = joined(&assemble(&run, None).expect("arguments"));
        let expected = format!(
            "-protocol_whitelist file -max_pixels 67108864 -f mov -enable_drefs 0 \
             -use_absolute_path 0 -ss 3 -i {FILE} out.jpg"
        );
        assert!(all.ends_with(&expected), "{all}");
    }

    #[test]
    fn the_format_of_piped_input_is_detected_too() {
        let run = run(&["-i", PIPE, "out.jpg"], Input::Null);
        let all = joined(&assemble(&run, Some(b"\x1A\x45\xDF\xA3")).expect("arguments"));
        assert!(all.contains("-protocol_whitelist pipe"), "{all}");
        assert!(all.ends_with("-f matroska -i pipe:0 out.jpg"), "{all}");
        let refused = assemble(&run, Some(b"#EXTM3U\n")).expect_err("a playlist");
        assert!(
            refused.to_string().contains("a playlist, which refers to other files"),
            "{refused}"
        );
    }

    #[test]
    fn an_input_that_is_not_the_runs_or_not_a_regular_file_is_refused() {
        let zero = || input(Path::new("/dev/zero"));
        for (name, input, message) in [
            ("/etc/passwd", Input::Null, "an input is not that of this run"),
            ("http://127.0.0.1/", zero(), "an input is not that of this run"),
            (FILE, Input::Null, "an input is not that of this run"),
            (FILE, zero(), "zero: not a regular file"),
        ] {
            let error = assemble(&run(&["-i", name], input), None).expect_err("refused");
            assert_eq!(error.to_string(), message);
        }
    }
}
