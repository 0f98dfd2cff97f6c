//! Text in HTML. File names are hostile: each passes through here.

use std::fmt;

/// A text as part of HTML: between tags, and in a quoted attribute.
pub struct Escaped<'a>(pub &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some(place) = rest.find(['&', '<', '>', '"', '\'', '\0']) {
            f.write_str(&rest[..place])?;
            f.write_str(match rest.as_bytes()[place] {
                b'&' => "&amp;",
                b'<' => "&lt;",
                b'>' => "&gt;",
                b'"' => "&quot;",
                b'\'' => "&#39;",
                _ => "\u{fffd}",
            })?;
            rest = &rest[place + 1..];
        }
        f.write_str(rest)
    }
}

/// JSON as the content of a `<script>`: nothing in it ends the element, or begins a comment.
pub fn json_in_script(json: &serde_json::Value) -> String {
    json.to_string().replace('<', "\\u003c")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_becomes_markup() {
        for (text, escaped) in [
            ("plain é", "plain é"),
            ("<b>&\"'", "&lt;b&gt;&amp;&quot;&#39;"),
            ("<!--/name-->", "&lt;!--/name--&gt;"),
            ("a\0b", "a\u{fffd}b"),
            ("", ""),
        ] {
            assert_eq!(Escaped(text).to_string(), escaped);
        }
    }

    #[test]
    fn json_ends_no_script() {
        let json = json_in_script(&serde_json::json!({ "name": "</script><!--" }));
        assert_eq!(json, r#"{"name":"\u003c/script>\u003c!--"}"#);
    }
}
