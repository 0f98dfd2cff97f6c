//! Converts the markup of SubRip, SubStation Alpha and WebVTT into WebVTT cue text.
//!
//! One pass for all three, since files mix them. The conversion is idempotent, so that parsing our own
//! output gives the same cues.

use std::borrow::Cow;

use super::{
    entities,
    time::{self, Line, Timestamp},
};

/// Maximum nesting depth. Deeper tags are dropped, and their text is kept.
const DEPTH_MAX: usize = 32;

/// Converted cue text.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct CueText {
    /// WebVTT cue text: not blank, without empty lines and without `-->`.
    pub text: String,
    /// The position of an override (`{\an8}`), as cue settings.
    pub position: Option<&'static str>,
}

/// The spans of MicroDVD's `{y:…}`, by their letters.
const MICRODVD_STYLES: [(char, Span); 3] =
    [('b', Span::Bold), ('i', Span::Italic), ('u', Span::Underline)];

/// The letters of MicroDVD's codes: styles, colour, font, size, position, charset, coordinates.
const MICRODVD_CODES: &str = "yYcCfFsSPHo";

/// A span of WebVTT (section 4.2.2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Span {
    Class,
    Italic,
    Bold,
    Underline,
    Ruby,
    RubyText,
    Voice,
    Language,
}

impl Span {
    fn name(self) -> &'static str {
        match self {
            Self::Class => "c",
            Self::Italic => "i",
            Self::Bold => "b",
            Self::Underline => "u",
            Self::Ruby => "ruby",
            Self::RubyText => "rt",
            Self::Voice => "v",
            Self::Language => "lang",
        }
    }
}

/// A markup token.
#[derive(Debug, Eq, PartialEq)]
enum Markup<'a> {
    Open {
        span: Span,
        classes: &'a str,
        annotation: &'a str,
    },
    Close(Span),
    Time(u64),
    Character(char),
    /// A character reference of WebVTT.
    Reference(&'a str),
    /// Markup without an equivalent in WebVTT.
    Nothing,
}

/// Converts the raw text of a cue; `None` if no text is visible.
pub(super) fn convert(raw: &str) -> Option<CueText> {
    let mut writer = Writer::default();
    let mut position = None;
    let mut rest = raw;
    while let Some(character) = rest.chars().next() {
        if let Some((bytes, codes)) = parse_overrides(rest) {
            for code in codes.split('\\') {
                apply_override(code.trim(), &mut writer, &mut position);
            }
            rest = &rest[bytes..];
            continue;
        }
        if let Some((bytes, styles)) = parse_microdvd(rest) {
            for (_, span) in MICRODVD_STYLES.iter().filter(|(letter, _)| styles.contains(*letter)) {
                writer.open(*span, "", "");
            }
            rest = &rest[bytes..];
            continue;
        }
        let markup = match character {
            '<' => parse_tag(rest),
            '&' => parse_reference(rest),
            _ => None,
        };
        let (bytes, markup) =
            markup.unwrap_or((character.len_utf8(), Markup::Character(character)));
        match markup {
            Markup::Open { span, classes, annotation } => writer.open(span, classes, annotation),
            Markup::Close(span) => writer.close(span),
            Markup::Time(time_ms) => writer.time(time_ms),
            Markup::Character(character) => writer.character(character),
            Markup::Reference(reference) => writer.reference(reference),
            Markup::Nothing => {}
        }
        rest = &rest[bytes..];
    }
    writer.finish().map(|text| CueText { text, position })
}

