//! Many viewers: slow, paused and vanished ones.

use std::{net::Shutdown, sync::Arc, time::Duration};

use socket2::SockRef;
use tokio::{net::TcpSocket, sync::Barrier, task::JoinSet};

use crate::support::{
    client::{Client, Incomplete, head},
    folder::{Folder, pattern},
    program::Program,
    server::{Serving, serve, serve_with},
    wait::until,
};

const VIEWERS: usize = 1000;

/// The receive buffer of viewers to which the server cannot send far ahead, in bytes.
const NARROW: usize = 32 * 1024;

/// Far more than the sockets between the server and a paused viewer hold.
const LARGE: usize = 4 << 20;

/// A folder with one large file.
fn one_file() -> Folder {
    let folder = Folder::new();
    folder.put("a.mp4", pattern(LARGE));
    folder
}

/// Requests the large file and reads this much of it.
fn begin(client: &mut Client, length: usize) {
    client.send(head("GET", "/media/a.mp4", &[]));
    assert_eq!(client.read_head().expect("a head").status, 200);
    assert!(client.read_exactly(length).expect("a part") == pattern(length));
}

/// A viewer of a file of this content: requests, waits until all others have, reads everything.
async fn view(serving: &Serving, target: String, content: &[u8], all_have_requested: &Barrier) {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(u32::try_from(NARROW).expect("small")).expect("a small buffer");
    let stream = socket.connect(serving.address).await.expect("a connection");
    let request = head("GET", &target, &["Connection: close"]);
    stream.writable().await.expect("a connection");
    assert_eq!(stream.try_write(request.as_bytes()).expect("a send buffer"), request.len());
    all_have_requested.wait().await;
    let (mut received, mut buffer) = (Vec::new(), vec![0; 64 * 1024]);
    loop {
        stream.readable().await.expect("a connection");
        match stream.try_read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => received.extend_from_slice(&buffer[..read]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => panic!("{target}: {error}"),
        }
    }
    let body = received.windows(4).position(|end| end == b"\r\n\r\n").expect("a head") + 4;
    assert!(received.starts_with(b"HTTP/1.1 200 "), "{target}");
    assert!(received[body..] == *content, "{target}: other bytes");
}

#[test]
fn a_thousand_viewers_at_once_each_get_their_file() {
    let folder = Folder::new();
    let contents: Vec<_> = (0..20_usize)
        .map(|number| {
            // Other bytes for each file, and lengths around those of reads and buffers.
            let content = pattern(512 * 1024 + number)[number..].to_vec();
            folder.put(format!("{number}.mp4"), &content);
            Arc::new(content)
        })
        .collect();
    let serving = Arc::new(serve(&folder));
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let all_have_requested = Arc::new(Barrier::new(VIEWERS + 1));
    let mut viewers = JoinSet::new();
    for number in 0..VIEWERS {
        let (serving, all_have_requested) = (Arc::clone(&serving), Arc::clone(&all_have_requested));
        let content = Arc::clone(&contents[number % contents.len()]);
        let target = format!("/media/{}.mp4", number % contents.len());
        let view = async move { view(&serving, target, &content, &all_have_requested).await };
        viewers.spawn_on(view, runtime.handle());
    }
    let open = || usize::try_from(serving.site().metrics.open_connections()).expect("a count");
    until("all are there at the same time", || open() == VIEWERS);
    runtime.block_on(all_have_requested.wait());
    let mut ended = 0;
    while let Some(viewer) = runtime.block_on(viewers.join_next()) {
        viewer.expect("a viewer that got everything");
        ended += 1;
    }
    assert_eq!(ended, VIEWERS);
    until("all connections are closed", || open() == 0);
}

