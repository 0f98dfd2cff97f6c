//! An inspection report as aligned text for a terminal: ASCII, except for names from the file.

use std::fmt::Write as _;

use crate::package::inspect::report::{
    Kind, Place, Plays, Report, Severity, TopBox, Track, Verdict, Video,
};

/// Width of the first column, in characters.
const LABEL_CHARS: usize = 14;

/// Maximum length of a line, in characters.
const LINE_CHARS_MAX: usize = 100;

/// Maximum number of listed boxes.
const BOXES_MAX: usize = 12;

/// Renders a report. `name` is the name of the file.
pub(super) fn text(report: &Report, name: &str) -> String {
    let mut lines = Lines::default();
    lines.0 += &escaped(name);
    lines.0 += "\n";
    file(&mut lines, report);
    for track in &report.tracks {
        one_track(&mut lines, track);
    }
    if !report.subtitle_files.is_empty() {
        lines.heading("subtitle files beside it");
        for file in &report.subtitle_files {
            let label = escaped(&file.label);
            let what = match &file.not_offered {
                Some(why) => format!("{label}, not offered: {}", escaped(why)),
                None => format!("{label}, {} cues", grouped(file.cues as u64)),
            };
            lines.item("-", &format!("{}: {what}", escaped(&file.name)));
        }
    }
    if !report.chapters.is_empty() {
        lines.heading("chapters");
        for chapter in &report.chapters {
            lines.row(&clock(chapter.start_s), &escaped(&chapter.title));
        }
    }
    for left_out in &report.left_out {
        let format = left_out.format.as_deref().unwrap_or("?");
        lines.heading(&format!("track {}, unplayable: {}", left_out.id, escaped(format)));
        lines.row("", &escaped(&left_out.why));
    }
    let about =
        |track: Option<u32>| track.map_or(String::new(), |track| format!("track {track}: "));
    if !report.repairs.is_empty() {
        lines.heading("fixed while streaming (the file is not changed)");
        for repair in &report.repairs {
            lines.item("-", &format!("{}{}", about(repair.track), repair.what));
        }
    }
    if !report.transcodes.is_empty() {
        lines.heading("needs transcoding");
        for it in &report.transcodes {
            let mut what = format!("track {}: {} to {}", it.track, escaped(&it.from), it.to);
            if !it.needed_for.is_empty() {
                what += &format!(", for {}", it.needed_for.join(", "));
            }
            if !it.perhaps_for.is_empty() {
                what += &format!(", perhaps for {}", it.perhaps_for.join(", "));
            }
            lines.item("-", &what);
        }
    }
    players(&mut lines, report);
    if !report.problems.is_empty() {
        lines.heading("problems");
        for problem in &report.problems {
            let severity = match problem.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
                Severity::Note => "note",
            };
            let sentence = escaped(&problem.sentence);
            lines.row(severity, &format!("{}{sentence}", about(problem.track)));
            lines.row("", &problem.advice);
        }
    }
    lines.0
}

fn file(lines: &mut Lines, report: &Report) {
    let file = &report.file;
    let brand = file.brand.as_deref().map(|brand| format!(", brand {}", escaped(brand)));
    let (size, brand) = (bytes(file.size_bytes), brand.unwrap_or_default());
    lines.row("file", &format!("{}{brand}, {size}", file.container));
    lines.row("version", &file.version);
    if let Some(duration_s) = report.duration_s {
        lines.row("duration", &clock(duration_s));
    }
    let index = match (file.index.place, file.index.size_bytes) {
        (Place::Front, Some(size)) => format!("at the start, {}", bytes(size)),
        (Place::End, Some(size)) => format!("at the end, {}", bytes(size)),
        _ => "missing".to_owned(),
    };
    lines.row("index (moov)", &index);
    if file.fragments > 0 {
        lines.row("fragments", &grouped(file.fragments as u64));
    }
    lines.row("boxes", &boxes(&file.boxes, file.box_count));
    if let Some(extent) = file.average_extent_bytes {
        let mut how = format!("{} contiguous on average", bytes(extent));
        if let Some(apart) = file.interleaving {
            let distance = bytes(apart.largest_distance_bytes);
            how += &format!("; audio and video up to {distance} apart, at {} s", apart.at_s);
        }
        lines.row("interleaving", &how);
    }
    if let Some(Verdict { plays, reason }) = &report.browsers {
        lines.row("browsers", &format!("{}: {}", plays_word(*plays), escaped(reason)));
    }
    lines.row("playable", if report.playable { "yes" } else { "no" });
    report.reasons.iter().for_each(|reason| lines.row("", &escaped(reason)));
}