/// Parses a tag at the start of a text; `None` if the `<` is a plain character. A tag contains no `<`, so
/// that a file of nothing but `<` takes linear time.
fn parse_tag(text: &str) -> Option<(usize, Markup<'_>)> {
    let inside = text.strip_prefix('<')?;
    let end = inside.find(['<', '>']).filter(|&end| inside[end..].starts_with('>'))?;
    let inside = &inside[..end];
    let bytes = end + 2;
    if let Some(name) = inside.strip_prefix('/') {
        let markup = match parse_tag_name(name.trim())? {
            TagName::Span(span) => Markup::Close(span),
            TagName::Break | TagName::Dropped => Markup::Nothing,
        };
        return Some((bytes, markup));
    }
    if let Some((time_ms, "")) = time::parse_prefix(inside) {
        return Some((bytes, Markup::Time(time_ms)));
    }
    let name_end = inside.find(|c: char| c.is_whitespace() || c == '.' || c == '/');
    let (name, after) = inside.split_at(name_end.unwrap_or(inside.len()));
    let span = match parse_tag_name(name)? {
        TagName::Span(_) if after.trim_end().ends_with('/') => {
            return Some((bytes, Markup::Nothing));
        }
        TagName::Span(span) => span,
        TagName::Break => return Some((bytes, Markup::Character('\n'))),
        TagName::Dropped => return Some((bytes, Markup::Nothing)),
    };
    let (classes, annotation) =
        after.split_at(after.find(char::is_whitespace).unwrap_or(after.len()));
    // No line may contain "-->", and no tag a line break.
    let is_valid = !inside.contains("--") && !inside.contains(char::is_control);
    let has_classes = is_valid && classes.starts_with('.') && !classes.ends_with('/');
    let has_annotation = is_valid && matches!(span, Span::Voice | Span::Language);
    let classes = if has_classes { classes } else { "" };
    let annotation = if has_annotation { annotation.trim() } else { "" };
    Some((bytes, Markup::Open { span, classes, annotation }))
}

/// The meaning of a tag name.
enum TagName {
    Span(Span),
    Break,
    Dropped,
}

fn parse_tag_name(name: &str) -> Option<TagName> {
    Some(TagName::Span(match name.to_ascii_lowercase().as_str() {
        "c" => Span::Class,
        "i" | "em" => Span::Italic,
        "b" | "strong" => Span::Bold,
        "u" => Span::Underline,
        "ruby" => Span::Ruby,
        "rt" => Span::RubyText,
        "v" => Span::Voice,
        "lang" => Span::Language,
        "br" => return Some(TagName::Break),
        "font" | "span" | "p" | "div" | "s" | "strike" => return Some(TagName::Dropped),
        _ => return None,
    }))
}

/// Parses a block of overrides, `{\…}`, at the start of a text. Returns its length and codes.
fn parse_overrides(text: &str) -> Option<(usize, &str)> {
    let inside = text.strip_prefix("{\\")?;
    let end = inside.find(['{', '}', '\n']).filter(|&end| inside[end..].starts_with('}'))?;
    Some((end + 3, &inside[..end]))
}

/// Parses a code of MicroDVD, `{y:i}` or `{c:$0000ff}`, at the start of a text. Returns its length and the
/// letters of its styles; other codes have no equivalent in WebVTT.
fn parse_microdvd(text: &str) -> Option<(usize, &str)> {
    let inside = text.strip_prefix('{')?;
    let (code, value) = inside.split_once(':').filter(|(code, _)| is_microdvd_code(code))?;
    let end = value.find(['{', '}', '\n']).filter(|&end| value[end..].starts_with('}'))?;
    let styles = if code.eq_ignore_ascii_case("y") { &value[..end] } else { "" };
    Some((end + 4, styles))
}

fn is_microdvd_code(code: &str) -> bool {
    code.len() == 1 && MICRODVD_CODES.contains(code)
}

/// Applies an override of SubStation Alpha: italics, bold, underline, or the position, of which the first
/// counts. Others have no equivalent in WebVTT, or no meaning outside the script's own canvas.
fn apply_override(code: &str, writer: &mut Writer, position: &mut Option<&'static str>) {
    match code {
        "i1" => writer.open(Span::Italic, "", ""),
        "b1" => writer.open(Span::Bold, "", ""),
        "u1" => writer.open(Span::Underline, "", ""),
        "i0" => writer.close(Span::Italic),
        "b0" => writer.close(Span::Bold),
        "u0" => writer.close(Span::Underline),
        _ => *position = position.or(alignment_settings(code)),
    }
}

