//! Responses that the client does not read: what the server holds for them.

use std::io;
use std::time::Duration;

use tokio::time::sleep;

use super::{Attack, Bound, Setup};
use crate::hostile::Hostile;

const fn unread(
    name: &'static str,
    what: &'static str,
    seen: &'static str,
    clients: usize,
    client: fn(Hostile) -> super::Client,
) -> Attack {
    Attack { name, what, seen, clients, setup: Setup::DEFAULT, bound: Bound::Tolerable, client }
}

pub const ATTACKS: &[Attack] = &[
    unread(
        "clips-97",
        "Ask for distinct clips of a title of two hours, and read none of them.",
        "7–10 MiB each: a server of 1 GiB killed in 4.7 s, 505 MiB kept by the allocator",
        97,
        |client| Box::pin(clip(client)),
    ),
    unread("clips-400", "As clips-97, by more.", "killed", 400, |client| Box::pin(clip(client))),
    unread(
        "clip-layouts",
        "Ask for the layouts of distinct clips of two hours, and read none of them.",
        "560 KB of text each",
        400,
        |client| Box::pin(layout(client)),
    ),
    unread(
        "clips-left",
        "Ask for distinct clips of two hours, and leave before the response.",
        "each costs the disk pool 72 ms after its client has gone",
        64,
        |client| Box::pin(clip_left(client)),
    ),
    unread(
        "clips-pipelined",
        "Send 200 requests for distinct clips at once, and read nothing.",
        "not measured",
        400,
        |client| Box::pin(pipelined(client)),
    ),
    unread(
        "multipart",
        "Ask for many ranges of a film in one response, and read nothing.",
        "not measured",
        2_000,
        |client| Box::pin(multipart(client)),
    ),
    unread(
        "manifests",
        "Ask for the manifest of a title of two hours, and read nothing.",
        "not measured",
        4_000,
        |client| Box::pin(unread_path(client, "/v/two-hours.mp4/manifest.mpd", "")),
    ),
    unread("slow-readers", "Read a film at a KiB a second.", "5.3 KiB each", 4_000, |client| {
        Box::pin(slow_reader(client))
    }),
];

async fn clip(client: Hostile) -> io::Result<()> {
    unread_path(client.clone(), &long_clip(&client, 0), "").await
}

async fn layout(client: Hostile) -> io::Result<()> {
    let path = format!("{}&layout", long_clip(&client, 0));
    unread_path(client, &path, "").await
}

async fn clip_left(client: Hostile) -> io::Result<()> {
    loop {
        let mut connection = client.connect_narrow().await?;
        connection.send_get(&long_clip(&client, fastrand::u64(..1_000_000)), "").await?;
        sleep(Duration::from_millis(20)).await;
    }
}

async fn pipelined(client: Hostile) -> io::Result<()> {
    let mut connection = client.connect_narrow().await?;
    for number in 0..200 {
        connection.send_get(&long_clip(&client, number), "").await?;
    }
    connection.hold().await
}

async fn multipart(client: Hostile) -> io::Result<()> {
    let ranges: Vec<String> =
        (0..100).map(|n| format!("{}-{}", n * 100_000, n * 100_000 + 50_000)).collect();
    let fields = format!("Range: bytes={}\r\n", ranges.join(","));
    unread_path(client, "/media/film.mp4", &fields).await
}

async fn slow_reader(client: Hostile) -> io::Result<()> {
    let mut connection = client.connect_narrow().await?;
    connection.send_get("/media/film.mp4", "").await?;
    connection.status().await?;
    loop {
        connection.receive(1 << 10).await?;
        sleep(Duration::from_secs(1)).await;
    }
}

/// Asks for something, and reads no more than the status.
async fn unread_path(client: Hostile, path: &str, fields: &str) -> io::Result<()> {
    let mut connection = client.connect_narrow().await?;
    connection.send_get(path, fields).await?;
    connection.status().await?;
    connection.hold().await
}

/// A clip of nearly two hours that no other client asks for. Without audio it has an extent for each
/// frame.
fn long_clip(client: &Hostile, number: u64) -> String {
    let start_ms = 1 + client.number as u64 + 1_000 * (number % 1_000);
    let end_ms = 7_199_000 - number / 1_000;
    let seconds = |ms: u64| format!("{}.{:03}", ms / 1_000, ms % 1_000);
    let (start, end) = (seconds(start_ms), seconds(end_ms));
    format!("/v/two-hours.mp4/play.mp4?start={start}&end={end}&tracks=video-1")
}
