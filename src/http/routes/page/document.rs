//! The documents of the page: templates, which the server fills between marker comments.
//!
//! `<!--name-->…<!--/name-->` is a part. Its text in the template is the default.

use std::{borrow::Cow, sync::LazyLock};

use super::assets::{self, BUILT_IN};
use crate::http::{Error, Site};

/// The built-in templates.
pub const TEMPLATES: [&str; 2] =
    [include_str!("../../../../web/index.html"), include_str!("../../../../web/embed.html")];

/// The templates with the addresses of the built-in assets.
static VERSIONED: LazyLock<[String; 2]> =
    LazyLock::new(|| TEMPLATES.map(|template| BUILT_IN.versioned(template)));

/// A document of the page.
#[derive(Clone, Copy, Debug)]
pub enum Document {
    /// The library and the player: `index.html`.
    Page,
    /// The player alone: `embed.html`.
    Embed,
}

impl Document {
    /// The template: built in, or of the folder with the page's sources.
    pub async fn template(self, site: &Site) -> Result<Cow<'static, str>, Error> {
        let sources = site.settings.load().ui_dir.clone();
        let Some(sources) = sources else {
            return Ok(Cow::Borrowed(&VERSIONED[self as usize]));
        };
        let text = assets::read(site, &sources, self.name()).await?;
        Ok(Cow::Owned(String::from_utf8_lossy(&text.bytes).into_owned()))
    }

    fn name(self) -> &'static str {
        match self {
            Self::Page => "index.html",
            Self::Embed => "embed.html",
        }
    }
}

/// What a template has in a part.
pub fn part<'a>(template: &'a str, name: &str) -> Option<&'a str> {
    let (_, behind) = template.split_once(&format!("<!--{name}-->"))?;
    behind.split_once(&format!("<!--/{name}-->")).map(|(text, _)| text)
}

/// Replaces parts of a template. A template may lack a part.
pub fn fill(template: &str, parts: &[(&str, String)]) -> String {
    let mut document = template.to_owned();
    for (name, text) in parts {
        let (opening, closing) = (format!("<!--{name}-->"), format!("<!--/{name}-->"));
        let start = document.find(&opening);
        let end = document.find(&closing).map(|end| end + closing.len());
        if let Some((start, end)) = start.zip(end).filter(|(start, end)| start < end) {
            document.replace_range(start..end, text);
        }
    }
    document
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_replaced_and_the_rest_stays() {
        let template = "<p><!--a-->old<!--/a--></p><!--b--><b><!--/b--><!--c--><i></i><!--/c-->";
        let new = [("a", "new"), ("b", "<b class=\"x\">"), ("none", "!")];
        let filled = fill(template, &new.map(|(name, text)| (name, text.to_owned())));
        assert_eq!(part(template, "a"), Some("old"));
        assert_eq!(filled, "<p>new</p><b class=\"x\"><!--c--><i></i><!--/c-->");
    }

    #[test]
    fn a_part_without_an_end_stays() {
        for template in ["<!--a-->old", "old<!--/a-->", "<!--/a-->old<!--a-->"] {
            assert_eq!(fill(template, &[("a", "new".into())]), template);
        }
    }
}
