//! The first minute: what people type first, and the messages they get when it does not work.

use std::{fs, net::TcpListener, process::Command};

use crate::support::{
    client::Client,
    folder::{Folder, pattern},
    json::json,
    program::{Program, command, run},
    wait::until,
};

fn library() -> (Folder, String) {
    let folder = Folder::new();
    folder.put("library/a.mp4", pattern(1000));
    let library = folder.path("library").display().to_string();
    (folder, library)
}

#[test]
fn a_folder_a_name_in_this_folder_or_an_option_is_enough_to_serve() {
    let (folder, library) = library();
    for arguments in [vec![&*library], vec!["library"], vec!["--listen", "127.0.0.1:0", "library"]]
    {
        let program = Program::start_in(&folder.path(""), &arguments);
        assert_eq!(program.get("/media/a.mp4", &[]).status, 200, "{arguments:?}");
    }
}

#[test]
fn a_single_file_is_served_with_its_sidecars_and_nothing_else_of_its_folder() {
    let folder = Folder::new();
    for name in [
        "film.mp4",
        "film.720p.mp4",
        "film.en.srt",
        "films.mp4",
        "other.mp4",
        "other.en.srt",
        "sub/film.mp4",
    ] {
        folder.put(name, pattern(1000));
    }
    let program = Program::start_in(&folder.path(""), &["film.mp4"]);
    let watch = format!("http://{}/watch/film.mp4", program.address);
    until("the address of the title is printed", || program.printed().contains(&watch));
    until("the rest is printed", || program.printed().contains("  data "));
    let printed = program.printed();
    assert!(printed.contains("/media/film.mp4 is ") && printed.contains("titles   1"), "{printed}");
    for name in ["film.mp4", "film.720p.mp4", "film.en.srt"] {
        assert_eq!(program.get(&format!("/media/{name}"), &[]).status, 200, "{name}");
    }
    for name in ["films.mp4", "other.mp4", "other.en.srt", "sub/film.mp4", "sub/"] {
        assert_eq!(program.get(&format!("/media/{name}"), &[]).status, 404, "{name}");
    }
    let titles = || {
        let list = json(&program.get("/api/titles", &[]), 200);
        let paths = list["titles"].as_array().expect("titles").iter();
        paths.map(|title| title["path"].as_str().expect("text").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(titles(), ["film.mp4"]);
    // Both are seen by the same watch; the second one shows that the first had its turn.
    folder.put("new.mp4", pattern(1000));
    folder.put("film.mp4", pattern(2000));
    until("the file's change is seen", || {
        json(&program.get("/api/titles", &[]), 200)["titles"][0]["size_bytes"] == 2000
    });
    assert_eq!(titles(), ["film.mp4"]);
    fs::remove_file(folder.path("film.mp4")).expect("a file");
    until("the file's removal is seen", || titles().is_empty());
}

#[test]
fn a_file_that_is_no_title_is_refused() {
    let folder = Folder::new();
    let data = folder.path("data");
    for name in ["cover.jpg", "film.en.srt"] {
        let file = folder.put(name, pattern(1000));
        let [file, data] = [&file, &data].map(|path| path.to_str().expect("text"));
        let (status, _, logged) = run(&["serve", file, "--listen", "127.0.0.1:0", "--data", data]);
        assert_eq!(status.code(), Some(1), "{name}");
        assert!(logged.contains("not a folder, and no video or audio file"), "{logged}");
    }
}

#[test]
fn a_port_in_use_is_noticed_first_of_all() {
    let (folder, library) = library();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address");
    let data = folder.path("data");
    let (status, printed, logged) = run(&[
        "serve",
        &library,
        "--listen",
        &address.to_string(),
        "--data",
        data.to_str().expect("text"),
    ]);
    assert_eq!(status.code(), Some(1));
    let next_step = format!("port {} is in use; choose another with --listen", address.port());
    assert!(logged.contains(&next_step) && printed.is_empty(), "{logged}");
    assert!(!data.exists() && !logged.contains("scanned"), "{logged}");
}

#[test]
fn a_server_on_loopback_says_how_to_let_other_devices_in() {
    let (_folder, library) = library();
    let program = Program::serve(&[library], &[]);
    let hint = format!("--listen :{})", program.address.port());
    until("the hint is printed", || program.printed().contains(&hint));
}

#[test]
fn a_folder_without_media_is_served_and_says_so() {
    let folder = Folder::new();
    let program = Program::serve(&[folder.path("")], &[]);
    until("it is said", || program.printed().contains("titles   0: no video or audio file"));
}

#[test]
fn a_server_on_all_addresses_prints_those_that_reach_it() {
    let (_folder, library) = library();
    for listen in [":0", "0.0.0.0:0", "[::]:0"] {
        let program = Program::serve(&[&*library, "--listen", listen], &[]);
        until("all is printed", || program.printed().contains("  data "));
        assert_eq!(program.get("/healthz", &[]).status, 200, "{listen}: by IPv4");
        let printed = program.printed();
        assert!(!printed.contains("this machine only"), "{printed}");
        assert!(printed.contains("all may watch; changes need --api-token-file"), "{printed}");
        // Without a terminal there is no code.
        assert!(!printed.contains('█') && !printed.contains('\u{1b}'), "{printed}");
        let page = format!("http://{}/", program.address);
        let urls = printed
            .lines()
            .filter_map(|line| line.split_whitespace().find(|word| word.starts_with("http://")));
        for url in urls.filter(|url| *url != page) {
            let address = url.trim_start_matches("http://").trim_end_matches('/');
            let mut client = Client::connect(address.parse().expect("an address"));
            assert_eq!(client.request("GET", "/healthz", &[]).status, 200, "{url}");
        }
    }
}

#[test]
fn what_is_misspelt_is_told_with_what_was_meant() {
    let (folder, library) = library();
    let config = folder.put("headwater.toml", "# one\nlisen = 1\n");
    let config = config.to_str().expect("text");
    for (arguments, expected) in [
        (vec!["serv"], "no command, folder or file is named serv; did you mean `headwater serve`?"),
        (vec!["Videoz"], "no command, folder or file is named Videoz; see `headwater --help`"),
        (vec!["check", &library, "--lisen", "1"], "'--listen'"),
        (vec!["check", &library, "--config", config], "unknown key lisen; did you mean listen?"),
        (
            vec!["check", &library, "--config", "none.toml"],
            "cannot read the configuration file none.toml",
        ),
        (
            vec!["check", &library, "--listen", "tv"],
            "\"tv\" is not a port (8080: this machine only",
        ),
    ] {
        let (status, _, logged) = run(&arguments);
        assert!(!status.success() && logged.contains(expected), "{arguments:?}: {logged}");
    }
    for (variable, next_step) in [
        ("HEADWATER_LISTN", "did you mean HEADWATER_LISTEN?"),
        ("HEADWATER_ZZZ", "`headwater serve --help` lists all keys"),
    ] {
        let (mut check, _home) = command(&["check", &library]);
        let output = check.env(variable, "1").output().expect("it runs");
        let logged = String::from_utf8(output.stderr).expect("text");
        let expected = format!("unknown key in the environment: {variable}; {next_step}");
        assert!(logged.contains(&expected), "{logged}");
    }
}

#[test]
fn the_short_help_of_serve_is_short_and_each_command_shows_its_own_options() {
    let help = |arguments: &[&str]| {
        let (status, printed, _) = run(arguments);
        assert!(status.success());
        printed
    };
    let short = help(&["serve", "-h"]);
    assert!(short.lines().count() < 30, "{short}");
    assert!(short.contains("--listen") && !short.contains("--disk-queue"), "{short}");
    assert!(short.lines().all(|line| line.chars().count() <= 200), "{short}");
    let long = help(&["serve", "--help"]);
    assert!(long.contains("--disk-queue") && long.contains("--listen"), "{long}");
    let worker = help(&["worker", "--help"]);
    assert!(worker.contains("--encode-slots") && !worker.contains("--listen"), "{worker}");
    let check = help(&["check", "--help"]);
    assert!(check.contains("--listen") && !check.contains("--encode-slots"), "{check}");
}

#[test]
fn the_version_comes_with_its_commit_and_that_of_ffmpeg() {
    for flag in ["--version", "-V"] {
        let (status, printed, _) = run(&[flag]);
        assert!(status.success());
        let mut lines = printed.lines();
        let (own, ffmpeg) = (lines.next().expect("a line"), lines.next().expect("a line"));
        let version = format!("headwater {}", env!("CARGO_PKG_VERSION"));
        let rest = own.strip_prefix(&version).expect("the version");
        let build = if cfg!(debug_assertions) { "(debug build)" } else { "(commit " };
        assert!(rest.trim().is_empty() || rest.contains(build), "{own}");
        let is_known = ffmpeg.starts_with("ffmpeg ") && !ffmpeg.contains("does not run");
        assert!(is_known, "{ffmpeg}");
    }
}

#[test]
fn completions_and_manual_pages_know_the_commands_and_their_options() {
    for shell in ["bash", "zsh", "fish"] {
        let (status, script, _) = run(&["completions", shell]);
        assert!(status.success());
        assert!(script.contains("inspect") && script.contains("listen"), "{shell}: {script}");
    }
    let folder = Folder::new();
    let (_, script, _) = run(&["completions", "bash"]);
    let file = folder.put("headwater.bash", script);
    if let Ok(status) = Command::new("bash").arg("-n").arg(file).status() {
        assert!(status.success(), "bash reads it");
    }
    let pages = folder.path("man/man1");
    let (status, _, logged) = run(&["man", pages.to_str().expect("text")]);
    assert!(status.success(), "{logged}");
    let page = |name| fs::read_to_string(pages.join(name)).expect(name);
    assert!(
        page("headwater.1").starts_with(".ie") && page("headwater.1").contains("headwater\\-serve")
    );
    assert!(page("headwater-serve.1").contains("\\-\\-disk\\-queue"));
    assert!(!pages.join("headwater-sandbox.1").exists(), "it is no command for people");
}
