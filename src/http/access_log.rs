//! The access log: a line for each answer, written when it has ended.
//!
//! A thread of its own writes, since a file may have to be waited for. When it cannot keep up, lines
//! are dropped and counted rather than requests held up.

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

/// Lines that may wait for the disk.
const WAITING_MAX: usize = 16 * 1024;

/// Text taken from a request is cut to this many bytes, so that a line's length is bounded.
const FIELD_BYTES_MAX: usize = 1024;

/// Where requests are logged, or nowhere. A clone is the same log.
#[derive(Clone, Default)]
pub struct AccessLog(Arc<Shared>);

#[derive(Default)]
struct Shared {
    writer: ArcSwapOption<SyncSender<Record>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    dropped: AtomicU64,
}

/// One request and its answer, written when it is dropped: when the answer has ended, however it
/// did.
pub struct Entry {
    log: AccessLog,
    record: Record,
    began: Instant,
}

/// What a line says.
#[derive(Debug, Default)]
struct Record {
    client: Option<IpAddr>,
    request: String,
    range: String,
    agent: String,
    id: String,
    status: u16,
    /// Bytes of the body that were handed to the connection.
    sent: u64,
    /// Whether the body ended early because of an error of ours.
    was_cut: bool,
    /// From the request's head to the end of the body.
    duration: Duration,
}

impl Entry {
    /// The answer has begun.
    pub fn answered(&mut self, status: u16) {
        self.record.status = status;
    }

    /// More of the body was handed to the connection.
    pub fn sent(&mut self, bytes: u64) {
        self.record.sent += bytes;
    }

    /// The body ended early because of an error of ours.
    pub fn cut(&mut self) {
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
    fn of(request: &impl RequestFields, client: Option<IpAddr>, id: &[u8]) -> Self {
        let field = |name: HeaderName| plain(request.lines(&name).next().unwrap_or_default());
        Self {
            client,
            request: plain(request.line().to_string().as_bytes()),
            range: field(RANGE),
            agent: field(USER_AGENT),
            id: plain(id),
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

/// Text of a client's that cannot break a line or pretend to be another field.
fn plain(bytes: &[u8]) -> String {
    let bytes = &bytes[..bytes.len().min(FIELD_BYTES_MAX)];
    bytes.escape_ascii().to_string()
}

impl AccessLog {
    /// Starts writing to this file, `-` for standard output, or stops with `None`. What was open
    /// before is closed, so that a renamed file is let go.
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
        let (sender, records) = sync_channel(WAITING_MAX);
        let path = path.to_owned();
        let write = move || write_all(&records, BufWriter::new(target), &path);
        let thread = thread::Builder::new().name("access-log".into()).spawn(write)?;
        self.0.writer.store(Some(Arc::new(sender)));
        // The thread before it ends by itself when it has written what it was sent.
        *self.thread() = Some(thread);
        Ok(())
    }

    /// Stops writing, and waits until all lines are written. For the end of the process.
    pub fn finish(&self) {
        self.0.writer.store(None);
        let thread = self.thread().take();
        // A panic of the writer's has been reported by the hook, and there is nothing left to do.
        let _ = thread.map(JoinHandle::join);
    }

    fn thread(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.0.thread.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins an entry for a request, if anything is written at all.
    pub fn begin(
        &self,
        request: &impl RequestFields,
        client: Option<IpAddr>,
        id: &[u8],
    ) -> Option<Box<Entry>> {
        let is_written = self.0.writer.load().is_some();
        let entry = || Entry {
            log: self.clone(),
            record: Record::of(request, client, id),
            began: Instant::now(),
        };
        is_written.then(|| Box::new(entry()))
    }

    /// Writes a line, some time soon.
    fn write(&self, record: Record) {
        if let Some(writer) = self.0.writer.load().as_ref()
            && writer.try_send(record).is_err()
        {
            let dropped = self.0.dropped.fetch_add(1, Ordering::Relaxed) + 1;
            if dropped.is_power_of_two() {
                tracing::warn!(dropped, "the access log cannot keep up; lines are lost");
            }
        }
    }
}

/// Writes lines until nobody sends any more; flushes whenever there is nothing to write.
fn write_all(records: &Receiver<Record>, mut log: impl Write, path: &Path) {
    let mut failed = false;
    while let Ok(first) = records.recv() {
        let mut result = first.write_to(&mut log);
        while let Ok(record) = records.try_recv() {
            result = result.and(record.write_to(&mut log));
        }
        let result = result.and_then(|()| log.flush());
        if let Err(error) = &result
            && !failed
        {
            tracing::warn!(%error, path = %path.display(), "the access log cannot be written");
        }
        failed = result.is_err();
    }
}
