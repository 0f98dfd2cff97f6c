//! Malformed subtitle files, and their conversion.

use proptest::{
    collection::vec,
    prelude::*,
    sample::select,
    test_runner::{Config, TestRunner},
};

use super::*;

fn cue(start_ms: u64, end_ms: u64, text: &str) -> Cue {
    let (settings, text) = (String::new(), text.to_owned());
    Cue { start_ms, end_ms, id: None, settings, text }
}

fn read(file: &str, kind: SubtitleFormat) -> Subtitles {
    parse(file.as_bytes(), kind, None).expect("subtitles").subtitles
}

/// The times and the text of each cue.
fn shown(file: &str, kind: SubtitleFormat) -> Vec<(u64, u64, String)> {
    let cues = read(file, kind).cues;
    cues.into_iter().map(|cue| (cue.start_ms, cue.end_ms, cue.text)).collect()
}

#[test]
fn incomplete_subrip_is_parsed() {
    let expected = [(1000, 2000, "a\nb".to_owned()), (3000, 4500, "c".to_owned())];
    for (what, file) in [
        (
            "nothing",
            "1\n00:00:01,000 --> 00:00:02,000\na\nb\n\n2\n00:00:03,000 --> 00:00:04,500\nc\n",
        ),
        ("end", "1\n00:00:01,000 --> 00:00:02,000\na\nb\n\n2\n00:00:03,000 --> 00:00:04,500\nc"),
        ("counters", "00:00:01,000 --> 00:00:02,000\na\nb\n\n00:00:03,000 --> 00:00:04,500\nc\n"),
        ("blank", "1\n00:00:01,000 --> 00:00:02,000\na\nb\n2\n00:00:03,000 --> 00:00:04,500\nc\n"),
        ("both", "00:00:01,000 --> 00:00:02,000\na\nb\n00:00:03,000 --> 00:00:04,500\nc\n"),
        ("hours", "1\n00:01,000 --> 00:02,000\na\nb\n\n2\n00:03,000 --> 00:04,500\nc\n"),
        ("zeros", "1\n0:0:1,0 --> 0:0:2\na\nb\n\n2\n0:0:3 --> 0:0:4.5\nc\n"),
        ("room", "1\n00:00:01.000-->00:00:02.000\na\nb\n\n2\n00:00:03.000-->00:00:04.500\nc\n"),
        (
            "order",
            "2\n00:00:03,000 --> 00:00:04,500\nc\n\n1\n00:00:01,000 --> 00:00:02,000\na\nb\n",
        ),
        (
            "a blank text line",
            "1\n00:00:01,000 --> 00:00:02,000\n\na\n\nb\n \n\n2\n00:00:03,000 --> 00:00:04,500\nc\n\n\n",
        ),
        (
            "no title",
            "A film\n\n1\n00:00:01,000 --> 00:00:02,000\na\nb\n\n2\n00:00:03,000 --> 00:00:04,500\n  c  \n",
        ),
        (
            "joined",
            "1\n00:00:01,000 --> 00:00:02,000\na\nb\n\n\u{feff}1\n00:00:03,000 --> 00:00:04,500\nc\0\n",
        ),
        (
            "coordinates",
            "1\n00:00:01,000 --> 00:00:02,000 X1:1 X2:2\na\nb\n\n2\n00:00:03,000 --> 00:00:04,500\nc\n",
        ),
    ] {
        for line_end in ["\n", "\r\n", "\r", "\r\r\n"] {
            for mark in ["", "\u{feff}"] {
                let file = format!("{mark}{}", file.replace('\n', line_end));
                assert_eq!(shown(&file, SubtitleFormat::Srt), expected, "{what}: {file:?}");
            }
        }
    }
}

#[test]
fn a_text_that_is_a_number_is_not_taken_for_a_counter() {
    for file in [
        "1\n00:01,000 --> 00:02,000\n42\n\n2\n00:03,000 --> 00:04,000\nc\n",
        "1\n00:01,000 --> 00:02,000\n42\n2\n00:03,000 --> 00:04,000\nc\n",
        "00:01,000 --> 00:02,000\n42\n\n00:03,000 --> 00:04,000\nc\n",
        "00:01,000 --> 00:02,000\n42\n00:03,000 --> 00:04,000\nc\n",
    ] {
        let expected = [(1000, 2000, "42".to_owned()), (3000, 4000, "c".to_owned())];
        assert_eq!(shown(file, SubtitleFormat::Srt), expected, "{file:?}");
    }
}

