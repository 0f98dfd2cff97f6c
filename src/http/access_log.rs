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

use actix_web::http::header::{HeaderName, RANGE, REFERER, USER_AGENT};
use arc_swap::ArcSwapOption;
use prometheus_client::metrics::counter::Counter;
use rustix::{
    fs::{OFlags, fcntl_getfl, fcntl_setfl},
    io::Errno,
};

use serde::Serialize;

use super::fields::RequestFields;
use crate::{
    config::AccessLogFormat,
    telemetry::{
        Metrics,
        line_writer::{LineWriter, Notices},
    },
};

/// The most bytes of lines that wait for the writer.
const QUEUE_BYTES_MAX: usize = 4 << 20;

/// Time for the last lines to be written at the end of the process.
const FINISH_TIMEOUT: Duration = Duration::from_secs(1);

/// The names of months in the combined format, whatever the language of the system.
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// The usual length of a line, in bytes.
const LINE_BYTES: usize = 256;

/// The most bytes of a request's field in a line.
const FIELD_BYTES_MAX: usize = 1024;

/// The log, which may be off. Clones share the log.
#[derive(Clone)]
pub struct AccessLog(Arc<Shared>);

struct Shared {
    output: ArcSwapOption<Output>,
    dropped: Counter,
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(output) = self.output.swap(None) {
            output.writer.close();
        }
    }
}

/// Where lines go, and how they look.
struct Output {
    writer: LineWriter,
    format: AccessLogFormat,
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

/// The contents of a line. Text of the client is as it arrived, up to [`FIELD_BYTES_MAX`].
#[derive(Debug, Default)]
struct Record {
    client: Option<IpAddr>,
    request: Box<[u8]>,
    range: Box<[u8]>,
    referrer: Box<[u8]>,
    agent: Box<[u8]>,
    id: Box<[u8]>,
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
        let field = |name: HeaderName| cut(request.lines(&name).next().unwrap_or_default());
        Self {
            client,
            request: cut(&request.line()),
            range: field(RANGE),
            referrer: field(REFERER),
            agent: field(USER_AGENT),
            id: cut(id),
            ..Self::default()
        }
    }

    fn write_to(&self, format: AccessLogFormat, line: &mut String) -> fmt::Result {
        match format {
            AccessLogFormat::Text => self.write_text(line),
            AccessLogFormat::Combined => self.write_combined(line),
            AccessLogFormat::Json => self.write_json(line),
        }
    }

    fn write_text(&self, line: &mut String) -> fmt::Result {
        let time = humantime::format_rfc3339_millis(SystemTime::now());
        let Self { request, range, agent, id, .. } = self;
        let (request, client) = (request.escape_ascii(), self.client());
        write!(line, "{time} {client} \"{request}\" {} {}", self.status, self.sent)?;
        write!(line, " {:.3}s", self.duration.as_secs_f64())?;
        if !range.is_empty() {
            write!(line, " range=\"{}\"", range.escape_ascii())?;
        }
        if self.was_cut {
            write!(line, " cut")?;
        }
        writeln!(line, " id={} agent=\"{}\"", id.escape_ascii(), agent.escape_ascii())
    }

    /// The combined log format, as tools for logs of Apache and nginx read it.
    fn write_combined(&self, line: &mut String) -> fmt::Result {
        // 2026-11-30T15:49:47Z
        let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        let month = now[5..7].parse().ok().and_then(|month: usize| MONTHS.get(month - 1));
        let (year, day, time) = (&now[..4], &now[8..10], &now[11..19]);
        let (client, month) = (self.client(), month.copied().unwrap_or_default());
        let request = self.request.escape_ascii();
        write!(line, "{client} - - [{day}/{month}/{year}:{time} +0000] \"{request}\"")?;
        let or_none = |field: &[u8]| match field {
            [] => "-".to_owned(),
            field => field.escape_ascii().to_string(),
        };
        let (referrer, agent) = (or_none(&self.referrer), or_none(&self.agent));
        writeln!(line, " {} {} \"{referrer}\" \"{agent}\"", self.status, self.sent)
    }