fn boxes(boxes: &[TopBox], count: usize) -> String {
    if boxes.is_empty() {
        return "none".to_owned();
    }
    let listed = boxes.iter().take(BOXES_MAX).map(|it| {
        let cut = if it.is_cut { " cut off" } else { "" };
        format!("{} at {} ({}{cut})", escaped(&it.kind), it.offset, it.size_bytes)
    });
    let mut listed = listed.collect::<Vec<_>>().join(", ");
    if count > BOXES_MAX {
        listed += &format!(", and {} more", grouped((count - BOXES_MAX) as u64));
    }
    listed
}

fn one_track(lines: &mut Lines, track: &Track) {
    let kind = match track.kind {
        Kind::Video => "video",
        Kind::Audio => "audio",
        Kind::Text => "text",
        Kind::Data => "data",
    };
    lines.heading(&format!("track {}, {}", track.id, track.folder.as_deref().unwrap_or(kind)));
    let codec = format!("{} (codecs {}", escaped(&track.codec), escaped(&track.codecs));
    let format = if track.codecs.starts_with(&track.format) {
        String::new()
    } else {
        format!(", in the file {}", escaped(&track.format))
    };
    lines.row("codec", &format!("{codec}{format})"));
    if let Some(encryption) = &track.encryption {
        lines.row("encryption", encryption);
    }
    if let Some(name) = &track.name {
        lines.row("name", &escaped(name));
    }
    if let Some(language) = &track.language {
        lines.row("language", &escaped(language));
    }
    if !track.is_enabled {
        lines.row("enabled", "no: players play it only if selected");
    }
    if let Some(video) = &track.video {
        video_track(lines, video);
    }
    if let Some(text) = &track.text {
        let flags = [
            (text.is_default, "default"),
            (text.is_forced, "forced"),
            (text.is_for_hearing_impaired, "for the hearing impaired"),
        ];
        let flags = flags.into_iter().filter_map(|(is_set, flag)| is_set.then_some(flag));
        let all = [escaped(&text.label)].into_iter().chain(flags.map(str::to_owned));
        lines.row("listed as", &all.collect::<Vec<_>>().join(", "));
    }
    if let Some(audio) = &track.audio {
        let bits = audio.sample_bits.map(|bits| format!(", {bits} bit")).unwrap_or_default();
        let (channels, rate) = (audio.channels, grouped(audio.sample_rate_hz.into()));
        let plural = if channels == 1 { "" } else { "s" };
        lines.row("audio", &format!("{channels} channel{plural}, {rate} Hz{bits}"));
    }
    let rate = track.bit_rate;
    let kilo = |rate: u64| grouped(rate.div_ceil(1000));
    let (average, peak) = (kilo(rate.average_bits_s), kilo(rate.peak_bits_s));
    lines.row("bit rate", &format!("{average} kbit/s on average, {peak} kbit/s peak"));
    let timing = &track.timing;
    let (start_s, end_s) = (timing.start_s, timing.end_s);
    lines.row("time", &format!("{start_s:.3} s to {end_s:.3} s; {}", timing.words));
    let segments = track.segments;
    lines.row(
        "segments",
        &match &track.not_offered {
            Some(why) => format!("none: {}", escaped(why)),
            None => format!(
                "{}, the longest {:.3} s",
                grouped(segments.count as u64),
                segments.longest_s
            ),
        },
    );
}

fn video_track(lines: &mut Lines, video: &Video) {
    let mut size = format!("{} x {}", video.width, video.height);
    if (u32::from(video.width), u32::from(video.height)) != (video.shown_width, video.shown_height)
    {
        size += &format!(", shown as {} x {}", video.shown_width, video.shown_height);
    }
    if video.pixel_aspect != "1:1" {
        size += &format!(", pixels {}", video.pixel_aspect);
    }
    if video.is_mirrored {
        size += ", mirrored";
    }
    match video.rotation_degrees {
        Some(0) => {}
        Some(degrees) => size += &format!(", rotated by {degrees} degrees"),
        None => size += ", rotated by an arbitrary angle",
    }
    if video.scan == Some("interlaced") {
        size += ", interlaced";
    }
    lines.row("resolution", &size);
    let rate = video.frame_rate;
    if let Some(average) = rate.average {
        lines.row(
            "frame rate",
            &match (rate.is_variable, rate.lowest, rate.highest) {
                (true, Some(lowest), Some(highest)) => {
                    format!("{average} on average, variable from {lowest} to {highest}")
                }
                _ => format!("{average}"),
            },
        );
    }
    let depth = video.bit_depth.map(|bits| format!(", {bits} bit")).unwrap_or_default();
    lines.row("colour", &format!("{}{depth}", video.colour));
    if let Some(vision) = &video.dolby_vision {
        lines.row("Dolby Vision", vision);
    }
    if !video.captions.is_empty() {
        lines.row("captions", &video.captions.join(", "));
    }
    let keys = video.key_frames;
    let (count, longest) = (grouped(keys.count), keys.longest_distance_s);
    lines.row(
        "key frames",
        &match keys.average_distance_s {
            Some(average) => {
                format!("{count}, {average:.3} s apart on average, {longest:.3} s at most")
            }
            None => count,
        },
    );
}

