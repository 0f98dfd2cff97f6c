//! The program: its signals, its configuration and its logs.

use std::{
    fs::{self, File},
    net::TcpStream,
    os::unix::fs::FileExt as _,
    path::PathBuf,
};

use rustix::process::Signal;

use crate::support::{
    client::{Client, Incomplete, head},
    ffmpeg,
    folder::{Folder, pattern},
    program::{Program, run},
    server::serve,
    streams::{CLOCK, put_sample},
    wait::until,
};

/// Far more than the sockets between the server and a slow client hold, in bytes.
const LENGTH: usize = 4 << 20;

/// A folder with one large file, and the arguments that serve it.
fn one_file() -> (Folder, PathBuf) {
    let folder = Folder::new();
    folder.put("library/a.mp4", pattern(LENGTH));
    let library = folder.path("library");
    (folder, library)
}

/// A client in mid-download, which reads the rest on demand.
fn downloading(program: &Program) -> Client {
    let mut client = Client::narrow(program.address, 64 * 1024);
    client.send(head("GET", "/media/a.mp4", &[]));
    assert_eq!(client.read_head().expect("a head").status, 200);
    client
}

#[test]
fn serve_prints_its_address_and_the_number_of_titles() {
    let (_folder, library) = one_file();
    let program = Program::serve(&[&library], &[]);
    let printed = program.printed();
    assert!(printed.contains(&format!("page     http://{}/", program.address)), "{printed}");
    until("the rest is printed", || program.printed().contains("  data "));
    assert!(program.printed().contains("titles   1"), "{}", program.printed());
    assert_eq!(program.get("/", &[]).status, 200);
    assert_eq!(program.get("/readyz", &[]).status, 200);
}

#[test]
fn sigterm_lets_a_download_end_takes_no_new_connection_and_exits_0() {
    let (_folder, library) = one_file();
    let mut program = Program::serve(&[&library], &[]);
    let mut client = downloading(&program);
    let mut idle = program.connect();
    assert_eq!(idle.request("GET", "/healthz", &[]).status, 200);
    program.signal(Signal::TERM);
    until("new connections are refused", || TcpStream::connect(program.address).is_err());
    let body = client.read_exactly(LENGTH).expect("all of it");
    assert!(body == pattern(LENGTH));
    assert!(client.is_closed() && idle.is_closed());
    assert_eq!(program.wait().code(), Some(0), "{}", program.logged());
}

#[test]
fn the_drain_deadline_ends_remaining_connections() {
    let (_folder, library) = one_file();
    let mut program = Program::serve(&[&library], &[("HEADWATER_DRAIN_S", "1")]);
    let mut client = downloading(&program);
    program.signal(Signal::TERM);
    assert_eq!(program.wait().code(), Some(0), "{}", program.logged());
    assert!(matches!(client.read_exactly(LENGTH), Err(Incomplete::Body(_))));
}

#[test]
fn a_second_signal_and_sigint_do_not_wait() {
    let (_folder, library) = one_file();
    let mut program = Program::serve(&[&library], &[("HEADWATER_DRAIN_S", "86400")]);
    let _client = downloading(&program);
    program.signal(Signal::TERM);
    until("it drains", || program.logged().contains("draining"));
    program.signal(Signal::TERM);
    assert_eq!(program.wait().code(), Some(1));

    let mut program = Program::serve(&[&library], &[("HEADWATER_DRAIN_S", "86400")]);
    let _client = downloading(&program);
    program.signal(Signal::INT);
    assert_eq!(program.wait().code(), Some(0), "{}", program.logged());
}

