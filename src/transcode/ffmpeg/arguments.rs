//! The arguments that every run has besides the caller's own.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, OpenOptions},
    io::{self, Read as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use super::{
    Invocation,
    demuxer::{self, FIRST_BYTES, UnsupportedFormat},
};

/// The name of the input that comes through stdin.
pub const PIPE: &str = "pipe:0";

/// Why an input is not passed to ffmpeg.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// The input is not one of the run's input files.
    #[error("an input is not among the files of this run")]
    NotListed,
    /// The file does not exist or cannot be read.
    #[error("{name}: {error}")]
    Unreadable {
        /// Its name, without the folder.
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
        /// Its name, without the folder.
        name: String,
        /// Why not.
        reason: UnsupportedFormat,
    },
}

/// Builds all arguments of a run of ffmpeg. `stdin` holds the first bytes of the piped input, if there is
/// one. Reads the first bytes of each input file: not for an I/O thread.
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
        if is_forced {
            add_input_options(&mut all, run, if input == PIPE { "pipe" } else { "file" });
        } else if input == PIPE {
            let demuxer = detect(PIPE.as_ref(), stdin.ok_or(InputError::NotListed)?)?;
            add_input_options(&mut all, run, "pipe");
            force_demuxer(&mut all, demuxer);
        } else {
            let path = Path::new(input);
            let is_listed =
                run.inputs.iter().any(|file| file == path) || path.starts_with(&run.output_dir);
            let demuxer = detect(path, &read_first_bytes(is_listed.then_some(path))?)?;
            add_input_options(&mut all, run, "file");
            force_demuxer(&mut all, demuxer);
        }
        all.extend(options.drain(..).map(OsStr::to_owned));
        all.push("-i".into());
        // Without the prefix a name such as `http:a.mp4` would be a URL.
        let mut name = OsString::from(if is_forced || input == PIPE { "" } else { "file:" });
        name.push(input);
        all.push(name);
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

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).display().to_string()
}

fn detect(path: &Path, first: &[u8]) -> Result<&'static str, InputError> {
    demuxer::detect(first).map_err(|reason| InputError::Format { name: file_name(path), reason })
}

fn read_first_bytes(path: Option<&Path>) -> Result<Vec<u8>, InputError> {
    let path = path.ok_or(InputError::NotListed)?;
    let unreadable = |error| InputError::Unreadable { name: file_name(path), error };
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(InputError::NotRegular(file_name(path)));
    }
    // If a FIFO has replaced the file since, O_NONBLOCK keeps open from waiting for a writer.
    let nonblock = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file =
        OpenOptions::new().read(true).custom_flags(nonblock).open(path).map_err(unreadable)?;
    let mut first = Vec::with_capacity(FIRST_BYTES);
    file.take(FIRST_BYTES as u64).read_to_end(&mut first).map_err(unreadable)?;
    Ok(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcode::ffmpeg::{Limits, Stdin};

    fn run(arguments: &[&OsStr], inputs: &[&Path], folder: &Path) -> Invocation {
        Invocation {
            arguments: arguments.iter().map(OsString::from).collect(),
            stdin: Stdin::Null,
            inputs: inputs.iter().map(|path| path.to_path_buf()).collect(),
            output_dir: folder.into(),
            limits: Limits::default(),
        }
    }

    fn joined(arguments: &[OsString]) -> String {
        arguments
            .iter()
            .map(|argument| argument.to_str().expect("text"))
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn each_input_has_its_demuxer_forced_before_the_callers_options() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("http:a.bin");
        fs::write(&file, b"\0\0\0\x08ftyp").expect("a file");
        let name = file.as_os_str();
        let arguments = ["-ss".as_ref(), "3".as_ref(), "-i".as_ref(), name, "out.jpg".as_ref()];
        let all = assemble(&run(&arguments, &[&file], folder.path()), None).expect("arguments");
        let expected = format!(
            "-protocol_whitelist file -max_pixels 67108864 -f mov -enable_drefs 0 \
             -use_absolute_path 0 -ss 3 -i file:{} out.jpg",
            file.display()
        );
        assert!(joined(&all).ends_with(&expected), "{}", joined(&all));
    }

    #[test]
    fn the_format_of_piped_input_is_detected_too() {
        let arguments = ["-i".as_ref(), PIPE.as_ref(), "out.jpg".as_ref()];
        let run = run(&arguments, &[], Path::new("/nowhere"));
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
    fn an_input_that_is_not_listed_or_not_a_regular_file_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        for (input, listed, message) in [
            ("/etc/passwd", None, "an input is not among the files of this run"),
            ("http://127.0.0.1/", None, "an input is not among the files of this run"),
            ("/dev/zero", Some("/dev/zero"), "zero: not a regular file"),
            ("/no/where", Some("/no/where"), "where: No such file or directory (os error 2)"),
        ] {
            let inputs: Vec<&Path> = listed.iter().map(Path::new).collect();
            let run = run(&["-i".as_ref(), input.as_ref()], &inputs, folder.path());
            let error = assemble(&run, None).expect_err("refused");
            assert_eq!(error.to_string(), message);
        }
    }
}
