//! ffmpeg as the server runs it: sandboxed, supervised, and ended.

use std::{
    ffi::OsString,
    fs,
    net::TcpListener,
    path::PathBuf,
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use bytes::Bytes;
use headwater::{
    extent::{Extent, Extents},
    transcode::{
        ffmpeg::{
            Ffmpeg, FfmpegError, Input, InputFile, Invocation, Limits, Progress, RunSummary,
            arguments::FILE,
        },
        sandbox::Policy,
    },
};
use rustix::fs::{Mode, OFlags};
use tokio::sync::watch;

use crate::support::{
    ffmpeg,
    folder::{Folder, Tmpfs},
    program::PROGRAM,
    wait::until,
};

/// A folder with a clip, and a folder for output.
struct Place(Folder);

impl Place {
    fn new() -> Self {
        let folder = Folder::new();
        fs::create_dir(folder.path("out")).unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path(name)
    }

    /// A clip encoded by ffmpeg outside of the sandbox.
    fn clip(&self, name: &str, arguments: &[&str]) -> PathBuf {
        let path = self.path(name);
        let source = ["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25"];
        let all = [&source, arguments, &[path.to_str().unwrap()]].concat();
        ffmpeg::run(&all).unwrap();
        path
    }

    /// `{name}` among the arguments is the input, that file.
    fn run(&self, arguments: &[&str]) -> Invocation {
        let mut input = Input::Null;
        let mut list: Vec<OsString> = Vec::new();
        for argument in arguments {
            match argument.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
                Some(name) => {
                    // As the product opens files: a FIFO does not block.
                    let flags = OFlags::RDONLY | OFlags::NONBLOCK;
                    let fd = rustix::fs::open(self.path(name), flags, Mode::empty()).unwrap();
                    input = Input::File(InputFile { fd, name: name.to_owned() });
                    list.push(FILE.into());
                }
                None => list.push(argument.into()),
            }
        }
        Invocation { arguments: list, input, output_dir: self.path("out"), limits: limits() }
    }

    fn outputs(&self) -> Vec<String> {
        let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string();
        fs::read_dir(self.path("out")).unwrap().map(|entry| name(entry).unwrap()).collect()
    }
}

fn limits() -> Limits {
    Limits { stall: Duration::from_secs(20), ..Limits::default() }
}

fn program() -> Ffmpeg {
    let found = Ffmpeg::find(Policy::Required).expect("is_installed() checked it");
    found.with_helper(PROGRAM.into())
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.unwrap().block_on(future)
}

/// Runs it to its end without cancelling.
fn done(run: Invocation) -> Result<RunSummary, FfmpegError> {
    let (_never, cancel) = watch::channel(false);
    block_on(program().run(run, |_| {}, cancel))
}

const ENDLESS: [&str; 6] = ["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25", "-f", "null"];

#[test]
fn ffmpeg_renders_an_image_from_a_file() {
    if !ffmpeg::is_installed() {
        return;
    }
    let place = Place::new();
    place.clip("a.mp4", &["-t", "2"]);
    let ended = done(place.run(&["-ss", "1", "-i", "{a.mp4}", "-frames:v", "1", "a.jpg"])).unwrap();
    assert_eq!(place.outputs(), ["a.jpg"]);
    assert!(ended.progress.is_end && ended.progress.frames == 1, "{ended:?}");
    assert_eq!(ended.tail, "");
}

#[test]
fn piped_input_works_like_a_file_and_need_not_be_read_to_its_end() {
    if !ffmpeg::is_installed() {
        return;
    }
    let place = Place::new();
    let clip = place.clip("a.mkv", &["-t", "4", "-c:v", "mjpeg", "-q:v", "2"]);
    let bytes = Bytes::from(fs::read(clip).unwrap());
    let fed = |frames: &str| {
        let mut extents = Extents::default();
        for part in bytes.chunks(10_000) {
            extents.push(Extent::Memory(Bytes::copy_from_slice(part))).unwrap();
        }
        let mut run = place.run(&["-i", "pipe:0", "-frames:v", frames, "-f", "null", "-"]);
        run.input = Input::Extents(extents);
        done(run).unwrap().progress.frames
    };
    assert_eq!(fed("100"), 100);
    assert_eq!(fed("1"), 1);
}

