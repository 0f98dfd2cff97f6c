//! Connections over HTTP/2 that say little.

use std::io;

use super::{Attack, flood};
use crate::attacks::FEW_FOR_EACH;
use crate::hostile::{Hostile, h2};

pub const ATTACKS: &[Attack] = &[
    Attack {
        clients: 12_000,
        ..flood(
            "h2-one-byte",
            "Send the first byte of the preface, and nothing more.",
            "1.92 cores",
            |client| Box::pin(said(client, h2::PREFACE[..1].to_vec())),
        )
    },
    Attack {
        clients: 12_000,
        ..flood(
            "h2-silent",
            "Send the preface and settings, and nothing more.",
            "keep_alive_s does not hold for them",
            |client| Box::pin(said(client, h2::opening(&[]))),
        )
    },
    Attack {
        clients: 8_000,
        setup: FEW_FOR_EACH,
        ..flood(
            "h2-refused-held",
            "As refused-held, over HTTP/2.",
            "a refused connection keeps its place for ever",
            |client| Box::pin(said(client, [h2::opening(&[]), h2::get(1, "/")].concat())),
        )
    },
    Attack {
        clients: 12_000,
        ..flood(
            "h2-half-frames",
            "Send the preface, settings and half of a frame.",
            "not measured",
            |client| {
                Box::pin(said(client, [h2::opening(&[]), vec![0, 0x40, 0, h2::HEADERS]].concat()))
            },
        )
    },
];

async fn said(client: Hostile, bytes: Vec<u8>) -> io::Result<()> {
    let mut connection = client.connect().await?;
    connection.send(&bytes).await?;
    connection.discard().await
}
