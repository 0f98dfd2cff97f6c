//! A proxy between a server and its bucket, which fails on demand and counts.

use std::{
    io::{BufRead as _, BufReader, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

/// What fails, from now on. By default nothing does.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// The operation that fails; `None`: all.
    pub only: Option<Operation>,
    /// Time before each request is passed on.
    pub latency: Duration,
    /// Of a hundred requests, those whose first byte comes later by [`late`](Self::late).
    pub late_percent: u64,
    /// See [`late_percent`](Self::late_percent).
    pub late: Duration,
    /// Of a hundred requests, those that get a 503.
    pub unavailable_percent: u64,
    /// `Retry-After` of a 503, in seconds.
    pub retry_after_s: Option<u64>,
    /// Status of all responses, in place of the bucket's.
    pub status: Option<u16>,
    /// No response begins.
    pub silence: bool,
    /// The connection is closed after so many bytes of a body.
    pub cut_after: Option<usize>,
    /// A body stops after so many bytes, and its connection stays open.
    pub stall_after: Option<usize>,
    /// A body ends after so many bytes, as if that were its length.
    pub end_after: Option<usize>,
    /// `ETag` in place of the bucket's.
    pub etag: Option<&'static str>,
    /// `Date` in place of the bucket's.
    pub date: Option<&'static str>,
    /// `Range` and what belongs to it is not passed on: the response is a whole object.
    pub ignores_range: bool,
    /// Preconditions are not passed on.
    pub ignores_preconditions: bool,
}

/// What a request does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Operation {
    /// Reads an object.
    Get,
    /// Reads an object's head.
    Head,
    /// Lists a page.
    List,
    /// Reads a property of the bucket.
    Property,
    /// Writes something.
    Write,
}

/// A request that passed, and the bytes of the body that were sent.
#[derive(Clone, Debug)]
pub struct Passed {
    /// What it does.
    pub operation: Operation,
    /// Path and query.
    pub target: String,
    /// The value of its `Range`.
    pub range: Option<String>,
    /// The value of its `If-None-Match`.
    pub condition: Option<String>,
    /// The number of the round trip that it is in: one more than that of any request whose response was sent
    /// before it came.
    pub round_trip: usize,
    /// The status of its response; 0 until it is sent, and if none is.
    pub status: u16,
    /// The bytes of the body that were sent so far.
    pub bytes: usize,
    /// Whether its first byte was made to come late.
    pub is_late: bool,
}

impl Passed {
    /// Whether it reads the byte at an offset.
    pub fn reads(&self, offset: u64) -> bool {
        let range = self.range.as_deref().and_then(|range| range.strip_prefix("bytes="));
        let ends = range.and_then(|range| range.split_once('-'));
        ends.and_then(|(first, last)| Some((first.parse::<u64>().ok()?, last.parse().ok()?)))
            .is_some_and(|(first, last)| (first..=last).contains(&offset))
    }
}

/// A running proxy; dropping it ends it.
pub struct FaultProxy {
    /// Its address.
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    upstream: SocketAddr,
    state: Mutex<State>,
    /// The faults have changed, or the proxy ends.
    changed: Condvar,
    open: AtomicUsize,
}

#[derive(Default)]
struct State {
    faults: Faults,
    /// Counts the changes of the faults.
    change: u64,
    passed: Vec<Passed>,
    most_open: usize,
    has_ended: bool,
}

/// The head of a message, and its body.
struct Message {
    first_line: String,
    fields: Vec<(String, String)>,
    body: Vec<u8>,
}

