//! The logs of the program: a reader that stalls or has gone, a FIFO in place of a file, and text of
//! clients and names of files in their lines.

use std::{
    env,
    fs::{self, File},
    io::{BufRead as _, BufReader},
    net::TcpListener,
    path::Path,
    process::{Command, Stdio, abort},
    thread,
};

use headwater::telemetry::{log, panics};
use rustix::{
    fs::{CWD, FileType, Mode, mknodat},
    process::{Pid, Signal, kill_process},
};

use crate::support::{
    client::{Client, head},
    folder::{Folder, pattern},
    movies::valid_movies,
    program::{Program, command, run},
    wait::{until, until_slowly},
};

const DROPPED: &str = "headwater_log_lines_dropped_total{log=\"server\"}";
const ACCESS_DROPPED: &str = "headwater_log_lines_dropped_total{log=\"access\"}";

/// Set in the process that panics.
const PANICS: &str = "TEST_PANICS";

/// A folder with a library of one file.
fn library() -> (Folder, String) {
    let folder = Folder::new();
    folder.put("library/a.mp4", pattern(1000));
    let library = folder.path("library").display().to_string();
    (folder, library)
}

fn make_fifo(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a FIFO");
}

#[test]
fn a_log_that_nobody_reads_stops_nothing_and_dropped_lines_are_counted_and_reported() {
    let (_folder, library) = library();
    // Each request for jobs logs a statement of the database.
    let start = || Program::serve_with_unread_log(&[&library], &[("HEADWATER_LOG", "debug")]);
    let overflow = |program: &Program| {
        let client = &mut program.connect();
        until("lines are dropped", || {
            for _ in 0..100 {
                assert_eq!(client.request("GET", "/api/jobs", &[]).status, 200);
            }
            program.metric(DROPPED).expect("a metric") > 0
        });
        assert_eq!(client.request("GET", "/media/a.mp4", &[]).status, 200);
    };

    let mut program = start();
    overflow(&program);
    program.signal(Signal::TERM);
    assert_eq!(program.wait().code(), Some(0), "although nobody reads the last lines");

    let mut program = start();
    overflow(&program);
    program.read_log();
    until_slowly("the log says how many lines it lacks", || {
        program.logged().contains(" log lines were dropped: nobody read the log in time")
    });
    program.signal(Signal::TERM);
    assert_eq!(program.wait().code(), Some(0));
    until("the last line is read", || program.logged().contains("INFO stopped"));
    assert!(program.logged().len() > 1 << 20, "the queue is written first");
}

#[test]
fn the_lines_of_a_log_that_nobody_reads_are_whole_when_somebody_does() {
    let (_folder, library) = library();
    let environment = [("HEADWATER_LOG", "debug"), ("HEADWATER_LOG_FORMAT", "json")];
    let mut program = Program::serve_with_unread_log(&[&library], &environment);
    let client = &mut program.connect();
    for _ in 0..200 {
        client.request("GET", "/api/jobs", &[]);
    }
    program.read_log();
    program.signal(Signal::TERM);
    assert_eq!(program.wait().code(), Some(0));
    until("the last line is read", || program.logged().contains("\"stopped\""));
    for line in program.logged().lines() {
        let parsed = serde_json::from_str::<serde_json::Value>(line);
        assert!(parsed.is_ok_and(|line| line["level"].is_string()), "{line}");
    }
}

#[test]
fn an_access_log_whose_reader_stalls_drops_lines_and_delays_nothing() {
    let (folder, library) = library();
    let fifo = folder.path("fifo");
    make_fifo(&fifo);
    // Opening for both directions does not wait for the other end.
    let reader = File::options().read(true).write(true).open(&fifo).expect("a FIFO");
    let mut program = Program::serve(&[&format!("--access-log={}", fifo.display()), &library], &[]);
    let client = &mut program.connect();
    let agent = format!("User-Agent: {}", "x".repeat(1000));
    until("lines are dropped", || {
        for _ in 0..100 {
            assert_eq!(client.request("GET", "/healthz", &[&agent]).status, 200);
        }
        program.metric(ACCESS_DROPPED).expect("a metric") > 0
    });
    let lines = BufReader::new(reader).lines();
    thread::spawn(move || lines.for_each(drop));
    until_slowly("the log says how many lines it lacks", || {
        program.logged().contains("access log lines were dropped")
    });
    program.signal(Signal::TERM);
    assert_eq!(program.wait().code(), Some(0), "{}", program.logged());
}

