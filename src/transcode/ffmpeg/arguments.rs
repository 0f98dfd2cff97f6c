//! What every run's arguments have besides the caller's own.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, OpenOptions},
    io::{self, Read as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use super::{
    Run,
    sniff::{self, FIRST_BYTES, Unknown},
};

/// The input that is fed.
pub const PIPE: &str = "pipe:0";

/// Why an input is not given to ffmpeg.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// It is none of the files that the run reads.
    #[error("an input is none of the files that were named")]
    NotNamed,
    /// It is not there, or cannot be read.
    #[error("{name}: {error}")]
    Unreadable {
        /// Its name, without its folder.
        name: String,
        /// What the system says.
        error: io::Error,
    },
    /// A device, a pipe or a folder: reading it might never end.
    #[error("{0}: not a regular file")]
    NotRegular(String),
    /// Its bytes are of no format that is read.
    #[error("{name} is not decoded: {why}")]
    Format {
        /// Its name, without its folder.
        name: String,
        /// Why not.
        why: Unknown,
    },
}

/// All arguments of a run of ffmpeg. `fed` are the first bytes of what is fed, if something is. Reads
/// the first bytes of each input: not for a thread that must not wait.
pub fn assemble(run: &Run, fed: Option<&[u8]>) -> Result<Vec<OsString>, Refused> {
    let mut all = Vec::new();
    add(&mut all, &["-nostdin", "-progress", "pipe:1", "-y"]);
    if let Some(threads) = run.limits.threads {
        let threads = threads.to_string();
        add(&mut all, &["-filter_threads", &threads, "-filter_complex_threads", &threads]);
    }
    assemble_behind(all, run, fed)
}

/// All arguments of a run of ffprobe, which knows neither outputs nor filters. Reads as
/// [`assemble`] does.
pub fn assemble_probe(run: &Run) -> Result<Vec<OsString>, Refused> {
    assemble_behind(Vec::new(), run, None)
}

fn assemble_behind(
    mut all: Vec<OsString>,
    run: &Run,
    fed: Option<&[u8]>,
) -> Result<Vec<OsString>, Refused> {
    add(&mut all, &["-hide_banner", "-v", "error"]);
    add(&mut all, &["-max_alloc", &run.limits.memory_bytes.min(MOST).to_string()]);
    // Options stand before what they are of, so they are kept until it is known what that is.
    let mut options: Vec<&OsStr> = Vec::new();
    let mut rest = run.args.iter().map(OsString::as_os_str);
    while let Some(argument) = rest.next() {
        if argument != "-i" {
            options.push(argument);
            continue;
        }
        let input = rest.next().ok_or(Refused::NotNamed)?;
        let is_forced = options.iter().any(|option| *option == "-f");
        if is_forced {
            input_options(&mut all, run, if input == PIPE { "pipe" } else { "file" });
        } else if input == PIPE {
            let demuxer = format(PIPE.as_ref(), fed.ok_or(Refused::NotNamed)?)?;
            input_options(&mut all, run, "pipe");
            force(&mut all, demuxer);
        } else {
            let path = Path::new(input);
            let named = run.reads.iter().any(|file| file == path) || path.starts_with(&run.writes);
            let demuxer = format(path, &first_bytes(named.then_some(path))?)?;
            input_options(&mut all, run, "file");
            force(&mut all, demuxer);
        }
        all.extend(options.drain(..).map(OsStr::to_owned));
        all.push("-i".into());
        // Else a name such as `http:a.mp4` would be an address.
        let mut name = OsString::from(if is_forced || input == PIPE { "" } else { "file:" });
        name.push(input);
        all.push(name);
    }
    all.extend(options.into_iter().map(OsStr::to_owned));
    Ok(all)
}

/// More is nothing that an `int` of ffmpeg's can say.
const MOST: u64 = i32::MAX as u64;

fn add(all: &mut Vec<OsString>, more: &[&str]) {
    all.extend(more.iter().map(OsString::from));
}