/// The cue settings of an alignment: `an1` to `an9` as on a numeric keypad, `a1` to `a11` in the legacy
/// form.
fn alignment_settings(code: &str) -> Option<&'static str> {
    Some(match code {
        "an1" | "a1" => "align:left",
        "an2" | "a2" => "",
        "an3" | "a3" => "align:right",
        "an4" | "a9" => "line:50% align:left",
        "an5" | "a10" => "line:50%",
        "an6" | "a11" => "line:50% align:right",
        "an7" | "a5" => "line:0 align:left",
        "an8" | "a6" => "line:0",
        "an9" | "a7" => "line:0 align:right",
        _ => return None,
    })
}

/// Parses a character reference at the start of a text. Six exist in WebVTT; others become the character,
/// since not every player knows them.
fn parse_reference(text: &str) -> Option<(usize, Markup<'_>)> {
    const WEBVTT: [&str; 6] = ["&amp;", "&lt;", "&gt;", "&nbsp;", "&lrm;", "&rlm;"];
    /// `&#x10FFFF;`, `&thetasym;`
    const BYTES_MAX: usize = 10;
    if let Some(name) = WEBVTT.into_iter().find(|name| text.starts_with(name)) {
        return Some((name.len(), Markup::Reference(name)));
    }
    let end = text.bytes().take(BYTES_MAX).position(|byte| byte == b';')?;
    let character = match &text[1..end] {
        name if name.starts_with('#') => {
            let code = &name[1..];
            let code = match code.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => code.parse(),
            };
            super::visible(char::from_u32(code.ok()?)?)?
        }
        name => entities::parse(name)?,
    };
    Some((end + 1, Markup::Character(character)))
}

/// Writes cue text that is well-formed for any input.
#[derive(Default)]
pub(super) struct Writer {
    text: String,
    open: Vec<Span>,
    is_visible: bool,
}

impl Writer {
    /// Writes one character of text.
    pub fn character(&mut self, character: char) {
        // ASS breaks lines by `\N`, and other tools leave that in their output; `\h` is a hard space.
        if matches!(character, 'N' | 'n' | 'h') && self.ends_with_escape() {
            self.text.pop();
            return match character {
                'h' => self.reference("&nbsp;"),
                _ => self.text.push('\n'),
            };
        }
        match character {
            '&' => self.text.push_str("&amp;"),
            '<' => self.text.push_str("&lt;"),
            '>' if self.text.ends_with("--") => self.text.push_str("&gt;"),
            // Otherwise it would be an override when the output is parsed again.
            '\\' if self.text.ends_with('{') => {}
            ':' if self.ends_with_microdvd_code() => {}
            control if control.is_control() && control != '\n' => {}
            plain => self.text.push(plain),
        }
        // A backslash may be the first half of an escape.
        self.is_visible |=
            !character.is_whitespace() && !character.is_control() && character != '\\';
    }

    /// Whether the text ends with the backslash of an escape. That of a path is none: `C:\New`.
    fn ends_with_escape(&self) -> bool {
        self.text.strip_suffix('\\').is_some_and(|before| !before.ends_with(':'))
    }

    /// Whether a colon would complete a code of MicroDVD.
    fn ends_with_microdvd_code(&self) -> bool {
        let mut last = self.text.chars().rev();
        let is_letter = last.next().is_some_and(|letter| MICRODVD_CODES.contains(letter));
        is_letter && last.next() == Some('{')
    }

    fn reference(&mut self, reference: &str) {
        self.text.push_str(reference);
        self.is_visible = true;
    }

    fn time(&mut self, time_ms: u64) {
        self.text.push_str(&format!("<{}>", Timestamp(time_ms)));
    }

    /// Opens a span. Classes include their points; neither they nor the annotation contain `>`.
    pub fn open(&mut self, span: Span, classes: &str, annotation: &str) {
        if self.open.len() == DEPTH_MAX {
            return;
        }
        self.open.push(span);
        let space = if annotation.is_empty() { "" } else { " " };
        let name = span.name();
        self.text.extend(["<", name, classes, space, annotation, ">"]);
    }

