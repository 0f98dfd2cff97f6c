//! Hedging: cold requests to a bucket of which a few responses begin late, with hedges and without.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use peers::dataset;
use peers::verify::Client;

use crate::fault_proxy::{FaultProxy, Faults, Operation};
use crate::moto::Moto;
use crate::options::Options;
use crate::origin::{Origin, Root};

/// The bytes of an object: one request.
pub const OBJECT_BYTES: u64 = 64 << 10;

/// The time to the bucket, and the requests of a hundred whose first byte comes later by another time.
const LATENCY: Duration = Duration::from_millis(20);
const LATE_PERCENT: u64 = 2;
const LATE: Duration = Duration::from_secs(1);

/// The clients, each of which reads the next object when it has the one before.
const CLIENTS: usize = 8;

/// The figures of one server.
#[derive(Debug)]
pub struct Hedging {
    /// The time of the response for half of the objects, and for 99 of 100.
    pub median: Duration,
    pub p99: Duration,
    /// The requests to the bucket, and those that were needed.
    pub gets: usize,
    pub objects: usize,
}

/// Starts a server and reads each object once.
pub fn measure(
    options: &Options,
    moto: &Moto,
    folder: &Path,
    names: &[String],
    scratch: &Path,
    is_hedging: bool,
) -> Result<Hedging> {
    let proxy = FaultProxy::start(moto.address());
    let state = dataset::scratch(scratch)?;
    let origin = Origin::new(options, moto)
        .with("AWS_ENDPOINT_URL", proxy.endpoint())
        .with("HEADWATER_INDEX_TITLES", false)
        .with("HEADWATER_BUCKET_HEDGE", is_hedging);
    let (first, names) = names.split_first().context("no objects")?;
    let server = origin.start(folder, state.path(), first, options.server_core)?;
    let only = Some(Operation::Get);
    proxy.set(Faults {
        only,
        latency: LATENCY,
        late_percent: LATE_PERCENT,
        late: LATE,
        ..Faults::default()
    });
    proxy.forget();
    let read = |client: usize| -> Result<Vec<Duration>> {
        let mut connection = Client::connect(server.address)?;
        let mut times = Vec::new();
        for name in names.iter().skip(client).step_by(CLIENTS) {
            let begun = Instant::now();
            connection.whole(&format!("/media/{}", Root::Bucket.title(name)), OBJECT_BYTES)?;
            times.push(begun.elapsed());
        }
        Ok(times)
    };
    let read = &read;
    let times: Result<Vec<_>> = thread::scope(|scope| {
        let clients: Vec<_> =
            (0..CLIENTS).map(|client| scope.spawn(move || read(client))).collect();
        clients.into_iter().map(|client| client.join().expect("a client does not panic")).collect()
    });
    let mut times = times?.concat();
    times.sort();
    let at = |percent: usize| times[times.len() * percent / 100];
    let gets = proxy.requests(Operation::Get);
    Ok(Hedging { median: at(50), p99: at(99), gets, objects: times.len() })
}
