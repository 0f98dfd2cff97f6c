//! The local worker of a server: restarted when it fails, and ended with its server.

use std::{fs, net::SocketAddr, os::unix::fs::symlink, time::Duration};

use headwater::{
    config::{Layer, Settings},
    jobs::supervisor::{Timeouts, WorkerCommand},
    serve::Server,
};
use rustix::process::{Pid, Signal, kill_process};

use crate::support::{
    client::{Client, head},
    deployment::{Deployment, local_worker, post_job, request_rendition},
    ffmpeg,
    folder::pattern,
    json::json,
    program::Program,
    wait::until_slowly,
};

/// Far more than the sockets between a server and a slow client hold, in bytes.
const LENGTH: usize = 4 << 20;

/// A server in this process, whose worker is the real program.
fn serve(deployment: &Deployment, timeouts: Timeouts) -> Server {
    let typed = Layer {
        listen: Some(SocketAddr::from(([127, 0, 0, 1], 0)).into()),
        data: Some(deployment.data()),
        root: vec![
            deployment.folder.path("library").to_str().expect("text").parse().expect("a root"),
        ],
        ..Layer::default()
    };
    let arguments = ["worker", "--supervised"].map(str::to_owned).into_iter();
    let arguments = arguments.chain(deployment.arguments()).map(Into::into).collect();
    let program = env!("CARGO_BIN_EXE_headwater").into();
    let worker = WorkerCommand { program, arguments, timeouts };
    Server::start(Settings::from_layers(&[typed]), Some(worker)).expect("a server")
}

fn get_text(server: &Server, target: &str) -> String {
    let response = Client::connect(server.address()).request("GET", target, &[]);
    String::from_utf8(response.body).expect("text")
}

/// The process id of the running worker, once it is not `other`.
fn worker(server: &Server, other: Option<i32>) -> i32 {
    let mut found = None;
    until_slowly("a worker runs", || {
        let ready = get_text(server, "/readyz");
        let number = ready.split_once("running as process ").map(|(_, number)| number.trim());
        found =
            number.and_then(|number| number.parse().ok()).filter(|number| Some(*number) != other);
        found.is_some()
    });
    found.expect("just found")
}

fn signal(process: i32, signal: Signal) {
    kill_process(Pid::from_raw(process).expect("a number"), signal).expect("it runs");
}

#[test]
fn a_worker_that_hangs_or_dies_is_restarted_while_a_stream_goes_on() {
    if !ffmpeg::is_installed() {
        return;
    }
    let deployment = Deployment::new(None);
    deployment.folder.put("library/long.mp4", pattern(LENGTH));
    let timeouts = Timeouts {
        // The worker sends a heartbeat each 5 s.
        silence: Duration::from_secs(7),
        // Long enough to be seen.
        restart_delay: Duration::from_secs(2),
        restart_delay_max: Duration::from_secs(2),
    };
    let server = serve(&deployment, timeouts);
    let mut viewer = Client::narrow(server.address(), 64 * 1024);
    viewer.send(head("GET", "/media/long.mp4", &[]));
    assert_eq!(viewer.read_head().expect("a head").status, 200);

    let first = worker(&server, None);
    signal(first, Signal::STOP);
    until_slowly("the server reports it", || {
        get_text(&server, "/readyz").contains("no keepalive for 7 s")
    });
    let status = get_text(&server, "/api/status");
    assert!(status.contains("restarting: killed: no keepalive for 7 s"), "{status}");
    let second = worker(&server, Some(first));

    signal(second, Signal::KILL);
    until_slowly("the server reports it", || {
        get_text(&server, "/readyz").contains("ended with signal: 9")
    });
    let third = worker(&server, Some(second));
    // A new worker runs ffmpeg for its version, which takes a moment.
    until_slowly("there is no other process", || {
        deployment.processes().iter().map(|process| process.id).eq([third])
    });

    let body = viewer.read_exactly(LENGTH).expect("all of it");
    assert!(body == pattern(LENGTH), "the stream is not affected");
    server.stop(false);
    until_slowly("no process is left", || deployment.processes().is_empty());
}

