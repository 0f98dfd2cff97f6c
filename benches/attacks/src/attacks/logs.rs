//! Lines of log, as fast as clients ask for them.

use std::io;

use super::{Attack, Bound, Setup};
use crate::hostile::Hostile;

pub const ATTACKS: &[Attack] = &[
    Attack {
        name: "log-pace",
        what: "Ask for a file that the server may not read, as often as possible.",
        seen: "a line for each request",
        clients: 64,
        setup: Setup { unprivileged: true, ..Setup::DEFAULT },
        bound: Bound::Tolerable,
        client: |client| Box::pin(unreadable(client)),
    },
    Attack {
        name: "log-unread",
        what: "As log-pace, while nobody reads the server's standard error.",
        seen: "the whole server hangs after 64 KiB",
        clients: 64,
        setup: Setup { unprivileged: true, unread_stderr: true, ..Setup::DEFAULT },
        bound: Bound::Tolerable,
        client: |client| Box::pin(unreadable(client)),
    },
];

async fn unreadable(client: Hostile) -> io::Result<()> {
    let mut connection = client.connect().await?;
    loop {
        connection.get("/media/unreadable.mp4").await?;
    }
}
