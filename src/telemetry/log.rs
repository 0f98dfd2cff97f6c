//! The log on standard error, as text or JSON; standard output is for results.
//!
//! Every line goes through the `RepeatLimit`, gets its [hidden characters escaped](super::escape) and is
//! written by the thread of a [`LineWriter`]: neither a client nor the reader of the log can stop a thread
//! that logs, forge a line, or decide the length of the log.

use std::{
    fmt::Write as _,
    fs::File,
    io::{self, IsTerminal as _, Write},
    os::fd::AsFd as _,
    sync::{LazyLock, OnceLock},
    time::{Duration, SystemTime},
};

use prometheus_client::metrics::counter::Counter;
use serde_json::json;
use tracing::{Level, field::Field};
use tracing_subscriber::{
    EnvFilter, Registry,
    field::MakeExt as _,
    fmt::{
        self,
        format::{FormatFields, Writer, debug_fn},
    },
    layer::SubscriberExt as _,
    reload,
    util::SubscriberInitExt as _,
};

use super::{
    escape::{Escaped, escape_json},
    line_writer::{LineWriter, Notices},
    repeat_limit::RepeatLimit,
};

/// actix logs each aborted connection as an error; `http::pipeline` has logged the reason already.
const QUIET: &str = "actix_http=off";

/// The most bytes of lines that wait for the reader of the log.
const QUEUE_BYTES_MAX: usize = 1 << 20;

/// Time for the reader of the log to take the last lines at the end of the process.
const FINISH_TIMEOUT: Duration = Duration::from_secs(1);

/// The log of this process.
static LOG: OnceLock<Log> = OnceLock::new();

/// Lines of the log that were dropped since the start of the process. Global, because the log is.
static LINES_DROPPED: LazyLock<Counter> = LazyLock::new(Counter::default);

struct Log {
    is_json: bool,
    filter: reload::Handle<EnvFilter, Registry>,
    limit: RepeatLimit,
    writer: LineWriter,
}

/// Starts the log. Does nothing if the process logs already, as in tests.
pub fn start(filter: &str, is_json: bool) -> io::Result<()> {
    // A handle of its own: a thread that is stuck in a write holds std's lock of standard error.
    let target = File::from(io::stderr().as_fd().try_clone_to_owned()?);
    let is_terminal = target.is_terminal();
    let notices = LogNotices { is_json };
    let dropped = LINES_DROPPED.clone();
    let writer = LineWriter::start("log", target, QUEUE_BYTES_MAX, dropped, notices)?;
    let limit = RepeatLimit::default();
    let (filter, handle) = reload::Layer::new(parse_filter(filter));
    let registry = tracing_subscriber::registry().with(filter);
    let lines = fmt::layer().log_internal_errors(false);
    let started = if is_json {
        let to = JsonWriter(writer.clone());
        let lines = lines.json().with_writer(move || to.clone());
        registry.with(lines).with(limit.clone()).try_init()
    } else {
        let to = writer.clone();
        let lines = lines.fmt_fields(text_fields()).with_ansi(is_terminal).with_target(false);
        registry.with(lines.with_writer(move || to.clone())).with(limit.clone()).try_init()
    };
    if started.is_ok() {
        limit.start_reports()?;
        let _ = LOG.set(Log { is_json, filter: handle, limit, writer });
    } else {
        writer.close();
    }
    Ok(())
}

/// Replaces the filter of the log.
pub fn set_filter(filter: &str) {
    if let Some(log) = LOG.get()
        && let Err(error) = log.filter.reload(parse_filter(filter))
    {
        tracing::warn!(%error, "could not change the log filter");
    }
}

/// Prints a line to standard error, as the last word of a command. Neither a reader that stalls nor one that
/// has gone stops the process.
pub fn print(line: &str) {
    match LOG.get() {
        Some(log) => log.writer.write_lines(format!("{line}\n").as_bytes()),
        None => drop(writeln!(io::stderr(), "{line}")),
    }
}

/// Waits for a short time until the last lines are written. For the end of the process.
pub fn finish() {
    if let Some(log) = LOG.get() {
        log.limit.report_all();
        log.writer.close();
        log.writer.flush(FINISH_TIMEOUT);
    }
}