#[test]
fn markup_and_positions_of_subrip_become_those_of_webvtt() {
    let file = "1\n00:01,000 --> 00:02,000\n{\\an8}<i>a</i> & <font color=red>b</font>\n\n\
                2\n00:03,000 --> 00:04,000\n<b>c --> 5 < 6\n";
    let expected = [
        Cue { settings: "line:0".to_owned(), ..cue(1000, 2000, "<i>a</i> &amp; b") },
        cue(3000, 4000, "<b>c --&gt; 5 &lt; 6</b>"),
    ];
    assert_eq!(read(file, SubtitleFormat::Srt).cues(), expected);
}

#[test]
fn a_cue_without_a_duration_is_dropped() {
    let file = "1\n00:02,000 --> 00:01,000\nends before it begins\n\n\
                2\n00:02,000 --> 00:02,000\nends when it begins\n\n\
                3\n00:0,, --> 00:03,000\nbegins nowhere\n\n\
                4\n00:02,000 -->\nends nowhere\n\n\
                5\n-00:00:02,000 --> 00:00:01,000\nbegins before zero\n\n\
                6\n99999999999999999999:00:00,000 --> 99999999999999999999:00:01,000\nlater\n\n\
                7\n00:00:05,000 --> 99999999999999999999:00:01,000\nstays\n\n\
                8\n00:00:06,000 --> 00:00:07,000\n<i> </i>\n";
    let expected =
        [(0, 1000, "begins before zero".to_owned()), (5000, TIME_MS_MAX, "stays".to_owned())];
    assert_eq!(shown(file, SubtitleFormat::Srt), expected);
    let file = format!("WEBVTT\n\n{file}");
    assert_eq!(shown(&file, SubtitleFormat::WebVtt), expected);
}

#[test]
fn webvtt_keeps_its_identifiers_settings_styles_and_regions() {
    let file = "WEBVTT - a film\nX-TIMESTAMP-MAP=MPEGTS:900000,LOCAL:00:00:00.000\n\n\
                NOTE\nnot for viewers\n\n\
                STYLE\n::cue { color: red }\n::cue(b) { color: blue }\n\n\
                REGION \nid:top\nlines:3\n\n\
                STYLE\n\n\
                the first\n00:01.000 --> 00:02.000 region:top  align:left\n<v Mary>a\n\n\
                NOTE between\n\n\
                STYLE\n::cue { color: too late }\n\n\
                100:00:03.000 --> 100:00:04.000\nb & c\n \nd\n\n\
                what is this\nanother line\n\n\
                nor this";
    let subtitles = read(file, SubtitleFormat::WebVtt);
    assert_eq!(
        subtitles.header(),
        ["STYLE\n::cue { color: red }\n::cue(b) { color: blue }", "REGION\nid:top\nlines:3"]
    );
    let first = Cue {
        id: Some("the first".to_owned()),
        settings: "region:top align:left".to_owned(),
        ..cue(1000, 2000, "<v Mary>a</v>")
    };
    assert_eq!(subtitles.cues(), [first, cue(360_003_000, 360_004_000, "b &amp; c\n \nd")]);
    assert_eq!(subtitles.end_ms(), 360_004_000);
}

#[test]
fn incomplete_webvtt_is_parsed() {
    let expected = [(1000, 2000, "a".to_owned()), (3000, 4000, "b".to_owned())];
    for file in [
        "WEBVTT\n\n00:01.000 --> 00:02.000\na\n\n00:03.000 --> 00:04.000\nb\n",
        "WEBVTT\n00:01.000 --> 00:02.000\na\n00:03.000 --> 00:04.000\nb",
        "WEBVTT\n\n1\n00:01.000 --> 00:02.000\na\n2\n00:03.000 --> 00:04.000\nb\n",
        "WEBVTT\n\nSTYLE\n::cue {}\n00:01.000 --> 00:02.000\na\n\n00:03,000 --> 00:04,000\nb\n",
        "1\n00:01.000 --> 00:02.000\na\n\n2\n00:03.000 --> 00:04.000\nb\n",
    ] {
        assert_eq!(shown(file, SubtitleFormat::WebVtt), expected, "{file:?}");
        assert_eq!(shown(file, SubtitleFormat::Srt), expected, "named .srt: {file:?}");
    }
}