#[test]
fn sighup_reloads_the_configuration_and_an_invalid_file_changes_nothing() {
    let (folder, library) = one_file();
    let file = folder.put("headwater.toml", "file_max_age_s = 7\n");
    let config = ["--config".into(), file.clone(), library];
    let program = Program::serve(&config, &[]);
    let is_kept = |seconds: u32| {
        let response = program.get("/media/a.mp4", &["Range: bytes=0-0"]);
        response.field("cache-control") == Some(&format!("public, max-age={seconds}"))
    };
    assert!(is_kept(7));
    fs::write(&file, "file_max_age_s = 8\n").expect("written");
    program.signal(Signal::HUP);
    until("the new value is used", || is_kept(8));
    let bad = ["file_max_age_s = 9\nfile_max_edge_s = 1\n", "file_max_age_s = -1\n", "= 1"];
    for (refused, text) in bad.iter().enumerate() {
        fs::write(&file, text).expect("written");
        program.signal(Signal::HUP);
        until("it logs that it was not reloaded", || {
            program.logged().matches("not reloaded").count() == refused + 1
        });
        assert!(is_kept(8), "{text}");
    }
    assert!(program.logged().contains("file_max_edge_s"), "the unknown key is named");
    fs::write(&file, "drain_s = 1\nfile_max_age_s = 10\n").expect("written");
    program.signal(Signal::HUP);
    until("the new value is used", || is_kept(10));
    until("it names what needs a restart", || program.logged().contains("drain_s"));
}

#[test]
fn the_access_log_has_a_line_per_response_and_reopens_its_file() {
    let (folder, library) = one_file();
    let log = folder.path("access.log");
    let log_argument = format!("--access-log={}", log.display());
    let mut program = Program::serve(&[log_argument, library.display().to_string()], &[]);
    let read = |path: &PathBuf| fs::read_to_string(path).unwrap_or_default();
    let fields = ["Range: bytes=10-19", "User-Agent: a \"test\"", "X-Request-Id: one"];
    program.get("/media/a.mp4?q", &fields);
    until("the response is logged", || read(&log).contains("id=one"));
    let line = read(&log).lines().next().expect("a line").to_owned();
    for part in [
        "127.0.0.1",
        "\"GET /media/a.mp4?q HTTP/1.1\" 206 10 ",
        "range=\"bytes=10-19\"",
        "agent=\"a \\\"test\\\"\"",
    ] {
        assert!(line.contains(part), "{line} has no {part}");
    }
    let old = folder.path("access.log.1");
    fs::rename(&log, &old).expect("renamed");
    program.signal(Signal::HUP);
    until("the file is reopened", || program.logged().contains("reloaded"));
    program.get("/none", &["X-Request-Id: two"]);
    until("the response is logged", || read(&log).contains("id=two"));
    assert!(!read(&old).contains("id=two") && !read(&log).contains("id=one"));
    for number in 0..100 {
        program.get("/healthz", &[&format!("X-Request-Id: late-{number}-")]);
    }
    program.signal(Signal::TERM);
    assert_eq!(program.wait().code(), Some(0));
    let logged = read(&log);
    for number in 0..100 {
        assert!(logged.contains(&format!("id=late-{number}-")), "number {number} is lost");
    }
}

#[test]
fn the_access_log_has_the_last_responses_when_the_program_has_ended() {
    let (folder, library) = one_file();
    for signal in [Signal::TERM, Signal::INT] {
        let log = folder.path(format!("{signal:?}.log"));
        let log_argument = format!("--access-log={}", log.display());
        let mut program = Program::serve(&[log_argument, library.display().to_string()], &[]);
        let mut clients: Vec<_> = (0..20).map(|_| downloading(&program)).collect();
        program.signal(signal);
        for client in &mut clients {
            let body = client.read_exactly(LENGTH);
            // SIGINT does not wait; whether it cuts a response or not depends on the moment.
            assert!(body.is_ok() || signal == Signal::INT);
        }
        assert_eq!(program.wait().code(), Some(0));
        let logged = fs::read_to_string(&log).expect("a log");
        assert_eq!(logged.matches("\"GET /media/a.mp4 HTTP/1.1\" 200 ").count(), clients.len());
    }
}

#[test]
fn serve_without_a_folder_shows_the_command() {
    let (status, printed, logged) = run(&["serve"]);
    assert_eq!(status.code(), Some(1));
    assert!(printed.is_empty() && logged.contains("headwater ~/Videos"), "{logged}");
    let (status, _, logged) = run(&["serve", "/nowhere/at all"]);
    assert_eq!(status.code(), Some(1));
    assert!(logged.contains("/nowhere/at all"), "{logged}");
}

