//! The access log: one line per response, written when the response ends.
//!
//! A separate thread writes the file, since the disk may block. When it cannot keep up, lines are dropped
//! and counted, and requests are not delayed.

use std::{
    fs::OpenOptions,
    io::{self, BufWriter, Write},
    net::IpAddr,
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant, SystemTime},
};

use actix_web::http::header::{HeaderName, RANGE, USER_AGENT};
use arc_swap::ArcSwapOption;

use super::fields::RequestFields;

/// Lines in the writer's queue.
const QUEUE_LINES: usize = 16 * 1024;

/// The most bytes of a request's field in a line.
const FIELD_BYTES_MAX: usize = 1024;

/// The log, which may be off. Clones share the log.
#[derive(Clone, Default)]
pub struct AccessLog(Arc<Shared>);

#[derive(Default)]
struct Shared {
    writer: ArcSwapOption<SyncSender<Record>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    dropped: AtomicU64,
}

/// One request and its response. The drop, when the response ends for any reason, writes the line.
pub struct Entry {
    log: AccessLog,
    record: Record,
    began: Instant,
}

/// The contents of a line.
#[derive(Debug, Default)]
struct Record {
    client: Option<IpAddr>,
    request: String,
    range: String,
    agent: String,
    id: String,
    status: u16,
    /// Bytes of the body that the connection accepted.
    sent: u64,
    /// Whether an error of the server cut the body short.
    was_cut: bool,
    /// The time from the request header to the end of the body.
    duration: Duration,
}

impl Entry {
    /// Notes the start of the response.
    pub fn set_status(&mut self, status: u16) {
        self.record.status = status;
    }

    /// Notes bytes of the body that the connection accepted.
    pub fn add_sent(&mut self, bytes: u64) {
        self.record.sent += bytes;
    }

    /// Notes that an error of the server cut the body short.
    pub fn set_cut(&mut self) {
        self.record.was_cut = true;
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let duration = self.began.elapsed();
        let record = std::mem::take(&mut self.record);
        self.log.write(Record { duration, ..record });
    }
}

impl Record {
    fn from_request(request: &impl RequestFields, client: Option<IpAddr>, id: &[u8]) -> Self {
        let field = |name: HeaderName| escape(request.lines(&name).next().unwrap_or_default());
        Self {
            client,
            request: escape(line(request).as_bytes()),
            range: field(RANGE),
            agent: field(USER_AGENT),
            id: escape(id),
            ..Self::default()
        }
    }

    fn write_to(&self, log: &mut impl Write) -> io::Result<()> {
        let time = humantime::format_rfc3339_millis(SystemTime::now());
        write!(log, "{time} ")?;
        match self.client {
            Some(client) => write!(log, "{client}")?,
            None => write!(log, "-")?,
        }
        write!(log, " \"{}\" {} {}", self.request, self.status, self.sent)?;
        write!(log, " {:.3}s", self.duration.as_secs_f64())?;
        if !self.range.is_empty() {
            write!(log, " range=\"{}\"", self.range)?;
        }
        if self.was_cut {
            write!(log, " cut")?;
        }
        writeln!(log, " id={} agent=\"{}\"", self.id, self.agent)
    }
}

/// Text of a client, escaped so that it can neither break a line nor imitate another field.
fn escape(bytes: &[u8]) -> String {
    let bytes = &bytes[..bytes.len().min(FIELD_BYTES_MAX)];
    bytes.escape_ascii().to_string()
}

impl AccessLog {
    /// Starts writing to this file, `-` for standard output, or stops with `None`. Closes the previous
    /// file, so that log rotation can rename it.
    pub fn reopen(&self, path: Option<&Path>) -> io::Result<()> {
        let Some(path) = path else {
            self.0.writer.store(None);
            return Ok(());
        };
        let target: Box<dyn Write + Send> = match path.as_os_str() == "-" {
            true => Box::new(io::stdout()),
            false => {
                let opened = OpenOptions::new().create(true).append(true).open(path);
                let named = |error| io::Error::other(format!("{}: {error}", path.display()));
                Box::new(opened.map_err(named)?)
            }
        };
        let (sender, records) = sync_channel(QUEUE_LINES);
        let path = path.to_owned();
        let write = move || write_all(&records, BufWriter::new(target), &path);
        let thread = thread::Builder::new().name("access-log".into()).spawn(write)?;
        self.0.writer.store(Some(Arc::new(sender)));
        // The thread of the previous file ends when it has written its queue.
        *self.thread() = Some(thread);
        Ok(())
    }

    /// Stops the log and waits until the thread has written all lines. For the end of the process.
    pub fn finish(&self) {
        self.0.writer.store(None);
        let thread = self.thread().take();
        // The panic hook has already reported a panic of the writer.
        let _ = thread.map(JoinHandle::join);
    }

    fn thread(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.0.thread.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins the entry of a request; `None` if the log is off.
    pub fn begin(
        &self,
        request: &impl RequestFields,
        client: Option<IpAddr>,
        id: &[u8],
    ) -> Option<Box<Entry>> {
        let is_on = self.0.writer.load().is_some();
        let entry = || Entry {
            log: self.clone(),
            record: Record::from_request(request, client, id),
            began: Instant::now(),
        };
        is_on.then(|| Box::new(entry()))
    }

    /// Queues a line for the writer.
    fn write(&self, record: Record) {
        if let Some(writer) = self.0.writer.load().as_ref()
            && writer.try_send(record).is_err()
        {
            let dropped = self.0.dropped.fetch_add(1, Ordering::Relaxed) + 1;
            if dropped.is_power_of_two() {
                tracing::warn!(dropped, "access log lines dropped: the disk is too slow");
            }
        }
    }
}

/// Method, target and version of a request.
fn line(request: &impl RequestFields) -> String {
    format!("{} {} {:?}", request.method(), request.target(), request.version())
}

/// Writes lines until all senders are gone; flushes whenever the queue is empty.
fn write_all(records: &Receiver<Record>, mut log: impl Write, path: &Path) {
    let mut failed = false;
    while let Ok(first) = records.recv() {
        let mut written = first.write_to(&mut log);
        while let Ok(record) = records.try_recv() {
            written = written.and(record.write_to(&mut log));
        }
        let result = written.and_then(|()| log.flush());
        if let Err(error) = &result
            && !failed
        {
            tracing::warn!(%error, path = %path.display(), "cannot write the access log, retrying");
        }
        failed = result.is_err();
    }
}
