//! A fetcher in front of a bucket that misbehaves as a test says.
//!
//! The bucket is in this process, and the clock is that of the test: it stands still while anything has work
//! to do, and jumps to the next timer otherwise. So times are exact, and no test waits.

mod faults;
mod load;
mod reads;

use std::{
    collections::HashMap,
    io,
    ops::Range,
    sync::{Arc, LazyLock, Mutex},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream},
    runtime::Handle,
    time::{Instant, sleep},
};

use super::{address::Address, client::Client, credentials::Credentials, transport::Connect, *};

const MIB: usize = 1024 * 1024;

/// A part of a response.
enum Step {
    Send(Vec<u8>),
    Wait(Duration),
    /// The connection ends.
    Cut,
}

/// A request that the bucket received.
#[derive(Clone, Debug)]
struct Received {
    /// Counts from 0.
    number: usize,
    at: Instant,
    method: String,
    /// Path and query.
    target: String,
    fields: HashMap<String, String>,
}

type Respond = dyn Fn(&Bucket, &Received) -> Vec<Step> + Send + Sync;

/// An object, and how the bucket responds.
struct Bucket {
    size: usize,
    received: Mutex<Vec<Received>>,
    respond: Box<Respond>,
}

impl Received {
    /// The requested range, inside of the object.
    fn range(&self, size: usize) -> Option<Range<usize>> {
        let range = self.fields.get("range")?.strip_prefix("bytes=")?;
        let range = match range.split_once('-').expect("a range") {
            ("", last) => size.saturating_sub(last.parse().expect("a number"))..size,
            (first, last) => {
                let last: usize = last.parse().expect("a number");
                first.parse().expect("a number")..(last + 1).min(size)
            }
        };
        (!range.is_empty()).then_some(range)
    }
}

impl Bucket {
    fn new(
        size: usize,
        respond: impl Fn(&Self, &Received) -> Vec<Step> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self { size, received: Mutex::default(), respond: Box::new(respond) })
    }

    /// A bucket without faults, which takes 30 ms for a response.
    fn sound(size: usize) -> Arc<Self> {
        Self::new(size, |bucket, request| after_ms(30, bucket.right(request)))
    }

    fn bytes(&self, range: Range<usize>) -> Vec<u8> {
        bytes(range.start, range.len())
    }

    /// The right response.
    fn right(&self, request: &Received) -> Vec<Step> {
        match request.range(self.size) {
            Some(range) => {
                let head = self.head(&range);
                vec![Step::Send(head.into_bytes()), Step::Send(self.bytes(range))]
            }
            None => status(416, ""),
        }
    }

    fn head(&self, range: &Range<usize>) -> String {
        format!(
            "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {}-{}/{}\r\nContent-Length: {}\r\n\
             ETag: \"e\"\r\nLast-Modified: Mon, 30 Nov 2026 18:53:49 GMT\r\n\r\n",
            range.start,
            range.end - 1,
            self.size,
            range.len()
        )
    }

    fn connect(self: &Arc<Self>) -> Connect {
        let bucket = Arc::clone(self);
        Arc::new(move |_| {
            let (client, server) = tokio::io::duplex(256 * 1024);
            tokio::spawn(Arc::clone(&bucket).serve(server));
            Box::pin(async { Ok(Box::new(client) as Box<dyn super::transport::Stream>) })
        })
    }

    async fn serve(self: Arc<Self>, mut stream: DuplexStream) -> io::Result<()> {
        let mut input = Vec::new();
        loop {
            let Some(end) = input.windows(4).position(|end| end == b"\r\n\r\n") else {
                if stream.read_buf(&mut input).await? == 0 {
                    return Ok(());
                }
                continue;
            };
            let head: Vec<u8> = input.drain(..end + 4).collect();
            let head = String::from_utf8(head).expect("a head");
            let mut lines = head.lines();
            let mut first = lines.next().expect("a request line").split(' ');
            let mut word = || first.next().expect("a word").to_owned();
            let (method, target) = (word(), word());
            let fields = lines.filter_map(|line| line.split_once(": "));
            let fields = fields.map(|(name, value)| (name.to_lowercase(), value.to_owned()));
            let request = {
                let mut received = self.received.lock().expect("no panic");
                let (number, at) = (received.len(), Instant::now());
                let fields = fields.collect();
                received.push(Received { number, at, method, target, fields });
                received[number].clone()
            };
            for step in (self.respond)(&self, &request) {
                match step {
                    Step::Send(bytes) => stream.write_all(&bytes).await?,
                    Step::Wait(time) => sleep(time).await,
                    Step::Cut => return Ok(()),
                }
            }
        }
    }

    fn received(&self) -> Vec<Received> {
        self.received.lock().expect("no panic").clone()
    }

    fn fetcher(self: &Arc<Self>) -> Arc<Fetcher> {
        self.fetcher_with(true)
    }

    fn fetcher_with(self: &Arc<Self>, hedge: bool) -> Arc<Fetcher> {
        let settings = FetchSettings { deadline: Duration::from_secs(10), requests: 64, hedge };
        let bucket = BucketSettings {
            bucket: "films".to_owned(),
            endpoint: Some("http://bucket.example".to_owned()),
            ..BucketSettings::default()
        };
        let address = Address::new(&bucket, |_| None).expect("valid settings");
        let client = Client::with(address, Credentials::anonymous(), self.connect());
        Fetcher::with_client(client, settings, Handle::current())
    }

    /// The object as the bucket has it.
    fn opened(&self) -> Opened {
        Opened {
            key: "a.mp4".into(),
            etag: "\"e\"".into(),
            size: self.size as u64,
            version_id: None,
            modified: None,
        }
    }
}