/// SVT-AV1 requests real-time priority as root, x265 is written in C++, rav1e in Rust: each has its
/// own threads.
#[test]
fn encoders_with_threads_run() {
    if !ffmpeg::is_installed() {
        return;
    }
    let place = Place::new();
    place.clip("a.mkv", &["-t", "1"]);
    for encoder in ["libx264", "libx265", "libsvtav1", "libvpx-vp9", "libaom-av1", "libwebp"] {
        let quick: &[&str] = if encoder == "libaom-av1" { &["-cpu-used", "8"] } else { &[] };
        let begin = ["-i", "{a.mkv}", "-frames:v", "8", "-c:v", encoder];
        let run = place.run(&[&begin, quick, &["-f", "null", "-"]].concat());
        let ended = done(run).unwrap_or_else(|error| panic!("{encoder}: {error}"));
        assert_eq!(ended.progress.frames, 8, "{encoder}");
    }
}

#[test]
fn a_file_that_references_others_is_refused_and_nothing_is_fetched() {
    if !ffmpeg::is_installed() {
        return;
    }
    let place = Place::new();
    place.clip("secret.mp4", &["-t", "1"]);
    let secret = place.path("secret.mp4");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    for (text, why) in [
        (format!("#EXTM3U\n#EXTINF:1,\n{}\n#EXT-X-ENDLIST\n", secret.display()), "a playlist"),
        (format!("#EXTM3U\n#EXTINF:1,\nhttp://{address}/a.ts\n"), "a playlist"),
        (format!("ffconcat version 1.0\nfile '{}'\n", secret.display()), "a concat script"),
        (format!("v=0\nc=IN IP4 127.0.0.1\nm=video {} RTP/AVP 96\n", address.port()), "session"),
    ] {
        place.0.put("a.mp4", text);
        let refused = done(place.run(&["-i", "{a.mp4}", "a.jpg"])).expect_err("refused");
        assert!(refused.to_string().contains(why), "{refused}");
    }
    // A demuxer forced by mistake still reaches nothing: the sandbox holds.
    for target in [secret.display().to_string(), format!("http://{address}/a.ts")] {
        place.0.put("a.m3u8", format!("#EXTM3U\n#EXTINF:1,\n{target}\n#EXT-X-ENDLIST\n"));
        let run = place.run(&["-f", "hls", "-i", "{a.m3u8}", "a.jpg"]);
        let failed = done(run).expect_err("failed");
        assert!(matches!(failed, FfmpegError::Failed { .. }), "{failed}");
    }
    assert!(listener.accept().is_err(), "no connection came");
    assert!(place.outputs().is_empty(), "{:?}", place.outputs());
}

/// A movie whose samples are in another file beside it, by a QuickTime alias.
#[test]
fn a_data_reference_to_another_file_is_not_followed() {
    if !ffmpeg::is_installed() {
        return;
    }
    let place = Place::new();
    let secret = fs::read(place.clip("secret.mov", &["-t", "1", "-c:v", "mjpeg"])).unwrap();
    let movie = place.0.put("a.mov", aliased(secret, "secret.mov"));
    // When it is followed, this is the frame of the other file.
    let (movie, image) = (movie.to_str().unwrap(), place.path("followed.jpg"));
    let image = image.to_str().unwrap();
    ffmpeg::run(&["-enable_drefs", "1", "-i", movie, "-frames:v", "1", image]).unwrap();
    assert!(fs::metadata(image).is_ok_and(|file| file.len() > 0));
    let outcome = done(place.run(&["-i", "{a.mov}", "-frames:v", "1", "a.jpg"]));
    assert!(place.outputs().is_empty(), "{outcome:?}");
}

/// The movie without its samples, which an alias says are in a file beside it. Its index is behind
/// them, so that no offset moves.
fn aliased(mut movie: Vec<u8>, name: &str) -> Vec<u8> {
    let find = |movie: &[u8], what: &[u8]| {
        movie.windows(what.len()).position(|window| window == what).expect("a box")
    };
    let mut path = format!("/x/{name}").into_bytes();
    path.resize(path.len().next_multiple_of(2), 0);
    let mut alias = vec![0; 150];
    // One folder up from here, and one down to there.
    alias[130..134].copy_from_slice(&[0, 1, 0, 1]);
    // One entry follows, of the kind of a whole path, and the end.
    alias.extend([0, 2]);
    alias.extend(u16::try_from(path.len()).unwrap().to_be_bytes());
    alias.extend(&path);
    alias.extend([0xFF, 0xFF, 0, 0]);
    let mut entry = u32::try_from(12 + alias.len()).unwrap().to_be_bytes().to_vec();
    entry.extend(b"alis\0\0\0\0");
    entry.extend(alias);
    let own = find(&movie, b"dref") + 12;
    let before = u32::from_be_bytes(movie[own..own + 4].try_into().unwrap()) as usize;
    let more = u32::try_from(entry.len() - before).unwrap();
    let moov = find(&movie, b"moov");
    for kind in [b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"] {
        let at = moov + find(&movie[moov..], kind) - 4;
        let size = u32::from_be_bytes(movie[at..at + 4].try_into().unwrap()) + more;
        movie[at..at + 4].copy_from_slice(&size.to_be_bytes());
    }
    movie.splice(own..own + before, entry);
    let mdat = find(&movie, b"mdat") + 4;
    movie[mdat..moov - 4].fill(0);
    movie
}

