//! Cue text: the markup of SubRip, of SubStation Alpha and of WebVTT as WebVTT's.
//!
//! One pass for all of them, because files mix them. What comes out goes through a second time
//! unchanged, so that a file that we wrote is read as what it was written from.

use super::time::{self, Timestamp};

/// The deepest nesting that is kept. Tags further in are left out, their text is not.
const DEPTH_MAX: usize = 32;

/// The lines of a cue as WebVTT.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct CueText {
    /// Not blank; without empty lines and without `-->`.
    pub text: String,
    /// Where an override (`{\an8}`) puts it, as cue settings.
    pub place: Option<&'static str>,
}

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

/// What a piece of markup means.
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
    /// A character reference that WebVTT has too.
    Reference(&'a str),
    /// Something for which WebVTT has no word.
    Nothing,
}

/// Text as it stands in a file; `None` if nothing of it would be seen.
pub(super) fn convert(raw: &str) -> Option<CueText> {
    let mut writer = Writer::default();
    let mut place = None;
    let mut rest = raw;
    while let Some(character) = rest.chars().next() {
        if let Some((bytes, codes)) = overrides(rest) {
            for code in codes.split('\\') {
                override_by(code.trim(), &mut writer, &mut place);
            }
            rest = &rest[bytes..];
            continue;
        }
        let markup = match character {
            '<' => tag(rest),
            '&' => reference(rest),
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
    writer.finish().map(|text| CueText { text, place })
}

/// Reads a tag at the start of a text; `None` if the `<` is just that. No tag has a `<` inside, so
/// that a file of nothing but `<` is read in one pass.
fn tag(text: &str) -> Option<(usize, Markup<'_>)> {
    let inside = text.strip_prefix('<')?;
    let end = inside.find(['<', '>']).filter(|&end| inside[end..].starts_with('>'))?;
    let inside = &inside[..end];
    let bytes = end + 2;
    if let Some(name) = inside.strip_prefix('/') {
        let markup = match known(name.trim())? {
            Known::Span(span) => Markup::Close(span),
            Known::Break | Known::Dropped => Markup::Nothing,
        };
        return Some((bytes, markup));
    }
    if let Some((time_ms, "")) = time::take(inside) {
        return Some((bytes, Markup::Time(time_ms)));
    }
    let name_end = inside.find(|c: char| c.is_whitespace() || c == '.' || c == '/');
    let (name, after) = inside.split_at(name_end.unwrap_or(inside.len()));
    let span = match known(name)? {
        Known::Span(_) if after.trim_end().ends_with('/') => return Some((bytes, Markup::Nothing)),
        Known::Span(span) => span,
        Known::Break => return Some((bytes, Markup::Character('\n'))),
        Known::Dropped => return Some((bytes, Markup::Nothing)),
    };
    let (classes, annotation) =
        after.split_at(after.find(char::is_whitespace).unwrap_or(after.len()));
    // No line may hold "-->", and no tag a line break.
    let may_stand = !inside.contains("--") && !inside.contains(char::is_control);
    let has_classes = may_stand && classes.starts_with('.') && !classes.ends_with('/');
    let has_annotation = may_stand && matches!(span, Span::Voice | Span::Language);
    let classes = if has_classes { classes } else { "" };
    let annotation = if has_annotation { annotation.trim() } else { "" };
    Some((bytes, Markup::Open { span, classes, annotation }))
}

/// A tag's name as something that is known.
enum Known {
    Span(Span),
    Break,
    Dropped,
}

fn known(name: &str) -> Option<Known> {
    Some(Known::Span(match name.to_ascii_lowercase().as_str() {
        "c" => Span::Class,
        "i" | "em" => Span::Italic,
        "b" | "strong" => Span::Bold,
        "u" => Span::Underline,
        "ruby" => Span::Ruby,
        "rt" => Span::RubyText,
        "v" => Span::Voice,
        "lang" => Span::Language,
        "br" => return Some(Known::Break),
        "font" | "span" | "p" | "div" | "s" | "strike" => return Some(Known::Dropped),
        _ => return None,
    }))
}

/// The codes of a block of overrides, `{\…}`, at the start of a text.
fn overrides(text: &str) -> Option<(usize, &str)> {
    let inside = text.strip_prefix("{\\")?;
    let end = inside.find(['{', '}', '\n']).filter(|&end| inside[end..].starts_with('}'))?;
    Some((end + 3, &inside[..end]))
}

/// Of what SubStation Alpha can say: italics, bold, underline, and the place, the first that is
/// given. The rest has no like in WebVTT, or no meaning outside its own canvas.
fn override_by(code: &str, writer: &mut Writer, place: &mut Option<&'static str>) {
    match code {
        "i1" => writer.open(Span::Italic, "", ""),
        "b1" => writer.open(Span::Bold, "", ""),
        "u1" => writer.open(Span::Underline, "", ""),
        "i0" => writer.close(Span::Italic),
        "b0" => writer.close(Span::Bold),
        "u0" => writer.close(Span::Underline),
        _ => *place = place.or(settings_of_alignment(code)),
    }
}

/// Cue settings for an alignment: `an1` to `an9` as on a keypad, `a1` to `a11` as of old.
fn settings_of_alignment(code: &str) -> Option<&'static str> {
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

/// Reads a character reference at the start of a text. Six are WebVTT's own; the few others that
/// subtitle files have become the character, as not every player knows them.
fn reference(text: &str) -> Option<(usize, Markup<'_>)> {
    const OWN: [&str; 6] = ["&amp;", "&lt;", "&gt;", "&nbsp;", "&lrm;", "&rlm;"];
    /// `&#x10FFFF;`
    const BYTES_MAX: usize = 10;
    if let Some(own) = OWN.into_iter().find(|own| text.starts_with(own)) {
        return Some((own.len(), Markup::Reference(own)));
    }
    let end = text.bytes().take(BYTES_MAX).position(|byte| byte == b';')?;
    let character = match &text[1..end] {
        "quot" => '"',
        "apos" => '\'',
        name => {
            let code = name.strip_prefix('#')?;
            let code = match code.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => code.parse(),
            };
            char::from_u32(code.ok()?).filter(|character| !character.is_control())?
        }
    };
    Some((end + 1, Markup::Character(character)))
}

/// Writes cue text that is well-formed whatever it is told.
#[derive(Default)]
pub(super) struct Writer {
    text: String,
    open: Vec<Span>,
    is_seen: bool,
}

impl Writer {
    /// One character of the text itself.
    pub fn character(&mut self, character: char) {
        match character {
            '&' => self.text.push_str("&amp;"),
            '<' => self.text.push_str("&lt;"),
            '>' if self.text.ends_with("--") => self.text.push_str("&gt;"),
            // Left as it is, it would be an override when it is read again.
            '\\' if self.text.ends_with('{') => {}
            plain => self.text.push(plain),
        }
        self.is_seen |= !character.is_whitespace();
    }

    fn reference(&mut self, reference: &str) {
        self.text.push_str(reference);
        self.is_seen = true;
    }

    fn time(&mut self, time_ms: u64) {
        self.text.push_str(&format!("<{}>", Timestamp(time_ms)));
    }

    /// Begins a span. Classes have their points, and neither they nor the annotation a `>`.
    pub fn open(&mut self, span: Span, classes: &str, annotation: &str) {
        if self.open.len() == DEPTH_MAX {
            return;
        }
        self.open.push(span);
        let space = if annotation.is_empty() { "" } else { " " };
        let name = span.name();
        self.text.extend(["<", name, classes, space, annotation, ">"]);
    }

    /// Ends a span, and those that were begun inside it. One that is not open is not ended.
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

    /// The text; `None` if nothing of it would be seen. A line that has become empty goes, since
    /// an empty line would end the cue.
    pub fn finish(mut self) -> Option<String> {
        self.close_down_to(0);
        let lines = self.text.split('\n').filter(|line| !line.is_empty()).collect::<Vec<_>>();
        self.is_seen.then(|| lines.join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_of_three_formats_becomes_that_of_webvtt() {
        for (raw, expected) in [
            ("plain", "plain"),
            ("<i>a</i> <B>b</B> <u>c</u>", "<i>a</i> <b>b</b> <u>c</u>"),
            ("<em>a</em><strong>b</strong>", "<i>a</i><b>b</b>"),
            (r##"<font color="#ffff00" face='x'>a</font>"##, "a"),
            ("a<br>b<br/>c<BR />d", "a\nb\nc\nd"),
            (r"{\i1}a{\i0} {\b1\u1}b", "<i>a</i> <b><u>b</u></b>"),
            (r"{\pos(10,20)}a{\fad(1,2)\c&HFF&}b", "ab"),
            ("{y:i}a {b}", "{y:i}a {b}"),
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
    fn what_is_no_markup_is_escaped() {
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
            (
                "&#0;&#10;&#xd800;&#;&#x;&copy;&;",
                "&amp;#0;&amp;#10;&amp;#xd800;&amp;#;&amp;#x;&amp;copy;&amp;;",
            ),
            ("go --> there", "go --&gt; there"),
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
    fn spans_are_nested_and_ended_whatever_the_file_says() {
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
            assert_eq!(convert(raw).expect("text").place, expected, "{raw}");
        }
    }

    #[test]
    fn a_cue_that_shows_nothing_is_none_and_empty_lines_go() {
        for raw in ["", " ", "\n", "<i></i>", r"{\an8}", "<i> \n </i>", "<font></font>"] {
            assert_eq!(convert(raw), None, "{raw:?}");
        }
        let text = convert("a\n<font>\n</font>\n\nb\n").expect("text").text;
        assert_eq!(text, "a\nb");
    }
}