/// A response without a body of an object.
fn status(status: u16, document: &str) -> Vec<Step> {
    let length = document.len();
    let head = format!("HTTP/1.1 {status} status\r\nContent-Length: {length}\r\n\r\n{document}");
    vec![Step::Send(head.into_bytes())]
}

fn after_ms(milliseconds: u64, steps: Vec<Step>) -> Vec<Step> {
    let mut all = vec![Step::Wait(Duration::from_millis(milliseconds))];
    all.extend(steps);
    all
}

/// Bytes of every object from an offset on. No two units are equal.
fn bytes(offset: usize, length: usize) -> Vec<u8> {
    const PERIOD: usize = MIB - 3;
    static PATTERN: LazyLock<Vec<u8>> =
        LazyLock::new(|| (0..PERIOD).map(|at| (at % 251 + at / 65_536) as u8).collect());
    let mut bytes = Vec::with_capacity(length);
    while bytes.len() < length {
        let rest = &PATTERN[(offset + bytes.len()) % PERIOD..];
        bytes.extend_from_slice(&rest[..rest.len().min(length - bytes.len())]);
    }
    bytes
}

/// A sink that compares all bytes, and remembers which chunks it has.
struct Memory {
    size: usize,
    present: Mutex<Vec<bool>>,
}

impl Memory {
    fn new(size: usize) -> Arc<Self> {
        let chunks = size.div_ceil(CHUNK_BYTES as usize);
        Arc::new(Self { size, present: Mutex::new(vec![false; chunks]) })
    }

    /// The number of chunks that it has.
    fn chunks(&self) -> usize {
        self.present.lock().unwrap().iter().filter(|present| **present).count()
    }

    fn has(&self, offset: u64) -> bool {
        self.present.lock().unwrap()[(offset / CHUNK_BYTES) as usize]
    }
}

impl Sink for Memory {
    async fn missing(&self, range: Range<u64>) -> io::Result<Vec<Range<u64>>> {
        let size = self.size as u64;
        let chunks = range.start / CHUNK_BYTES..range.end.min(size).div_ceil(CHUNK_BYTES);
        let missing = chunks.filter(|chunk| !self.has(chunk * CHUNK_BYTES));
        Ok(missing
            .map(|chunk| chunk * CHUNK_BYTES..((chunk + 1) * CHUNK_BYTES).min(size))
            .collect())
    }

    async fn store(&self, offset: u64, stored: Bytes) -> io::Result<()> {
        let end = offset + stored.len() as u64;
        assert!(offset.is_multiple_of(CHUNK_BYTES), "a store at {offset}");
        assert!(end.is_multiple_of(CHUNK_BYTES) || end == self.size as u64, "a store up to {end}");
        assert!(stored == bytes(offset as usize, stored.len()), "wrong bytes at {offset}");
        let chunks = (offset / CHUNK_BYTES) as usize..end.div_ceil(CHUNK_BYTES) as usize;
        self.present.lock().unwrap()[chunks].fill(true);
        Ok(())
    }
}