    fn write_json(&self, line: &mut String) -> fmt::Result {
        let text = |field: &[u8]| String::from_utf8_lossy(field).into_owned();
        let some = |field: &[u8]| (!field.is_empty()).then(|| text(field));
        let request = text(&self.request);
        let parts: Vec<&str> = request.split(' ').collect();
        // The head of a refused request may be anything.
        let (method, target, protocol) = match parts[..] {
            [method, target, protocol] => (Some(method), Some(target), Some(protocol)),
            _ => (None, None, None),
        };
        let object = JsonLine {
            time: humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
            client: self.client,
            request: method.is_none().then_some(&request),
            method,
            target,
            protocol,
            status: self.status,
            bytes: self.sent,
            // Whole microseconds, not the digits of a binary fraction.
            duration_s: (self.duration.as_secs_f64() * 1e6).round() / 1e6,
            cut: self.was_cut,
            range: some(&self.range),
            referrer: some(&self.referrer),
            agent: some(&self.agent),
            id: text(&self.id),
        };
        writeln!(line, "{}", serde_json::to_string(&object).map_err(|_| fmt::Error)?)
    }

    fn client(&self) -> String {
        self.client.map_or("-".to_owned(), |client| client.to_string())
    }
}

/// A line of the JSON format; what a request does not have is left out.
#[derive(Serialize)]
struct JsonLine<'a> {
    time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<&'a String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    protocol: Option<&'a str>,
    status: u16,
    /// Bytes of the body that the connection accepted.
    bytes: u64,
    duration_s: f64,
    /// Whether an error of the server cut the body short.
    cut: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    range: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    referrer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<String>,
    id: String,
}

/// Text of a client, no longer than a line needs.
fn cut(bytes: &[u8]) -> Box<[u8]> {
    bytes[..bytes.len().min(FIELD_BYTES_MAX)].into()
}

impl AccessLog {
    /// A log that is off.
    pub fn new(metrics: &Metrics) -> Self {
        let dropped = metrics.access_log_lines_dropped();
        Self(Arc::new(Shared { output: ArcSwapOption::empty(), dropped }))
    }

    /// Writes to this file in this format from now on, or stops with `None`. The previous file is closed when
    /// its lines are written, so that log rotation can rename it.
    pub fn set_target(&self, target: Option<Target>, format: AccessLogFormat) -> io::Result<()> {
        let output = target.map(|target| {
            let notices = AccessLogNotices { path: target.path };
            let dropped = self.0.dropped.clone();
            let writer =
                LineWriter::start("access-log", target.file, QUEUE_BYTES_MAX, dropped, notices)?;
            Ok::<_, io::Error>(Output { writer, format })
        });
        self.replace(output.transpose()?);
        Ok(())
    }

    fn replace(&self, output: Option<Output>) -> Option<Arc<Output>> {
        let previous = self.0.output.swap(output.map(Arc::new));
        previous.inspect(|previous| previous.writer.close())
    }

    /// Stops the log and waits for a short time until the last lines are written. For the end of the
    /// process.
    pub fn finish(&self) {
        if let Some(last) = self.replace(None) {
            last.writer.flush(FINISH_TIMEOUT);
        }
    }

    /// Begins the entry of a request; `None` if the log is off.
    pub fn begin(
        &self,
        request: &impl RequestFields,
        client: Option<IpAddr>,
        id: &[u8],
    ) -> Option<Box<Entry>> {
        let is_on = self.0.output.load().is_some();
        let entry = || Entry {
            log: self.clone(),
            record: Record::from_request(request, client, id),
            began: Instant::now(),
        };
        is_on.then(|| Box::new(entry()))
    }

    /// Queues a line for the writer.
    fn write(&self, record: &Record) {
        if let Some(output) = self.0.output.load().as_ref() {
            let mut line = String::with_capacity(LINE_BYTES);
            // Writing to a string does not fail.
            let _ = record.write_to(output.format, &mut line);
            output.writer.write_lines(line.as_bytes());
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
