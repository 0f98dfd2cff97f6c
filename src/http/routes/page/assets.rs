//! `/assets/…`: the styles and scripts of the page.
//!
//! The built-in documents refer to `/assets/~<version>/…`, which caches keep for ever: one version for all
//! files, so that a script's relative imports stay below it. Under another version, or none, a file is the
//! present one and revalidated: a page that was loaded before an update still finds its parts.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    path::Path,
    sync::LazyLock,
};

use actix_web::{HttpRequest, HttpResponse, web::Data};
use bytes::Bytes;

use super::{modules, respond_page};
use crate::{
    extent::Caching,
    http::{Error, Site, text_response::Text},
    library::MediaPath,
};

/// The files of `web/`, found by `build.rs`: name and bytes.
const FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// The built-in assets.
pub static BUILT_IN: LazyLock<Assets> = LazyLock::new(Assets::built_in);

/// A version of the page's files.
pub struct Assets {
    /// 16 hex digits: a hash of all files.
    version: String,
    /// The files with their coded forms: to encode the largest takes some tens of milliseconds.
    texts: BTreeMap<&'static str, Text>,
}

impl Assets {
    fn built_in() -> Self {
        let mut hasher = DefaultHasher::new();
        FILES.hash(&mut hasher);
        let texts = FILES.iter().map(|&(name, bytes)| {
            let media_type = media_type(name).expect("build.rs finds files of known types");
            let text = Text::kept(Bytes::from_static(bytes), media_type, Caching::Revalidate, None);
            (name, text)
        });
        Self { version: format!("{:016x}", hasher.finish()), texts: texts.collect() }
    }

    /// The file that a target behind `/assets/` names.
    fn get(&self, target: &str) -> Option<Text> {
        let (version, name) = split_version(target);
        let mut text = self.texts.get(name)?.clone();
        if version == Some(self.version.as_str()) {
            text.caching = Caching::Immutable;
        }
        Some(text)
    }

    /// A document that refers to this version of its assets.
    pub fn versioned(&self, document: &str) -> String {
        document.replace("=\"/assets/", &format!("=\"/assets/~{}/", self.version))
    }

    /// The targets of scripts and of all that they import.
    pub fn modules(&self, entries: &[&str]) -> Vec<String> {
        let source = |name: &str| std::str::from_utf8(&self.texts.get(name)?.bytes).ok();
        let names = modules::closure(entries, source);
        names.iter().map(|name| format!("/assets/~{}/{name}", self.version)).collect()
    }
}

/// `/assets/<name>` and `/assets/~<version>/<name>`: a file that the documents refer to.
pub async fn serve(request: HttpRequest, site: Data<Site>) -> HttpResponse {
    let target = request.uri().path().strip_prefix("/assets/").unwrap_or_default();
    let text = match &site.settings.load().ui_dir {
        None => BUILT_IN.get(target).ok_or(Error::NotFound),
        Some(sources) => read(&site, sources, split_version(target).1).await,
    };
    respond_page(&request, &site, text).await
}

/// A file of the page by its name, revalidated at each use.
pub async fn find(site: &Site, name: &str) -> Result<Text, Error> {
    match &site.settings.load().ui_dir {
        None => BUILT_IN.get(name).ok_or(Error::NotFound),
        Some(sources) => read(site, sources, name).await,
    }
}

/// Reads a file of the page's source folder.
pub async fn read(site: &Site, sources: &Path, name: &str) -> Result<Text, Error> {
    let media_type = media_type(name).ok_or(Error::NotFound)?;
    let path = sources.join(MediaPath::decode(name)?.as_path());
    let bytes = site.spawn_blocking_limited(move || std::fs::read(path)).await?;
    match bytes {
        Ok(bytes) => Ok(Text::new(bytes, media_type, Caching::Revalidate)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(Error::NotFound),
        Err(error) => Err(Error::Internal(Box::new(error))),
    }
}

/// The version in a target, if it has one, and the name.
fn split_version(target: &str) -> (Option<&str>, &str) {
    match target.strip_prefix('~').and_then(|rest| rest.split_once('/')) {
        Some((version, name)) => (Some(version), name),
        None => (None, target),
    }
}

fn media_type(name: &str) -> Option<&'static str> {
    match name.rsplit_once('.')?.1 {
        "css" => Some("text/css; charset=utf-8"),
        "js" | "mjs" => Some("text/javascript; charset=utf-8"),
        "svg" => Some("image/svg+xml; charset=utf-8"),
        "html" => Some("text/html; charset=utf-8"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{
        super::{component, document::TEMPLATES},
        *,
    };

    /// All texts between `before` and the next double quote.
    fn names<'a>(text: &'a str, before: &str) -> impl Iterator<Item = &'a str> {
        let behind = text.split(before).skip(1);
        behind.filter_map(|rest| rest.split_once('"').map(|(name, _)| name))
    }

    /// The files that a file of the page refers to relative to itself.
    fn references(name: &str, text: &str) -> Vec<String> {
        let forms: &[&str] = match name.rsplit_once('.') {
            Some((_, "js")) => &[" from \"", "import(\"", "import \"", "new URL(\""],
            Some((_, "css")) => &["url(\"", "@import \""],
            _ => &[], // hls.js refers to no file of the page
        };
        let found = forms.iter().flat_map(|form| names(text, form));
        found.filter(|name| name.starts_with('.')).map(|to| modules::resolve(name, to)).collect()
    }

    #[test]
    fn built_in_assets_are_those_that_the_page_refers_to() {
        let mut referred: BTreeSet<String> = TEMPLATES
            .iter()
            .flat_map(|template| names(template, "=\"/assets/"))
            .map(str::to_owned)
            .chain([component::NAME.to_owned()])
            .collect();
        for (name, bytes) in FILES {
            referred.extend(references(name, std::str::from_utf8(bytes).expect("UTF-8")));
        }
        let built_in: BTreeSet<_> = FILES.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(referred, built_in);
    }

    #[test]
    fn only_the_present_version_is_immutable() {
        let assets = &*BUILT_IN;
        for (target, caching) in [
            (format!("~{}/page.js", assets.version), Some(Caching::Immutable)),
            ("~0123456789abcdef/page.js".into(), Some(Caching::Revalidate)),
            ("page.js".into(), Some(Caching::Revalidate)),
            (format!("~{}/none.js", assets.version), None),
            (format!("~{}", assets.version), None),
            ("~/".into(), None),
            (String::new(), None),
        ] {
            assert_eq!(assets.get(&target).map(|text| text.caching), caching, "{target}");
        }
    }
}
