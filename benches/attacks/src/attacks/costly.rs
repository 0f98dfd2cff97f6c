//! Requests that cost the server much: clips, thumbnails, searches, listeners.

use std::io;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, sleep};

use super::{Attack, Bound, Client, Setup};
use crate::hostile::Hostile;

const fn costly(
    name: &'static str,
    what: &'static str,
    seen: &'static str,
    clients: usize,
    client: fn(Hostile) -> Client,
) -> Attack {
    Attack { name, what, seen, clients, setup: Setup::DEFAULT, bound: Bound::Tolerable, client }
}

pub const ATTACKS: &[Attack] = &[
    costly(
        "clips-refused",
        "Ask for distinct clips of two hours with all tracks, whose tables are too large.",
        "refused after 72 ms in the disk pool: innocent clips wait 5–12 s or get 503",
        400,
        |client| Box::pin(refused_clips(client)),
    ),
    costly(
        "thumbnails",
        "Ask for thumbnails of a title of two hours, each of another time.",
        "the queue is full: posters of others are 503 for minutes",
        64,
        |client| Box::pin(thumbnails(client)),
    ),
    costly(
        "listeners",
        "Listen to events.",
        "256 are all there are: others get 503",
        256,
        |client| Box::pin(listener(client)),
    ),
    costly(
        "followers",
        "Follow a file that does not grow, again and again.",
        "not measured",
        256,
        |client| Box::pin(follower(client)),
    ),
    costly(
        "searches",
        "Search 10,000 titles 1,000 times a second, each time for something else.",
        "not measured",
        64,
        |client| Box::pin(searches(client)),
    ),
    costly(
        "lists",
        "List titles 1,000 times a second, each time from another place and in another order.",
        "not measured",
        64,
        |client| Box::pin(lists(client)),
    ),
    Attack {
        name: "stranger",
        what: "Ask 1,000 times a second for distinct clips, thumbnails and searches, or listen.",
        seen: "posters 503, clips 5–12 s",
        clients: 1_000,
        setup: Setup::DEFAULT,
        bound: Bound::Hardly,
        client: |client| Box::pin(stranger(client)),
    },
];

async fn refused_clips(client: Hostile) -> io::Result<()> {
    let mut connection = client.connect_narrow().await?;
    for number in 0..1_000 {
        let start_ms = 1 + client.number * 1_000 + number;
        let start = start_ms as f64 / 1e3;
        connection.get_refused(&format!("/v/two-hours.mp4/play.mp4?start={start}")).await?;
    }
    Ok(())
}

async fn thumbnails(client: Hostile) -> io::Result<()> {
    let mut connection = client.connect().await?;
    loop {
        connection.get(&thumbnail()).await?;
    }
}

async fn listener(client: Hostile) -> io::Result<()> {
    let mut connection = client.connect().await?;
    connection.send_get("/api/events", "").await?;
    connection.status().await?;
    connection.discard().await
}

async fn follower(client: Hostile) -> io::Result<()> {
    let mut connection = client.connect().await?;
    connection.send_get("/media/film.mp4?follow", "Range: bytes=20000000-\r\n").await?;
    connection.status().await?;
    connection.discard().await
}

async fn searches(client: Hostile) -> io::Result<()> {
    at_pace(client, search).await
}

async fn lists(client: Hostile) -> io::Result<()> {
    at_pace(client, || {
        let order = ["path", "-path", "size", "-size", "modified", "-modified"];
        let order = fastrand::choice(order).unwrap_or("path");
        format!("/api/titles?sort={order}&offset={}&limit=100", fastrand::u32(..10_000))
    })
    .await
}

/// Asks 1,000 times a second, with all other clients.
async fn at_pace(client: Hostile, path: impl Fn() -> String) -> io::Result<()> {
    let mut connection = client.connect().await?;
    let mut ticks = interval(client.interval(1_000));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        connection.get(&path()).await?;
    }
}

/// One request a second, each over a connection of its own.
async fn stranger(client: Hostile) -> io::Result<()> {
    let path = match client.number % 4 {
        0 => format!("/v/two-hours.mp4/play.mp4?tracks=video-1&start={}", random_time()),
        1 => thumbnail(),
        2 => search(),
        _ => "/api/events".to_owned(),
    };
    // With the pause between two rounds it is a second.
    let pause = Duration::from_millis(750);
    let asking = async {
        let mut connection = client.connect_narrow().await?;
        connection.send_get(&path, "").await?;
        connection.status().await?;
        connection.hold().await
    };
    tokio::select! {
        ended = asking => ended,
        () = sleep(pause) => Ok(()),
    }
}

fn thumbnail() -> String {
    format!("/v/two-hours.mp4/thumbnail.jpg?time={}", random_time())
}

/// A moment of the two hours, in seconds, to the millisecond.
fn random_time() -> f64 {
    f64::from(fastrand::u32(..7_000_000)) / 1e3
}

fn search() -> String {
    format!("/api/titles?search={}", fastrand::u32(..100_000))
}
