//! The access log: one line per response, written when the response ends.
//!
//! A [`LineWriter`] writes the file, since the disk may block. When it cannot keep up, lines are dropped and
//! counted, and requests are not delayed.

use std::{
    fmt::{self, Write as _},
    fs::{File, OpenOptions},
    io,
    net::IpAddr,
    os::{fd::AsFd as _, unix::fs::OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use actix_web::http::header::{HeaderName, RANGE, USER_AGENT};
use arc_swap::ArcSwapOption;
use prometheus_client::metrics::counter::Counter;
use rustix::{
    fs::{OFlags, fcntl_getfl, fcntl_setfl},
    io::Errno,
};

use super::fields::RequestFields;
use crate::telemetry::{
    Metrics,
    line_writer::{LineWriter, Notices},
};

/// The most bytes of lines that wait for the writer.
const QUEUE_BYTES_MAX: usize = 4 << 20;

/// Time for the last lines to be written at the end of the process.
const FINISH_TIMEOUT: Duration = Duration::from_secs(1);

/// The usual length of a line, in bytes.
const LINE_BYTES: usize = 256;

/// The most bytes of a request's field in a line.
const FIELD_BYTES_MAX: usize = 1024;

/// The log, which may be off. Clones share the log.
#[derive(Clone)]
pub struct AccessLog(Arc<Shared>);

struct Shared {
    writer: ArcSwapOption<LineWriter>,
    dropped: Counter,
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(writer) = self.writer.swap(None) {
            writer.close();
        }
    }
}

/// An open file for the log.
#[derive(Debug)]
pub struct Target {
    path: PathBuf,
    file: File,
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
        self.record.duration = self.began.elapsed();
        self.log.write(&self.record);
    }
}

impl Record {
    fn from_request(request: &impl RequestFields, client: Option<IpAddr>, id: &[u8]) -> Self {
        let field = |name: HeaderName| escape(request.lines(&name).next().unwrap_or_default());
        Self {
            client,
            request: escape(&request.line()),
            range: field(RANGE),
            agent: field(USER_AGENT),
            id: escape(id),
            ..Self::default()
        }
    }

    fn write_to(&self, line: &mut String) -> fmt::Result {
        let time = humantime::format_rfc3339_millis(SystemTime::now());
        write!(line, "{time} ")?;
        match self.client {
            Some(client) => write!(line, "{client}")?,
            None => write!(line, "-")?,
        }
        write!(line, " \"{}\" {} {}", self.request, self.status, self.sent)?;
        write!(line, " {:.3}s", self.duration.as_secs_f64())?;
        if !self.range.is_empty() {
            write!(line, " range=\"{}\"", self.range)?;
        }
        if self.was_cut {
            write!(line, " cut")?;
        }
        writeln!(line, " id={} agent=\"{}\"", self.id, self.agent)
    }
}

/// Text of a client, escaped so that it can neither break a line nor imitate another field.
fn escape(bytes: &[u8]) -> String {
    let bytes = &bytes[..bytes.len().min(FIELD_BYTES_MAX)];
    bytes.escape_ascii().to_string()
}

impl AccessLog {
    /// A log that is off.
    pub fn new(metrics: &Metrics) -> Self {
        let dropped = metrics.access_log_lines_dropped();
        Self(Arc::new(Shared { writer: ArcSwapOption::empty(), dropped }))
    }

    /// Writes to this file from now on, or stops with `None`. The previous file is closed when its lines
    /// are written, so that log rotation can rename it.
    pub fn set_target(&self, target: Option<Target>) -> io::Result<()> {
        let writer = target.map(|target| {
            let notices = AccessLogNotices { path: target.path };
            let dropped = self.0.dropped.clone();
            LineWriter::start("access-log", target.file, QUEUE_BYTES_MAX, dropped, notices)
        });
        self.replace(writer.transpose()?);
        Ok(())
    }

    fn replace(&self, writer: Option<LineWriter>) -> Option<Arc<LineWriter>> {
        let previous = self.0.writer.swap(writer.map(Arc::new));
        previous.inspect(|previous| previous.close())
    }

    /// Stops the log and waits for a short time until the last lines are written. For the end of the
    /// process.
    pub fn finish(&self) {
        if let Some(last) = self.replace(None) {
            last.flush(FINISH_TIMEOUT);
        }
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
    fn write(&self, record: &Record) {
        if let Some(writer) = self.0.writer.load().as_ref() {
            let mut line = String::with_capacity(LINE_BYTES);
            // Writing to a string does not fail.
            let _ = record.write_to(&mut line);
            writer.write_lines(line.as_bytes());
        }
    }
}

impl Target {
    /// Opens this file, `-` for standard output. May wait for a disk, but not for the reader of a FIFO: one
    /// without a reader is an error.
    pub fn open(path: &Path) -> io::Result<Self> {
        let named = |why: &dyn fmt::Display| io::Error::other(format!("{}: {why}", path.display()));
        let file = match path.as_os_str() == "-" {
            // A handle of its own: a thread that is stuck in a write holds std's lock of standard output.
            true => io::stdout().as_fd().try_clone_to_owned().map(File::from),
            false => open(path),
        };
        let unread = Some(Errno::NXIO.raw_os_error());
        let file = file.map_err(|error| match error.raw_os_error() == unread {
            true => named(&"a FIFO that nobody reads; start its reader first"),
            false => named(&error),
        })?;
        Ok(Self { path: path.to_owned(), file })
    }
}

fn open(path: &Path) -> io::Result<File> {
    let nonblocking = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = OpenOptions::new().create(true).append(true).custom_flags(nonblocking).open(path)?;
    // The thread that writes may wait.
    fcntl_setfl(&file, fcntl_getfl(&file)? - OFlags::NONBLOCK)?;
    Ok(file)
}

/// The messages about an access log go to the server's log.
struct AccessLogNotices {
    path: PathBuf,
}

impl Notices for AccessLogNotices {
    fn dropped(&mut self, lines: u64) -> String {
        let path = self.path.display();
        tracing::warn!(lines, %path, "access log lines were dropped: it could not be written in time");
        String::new()
    }

    fn failed(&mut self, error: &io::Error) {
        tracing::warn!(%error, path = %self.path.display(), "cannot write the access log, retrying");
    }
}