/// Logs a panic, and waits for `timeout` at most until it is written. It does not take the way of other
/// lines, on which it may have happened. Returns `false` if there is no log.
pub(super) fn log_panic(message: &str, timeout: Duration) -> bool {
    let Some(log) = LOG.get() else {
        return false;
    };
    log.writer.write_lines(own_line(log.is_json, Level::ERROR, message).as_bytes());
    log.writer.flush(timeout);
    true
}

/// Lines that were dropped since the start of the process.
pub(super) fn lines_dropped() -> u64 {
    LINES_DROPPED.get()
}

fn parse_filter(filter: &str) -> EnvFilter {
    EnvFilter::builder().parse_lossy(format!("{QUIET},{filter}"))
}

/// Formats fields as `message name=value`, with hidden characters escaped.
fn text_fields() -> impl for<'writer> FormatFields<'writer> + Clone {
    let format = |writer: &mut Writer<'_>, field: &Field, value: &dyn std::fmt::Debug| {
        if field.name() != "message" {
            write!(writer, "{}=", field.name())?;
        }
        write!(Escaped(writer), "{value:?}")
    };
    debug_fn(format).delimited(" ")
}

/// Escapes the hidden characters of lines of JSON.
#[derive(Clone)]
struct JsonWriter(LineWriter);

impl Write for JsonWriter {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        match std::str::from_utf8(lines) {
            Ok(text) => self.0.write_lines(escape_json(text).as_bytes()),
            Err(_never) => self.0.write_lines(lines),
        }
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A line in the format of the log, for messages that do not go through it.
fn own_line(is_json: bool, level: Level, message: &str) -> String {
    let time = humantime::format_rfc3339_micros(SystemTime::now());
    let mut line = String::new();
    // Writing to a string does not fail.
    if is_json {
        let (time, target) = (time.to_string(), module_path!());
        let fields = json!({ "message": message });
        let level = level.as_str();
        let object =
            json!({ "timestamp": time, "level": level, "fields": fields, "target": target });
        line += &escape_json(&object.to_string());
    } else {
        let _ = write!(line, "{time} {level:>5} ");
        let _ = write!(Escaped(&mut line), "{message}");
    }
    line + "\n"
}

/// The log's messages about itself. They cannot go through the log, whose queue may be full.
struct LogNotices {
    is_json: bool,
}

impl Notices for LogNotices {
    fn dropped(&mut self, lines: u64) -> String {
        let plural = if lines == 1 { " was" } else { "s were" };
        let message = format!("{lines} log line{plural} dropped: nobody read the log in time");
        own_line(self.is_json, Level::WARN, &message)
    }

    fn failed(&mut self, _: &io::Error) {
        // There is no other place to say so; the metric counts the lines.
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    /// Collects lines.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<String>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            *self.0.lock().expect("no panic") += std::str::from_utf8(bytes).expect("text");
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Lines {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    #[test]
    fn a_name_or_message_with_line_ends_stays_in_its_line() {
        let lines = Lines::default();
        let layer = fmt::layer().fmt_fields(text_fields()).with_ansi(false).with_target(false);
        let subscriber = tracing_subscriber::registry().with(layer.with_writer(lines.clone()));
        let forged = "a\n2026-01-01T00:00:00.000000Z ERROR forged\u{1b}[2J\u{202e}";
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(title = forged, "quoted");
            tracing::warn!(file = %forged, "shown");
            tracing::warn!("message {forged}");
        });
        let text = lines.0.lock().expect("no panic").clone();
        assert_eq!(text.lines().count(), 3, "{text}");
        let (quoted, others) = text.split_once('\n').expect("a line");
        assert!(quoted.contains(r#"quoted title="a\n2026"#), "{quoted}");
        assert!(others.contains(r" shown file=a\n2026"), "{others}");
        assert!(others.contains(r"ERROR forged\u{1b}[2J\u{202e}"), "{others}");
        assert!(text.chars().all(|it| it == '\n' || !it.is_control()), "{text:?}");
    }

    #[test]
    fn a_notice_of_dropped_lines_has_the_format_of_the_log() {
        let text = LogNotices { is_json: false }.dropped(2);
        assert!(
            text.contains("Z  WARN 2 log lines were dropped") && text.ends_with('\n'),
            "{text}"
        );
        let line = LogNotices { is_json: true }.dropped(1);
        let line: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(line["level"], "WARN");
        let message = line["fields"]["message"].as_str().expect("a message");
        assert!(message.starts_with("1 log line was dropped"), "{message}");
    }
}