#[test]
fn lost_cues_are_counted_with_the_line_and_the_reason_of_the_first() {
    let faults = |file: &str, kind| parse(file.as_bytes(), kind, None).expect("subtitles").faults;
    for (file, count, first) in [
        ("1\n0:1-->0:2\na\n", 0, None),
        ("1\n0:1-->0:2\na\n\n2\n0::3 --> 0:4\nb\n", 1, Some((6, CueFault::InvalidTime))),
        ("1\r\n0:2 --> 0:1\r\na\r\n\r\n0:3 -->\r\n", 2, Some((2, CueFault::NoDuration))),
        ("0:1-->0:2\n<i> </i>\n", 1, Some((1, CueFault::NoText))),
    ] {
        assert_eq!(faults(file, SubtitleFormat::Srt), Faults { count, first }, "{file:?}");
        let first = first.map(|(line, fault)| (line + 2, fault));
        let file = format!("WEBVTT\n\n{file}");
        assert_eq!(faults(&file, SubtitleFormat::Srt), Faults { count, first }, "{file:?}");
    }
}

#[test]
fn times_are_read_as_people_and_translators_write_them() {
    let expected = [(1000, 2000, "a".to_owned()), (3500, 4500, "b".to_owned())];
    for file in [
        "1\n00:00:01, 000 --> 00:00:02, 000\na\n\n2\n00: 00: 03,500 --> 00: 00: 04,500\nb\n",
        "1\n00;00;01;000 --> 00;00;02;000\na\n\n2\n00;00;03;15 --> 00;00;04;15\nb\n",
        "0:0:1 -> 0:0:2\na\n0:0:3.5->0:0:4.5\nb",
        "00.00.01.000 → 00.00.02.000\na\n00.00.03.500 → 00.00.04.500\nb",
        "00：00：01，000 --> 00：00：02，000\na\n\n00:00:03,500 –> 00:00:04,500\nb",
    ] {
        assert_eq!(shown(file, SubtitleFormat::Srt), expected, "{file}");
    }
}

#[test]
fn a_file_without_subtitles_is_rejected_and_an_empty_one_is_not() {
    for kind in [SubtitleFormat::Srt, SubtitleFormat::WebVtt] {
        for file in ["", "\u{feff}", "\r\n\r\n", "WEBVTT", "WEBVTT\n\nNOTE nobody speaks"] {
            assert_eq!(read(file, kind), Subtitles::default(), "{file:?}");
        }
        for file in ["# VobSub index file, v7", "WEBVTTX\n\n", "\0\u{1}\u{2}"] {
            let refused = parse(file.as_bytes(), kind, None);
            assert_eq!(refused, Err(SubtitleError::NoSubtitles), "{file:?}");
        }
    }
}

#[test]
fn files_beyond_the_limits_are_rejected() {
    let long = vec![b'\n'; FILE_BYTES_MAX + 1];
    assert_eq!(parse(&long, SubtitleFormat::Srt, None), Err(SubtitleError::TooLong));
    let many = "0:0-->0:1\na\n".repeat(CUES_MAX + 1);
    assert_eq!(parse(many.as_bytes(), SubtitleFormat::Srt, None), Err(SubtitleError::TooManyCues));
    let swollen = format!("0:0-->0:1\n{}\n", "&".repeat(CUE_BYTES_MAX / 5 + 1));
    assert_eq!(parse(swollen.as_bytes(), SubtitleFormat::Srt, None), Err(SubtitleError::TooLong));
    let style = format!("STYLE\n{}\n\n", "a".repeat(HEADER_BYTES_MAX / 2));
    let styled = format!("WEBVTT\n\n{style}{style}STYLE\nb\n\n");
    let kept = read(&styled, SubtitleFormat::WebVtt).header;
    assert_eq!(kept.iter().map(String::len).collect::<Vec<_>>(), [HEADER_BYTES_MAX / 2 + 6, 7]);
}

