//! A writer of XML elements.

use crate::package::write::{Write as _, clean};

/// A start tag under construction; one of [`Element::open`], [`Element::empty`] and [`Element::text`] ends
/// it.
pub(super) struct Element<'a> {
    out: &'a mut String,
    name: &'a str,
}

impl<'a> Element<'a> {
    /// Starts an element at the end of a document.
    pub(super) fn new(out: &'a mut String, name: &'a str) -> Self {
        out.push('<');
        out.push_str(name);
        Self { out, name }
    }

    fn name(&mut self, name: &str) {
        self.out.push(' ');
        self.out.push_str(name);
        self.out.push_str("=\"");
    }

    /// Adds an attribute.
    pub(super) fn attribute(mut self, name: &str, value: &str) -> Self {
        self.name(name);
        push_escaped(self.out, value);
        self.out.push('"');
        self
    }

    /// Adds an attribute, if there is a value.
    pub(super) fn attribute_if(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.attribute(name, value),
            None => self,
        }
    }

    /// Adds a numeric attribute.
    pub(super) fn number(mut self, name: &str, value: u64) -> Self {
        self.name(name);
        self.out.push_number(value);
        self.out.push('"');
        self
    }

    /// Adds an attribute with two numbers: `16:9`.
    pub(super) fn pair(mut self, name: &str, first: u64, separator: char, second: u64) -> Self {
        self.name(name);
        self.out.push_number(first);
        self.out.push(separator);
        self.out.push_number(second);
        self.out.push('"');
        self
    }

    /// Adds an `xs:duration`, from microseconds.
    pub(super) fn duration(mut self, name: &str, microseconds: u64) -> Self {
        self.name(name);
        self.out.push_str("PT");
        self.out.push_seconds(microseconds);
        self.out.push_str("S\"");
        self
    }

    /// Ends the start tag; [`close`] ends the element after its children.
    pub(super) fn open(self) {
        self.out.push_str(">\n");
    }

    /// Ends an element without content.
    pub(super) fn empty(self) {
        self.out.push_str("/>\n");
    }

    /// Ends an element with text.
    pub(super) fn text(self, text: &str) {
        self.out.push('>');
        push_escaped(self.out, text);
        close(self.out, self.name);
    }
}

/// Writes an end tag.
pub(super) fn close(out: &mut String, name: &str) {
    out.push_str("</");
    out.push_str(name);
    out.push_str(">\n");
}

/// Writes a descriptor (ISO/IEC 23009-1 section 5.8.2): a scheme, and a value of that scheme.
pub(super) fn descriptor(out: &mut String, name: &str, scheme: &str, value: &str) {
    Element::new(out, name).attribute("schemeIdUri", scheme).attribute("value", value).empty();
}

/// Escapes text for element content and for attributes.
fn push_escaped(out: &mut String, text: &str) {
    for character in clean(text) {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            other => out.push(other),
        }
    }
}