impl FaultProxy {
    /// Starts a proxy in front of a server.
    pub fn start(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            upstream,
            state: Mutex::default(),
            changed: Condvar::new(),
            open: AtomicUsize::new(0),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if accepting.lock().has_ended {
                    return;
                }
                let shared = Arc::clone(&accepting);
                thread::spawn(move || while let Some(()) = shared.serve(&stream) {});
            }
        });
        Self { address, shared }
    }

    /// Its URL, for the endpoint of a root.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Replaces the faults. Responses that wait are dropped with their connections.
    pub fn set(&self, faults: Faults) {
        let mut state = self.shared.lock();
        state.faults = faults;
        state.change += 1;
        self.shared.changed.notify_all();
    }

    /// The requests since the last [`forget`](Self::forget), in the order in which they came.
    pub fn passed(&self) -> Vec<Passed> {
        self.shared.lock().passed.clone()
    }

    /// The number of requests of an operation.
    pub fn requests(&self, operation: Operation) -> usize {
        let state = self.shared.lock();
        state.passed.iter().filter(|passed| passed.operation == operation).count()
    }

    /// The bytes of all bodies that were read from objects.
    pub fn bytes(&self) -> usize {
        let state = self.shared.lock();
        let read = state.passed.iter().filter(|passed| passed.operation == Operation::Get);
        read.map(|passed| passed.bytes).sum()
    }

    /// Whether no request is open.
    pub fn is_idle(&self) -> bool {
        self.shared.open.load(Ordering::Relaxed) == 0
    }

    /// The most requests that were open at the same time, until their responses were written.
    pub fn most_open(&self) -> usize {
        self.shared.lock().most_open
    }

    /// Counts from 0 again.
    pub fn forget(&self) {
        let mut state = self.shared.lock();
        state.passed.clear();
        state.most_open = 0;
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.shared.lock().has_ended = true;
        self.shared.changed.notify_all();
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Passes one request on. `None`: the connection ends.
    fn serve(&self, stream: &TcpStream) -> Option<()> {
        // A client sends no request before it has the response to the one before.
        let request = Message::read(&mut BufReader::new(stream), None)?;
        let open = self.open.fetch_add(1, Ordering::Relaxed) + 1;
        let served = self.pass(stream, request, open);
        self.open.fetch_sub(1, Ordering::Relaxed);
        if served.is_none() {
            let _ = stream.shutdown(Shutdown::Both);
        }
        served
    }

    fn pass(&self, mut stream: &TcpStream, mut request: Message, open: usize) -> Option<()> {
        let mut words = request.first_line.split(' ');
        let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
        let operation = Operation::of(&method, &target);
        let range = request.field("range").map(str::to_owned);
        let condition = request.field("if-none-match").map(str::to_owned);
        let (faults, change, number) = {
            let mut state = self.lock();
            let answered = state.passed.iter().filter(|passed| passed.status > 0);
            let round_trip = answered.map(|passed| passed.round_trip).max().unwrap_or(0) + 1;
            let (bytes, status) = (0, 0);
            state.passed.push(Passed {
                operation,
                target,
                range,
                condition,
                round_trip,
                status,
                bytes,
                is_late: false,
            });
            state.most_open = state.most_open.max(open);
            let applies = state.faults.only.is_none_or(|only| only == operation);
            let faults = if applies { state.faults.clone() } else { Faults::default() };
            (faults, state.change, state.passed.len() - 1)
        };
        if faults.silence {
            self.wait_for_change(change);
            return None;
        }
        thread::sleep(faults.latency);
        let is_chosen = |percent, salt| scatter(number as u64 ^ salt) % 100 < percent;
        if is_chosen(faults.late_percent, 1 << 32) {
            if let Some(passed) = self.lock().passed.get_mut(number) {
                passed.is_late = true;
            }
            thread::sleep(faults.late);
        }
        let unavailable = is_chosen(faults.unavailable_percent, 1 << 33).then_some(503);
        let mut response = match faults.status.or(unavailable) {
            Some(status) => Message::failure(status, faults.retry_after_s),
            None => {
                if faults.ignores_range {
                    request.fields.retain(|(name, _)| name != "range");
                }
                if faults.ignores_preconditions {
                    request.fields.retain(|(name, _)| !name.starts_with("if-"));
                }
                let mut upstream = TcpStream::connect(self.upstream).ok()?;
                request.write(&mut upstream)?;
                Message::read(&mut BufReader::new(upstream), Some(&method))?
            }
        };
        response.set("etag", faults.etag);
        response.set("date", faults.date);
        if let Some(end) = faults.end_after {
            response.body.truncate(end);
        }
        let stop = faults.cut_after.or(faults.stall_after).filter(|&at| at < response.body.len());
        let sent = stop.unwrap_or(response.body.len());
        if let Some(passed) = self.lock().passed.get_mut(number) {
            passed.bytes = sent;
            passed.status = response.status();
        }
        // The length in the response to HEAD is that of a body that is not sent.
        let length = (method != "HEAD").then(|| response.body.len().to_string());
        response.set("content-length", length.as_deref());
        response.body.truncate(sent);
        response.write(&mut stream)?;
        if stop.is_some() && faults.cut_after.is_none() {
            self.wait_for_change(change);
        }
        stop.is_none().then_some(())
    }

    fn wait_for_change(&self, change: u64) {
        let is_same = |state: &mut State| state.change == change && !state.has_ended;
        drop(self.changed.wait_while(self.lock(), is_same));
    }
}