#[test]
fn check_lists_what_it_would_serve_and_what_it_cannot() {
    let folder = Folder::new();
    put_sample(&folder, CLOCK, "library/a.mp4");
    let library = folder.path("library");
    let library = library.to_str().expect("text");
    let (status, printed, _) = run(&["check", library, "--listen", "127.0.0.1:1234"]);
    assert_eq!(status.code(), Some(0));
    assert!(printed.contains(&format!("files   1 in {library}, 0 broken")), "{printed}");
    assert!(printed.contains(&format!("/media/  from  {library}")), "{printed}");
    assert!(printed.contains("127.0.0.1:1234"), "{printed}");
    let nowhere = folder.path("nowhere");
    let (one, two) = (format!("one={library}"), format!("two={}", nowhere.display()));
    let (status, printed, logged) = run(&["check", &one, &two]);
    assert_eq!(status.code(), Some(1));
    assert!(printed.contains("/media/one/") && printed.contains("/media/two/"), "{printed}");
    assert!(logged.contains("1 of 2 roots cannot be read"), "{logged}");
}

#[test]
fn check_names_the_files_that_do_not_play_and_why() {
    let folder = Folder::new();
    put_sample(&folder, CLOCK, "films/good.mp4");
    put_sample(&folder, "Clock.webm", "films/good.webm");
    folder.put("films/empty.mp4", b"");
    folder.put("films/text.mp4", b"no movie at all");
    folder.put("films/deep/cut.mkv", b"\x1A\x45\xDF\xA3\x80");
    folder.put("films/notes.txt", b"not a video");
    folder.put("films/.hidden.mp4", b"");
    let library = folder.path("").display().to_string();
    let (status, printed, logged) = run(&["check", &library]);
    assert_eq!(status.code(), Some(1));
    assert!(logged.contains("3 of 5 files are broken") && !logged.contains("checked"), "{logged}");
    for line in [
        "  films/deep/cut.mkv: its head names no tracks\n",
        "  films/empty.mp4: the file is empty\n",
        "  films/text.mp4: not an MP4 or MOV file",
    ] {
        assert!(printed.contains(line), "{line}: {printed}");
    }
}

#[test]
fn a_second_server_on_a_data_folder_is_refused_and_workers_are_not() {
    let (folder, library) = one_file();
    let library = library.to_str().expect("text").to_owned();
    let data = folder.path("data").display().to_string();
    let arguments = [library.as_str(), "--data", &data];
    let first = Program::serve(&arguments, &[]);
    let second = [&["serve", "--listen", "127.0.0.1:0"], &arguments[..]].concat();
    let (status, _, logged) = run(&second);
    assert_eq!(status.code(), Some(1));
    let process = first.id();
    let refused = format!("another server (process {process}) uses the data folder {data}");
    assert!(logged.contains(&refused) && logged.contains("--data"), "{logged}");
    assert_eq!(first.get("/readyz", &[]).status, 200);
    let (status, _, _) = run(&["jobs", "--data", &data]);
    assert!(status.success(), "commands for its jobs share it");
    drop(first);
    assert_eq!(Program::serve(&arguments, &[]).get("/readyz", &[]).status, 200);
}

#[test]
fn an_invalid_value_is_refused_with_its_key_and_range_wherever_it_is_set() {
    let (folder, library) = one_file();
    let library = library.to_str().expect("text").to_owned();
    let refused = |arguments: &[&str], variables: &[(&str, &str)], parts: &[&str]| {
        let (mut command, _home) = crate::support::program::command(arguments);
        let output = command.envs(variables.iter().copied()).output().expect("it runs");
        let logged = String::from_utf8(output.stderr).expect("text");
        assert!(!output.status.success());
        for part in parts {
            assert!(logged.contains(part), "{logged} has no {part}");
        }
    };
    let range = "5000 is not a whole number from 0 to 1024";
    refused(&["check", &library, "--io-threads", "5000"], &[], &["--io-threads", range]);
    refused(&["check", &library], &[("HEADWATER_IO_THREADS", "5000")], &["--io-threads", range]);
    let file = folder.put("headwater.toml", "# one\nio_threads = 5000\n");
    let file = file.to_str().expect("text");
    let in_file: [&str; 4] = [file, "line 2", "io_threads = 5000", range];
    refused(&["check", "--config", file, &library], &[], &in_file);
    fs::write(file, "wokers = 5\n").expect("written");
    refused(&["check", "--config", file, &library], &[], &["line 1", "wokers"]);
    refused(&["check", &library, "--wokers", "5"], &[], &["--wokers"]);
    refused(&["check", &library, "--io-threads", "many"], &[], &["it must be a whole number"]);
}