#[test]
fn worker_and_ffmpeg_end_with_their_server_however_it_ends() {
    if !ffmpeg::is_installed() {
        return;
    }
    let deployment = Deployment::new(None);
    deployment.folder.put("library/long.mp4", pattern(LENGTH));
    for (round, end) in [Signal::TERM, Signal::INT, Signal::KILL].into_iter().enumerate() {
        let mut program = deployment.serve(&[]);
        request_rendition(&program, "one.mp4", 300 + 2 * round);
        until_slowly("ffmpeg runs", || !deployment.ffmpegs().is_empty());
        let mut viewer = Client::narrow(program.address, 64 * 1024);
        viewer.send(head("GET", "/media/long.mp4", &[]));
        assert_eq!(viewer.read_head().expect("a head").status, 200);
        let worker = local_worker(&program).expect("a worker");
        program.signal(end);
        until_slowly("no worker is left, and no ffmpeg", || {
            let left = deployment.processes();
            left.iter().all(|process| process.id != worker && process.name != "ffmpeg")
        });
        if end == Signal::TERM {
            // A running download goes on to its end.
            let body = viewer.read_exactly(LENGTH).expect("all of it");
            assert!(body == pattern(LENGTH));
        }
        program.wait();
        until_slowly("no process is left", || deployment.processes().is_empty());
        let live: Vec<_> =
            deployment.jobs().into_iter().filter(|job| !job.state.is_end()).collect();
        if end != Signal::KILL {
            let is_let_go = live.iter().all(|job| job.lease_owner.is_none());
            assert!(is_let_go, "{live:?} {}", program.logged());
        }
    }
    let program = deployment.serve(&[]);
    deployment.wait_for_the_end();
    drop(program);
    until_slowly("no process is left", || deployment.processes().is_empty());
    let _program = deployment.serve(&["--local-worker=false"]);
    deployment.assert_consistent();
    assert!(
        deployment.jobs().iter().all(|job| job.state.as_str() == "done"),
        "{:?}",
        deployment.jobs()
    );
    // No chunk outlasts its rendition.
    let kinds: Vec<_> = deployment.artifacts().into_iter().map(|artifact| artifact.kind).collect();
    assert_eq!(kinds, ["rendition"; 3]);
}

#[test]
fn without_ffmpeg_titles_play_and_jobs_report_that_it_is_missing() {
    if !ffmpeg::is_installed() {
        return;
    }
    let deployment = Deployment::new(None);
    let bin = deployment.folder.path("bin");
    fs::create_dir(&bin).expect("a folder");
    symlink("/bin/true", bin.join("true")).expect("a link");
    let path = [("PATH", bin.to_str().expect("text"))];
    let program = Program::serve(&deployment.arguments(), &path);
    for target in ["/", "/media/one.mp4", "/v/one.mp4/index.m3u8", "/v/one.mp4/play.mp4", "/readyz"]
    {
        assert_eq!(program.get(target, &[]).status, 200, "{target}");
    }
    assert_eq!(program.get("/api/jobs", &[]).status, 200);
    let missing = |response: &crate::support::client::Response| {
        let problem = json(response, 503);
        let why = problem["detail"].as_str().expect("text").to_owned();
        assert!(why.contains("ffmpeg is not installed"), "{why}");
        assert!(response.field("retry-after").is_some());
    };
    for video in ["poster.jpg", "thumbnail.jpg?time=1", "storyboard.jpg", "preview.webp"] {
        missing(&program.get(&format!("/v/one.mp4/{video}"), &[]));
    }
    let rendition = r#"{"kind":"rendition","title":"one.mp4","height":90,"codec":"h264"}"#;
    missing(&post_job(&program, rendition));
    missing(&post_job(&program, r#"{"kind":"storyboard","title":"one.mp4"}"#));
    assert!(deployment.jobs().is_empty());
    let status = String::from_utf8(program.get("/api/status", &[]).body).expect("text");
    assert!(status.contains("ffmpeg is not installed"), "{status}");
    // Nor does a worker elsewhere claim jobs that it cannot run.
    let (mut command, _home) = crate::support::program::command(&["worker"]);
    let output = command.args(deployment.arguments()).env("PATH", &bin).output().expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    let logged = String::from_utf8_lossy(&output.stderr);
    assert!(logged.contains("ffmpeg is not installed"), "{logged}");
}