#[test]
fn a_file_of_unfinished_markup_takes_linear_time() {
    for start in ["<", "{\\", "&", "<i ", "&#"] {
        let file = format!("0:0-->0:1\n{}\n", start.repeat(300_000));
        let result = parse(file.as_bytes(), SubtitleFormat::Srt, None);
        assert_eq!(result.map(|parsed| parsed.subtitles.cues.len()), Ok(1), "{start}");
    }
}

#[test]
fn other_encodings_are_detected() {
    let file = "1\n00:00:01,000 --> 00:00:02,000\nПривет, как дела?\n";
    let expected = [(1000, 2000, "Привет, как дела?".to_owned())];
    let (old, ..) = encoding_rs::WINDOWS_1251.encode(file);
    let wide = file.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    for bytes in [file.as_bytes(), &old, &wide] {
        let cues = parse(bytes, SubtitleFormat::Srt, Some("ru")).expect("subtitles").subtitles.cues;
        let shown = cues.into_iter().map(|cue| (cue.start_ms, cue.end_ms, cue.text));
        assert_eq!(shown.collect::<Vec<_>>(), expected);
    }
}

/// Fragments of files, valid and invalid, for random combinations.
fn fragments() -> impl Strategy<Value = String> {
    let fragment = select(vec![
        "\n",
        "\n",
        "\n",
        "\n\n",
        "\r",
        "\r\n",
        " ",
        "\t",
        "\u{a0}",
        "\0",
        "\u{7}",
        "\u{85}",
        "\u{feff}",
        "\u{2028}",
        "WEBVTT",
        "STYLE\n",
        "REGION\n",
        "NOTE ",
        "NOTE\n",
        "1",
        "42",
        "a",
        "é",
        "東",
        "-->",
        "--",
        "->",
        ">",
        "-",
        "00:01.000 --> 00:02.000",
        "\n0:3,5-->0:4 line:0\n",
        "\n\n00:00:02.500 --> 00:00:09.000 align:left region:x\n",
        "00:09.000 --> 00:01.000\n",
        "00:: --> 1",
        "<",
        "<i>",
        "</i>",
        "<b>",
        "</b>",
        "<v Bob>",
        "<v ",
        "<c.x/>",
        "<c.x/ y>",
        "<v y/ >",
        "</c>",
        "<font a>",
        "</font>",
        "<br>",
        "<00:01.0>",
        "<i/>",
        "/",
        ".",
        "{",
        "{\\",
        "{\\an8}",
        "\\i1",
        "\\N",
        "N",
        "h",
        "C:",
        "{y",
        "{y:i}",
        "{c:",
        ":",
        "→",
        "00:01,5 -> 00:02, 5",
        "00;00;01;500 --> 00: 00: 02 . 5\n",
        "00:01",
        " <font>-> ",
        "}",
        "\\",
        "&",
        "&amp;",
        "&lt;",
        "&#60;",
        "&#123;",
        "&#92;",
        "&#45;",
        "&#62;",
        ";",
        "&nbsp;",
        "&eacute;",
        "&#133;",
        "#",
        "line:0",
        "::cue{}",
    ]);
    // Most fragments have an effect only within a cue.
    let start = select(vec!["", "0:1-->0:5\n", "WEBVTT\n\n", "WEBVTT\n\n0:1-->0:5\n"]);
    (start, vec(fragment, 0..40))
        .prop_map(|(start, fragments)| start.to_owned() + &fragments.concat())
}