#[test]
fn a_fifo_without_a_reader_is_refused_and_the_old_access_log_stays() {
    let (folder, library) = library();
    let fifo = folder.path("fifo");
    make_fifo(&fifo);
    let refused = format!("{}: a FIFO that nobody reads", fifo.display());
    let (status, _, logged) = run(&["serve", &library, "--access-log", fifo.to_str().unwrap()]);
    assert_eq!(status.code(), Some(1));
    assert!(logged.contains(&refused), "{logged}");

    let log = folder.path("access.log");
    let config = folder.put("headwater.toml", "access_log = 'access.log'\n");
    let mut program = Program::serve(&["--config", config.to_str().unwrap(), &library], &[]);
    fs::write(&config, "access_log = 'fifo'\nfile_max_age_s = 8\n").expect("written");
    program.signal(Signal::HUP);
    until("the rest is reloaded", || program.logged().contains("configuration reloaded"));
    assert!(program.logged().contains(&refused), "{}", program.logged());
    let response = program.get("/media/a.mp4", &["X-Request-Id: after"]);
    assert_eq!(response.field("cache-control"), Some("public, max-age=8"));
    until("the old log goes on", || {
        fs::read_to_string(&log).unwrap_or_default().contains("id=after")
    });
    program.signal(Signal::TERM);
    assert_eq!(program.wait().code(), Some(0), "{}", program.logged());
}

#[test]
fn a_reload_that_waits_for_a_file_delays_neither_requests_nor_signals() {
    let (folder, library) = library();
    for name in ["token", "headwater.toml"] {
        let config = folder.put("headwater.toml", "");
        let mut program = Program::serve(&["--config", config.to_str().unwrap(), &library], &[]);
        let fifo = folder.path(name);
        let _ = fs::remove_file(&fifo);
        make_fifo(&fifo);
        if name == "token" {
            fs::write(&config, "api_token_file = 'token'\n").expect("written");
        }
        program.signal(Signal::HUP);
        let opened = File::options().write(true).open(&fifo);
        // It has opened the file now, and waits for its content.
        let _writer = opened.expect("a reader");
        assert_eq!(program.get("/media/a.mp4", &[]).status, 200);
        program.signal(Signal::TERM);
        assert_eq!(program.wait().code(), Some(0), "{}", program.logged());
    }
}

#[test]
fn names_of_files_forge_no_lines_and_equal_warnings_are_logged_once() {
    let folder = Folder::new();
    let [(_, movie), ..] = valid_movies();
    let forged = "2026-01-01T00:00:00.000000Z ERROR forged \u{1b}[2J\u{202e}";
    folder.put(format!("a\n{forged}.mp4"), movie);
    folder.put(format!("a\n{forged}.720p.mp4"), "no movie");
    let program = Program::serve(&[folder.path("")], &[]);
    let title = "/v/a%0A2026-01-01T00:00:00.000000Z%20ERROR%20forged%20%1B%5B2J%E2%80%AE.mp4";
    for number in 0..5 {
        program.get(&format!("{title}/index.m3u8?{number}"), &[]);
    }
    let escaped = r"a\n2026-01-01T00:00:00.000000Z ERROR forged \u{1b}[2J\u{202e}.720p.mp4";
    until("the name is logged", || program.logged().contains(escaped));
    let logged = program.logged();
    assert!(!logged.lines().any(|line| line.contains("ERROR forged") && !line.contains("WARN")));
    assert!(!logged.contains(['\u{1b}', '\u{202e}']), "{logged}");
    assert_eq!(logged.matches(escaped).count(), 1, "{logged}");
}

#[test]
fn warnings_at_the_pace_of_clients_are_shown_a_few_times_and_counted() {
    const CLIENTS: usize = 30;
    let folder = Folder::new();
    let file = folder.put("a.mp4", pattern(4 << 20));
    let mut program = Program::serve(&[folder.path("")], &[]);
    let mut clients: Vec<_> =
        (0..CLIENTS).map(|_| Client::narrow(program.address, 64 * 1024)).collect();
    for client in &mut clients {
        client.send(head("GET", "/media/a.mp4", &[]));
        assert_eq!(client.read_head().expect("a head").status, 200);
    }
    File::options().write(true).open(file).expect("a file").set_len(1 << 20).expect("truncated");
    for client in &mut clients {
        assert!(client.read_exactly(4 << 20).is_err());
    }
    program.signal(Signal::TERM);
    assert_eq!(program.wait().code(), Some(0));
    until("the last line is read", || program.logged().contains("INFO stopped"));
    until("the rest is counted", || program.logged().contains(" more in the last 10 s)"));
    let logged = program.logged();
    let lines = || logged.lines().filter_map(|line| line.split_once("WARN response cut short "));
    let held_back = lines().find_map(|(_, rest)| rest.strip_prefix("(and ")?.split_once(' '));
    let held_back: usize = held_back.expect("a number").0.parse().expect("a number");
    let shown = lines().filter(|(_, rest)| rest.starts_with("error=")).count();
    assert!((3..=10).contains(&shown), "{logged}");
    assert_eq!(shown + held_back, CLIENTS, "{logged}");
}

