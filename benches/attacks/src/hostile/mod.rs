//! Hostile clients: many at one address, in a thread of their own.

mod connection;
pub mod h2;
mod tally;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Result, anyhow};
use tokio::runtime::Builder;
use tokio::sync::oneshot;

pub use self::connection::Connection;
pub use self::tally::{Count, Tally};
use crate::attacks::Attack;
use crate::thread;

/// The address of all hostile clients.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// Time over which the clients of an attack begin.
const RAMP: Duration = Duration::from_secs(1);

/// Pause of a client before it begins again; longer for many, so that together they begin 4,000 times
/// a second at most.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_OF_EACH: Duration = Duration::from_micros(250);

/// One of the clients of an attack.
#[derive(Clone, Debug)]
pub struct Hostile {
    pub server: SocketAddr,
    /// Its place among the clients, from 0.
    pub number: usize,
    /// How many there are.
    pub clients: usize,
    tally: Arc<Tally>,
}

impl Hostile {
    /// The time between two actions of this client, if all together act so often.
    pub fn interval(&self, per_second: u32) -> Duration {
        Duration::from_secs(1) * u32::try_from(self.clients).unwrap_or(u32::MAX) / per_second
    }
}

/// A running attack; dropping it ends it.
#[derive(Debug)]
pub struct Attackers {
    tally: Arc<Tally>,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Attackers {
    /// Lets `clients` clients attack, each again when it has ended.
    pub fn start(attack: &'static Attack, clients: usize, server: SocketAddr) -> Result<Self> {
        let tally = Arc::new(Tally::default());
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (end, ended) = oneshot::channel();
        let first = Hostile { server, number: 0, clients, tally: Arc::clone(&tally) };
        let thread = std::thread::Builder::new().name("attackers".into()).spawn(move || {
            thread::yield_to_server();
            runtime.block_on(async move {
                for number in 0..clients {
                    tokio::spawn(repeat(attack, Hostile { number, ..first.clone() }));
                }
                let _ = ended.await;
            });
            // Dropping the runtime closes all connections.
        })?;
        Ok(Attackers { tally, end: Some(end), thread: Some(thread) })
    }

    /// Ends the attack: all connections are closed when this returns.
    pub fn stop(mut self) -> Result<Count> {
        self.join()?;
        Ok(self.tally.count())
    }

    fn join(&mut self) -> Result<()> {
        drop(self.end.take());
        let ended = self.thread.take().map_or(Ok(()), JoinHandle::join);
        ended.map_err(|_| anyhow!("the attackers panicked"))
    }
}

impl Drop for Attackers {
    fn drop(&mut self) {
        let _ = self.join();
    }
}

async fn repeat(attack: &Attack, client: Hostile) {
    let clients = u32::try_from(client.clients).unwrap_or(u32::MAX);
    let number = u32::try_from(client.number).unwrap_or(u32::MAX);
    tokio::time::sleep(RAMP * number / clients.max(1)).await;
    loop {
        // How it ended is in the tally.
        let _ = (attack.client)(client.clone()).await;
        tokio::time::sleep(PAUSE.max(PAUSE_OF_EACH * clients)).await;
    }
}
