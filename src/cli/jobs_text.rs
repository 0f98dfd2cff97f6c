//! Jobs as text, for a terminal and for other programs.

use std::fmt::Write as _;

use super::report_text::escaped;
use crate::queue::{Job, State};

/// Length of a progress bar, in characters.
const BAR_CHARS: usize = 20;

/// Length of the end of an identifier, which is random, in characters.
const SHORT_ID_CHARS: usize = 8;

/// A line for each job: identifier, state, progress, kind, title, and details, separated by tabs, which
/// none of them contains.
pub(super) fn plain(jobs: &[Job]) -> String {
    let mut text = String::new();
    for job in jobs {
        let (percent, title) = (percent(job), escaped(&job.title));
        let details = escaped(&details(job));
        let state = job.state;
        // Writing to a string does not fail.
        let _ = writeln!(text, "{}\t{state}\t{percent}\t{}\t{title}\t{details}", job.id, job.kind);
    }
    text
}

/// Lines for people, of at most `columns` characters.
pub(super) fn lines(jobs: &[Job], columns: usize) -> Vec<String> {
    if jobs.is_empty() {
        return vec!["No jobs.".into()];
    }
    let kinds = jobs.iter().map(|job| job.kind.chars().count()).max().unwrap_or_default();
    let line = |job: &Job| {
        let (bar, percent, title) = (bar(job), percent(job), escaped(&job.title));
        let mut line =
            format!("{}  {:kinds$}  {bar} {percent:>6}  {title}", short_id(job), job.kind);
        let details = escaped(&details(job));
        if !details.is_empty() {
            line += &format!("  {details}");
        }
        line.chars().take(columns).collect()
    };
    jobs.iter().map(line).collect()
}

/// Terminal codes and text that draw these lines over the `drawn` lines before.
pub(super) fn frame(lines: &[String], drawn: usize) -> String {
    // Cursor up, erase below, and no line wrap, however wide the characters are.
    let up = if drawn > 0 { format!("\x1b[{drawn}A") } else { String::new() };
    let mut frame = format!("{up}\r\x1b[J\x1b[?7l");
    for line in lines {
        frame += line;
        frame += "\r\n";
    }
    frame + "\x1b[?7h"
}

/// The end of a job's identifier.
pub(super) fn short_id(job: &Job) -> String {
    let id = job.id.to_string();
    id[id.len().saturating_sub(SHORT_ID_CHARS)..].to_owned()
}

fn bar(job: &Job) -> String {
    let fill = match job.state {
        State::Done => BAR_CHARS,
        _ => usize::from(job.progress.permille.min(1000)) * BAR_CHARS / 1000,
    };
    format!("[{:BAR_CHARS$}]", "#".repeat(fill))
}

fn percent(job: &Job) -> String {
    match job.state {
        State::Done => "100.0%".into(),
        _ => {
            let permille = job.progress.permille.min(1000);
            format!("{}.{}%", permille / 10, permille % 10)
        }
    }
}

/// Details besides the progress: current step, state or error.
fn details(job: &Job) -> String {
    let error = job.last_error.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
    match job.state {
        State::Running | State::Waiting if job.cancel_requested => "cancelling".into(),
        State::Running | State::Waiting => {
            let (stage, note) = (&job.progress.stage, &job.progress.note);
            match (stage.is_empty(), note.is_empty()) {
                (false, false) => format!("{stage}, {note}"),
                _ => format!("{stage}{note}"),
            }
        }
        State::Queued if job.last_error.is_some() => format!("retrying{error}"),
        State::Failed => format!("failed{error}"),
        State::Queued | State::Done | State::Cancelled => job.state.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::{Class, Progress};

    fn job(state: State, permille: u16, error: &str) -> Job {
        Job {
            id: "0190b0a0-0000-7000-8000-0000deadbeef".parse().expect("a name"),
            class: Class::Encode,
            kind: "rendition".into(),
            title: "films/a\n\x1b[2J.mp4".into(),
            payload: "{}".into(),
            priority: 0,
            state,
            dedupe_key: None,
            attempts: 1,
            max_attempts: 3,
            run_at_ms: 0,
            lease_token: 1,
            lease_owner: None,
            lease_until_ms: None,
            progress: Progress { permille, stage: "encoding".into(), note: "3 of 7".into() },
            cancel_requested: false,
            last_error: Some(error.to_owned()).filter(|error| !error.is_empty()),
            unavailable: false,
            parent: None,
            created_ms: 0,
            started_ms: None,
            finished_ms: None,
            changed: 1,
        }
    }

    #[test]
    fn a_line_shows_progress_and_result_of_a_job() {
        for (job, expected) in [
            (job(State::Running, 425, ""), "[########            ]  42.5%"),
            (job(State::Running, 425, ""), "encoding, 3 of 7"),
            (job(State::Waiting, 2000, ""), "[####################] 100.0%"),
            (job(State::Done, 990, ""), "[####################] 100.0%"),
            (job(State::Queued, 0, ""), "[                    ]   0.0%"),
            (job(State::Queued, 0, "it broke"), "retrying: it broke"),
            (job(State::Failed, 100, "it broke\n"), "failed: it broke\\n"),
            (job(State::Cancelled, 100, ""), "cancelled"),
        ] {
            let lines = lines(&[job], 200);
            assert!(lines[0].starts_with("deadbeef  rendition  ["), "{}", lines[0]);
            assert!(lines[0].contains(expected), "{} without {expected:?}", lines[0]);
        }
    }

    #[test]
    fn names_and_messages_neither_control_the_terminal_nor_break_lines() {
        let jobs = [job(State::Failed, 1, "a\tb\r\n\x07"), job(State::Running, 1, "")];
        let plain = plain(&jobs);
        assert_eq!(plain.lines().count(), 2);
        assert!(plain.lines().all(|line| line.split('\t').count() == 6), "{plain}");
        for text in lines(&jobs, 500).into_iter().chain([plain.replace(['\n', '\t'], "")]) {
            assert!(!text.contains(char::is_control), "{text:?}");
        }
        assert!(lines(&jobs, 30).iter().all(|line| line.chars().count() == 30));
    }

    #[test]
    fn a_frame_is_drawn_over_the_one_before() {
        let lines = ["one".to_owned(), "two".to_owned()];
        assert_eq!(frame(&lines, 0), "\r\x1b[J\x1b[?7lone\r\ntwo\r\n\x1b[?7h");
        assert!(frame(&lines, 2).starts_with("\x1b[2A\r\x1b[J"));
    }
}
