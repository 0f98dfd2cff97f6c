//! A writer of tags with attributes (RFC 8216bis section 4.2).

use crate::package::write::{Write as _, clean};

/// A tag under construction; [`Tag::end`] ends its line.
pub(super) struct Tag<'a> {
    text: &'a mut String,
    separator: char,
}

impl<'a> Tag<'a> {
    /// Starts a tag at the end of a playlist.
    pub(super) fn new(text: &'a mut String, name: &str) -> Self {
        text.push('#');
        text.push_str(name);
        Self { text, separator: ':' }
    }

    fn name(&mut self, name: &str) {
        self.text.push(self.separator);
        self.separator = ',';
        self.text.push_str(name);
        self.text.push('=');
    }

    /// Adds an enumerated string, or another value without quotes.
    pub(super) fn plain(mut self, name: &str, value: &str) -> Self {
        self.name(name);
        self.text.push_str(value);
        self
    }

    /// Adds `YES` or `NO`.
    pub(super) fn yes_or_no(self, name: &str, value: bool) -> Self {
        self.plain(name, if value { "YES" } else { "NO" })
    }

    /// Adds a quoted string. Quotation marks and line breaks are not allowed and cannot be escaped; an
    /// apostrophe and a space replace them.
    pub(super) fn quoted(mut self, name: &str, value: &str) -> Self {
        self.name(name);
        self.text.push('"');
        let unquoted = |character| if character == '"' { '\'' } else { character };
        self.text.extend(clean(value).map(unquoted));
        self.text.push('"');
        self
    }

    /// Adds a quoted string, if there is one.
    pub(super) fn quoted_if(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.quoted(name, value),
            None => self,
        }
    }

    /// Adds a decimal integer.
    pub(super) fn number(mut self, name: &str, value: u64) -> Self {
        self.name(name);
        self.text.push_number(value);
        self
    }

    /// Adds a decimal resolution: `1920x1080`.
    pub(super) fn resolution(mut self, name: &str, width: u64, height: u64) -> Self {
        self.name(name);
        self.text.push_number(width);
        self.text.push('x');
        self.text.push_number(height);
        self
    }

    /// Adds a time in microseconds as a decimal number of seconds.
    pub(super) fn seconds(mut self, name: &str, microseconds: u64) -> Self {
        self.name(name);
        self.text.push_seconds(microseconds);
        self
    }

    /// Adds thousandths as a decimal number with three decimals: `23.976`.
    pub(super) fn thousandths(mut self, name: &str, thousandths: u64) -> Self {
        self.name(name);
        self.text.push_number(thousandths / 1000);
        self.text.push('.');
        // Adding one keeps the leading zeros of the decimals.
        self.text.push_str(&itoa::Buffer::new().format(1000 + thousandths % 1000)[1..]);
        self
    }

    /// Ends the line.
    pub(super) fn end(self) {
        self.text.push('\n');
    }
}