#[test]
fn a_frame_of_ten_thousand_million_pixels_is_refused() {
    if !ffmpeg::is_installed() {
        return;
    }
    let place = Place::new();
    place.0.put("huge.png", png(100_000, 100_000));
    let failed = done(place.run(&["-i", "{huge.png}", "a.jpg"])).expect_err("refused");
    let FfmpegError::Failed { tail, .. } = &failed else { panic!("{failed}") };
    assert!(tail.contains("Picture size 100000x100000"), "{tail}");
    assert!(!tail.contains(place.path("").to_str().unwrap()), "{tail}");
}

#[test]
fn exceeding_the_memory_limit_is_reported_as_such() {
    if !ffmpeg::is_installed() {
        return;
    }
    let place = Place::new();
    let mut run = place.run(&["-f", "lavfi", "-i", "testsrc2=size=7680x4320", "-frames:v", "40"]);
    run.arguments.extend(["-vf", "reverse", "-f", "null", "-"].map(Into::into));
    run.limits.memory_bytes = 512 << 20;
    let failed = done(run).expect_err("refused");
    assert!(matches!(&failed, FfmpegError::OutOfMemory { .. }), "{failed}");
}

#[test]
fn the_output_limit_ends_an_endless_stream() {
    if !ffmpeg::is_installed() {
        return;
    }
    let place = Place::new();
    let mut run = place.run(&ENDLESS[..4]);
    run.arguments.extend(["-c:v", "rawvideo", "a.nut"].map(Into::into));
    run.limits.file_bytes = 8 << 20;
    let failed = done(run).expect_err("too large");
    assert!(matches!(failed, FfmpegError::TooLarge { .. }), "{failed}");
    assert!(fs::metadata(place.path("out/a.nut")).unwrap().len() <= 8 << 20);
    // Nor with many small files.
    let mut run = place.run(&ENDLESS[..4]);
    run.arguments.extend(["-c:v", "bmp", "%d.bmp"].map(Into::into));
    run.limits.file_bytes = 1 << 20;
    let failed = done(run).expect_err("too large");
    assert!(matches!(failed, FfmpegError::TooLarge { .. }), "{failed}");
}

#[test]
fn a_full_disk_is_reported_as_such() {
    if !ffmpeg::is_installed() {
        return;
    }
    let place = Place::new();
    let out = place.path("out");
    let Some(_small) = Tmpfs::mount(&out, "size=4m") else { return };
    let mut run = place.run(&ENDLESS[..4]);
    run.arguments.extend(["-c:v", "rawvideo", "a.nut"].map(Into::into));
    let failed = done(run).expect_err("the disk is full");
    assert!(matches!(failed, FfmpegError::DiskFull { .. }), "{failed}");
}

#[test]
fn a_missing_ffmpeg_filter_is_reported_by_name() {
    if !ffmpeg::is_installed() {
        return;
    }
    let place = Place::new();
    place.clip("a.mp4", &["-t", "1"]);
    let failed = done(place.run(&["-i", "{a.mp4}", "-vf", "no_zscale=w=96:h=54", "a.mkv"]))
        .expect_err("no such filter")
        .to_string();
    assert!(failed.contains("No such filter: 'no_zscale'"), "{failed}");
}

#[test]
fn the_deadline_ends_an_endless_stream() {
    if !ffmpeg::is_installed() {
        return;
    }
    let place = Place::new();
    let mut run = place.run(&[&ENDLESS[..], &["-"]].concat());
    run.limits.deadline = Duration::from_secs(1);
    let failed = done(run).expect_err("too late");
    assert!(matches!(failed, FfmpegError::Deadline(_)), "{failed}");
}

/// A pipe without a writer: `-f` names the format, so that ffmpeg does not probe it first.
#[test]
fn a_stalled_process_is_ended() {
    if !ffmpeg::is_installed() {
        return;
    }
    let place = Place::new();
    let fifo = place.path("a.ts");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &fifo,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .unwrap();
    let refused = done(place.run(&["-i", "{a.ts}", "a.jpg"])).expect_err("refused");
    assert_eq!(refused.to_string(), "a.ts: not a regular file");
    let mut run = place.run(&["-f", "mpegts", "-i", "{a.ts}", "a.jpg"]);
    run.limits.stall = Duration::from_secs(1);
    let failed = done(run).expect_err("stalled");
    assert!(matches!(failed, FfmpegError::Stalled(_)), "{failed}");
}