    /// Closes a span and all spans within it. Ignored if the span is not open.
    pub fn close(&mut self, span: Span) {
        if let Some(depth) = self.open.iter().rposition(|&open| open == span) {
            self.close_down_to(depth);
        }
    }

    fn close_down_to(&mut self, depth: usize) {
        for span in self.open.drain(depth..).rev() {
            self.text.extend(["</", span.name(), ">"]);
        }
    }

    /// Returns the text; `None` if no text is visible. Empty lines are dropped, since an empty line would
    /// end the cue.
    pub fn finish(mut self) -> Option<String> {
        self.close_down_to(0);
        let lines = self.text.split('\n').filter_map(escape_line).collect::<Vec<_>>();
        let is_visible = self.is_visible || self.text.contains('\\');
        (is_visible && !lines.is_empty()).then(|| lines.join("\n"))
    }
}

/// A line of text; `None` if it is empty. A line that would be the timings of a cue when the output is
/// parsed again, because markup within it was dropped, has an escaped arrow; one whose arrow cannot be
/// escaped is dropped.
fn escape_line(line: &str) -> Option<Cow<'_, str>> {
    if !matches!(Line::parse(line), Line::Timings(_)) {
        return (!line.is_empty()).then_some(line.into());
    }
    let escaped = escape_outside_tags(line);
    (!matches!(Line::parse(&escaped), Line::Timings(_))).then(|| escaped.into())
}

