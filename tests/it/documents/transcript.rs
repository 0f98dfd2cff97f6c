//! Commands and their output in a document, and whether the real output is the same.
//!
//! `…` in a line stands for any text, alone in a line for any lines. Of the head of an HTTP response a
//! document shows some lines, in any order.

/// A command with the output that the document shows.
#[derive(Debug, Eq, PartialEq)]
pub struct Step {
    pub command: String,
    pub output: Vec<String>,
}

/// The steps of a `console` block: a command begins with `$ `, and goes on where a line ends with `\`.
pub fn steps(code: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut continues = false;
    for line in code.lines() {
        let command = line.strip_prefix("$ ").or(continues.then_some(line));
        match (command, steps.last_mut()) {
            (Some(command), Some(step)) if continues => step.command += &format!("\n{command}"),
            (Some(command), _) => {
                steps.push(Step { command: command.to_owned(), output: Vec::new() });
            }
            (None, Some(step)) => step.output.push(line.to_owned()),
            (None, None) => panic!("output without a command: {line}"),
        }
        continues = command.is_some_and(|command| command.ends_with('\\'));
    }
    for step in &mut steps {
        trim_end(&mut step.output);
    }
    steps
}

fn trim_end(lines: &mut Vec<String>) {
    while lines.last().is_some_and(|line| line.trim().is_empty()) {
        lines.pop();
    }
}

/// Whether a command printed what the document shows.
pub fn shows(expected: &[String], printed: &str) -> bool {
    let mut printed: Vec<String> =
        printed.lines().map(|line| line.trim_end_matches('\r').to_owned()).collect();
    trim_end(&mut printed);
    if expected.first().is_some_and(|line| line.starts_with("HTTP/")) {
        return expected.iter().all(|line| printed.iter().any(|printed| is_like(line, printed)));
    }
    lines_match(expected, &printed)
}

fn lines_match(expected: &[String], printed: &[String]) -> bool {
    match (expected.split_first(), printed.split_first()) {
        (None, None) => true,
        (Some((first, rest)), _) if first == "…" => {
            (0..=printed.len()).any(|skipped| lines_match(rest, &printed[skipped..]))
        }
        (Some((first, rest)), Some((line, further))) => {
            is_like(first, line) && lines_match(rest, further)
        }
        _ => false,
    }
}

/// Whether a line is like a pattern in which `…` is any text.
fn is_like(pattern: &str, line: &str) -> bool {
    let parts: Vec<&str> = pattern.split('…').collect();
    let [first, middle @ .., last] = parts.as_slice() else {
        return pattern == line;
    };
    let Some(rest) = line.strip_prefix(first).and_then(|line| line.strip_suffix(last)) else {
        return false;
    };
    let mut rest = rest;
    middle.iter().all(|part| match rest.split_once(part) {
        Some((_, after)) => {
            rest = after;
            true
        }
        None => false,
    })
}

#[test]
fn a_transcript_has_commands_and_their_output() {
    let code = "$ one \\\n    two\na\n\n$ three\n$ four # five\nb\n\nc\n\n";
    let step = |command: &str, output: &[&str]| Step {
        command: command.to_owned(),
        output: output.iter().map(|&line| line.to_owned()).collect(),
    };
    let expected =
        [step("one \\\n    two", &["a"]), step("three", &[]), step("four # five", &["b", "", "c"])];
    assert_eq!(steps(code), expected);
}

#[test]
fn output_is_compared_line_by_line() {
    let shows = |expected: &str, printed: &str| {
        let expected: Vec<_> = expected.lines().map(str::to_owned).collect();
        shows(&expected, printed)
    };
    assert!(shows("a\nb", "a\r\nb\n\n") && shows("a\n…", "a") && shows("a\n…\nd", "a\nb\nc\nd"));
    assert!(!shows("a\nb", "a") && !shows("a", "a\nb") && !shows("a\n…\nd", "a\nd\ne"));
    assert!(shows("a … c", "a b c") && shows("a…b…c", "a.b.b.c") && shows("…", ""));
    assert!(!shows("a … c", "a c d") && !shows("a…b…c", "abd") && !shows("ab…b", "ab"));
    assert!(shows("HTTP/1.1 200 OK\nb: 1", "HTTP/1.1 200 OK\na: 1\nb: 1"));
    assert!(!shows("HTTP/1.1 200 OK\nb: 1", "HTTP/1.1 200 OK\nb: 2"));
}