#[test]
fn a_panic_is_one_line_of_the_log_and_written_before_the_process_can_end() {
    if env::var_os(PANICS).is_some() {
        log::start("info", false).expect("a log");
        panics::count();
        let thread = thread::Builder::new().name("a thread".into());
        let panicking = thread.spawn(|| panic!("first\n\u{1b}[2Jsecond")).expect("a thread");
        let _ = panicking.join();
        abort();
    }
    let this = concat!(
        "cli::logs::",
        "a_panic_is_one_line_of_the_log_and_written_before_the_process_can_end"
    );
    let mut panicking = Command::new(env::current_exe().expect("this program"));
    panicking.args(["--exact", this, "--nocapture"]).env(PANICS, "").env("RUST_BACKTRACE", "0");
    let output = panicking.output().expect("it runs");
    assert_eq!(output.status.code(), None, "aborted");
    let logged = String::from_utf8(output.stderr).expect("text");
    let lines: Vec<_> = logged.lines().filter(|line| line.contains("panicked")).collect();
    let [line] = lines[..] else { panic!("{logged}") };
    assert!(line.contains(" ERROR thread a thread panicked at "), "{line}");
    assert!(line.ends_with(r": first\n\u{1b}[2Jsecond"), "{line}");
}

#[test]
fn a_refused_head_is_in_the_access_log_as_it_arrived() {
    let (folder, library) = library();
    let log = folder.path("access.log");
    let log_argument = format!("--access-log={}", log.display());
    let program = Program::serve(&[log_argument, library], &[("HEADWATER_HEAD_TIMEOUT_S", "1")]);
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(9000));
    let line = |line: &str| format!(" \"{line}\" ");
    let long_line = line(&format!("GET /{}", "x".repeat(1019)));
    let heads: [(&[u8], u16, String); 5] = [
        (b"hello \"\x1b[2J\xff\r\nx: y\r\n\r\n", 400, line(r#"hello \"\x1b[2J\xff"#)),
        (b"\r\nGET /b HTTP/1.1\r\n\r\n", 400, line("GET /b HTTP/1.1")),
        (
            b"POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n",
            411,
            line("POST /c HTTP/1.1"),
        ),
        (b"GET /d", 408, line("GET /d")),
        (long.as_bytes(), 414, long_line),
    ];
    for (head, status, line) in heads {
        let mut client = program.connect();
        client.send(head);
        assert_eq!(client.read("GET").expect("a response").status, status, "{line}");
        let logged = format!("{line}{status} ");
        until("the request is logged", || {
            fs::read_to_string(&log).unwrap_or_default().contains(&logged)
        });
    }
    let logged = fs::read_to_string(&log).expect("a log");
    assert!(!logged.contains("\"GET / "), "{logged}");
}

#[test]
fn a_reader_of_the_output_that_has_gone_stops_nothing() {
    let (_folder, library) = library();
    let gone = || {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        Stdio::from(writer)
    };
    // Standard output would tell the address.
    let free = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = free.local_addr().expect("an address");
    drop(free);
    let listen = address.to_string();
    let (mut serve, _home) = command(&["serve", &library, "--listen", &listen]);
    let mut child = serve.stdout(gone()).stderr(gone()).spawn().expect("the program runs");
    let catches_sigterm = |status: &str| {
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        caught.is_some_and(|mask| u64::from_str_radix(mask.trim(), 16).unwrap() & 1 << 14 != 0)
    };
    let status = format!("/proc/{}/status", child.id());
    until("it serves and waits for signals", || {
        assert_eq!(child.try_wait().expect("a child"), None);
        catches_sigterm(&fs::read_to_string(&status).unwrap_or_default())
    });
    assert_eq!(Client::connect(address).request("GET", "/media/a.mp4", &[]).status, 200);
    kill_process(Pid::from_child(&child), Signal::TERM).expect("it runs");
    assert_eq!(child.wait().expect("a child").code(), Some(0));

    let movie = format!("{library}/a.mp4");
    for (arguments, code) in
        [(vec!["check", &library], 1), (vec!["inspect", &movie], 1), (vec!["--help"], 0)]
    {
        let (mut command, _home) = command(&arguments);
        let output = command.stdout(gone()).stderr(Stdio::piped()).output().expect("it runs");
        let logged = String::from_utf8(output.stderr).expect("text");
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {logged}");
        assert!(!logged.contains("panicked"), "{arguments:?}: {logged}");
    }
}

#[test]
fn a_database_that_is_not_supported_is_refused_without_its_password() {
    let (_folder, library) = library();
    for arguments in [["serve", &library], ["check", &library], ["worker", &library]] {
        let database = ["--database", "mysql://u:secret@db.example/x"];
        let (status, _, logged) = run(&[&arguments[..], &database].concat());
        assert_eq!(status.code(), Some(1), "{logged}");
        let expected = "database = \"mysql:…\" is not supported; use sqlite:FILE or postgres://";
        assert!(logged.contains(expected) && !logged.contains("secret"), "{logged}");
    }
}

#[test]
fn an_empty_list_of_jobs_says_so_beside_the_output() {
    let (folder, library) = library();
    let data = folder.path("data").display().to_string();
    let program = Program::serve(&[&library, "--data", &data], &[]);
    until_slowly("the queue is open", || program.get("/api/jobs", &[]).status == 200);
    let (status, printed, logged) = run(&["jobs", "--data", &data]);
    assert!(status.success());
    assert_eq!((&*printed, &*logged), ("", "headwater: no jobs\n"));
}