#[test]
fn a_secret_in_the_url_of_a_bucket_is_not_shown() {
    let folder = Folder::new();
    let file = folder.put("headwater.toml", "[[root]]\nbucket = 's3://key:hunter2@media'\n");
    let file = file.to_str().expect("text");
    for (arguments, code) in [(vec!["s3://key:hunter2@media"], 2), (vec!["--config", file], 1)] {
        let (status, printed, logged) = run(&[vec!["check"], arguments].concat());
        assert_eq!(status.code(), Some(code), "{logged}");
        assert!(
            !(printed + &logged).contains("hunter2") && logged.contains("credentials_file"),
            "{logged}"
        );
    }
}

#[test]
fn the_environment_overrides_the_file_and_a_flag_overrides_both() {
    let (folder, library) = one_file();
    let text = "file_max_age_s = 1\nnot_found_max_age_s = 1\n[[root]]\ndir = \"library\"\n";
    let file = folder.put("headwater.toml", text);
    let (file, library) = (file.to_str().expect("text"), library.to_str().expect("text"));
    let variables =
        [("HEADWATER_FILE_MAX_AGE_S", "2"), ("HEADWATER_CONFIG", file), ("HEADWATER_LOG", "warn")];
    for (arguments, expected) in
        [(vec![], 2), (vec!["--file-max-age-s", "3"], 3), (vec![library], 2)]
    {
        let program = Program::serve(&arguments, &variables);
        let kept = |target| {
            let response = program.get(target, &[]);
            response.field("cache-control").map(str::to_owned)
        };
        assert_eq!(kept("/media/a.mp4"), Some(format!("public, max-age={expected}")));
        assert_eq!(kept("/media/none.mp4"), Some("public, max-age=1".into()), "as in the file");
    }
}

/// ffmpeg runs in a folder of its own.
#[test]
fn images_are_rendered_with_a_relative_data_folder() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    put_sample(&folder, CLOCK, "library/a.mp4");
    let here = std::env::current_dir().expect("a folder");
    let up = "../".repeat(here.components().count() - 1);
    let relative = |name: &str| {
        format!("{up}{}", folder.path(name).strip_prefix("/").expect("absolute").display())
    };
    let data = format!("--data={}", relative("data"));
    let settings = [("HEADWATER_MIN_FREE_DISK_MIB", "0"), ("HEADWATER_IMAGE_WAIT_S", "60")];
    let program = Program::serve(&[relative("library"), data], &settings);
    let poster = program.get("/v/a.mp4/poster.jpg", &[]);
    assert_eq!(poster.status, 200, "{}", String::from_utf8_lossy(&poster.body));
}

#[test]
fn a_range_beyond_2_to_the_33_of_a_file_of_20_gigabytes_is_exact() {
    let folder = Folder::new();
    let length: u64 = 20_000_000_000;
    let file = File::create(folder.path("large.mp4")).expect("a file");
    file.set_len(length).expect("a sparse file");
    let marks = [1 << 31, 1 << 32, 1 << 33, (1 << 34) + 12_345, length - 8];
    for mark in marks {
        file.write_all_at(&mark.to_be_bytes(), mark).expect("written");
    }
    let serving = serve(&folder);
    for mark in marks {
        let (first, last) = (mark - 4, (mark + 11).min(length - 1));
        let response = serving.get("/media/large.mp4", &[&format!("Range: bytes={first}-{last}")]);
        let range = format!("bytes {first}-{last}/{length}");
        assert_eq!(response.field("content-range"), Some(range.as_str()));
        assert_eq!(response.body[..4], [0; 4]);
        assert_eq!(response.body[4..12], mark.to_be_bytes());
        assert!(response.body[12..].iter().all(|byte| *byte == 0));
        assert_eq!(response.body.len() as u64, last + 1 - first);
    }
    let response = serving.get("/media/large.mp4", &["Range: bytes=-8"]);
    assert_eq!(response.body, (length - 8).to_be_bytes());
    let whole = serving.request("HEAD", "/media/large.mp4", &[]);
    assert_eq!(whole.field("content-length"), Some("20000000000"));
}