fn players(lines: &mut Lines, report: &Report) {
    if report.players.is_empty() {
        return;
    }
    lines.heading(&format!("players, as of {}", report.players_as_of));
    for player in &report.players {
        let mut who = format!("{} ({})", player.name, player.versions);
        who.insert_str(0, "  ");
        lines.0 += &who;
        lines.0 += "\n";
        let ways =
            [("play.mp4", &player.progressive), ("HLS", &player.hls), ("DASH", &player.dash)];
        for (way, Verdict { plays, reason }) in ways {
            let plays = plays_word(*plays);
            lines.row(&format!("  {way}"), format!("{plays:8} {}", escaped(reason)).trim_end());
        }
    }
}

fn plays_word(plays: Plays) -> &'static str {
    match plays {
        Plays::Yes => "yes",
        Plays::Depends => "depends",
        Plays::Partly => "partly",
        Plays::No => "no",
    }
}

/// A text under construction.
#[derive(Default)]
struct Lines(String);

impl Lines {
    /// Adds a heading after an empty line.
    fn heading(&mut self, text: &str) {
        self.0 += "\n";
        self.0 += text;
        self.0 += "\n";
    }

    /// Adds a label and a text in a second column.
    fn row(&mut self, label: &str, text: &str) {
        let mut first = format!("  {label:LABEL_CHARS$}");
        for line in wrapped(text, LINE_CHARS_MAX - LABEL_CHARS - 2) {
            self.0 += format!("{first}{line}").trim_end();
            self.0 += "\n";
            first = " ".repeat(LABEL_CHARS + 2);
        }
    }

    /// Adds an item of a list.
    fn item(&mut self, sign: &str, text: &str) {
        let mut first = format!("  {sign} ");
        for line in wrapped(text, LINE_CHARS_MAX - 4) {
            self.0 += &format!("{first}{line}\n");
            first = " ".repeat(4);
        }
    }
}

/// Wraps a text to lines of at most `width` characters, except for longer words.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is always one");
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(word.to_owned());
            continue;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        *line += word;
    }
    lines
}

/// Escapes text from a file: control characters of the terminal, and of bidirectional text.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '"' | '\'' | '\\' => escaped.push(letter),
            letter => escaped.extend(letter.escape_debug()),
        }
    }
    escaped
}

/// A number with thousands separators.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A length in bytes, and rounded if it is large.
fn bytes(length: u64) -> String {
    let tenths_of = |unit: u64| {
        let tenths = u128::from(length) * 10 / u128::from(unit);
        format!("{}.{}", tenths / 10, tenths % 10)
    };
    let exact = grouped(length);
    match length {
        0..1_000_000 => format!("{exact} bytes"),
        1_000_000..1_000_000_000 => format!("{exact} bytes ({} MB)", tenths_of(1_000_000)),
        _ => format!("{exact} bytes ({} GB)", tenths_of(1_000_000_000)),
    }
}

/// Seconds as hours, minutes and seconds.
fn clock(seconds: f64) -> String {
    let mut text = String::new();
    let (minutes, rest) = (seconds.div_euclid(60.0), seconds.rem_euclid(60.0));
    let (hours, minutes) = (minutes.div_euclid(60.0), minutes.rem_euclid(60.0));
    // Writing to a string does not fail.
    let _ = match hours > 0.0 {
        true => write!(text, "{hours:.0}:{minutes:02.0}:{rest:06.3}"),
        false => write!(text, "{minutes:.0}:{rest:06.3}"),
    };
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(bytes(999), "999 bytes");
        assert_eq!(bytes(1_500_000), "1,500,000 bytes (1.5 MB)");
        assert_eq!(bytes(u64::MAX), "18,446,744,073,709,551,615 bytes (18446744073.7 GB)");
        assert_eq!(clock(5.5), "0:05.500");
        assert_eq!(clock(3725.25), "1:02:05.250");
    }

    #[test]
    fn lines_wrap_between_words() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("alongerword b", 3), ["alongerword", "b"]);
        assert_eq!(wrapped("", 3), [""]);
    }

    #[test]
    fn a_name_cannot_control_the_terminal() {
        assert_eq!(escaped("Fran\u{e7}ais, \"5.1\""), "Fran\u{e7}ais, \"5.1\"");
        assert_eq!(escaped("a\u{1b}[2J\u{202e}b\n"), "a\\u{1b}[2J\\u{202e}b\\n");
    }
}