/// The child whose working directory is this, if any.
fn child_in(folder: &PathBuf) -> Option<u32> {
    let processes = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let mut ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.find(|id| fs::read_link(format!("/proc/{id}/cwd")).is_ok_and(|cwd| cwd == *folder))
}

#[test]
fn cancelling_leaves_no_process() {
    if !ffmpeg::is_installed() {
        return;
    }
    let place = Place::new();
    let run = place.run(&[&ENDLESS[..], &["-"]].concat());
    let (cancel, cancelled) = watch::channel(false);
    let heard = AtomicU32::new(0);
    let watch = |_: &Progress| {
        heard.fetch_add(1, Ordering::Relaxed);
        cancel.send_replace(true);
    };
    let ended = block_on(program().run(run, watch, cancelled)).expect_err("cancelled");
    assert!(matches!(ended, FfmpegError::Cancelled), "{ended}");
    assert!(heard.load(Ordering::Relaxed) > 0);
    assert_eq!(child_in(&place.path("out")), None);
}

#[test]
fn dropping_the_future_leaves_no_process() {
    if !ffmpeg::is_installed() {
        return;
    }
    let place = Place::new();
    let run = place.run(&[&ENDLESS[..], &["-"]].concat());
    let (_never, cancel) = watch::channel(false);
    block_on(async {
        let (started, mut starting) = watch::channel(false);
        let watch = move |_: &Progress| {
            started.send_replace(true);
        };
        let running = tokio::spawn(async move { program().run(run, watch, cancel).await });
        starting.wait_for(|is_started| *is_started).await.unwrap();
        running.abort();
        assert!(running.await.expect_err("aborted").is_cancelled());
    });
    until("the process has ended", || child_in(&place.path("out")).is_none());
}

#[test]
fn this_machine_reports_its_sandbox_features() {
    if !ffmpeg::is_installed() {
        return;
    }
    let probed = block_on(program().capabilities()).unwrap();
    assert_eq!(probed.enforced, "landlock seccomp");
    assert!(probed.version.starts_with(|first: char| first.is_alphanumeric()), "{probed:?}");
    // A script would have to start other programs.
    let place = Place::new();
    let script = place.0.put("ffmpeg", "#!/bin/sh\n/usr/bin/ffmpeg \"$@\"; true\n");
    let all = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&script, all).unwrap();
    let scripted = Ffmpeg::new(script, Policy::Required).with_helper(PROGRAM.into());
    let refused = block_on(scripted.capabilities()).expect_err("refused").to_string();
    assert!(refused.contains("ermission denied"), "{refused}");
}

/// An image header without an image.
fn png(width: u32, height: u32) -> Vec<u8> {
    let mut header = b"IHDR".to_vec();
    header.extend(width.to_be_bytes());
    header.extend(height.to_be_bytes());
    header.extend([8, 2, 0, 0, 0]);
    let mut png = b"\x89PNG\r\n\x1A\n\0\0\0\x0D".to_vec();
    let mut check = flate2::Crc::new();
    check.update(&header);
    png.extend(&header);
    png.extend(check.sum().to_be_bytes());
    png.extend(b"\0\0\0\x04IDAT\x78\x9C\x63\x60\0\0\0\0");
    png
}

/// The variable of a process that starts ffmpeg in order to be killed: the folder of ffmpeg.
const KILLED: &str = "TEST_KILLED_IN";

/// The server's side of the test below; alone it does nothing.
#[test]
fn a_server_that_is_killed() {
    let Some(folder) = std::env::var_os(KILLED) else { return };
    let writes = PathBuf::from(folder);
    let args = [&ENDLESS[..], &["-"]].concat().into_iter().map(Into::into).collect();
    let limits = Limits { deadline: Duration::from_secs(600), ..limits() };
    let run = Invocation { arguments: args, input: Input::Null, output_dir: writes, limits };
    let ended = done(run);
    panic!("it was not killed: {ended:?}");
}

#[test]
fn a_server_that_is_killed_leaves_no_process() {
    if !ffmpeg::is_installed() {
        return;
    }
    let place = Place::new();
    let out = place.path("out");
    let mut server = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "media::ffmpeg_supervision::a_server_that_is_killed", "--nocapture"])
        .env(KILLED, &out)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    // Not the helper, which is about to become ffmpeg.
    let name = |id: u32| fs::read_to_string(format!("/proc/{id}/comm")).unwrap_or_default();
    until("ffmpeg runs", || child_in(&out).is_some_and(|id| name(id) == "ffmpeg\n"));
    server.kill().unwrap();
    server.wait().unwrap();
    until("ffmpeg has ended too", || child_in(&out).is_none());
    assert!(place.outputs().is_empty());
}