/// Checks a property for many random inputs.
fn check_property<S: Strategy>(inputs: S, property: impl Fn(S::Value)) {
    let config = Config { cases: 1000, failure_persistence: None, ..Config::default() };
    let result = TestRunner::new(config).run(&inputs, |input| {
        property(input);
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

fn kinds() -> impl Strategy<Value = SubtitleFormat> {
    select(vec![SubtitleFormat::Srt, SubtitleFormat::WebVtt])
}

/// The invariants of [`Cue`], on which the formatters rely.
fn assert_well_formed(subtitles: &Subtitles) {
    assert!(subtitles.cues.is_sorted_by_key(|cue| cue.start_ms));
    for cue in &subtitles.cues {
        assert!(cue.start_ms < cue.end_ms && cue.end_ms <= TIME_MS_MAX, "{cue:?}");
        assert!(cue.text.split('\n').all(|line| !line.is_empty()), "{cue:?}");
        let texts = [&cue.text, &cue.settings, cue.id.as_ref().unwrap_or(&cue.text)];
        assert!(texts.iter().all(|text| !text.contains("-->")), "{cue:?}");
        let is_control = |letter: char| letter.is_control() && letter != '\n';
        assert!(texts.iter().all(|text| !text.contains(is_control)), "{cue:?}");
        let lines = [&cue.settings, cue.id.as_ref().unwrap_or(&cue.settings)];
        assert!(lines.iter().all(|line| !line.contains('\n')), "{cue:?}");
        // A tag may have classes: `<i.loud>`.
        for (opened, closed) in [("<i", "</i>"), ("<b", "</b>"), ("<v", "</v>"), ("<c", "</c>")] {
            assert_eq!(
                cue.text.matches(opened).count(),
                cue.text.matches(closed).count(),
                "{cue:?}"
            );
        }
    }
}

#[test]
fn a_formatted_file_parses_to_the_same_subtitles() {
    check_property((fragments(), kinds()), |(file, kind)| {
        let Ok(Parsed { subtitles, .. }) = parse(file.as_bytes(), kind, None) else {
            return;
        };
        assert_well_formed(&subtitles);
        for kind in [SubtitleFormat::Srt, SubtitleFormat::WebVtt] {
            let again = parse(format_file(&subtitles).as_bytes(), kind, None);
            let expected = Parsed { subtitles: subtitles.clone(), faults: Faults::default() };
            assert_eq!(again, Ok(expected), "{file:?} as {}", format_file(&subtitles));
        }
    });
}

#[test]
fn a_segment_parses_to_the_cues_that_it_overlaps() {
    check_property((fragments(), 0_u64..10_000, 0_u64..10_000), |(file, start_ms, end_ms)| {
        let Ok(Parsed { subtitles, .. }) = parse(file.as_bytes(), SubtitleFormat::WebVtt, None)
        else {
            return;
        };
        let overlaps =
            |cue: &Cue| start_ms < end_ms && cue.start_ms < end_ms && cue.end_ms > start_ms;
        let cues = subtitles.cues.iter().enumerate().filter(|(_, cue)| overlaps(cue));
        let with_id = |(place, cue): (usize, &Cue)| Cue {
            id: cue.id.clone().or_else(|| Some((place + 1).to_string())),
            ..cue.clone()
        };
        let expected = Subtitles::new(subtitles.header.clone(), cues.map(with_id).collect());
        let written = format_segment(&subtitles, start_ms..end_ms, TimestampMap::default());
        let again = parse(written.as_bytes(), SubtitleFormat::WebVtt, None);
        assert_eq!(again.map(|parsed| parsed.subtitles), Ok(expected), "{written}");
    });
}

#[test]
fn no_bytes_cause_a_panic() {
    check_property((vec(any::<u8>(), 0..200), kinds()), |(bytes, kind)| {
        let _ = parse(&bytes, kind, None);
        // Within a cue, to reach more of the parser.
        let file = [b"0:0-->0:9\n".as_slice(), &bytes].concat();
        if let Ok(parsed) = parse(&file, kind, Some("ja")) {
            assert_well_formed(&parsed.subtitles);
        }
        for format in [SampleFormat::Tx3g, SampleFormat::QuickTimeText, SampleFormat::Wvtt] {
            assert_well_formed(&Subtitles::new(Vec::new(), parse_sample(format, &bytes, 0, 9)));
        }
    });
}

#[test]
fn no_prefix_of_a_file_causes_a_panic() {
    let file = "\u{feff}WEBVTT\n\nSTYLE\n::cue {}\n\né\n00:01.000 --> 00:02.000 line:0\n\
                {\\an8}<v Bob>&#233;</v> 東\n";
    for end in 0..=file.len() {
        for kind in [SubtitleFormat::Srt, SubtitleFormat::WebVtt] {
            if let Ok(parsed) = parse(&file.as_bytes()[..end], kind, None) {
                assert_well_formed(&parsed.subtitles);
            }
        }
    }
}
