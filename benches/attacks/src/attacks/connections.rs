//! Connections that say little, and take a place each.

use std::io;
use std::time::Duration;

use tokio::time::sleep;

use super::{Attack, Bound, Client, Setup};
use crate::hostile::Hostile;

const fn many(
    name: &'static str,
    what: &'static str,
    seen: &'static str,
    clients: usize,
    setup: Setup,
    client: fn(Hostile) -> Client,
) -> Attack {
    Attack { name, what, seen, clients, setup, bound: Bound::Tolerable, client }
}

pub const ATTACKS: &[Attack] = &[
    many(
        "idle",
        "Connect, and say nothing.",
        "all places taken by one address: others wait until keep_alive_s",
        16_000,
        Setup::DEFAULT,
        |client| Box::pin(idle(client)),
    ),
    many(
        "refused-held",
        "Connect where an address may have 64 of 2,000 connections, ask for a page, and stay.",
        "a refused connection keeps its place for 10 s: one address locks all others out",
        8_000,
        super::FEW_FOR_EACH,
        |client| Box::pin(refused(client)),
    ),
    many(
        "descriptors",
        "Ask for a film and do not read it, where the server may have 512 descriptors.",
        "viewers get 500",
        2_000,
        Setup { descriptors: Some(512), ..Setup::DEFAULT },
        |client| Box::pin(paused(client)),
    ),
    many(
        "slow-heads",
        "Send the head of a request, a byte a second.",
        "closed after head_timeout_s",
        8_000,
        Setup::DEFAULT,
        |client| Box::pin(slow_head(client)),
    ),
    many(
        "long-heads",
        "Send heads that do not end, as fast as possible.",
        "not measured",
        64,
        Setup::DEFAULT,
        |client| Box::pin(long_head(client)),
    ),
    many(
        "slow-bodies",
        "Send requests with content, of which a byte comes each second.",
        "not measured",
        4_000,
        Setup::DEFAULT,
        |client| Box::pin(slow_body(client)),
    ),
    many(
        "reconnect",
        "Ask for a small file, and reset the connection, as fast as possible.",
        "not measured",
        256,
        Setup::DEFAULT,
        |client| Box::pin(reconnect(client)),
    ),
];

async fn idle(client: Hostile) -> io::Result<()> {
    client.connect().await?.discard().await
}

async fn refused(client: Hostile) -> io::Result<()> {
    let mut connection = client.connect().await?;
    connection.send_get("/", "").await?;
    connection.status().await?;
    // Whatever the server does: it waits for the client to close.
    sleep(Duration::from_secs(60)).await;
    Ok(())
}

async fn paused(client: Hostile) -> io::Result<()> {
    let mut connection = client.connect_narrow().await?;
    connection.send_get("/media/film.mp4", "").await?;
    connection.status().await?;
    connection.hold().await
}

async fn slow_head(client: Hostile) -> io::Result<()> {
    let mut connection = client.connect().await?;
    connection.send(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ").await?;
    trickle(connection).await
}

async fn long_head(client: Hostile) -> io::Result<()> {
    let mut connection = client.connect().await?;
    connection.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n").await?;
    let field = format!("X: {}\r\n", "a".repeat(1_000)).into_bytes();
    connection.flood(move || Some(field.clone())).await
}

async fn slow_body(client: Hostile) -> io::Result<()> {
    let mut connection = client.connect().await?;
    let head = b"POST /api/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
        Content-Length: 60000\r\n\r\n{";
    connection.send(head).await?;
    trickle(connection).await
}

async fn trickle(mut connection: crate::hostile::Connection) -> io::Result<()> {
    loop {
        sleep(Duration::from_secs(1)).await;
        connection.send(b"a").await?;
    }
}

async fn reconnect(client: Hostile) -> io::Result<()> {
    loop {
        let mut connection = client.connect().await?;
        connection.send_get("/media/film.mp4", "Range: bytes=0-99\r\n").await?;
        connection.status().await?;
    }
}