/// Escapes each `>` that does not end a tag.
fn escape_outside_tags(line: &str) -> String {
    let mut escaped = String::with_capacity(line.len());
    let mut is_in_tag = false;
    for letter in line.chars() {
        match letter {
            '>' if !is_in_tag => escaped.push_str("&gt;"),
            letter => escaped.push(letter),
        }
        is_in_tag = letter == '<' || is_in_tag && letter != '>';
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_of_three_formats_becomes_webvtt() {
        for (raw, expected) in [
            ("plain", "plain"),
            ("<i>a</i> <B>b</B> <u>c</u>", "<i>a</i> <b>b</b> <u>c</u>"),
            ("<em>a</em><strong>b</strong>", "<i>a</i><b>b</b>"),
            (r##"<font color="#ffff00" face='x'>a</font>"##, "a"),
            ("a<br>b<br/>c<BR />d", "a\nb\nc\nd"),
            (r"{\i1}a{\i0} {\b1\u1}b", "<i>a</i> <b><u>b</u></b>"),
            (r"{\pos(10,20)}a{\fad(1,2)\c&HFF&}b", "ab"),
            ("{y:i}a {b}", "<i>a {b}</i>"),
            ("{Y:b,u}{C:$00FFFF}a", "<b><u>a</u></b>"),
            ("{s:a {c:b}d", "{sa d"),
            ("{x:y} {yy:i}", "{x:y} {yy:i}"),
            (r"a\Nb\nc\hd", "a\nb\nc&nbsp;d"),
            (r"C:\New", r"C:\New"),
            (r"a\b", r"a\b"),
            ("<v Mary>hi", "<v Mary>hi</v>"),
            ("<v.loud.first  Mary Ann >hi</v>", "<v.loud.first Mary Ann>hi</v>"),
            ("<c.yellow.bg_blue>a</c>", "<c.yellow.bg_blue>a</c>"),
            ("<lang en-GB>a</lang>", "<lang en-GB>a</lang>"),
            ("<ruby>a<rt>b</ruby>c", "<ruby>a<rt>b</rt></ruby>c"),
            ("a<00:01.500>b<1:00:00.000>c", "a<00:00:01.500>b<01:00:00.000>c"),
        ] {
            let text = convert(raw).map(|converted| converted.text);
            assert_eq!(text.as_deref(), Some(expected), "{raw}");
        }
    }

    #[test]
    fn plain_text_is_escaped() {
        for (raw, expected) in [
            ("5 < 6 > 4", "5 &lt; 6 > 4"),
            ("<sigh> no", "&lt;sigh> no"),
            ("I <3 you", "I &lt;3 you"),
            ("<", "&lt;"),
            ("<i", "&lt;i"),
            ("<>a</>", "&lt;>a&lt;/>"),
            ("<<i>b</i>", "&lt;<i>b</i>"),
            ("Q & A, AT&T", "Q &amp; A, AT&amp;T"),
            ("&amp;&lt;&gt;&nbsp;&lrm;&rlm;", "&amp;&lt;&gt;&nbsp;&lrm;&rlm;"),
            ("&quot;a&apos;&#39;&#x41;&#xe9;", "\"a''A\u{e9}"),
            ("&#60;i&#62;", "&lt;i>"),
            ("&eacute;t&eacute; &mdash; &hellip;&euro;", "été — …€"),
            ("&#146;&#x85;", "’…"),
            ("a\u{7}b\u{81}c", "abc"),
            (
                "&#0;&#10;&#xd800;&#;&#x;&nothing;&;",
                "&amp;#0;&amp;#10;&amp;#xd800;&amp;#;&amp;#x;&amp;nothing;&amp;;",
            ),
            ("go --> there", "go --&gt; there"),
            ("<i>0:01 -> 0:02</i>", "<i>0:01 -> 0:02</i>"),
            ("0:01 -> 0:02 <00:01.0>a", "0:01 -&gt; 0:02 <00:00:01.000>a"),
            ("go --<font>> there", "go --&gt; there"),
            ("<v -->x", "<v>x</v>"),
            (r"{<font>\an8}a", "{an8}a"),
            (r"{\an8", "{an8"),
        ] {
            let text = convert(raw).map(|converted| converted.text);
            assert_eq!(text.as_deref(), Some(expected), "{raw}");
        }
    }

    #[test]
    fn spans_are_nested_and_closed_for_any_input() {
        for (raw, expected) in [
            ("<i>a", "<i>a</i>"),
            ("a</i>", "a"),
            ("<i><b>a</i>b</b>", "<i><b>a</b></i>b"),
            ("<i/>a", "a"),
            ("<v y/ >a", "a"),
            ("<c.x/ y>a", "<c>a</c>"),
            ("<i\nx>a", "<i>a</i>"),
        ] {
            let text = convert(raw).map(|converted| converted.text);
            assert_eq!(text.as_deref(), Some(expected), "{raw}");
        }
        let deep = convert(&"<b>a".repeat(1000)).expect("text").text;
        assert_eq!(deep.matches("<b>").count(), DEPTH_MAX);
        assert_eq!(deep.matches("</b>").count(), DEPTH_MAX);
        assert_eq!(deep.matches('a').count(), 1000);
    }

    #[test]
    fn an_alignment_becomes_settings() {
        for (raw, expected) in [
            (r"{\an8}a", Some("line:0")),
            (r"a{\an7}", Some("line:0 align:left")),
            (r"{\an2}a", Some("")),
            (r"{\a6}a", Some("line:0")),
            (r"{\fnArial\an5\i1}a", Some("line:50%")),
            (r"{\an8}{\an2}a", Some("line:0")),
            (r"{\an0}{\an10}a", None),
            ("a", None),
        ] {
            assert_eq!(convert(raw).expect("text").position, expected, "{raw}");
        }
    }

    #[test]
    fn a_cue_without_visible_text_is_none_and_empty_lines_are_dropped() {
        for raw in [
            "",
            " ",
            "\n",
            r"\N",
            r"<i>\N</i>",
            "\u{1}",
            "<i></i>",
            r"{\an8}",
            "<i> \n </i>",
            "<font></font>",
        ] {
            assert_eq!(convert(raw), None, "{raw:?}");
        }
        let text = convert("a\n<font>\n</font>\n\nb\n").expect("text").text;
        assert_eq!(text, "a\nb");
    }
}