impl Operation {
    fn of(method: &str, target: &str) -> Self {
        let query = target.split_once('?').map_or("", |(_, query)| query);
        match method {
            "HEAD" => Self::Head,
            "GET" if query.contains("list-type=") => Self::List,
            "GET" if query.starts_with("versioning") || query.starts_with("lifecycle") => {
                Self::Property
            }
            "GET" => Self::Get,
            _ => Self::Write,
        }
    }
}

impl Message {
    /// Reads a message: a request, or the response to this method. `None` if it is not whole.
    fn read(from: &mut BufReader<impl Read>, method: Option<&str>) -> Option<Self> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            from.read_line(&mut line).ok()?;
            match line.strip_suffix("\r\n")? {
                "" => break,
                line => lines.push(line.to_owned()),
            }
        }
        let mut lines = lines.into_iter();
        let first_line = lines.next()?;
        let fields = lines.filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_ascii_lowercase(), value.trim().to_owned()))
        });
        let mut message = Self { first_line, fields: fields.collect(), body: Vec::new() };
        let length =
            message.field("content-length").map(|length| length.parse().expect("a length"));
        if method != Some("HEAD") {
            message.body = vec![0; length.unwrap_or_default()];
            from.read_exact(&mut message.body).ok()?;
        }
        message.fields.retain(|(name, _)| name != "connection");
        Some(message)
    }

    fn failure(status: u16, retry_after_s: Option<u64>) -> Self {
        let body = b"<Error><Code>Failure</Code><Message>a test's</Message></Error>".to_vec();
        let mut fields = vec![("content-length".to_owned(), body.len().to_string())];
        let retry_after =
            retry_after_s.map(|seconds| ("retry-after".to_owned(), seconds.to_string()));
        fields.extend(retry_after);
        Self { first_line: format!("HTTP/1.1 {status} Failure"), fields, body }
    }

    /// The status of a response; 0 if there is none.
    fn status(&self) -> u16 {
        let mut words = self.first_line.split(' ');
        words.nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
    }

    fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.fields.iter();
        fields.find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Replaces a field that the message has.
    fn set(&mut self, name: &str, value: Option<&str>) {
        for (known, old) in &mut self.fields {
            if let Some(value) = value.filter(|_| known == name) {
                value.clone_into(old);
            }
        }
    }

    fn write(&self, to: &mut impl Write) -> Option<()> {
        let mut head = format!("{}\r\n", self.first_line);
        for (name, value) in &self.fields {
            head += &format!("{name}: {value}\r\n");
        }
        to.write_all(&[head.as_bytes(), b"\r\n", &self.body].concat()).ok()
    }
}

/// Spreads numbers evenly and without a pattern: the faults of every run are the same.
fn scatter(number: u64) -> u64 {
    // SplitMix64.
    let mut mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