#[test]
fn one_connection_serves_a_thousand_requests() {
    let folder = one_file();
    let serving = serve(&folder);
    let mut client = serving.connect();
    let (content, local) = (pattern(LARGE), client.socket().local_addr().expect("an address"));
    for number in 0..1000 {
        let first = number * 4001;
        let range = format!("Range: bytes={first}-{}", first + number);
        let response = client.request("GET", "/media/a.mp4", &[&range]);
        assert!(response.body == content[first..=first + number], "{range}");
    }
    assert_eq!(client.socket().local_addr().expect("an address"), local);
    assert_eq!(serving.site().metrics.open_connections(), 1);
}

#[test]
fn a_viewer_that_pauses_beyond_the_idle_timeout_gets_every_byte() {
    let folder = one_file();
    let serving = serve_with(&[folder.path("")], "keep_alive_s = 1");
    let mut paused = Client::narrow(serving.address, NARROW);
    begin(&mut paused, 100_000);
    // The clock of this test: an idle connection, which closes at its timeout.
    for _ in 0..3 {
        let mut idle = serving.connect();
        assert_eq!(idle.request("GET", "/healthz", &[]).status, 200);
        assert!(idle.is_closed());
    }
    let rest = paused.read_exactly(LARGE - 100_000).expect("the rest");
    assert!(rest == pattern(LARGE)[100_000..]);
    assert_eq!(paused.request("GET", "/healthz", &[]).status, 200, "the connection is kept");
}

#[test]
fn a_stalled_viewer_is_dropped_at_the_send_timeout_and_others_are_not() {
    let folder = one_file();
    let serving = serve_with(&[folder.path("")], "send_timeout_s = 1");
    let mut stalled = Client::narrow(serving.address, NARROW);
    begin(&mut stalled, 1000);
    until("its connection is open", || serving.site().metrics.open_connections() == 1);
    // Reads slowly, but reads: for as long as the other one is connected.
    let mut slow = Client::narrow(serving.address, NARROW);
    begin(&mut slow, 1000);
    let mut read = 1000;
    until("the stalled one is dropped", || {
        // A part at a time while there is enough to read; the last one is read below.
        if read < LARGE / 2 {
            read += slow.read_exactly(64).expect("not dropped").len();
        }
        serving.site().metrics.open_connections() == 1
    });
    assert!(matches!(stalled.read_exactly(LARGE), Err(Incomplete::Body(_))));
}

/// How a viewer leaves.
#[derive(Clone, Copy, Debug)]
enum Leave {
    /// Shuts down its sending side, then closes.
    Finish,
    /// Resets the connection.
    Reset,
}

#[test]
fn viewers_that_disconnect_leak_no_connection_and_no_descriptor() {
    let folder = one_file();
    let program = Program::serve(&[folder.path("")], &[]);
    let connections = || program.metric("headwater_connections");
    // The cache keeps the file open, so the test opens it before it counts.
    begin(&mut program.connect(), LARGE);
    until("the probing connection is alone", || connections() == Some(1));
    let before = program.descriptors();
    let mut most = 0;
    for leave in [Leave::Finish, Leave::Reset].into_iter().cycle().take(50) {
        let mut viewers: Vec<_> = (0..4).map(|_| Client::narrow(program.address, NARROW)).collect();
        // In the middle of a body, before the head is read, in the middle of a request's head, and
        // before anything was sent.
        begin(&mut viewers[0], 100_000);
        viewers[1].send(head("GET", "/media/a.mp4", &[]));
        viewers[2].send("GET /media/a.mp4 HTTP/1.1\r\nHo");
        most = most.max(program.descriptors());
        for viewer in viewers {
            match leave {
                Leave::Finish => viewer.socket().shutdown(Shutdown::Write).expect("finished"),
                Leave::Reset => {
                    let socket = SockRef::from(viewer.socket());
                    socket.set_linger(Some(Duration::ZERO)).expect("a socket");
                }
            }
        }
    }
    assert!(most > before, "descriptors of connected viewers were counted");
    until("only the probing connection is left", || connections() == Some(1));
    // Not exactly: the first viewer's connection may have been counted before.
    until("no descriptor is left", || program.descriptors() <= before);
    assert_eq!(program.metric("headwater_panics_total"), Some(0));
}