fn input_options(all: &mut Vec<OsString>, run: &Run, protocol: &str) {
    add(all, &["-protocol_whitelist", protocol]);
    add(all, &["-max_pixels", &run.limits.pixels_max.min(MOST).to_string()]);
    if let Some(threads) = run.limits.threads {
        add(all, &["-threads", &threads.to_string()]);
    }
}

fn force(all: &mut Vec<OsString>, demuxer: &str) {
    add(all, &["-f", demuxer]);
    if demuxer == "mov" {
        // Both are so by themselves. A build could have decided otherwise.
        add(all, &["-enable_drefs", "0", "-use_absolute_path", "0"]);
    }
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).display().to_string()
}

fn format(path: &Path, first: &[u8]) -> Result<&'static str, Refused> {
    sniff::demuxer(first).map_err(|why| Refused::Format { name: name_of(path), why })
}

fn first_bytes(path: Option<&Path>) -> Result<Vec<u8>, Refused> {
    let path = path.ok_or(Refused::NotNamed)?;
    let unreadable = |error| Refused::Unreadable { name: name_of(path), error };
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(Refused::NotRegular(name_of(path)));
    }
    // Should it have become a pipe since, opening it does not wait for a writer.
    let no_wait = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file =
        OpenOptions::new().read(true).custom_flags(no_wait).open(path).map_err(unreadable)?;
    let mut first = Vec::with_capacity(FIRST_BYTES);
    file.take(FIRST_BYTES as u64).read_to_end(&mut first).map_err(unreadable)?;
    Ok(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcode::ffmpeg::{Input, Limits};

    fn run(args: &[&OsStr], reads: &[&Path], folder: &Path) -> Run {
        Run {
            args: args.iter().map(OsString::from).collect(),
            stdin: Input::Nothing,
            reads: reads.iter().map(|path| path.to_path_buf()).collect(),
            writes: folder.into(),
            limits: Limits::default(),
        }
    }

    fn text(arguments: &[OsString]) -> String {
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
        let args = ["-ss".as_ref(), "3".as_ref(), "-i".as_ref(), name, "out.jpg".as_ref()];
        let all = assemble(&run(&args, &[&file], folder.path()), None).expect("arguments");
        let expected = format!(
            "-protocol_whitelist file -max_pixels 67108864 -f mov -enable_drefs 0 \
             -use_absolute_path 0 -ss 3 -i file:{} out.jpg",
            file.display()
        );
        assert!(text(&all).ends_with(&expected), "{}", text(&all));
    }

    #[test]
    fn what_is_fed_is_looked_at_as_well() {
        let args = ["-i".as_ref(), PIPE.as_ref(), "out.jpg".as_ref()];
        let run = run(&args, &[], Path::new("/nowhere"));
        let all = text(&assemble(&run, Some(b"\x1A\x45\xDF\xA3")).expect("arguments"));
        assert!(all.contains("-protocol_whitelist pipe"), "{all}");
        assert!(all.ends_with("-f matroska -i pipe:0 out.jpg"), "{all}");
        let refused = assemble(&run, Some(b"#EXTM3U\n")).expect_err("a playlist");
        assert!(refused.to_string().contains("a playlist, which names other files"), "{refused}");
    }

    #[test]
    fn an_input_that_was_not_named_or_is_no_regular_file_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        for (input, reads, refused) in [
            ("/etc/passwd", None, "an input is none of the files that were named"),
            ("http://127.0.0.1/", None, "an input is none of the files that were named"),
            ("/dev/zero", Some("/dev/zero"), "zero: not a regular file"),
            ("/no/where", Some("/no/where"), "where: No such file or directory (os error 2)"),
        ] {
            let reads: Vec<&Path> = reads.iter().map(Path::new).collect();
            let run = run(&["-i".as_ref(), input.as_ref()], &reads, folder.path());
            let error = assemble(&run, None).expect_err("refused");
            assert_eq!(error.to_string(), refused);
        }
    }
}
