//! `/` and `/library/<folder>/`: the folders and titles of a folder, or the titles that a search finds; and the
//! same beside a title.

use std::sync::{Arc, LazyLock};

use actix_web::{HttpRequest, HttpResponse, ResponseError as _, http::header::LOCATION, web::Data};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::{
    Filled, body, cards,
    document::{Document, fill},
    head,
    html::Escaped,
    module_links, preload, respond_document,
};
use crate::{
    http::{
        Error, Site, cors,
        methods::{Read, read_method},
        query::Query,
        title_item::folder_target,
        unavailable_roots::{UnavailableRoot, unavailable_roots},
    },
    library::{
        MediaPath,
        catalog::{self, Page, Scope, SortBy},
    },
};

/// The number of titles in a document.
const TITLES: usize = 100;

/// The most cards in a document: folders, then titles. The script lists the others.
const CARDS_MAX: usize = 2 * TITLES;

/// What viewers read instead of a folder without titles.
const MISSING: &str = "This folder is not in the library, or is empty.";

static MODULE_LINKS: LazyLock<String> = LazyLock::new(|| module_links(&["page.js"]));

/// The parts of a document with a part of the library.
#[derive(Debug)]
pub struct ShelfParts {
    /// The name of the folder; `None` for the top.
    folder: Option<String>,
    /// Whether the library has the folder, or may have it.
    exists: bool,
    /// The parts.
    pub parts: Vec<(&'static str, String)>,
}

/// A part of the library.
#[derive(Debug)]
pub struct Shelf {
    /// The folder; `None` for the top.
    folder: Option<MediaPath>,
    search: String,
    offset: usize,
    page: Page,
    /// Whether the library has the folder, or may have it.
    exists: bool,
    /// Whether the first scan is running, which may find more titles.
    is_scanning: bool,
    /// The roots whose titles may be missing.
    unavailable: Vec<UnavailableRoot>,
}

/// `/`, `/library/` and `/library/<folder>/`
pub async fn serve(request: HttpRequest, site: Data<Site>) -> HttpResponse {
    let filled = document(&request, &site).await;
    respond_document(&request, &site, filled).await
}

/// `/library`: the address of the library has a slash, as that of every folder.
pub async fn redirect(request: HttpRequest) -> HttpResponse {
    match read_method(request.method()) {
        Ok(Read::Options) => cors::options(&request),
        Ok(Read::Respond) => {
            let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
            HttpResponse::PermanentRedirect()
                .insert_header((LOCATION, format!("/library/{query}")))
                .finish()
        }
        Err(refused) => refused.error_response(),
    }
}

async fn document(request: &HttpRequest, site: &Site) -> Result<Filled, Error> {
    let template = Document::Page.template(site).await?;
    let preload = preload(site, &MODULE_LINKS);
    let query = Query::new(request.query_string());
    let shelf = match folder(request) {
        Ok(folder) => {
            let search = query.get("search").unwrap_or_default().trim().to_owned();
            let offset = query.number("offset").unwrap_or_default().unwrap_or_default();
            let offset = usize::try_from(offset).unwrap_or(usize::MAX);
            Shelf::read(site, folder, search, offset, None).await
        }
        Err(error) => Err(error),
    };
    match shelf {
        Ok(shelf) => {
            let ShelfParts { folder, exists, mut parts } = shelf;
            let title = folder.map(|name| format!("{name} · Headwater"));
            let head = head::of_page(title.as_deref().unwrap_or("Headwater"));
            parts.push(("head", head + preload));
            parts.push(("body", body(request, site, None)));
            let error = (!exists).then_some(Error::NotFound);
            Ok(Filled { document: fill(&template, &parts), error })
        }
        Err(error) => {
            let sentence = match error {
                Error::NotFound => MISSING.to_owned(),
                ref error => format!("The library cannot be listed: {error}."),
            };
            let head = head::of_page("Not found · Headwater") + preload;
            let parts = [("head", head), ("more", notice(&sentence))];
            Ok(Filled { document: fill(&template, &parts), error: Some(error) })
        }
    }
}

/// The folder that an address names; `None` for the top.
fn folder(request: &HttpRequest) -> Result<Option<MediaPath>, Error> {
    match request.uri().path().strip_prefix("/library/") {
        None | Some("") => Ok(None),
        Some(encoded) => Ok(Some(MediaPath::decode(encoded.strip_suffix('/').unwrap_or(encoded))?)),
    }
}

impl Shelf {
    /// Reads a page of the titles of a folder, or of those that a search finds below it, and writes its parts
    /// of the document: beside a title those of the titles of its folder.
    pub async fn read(
        site: &Site,
        folder: Option<MediaPath>,
        search: String,
        offset: usize,
        beside: Option<MediaPath>,
    ) -> Result<ShelfParts, Error> {
        let library = Arc::clone(&site.titles.library);
        // Milliseconds for a large library, or for a folder of many, so not on the I/O thread.
        let reading = site.spawn_blocking_limited(move || {
            let catalog = &library.catalog;
            // Before the query: what it does not find then does not exist.
            let is_scanning = catalog.is_scanning();
            let page = catalog.query(&catalog::Query {
                scope: Scope::Folder(folder.clone()),
                search: search.clone(),
                sort_by: SortBy::Name,
                descending: false,
                offset,
                limit: TITLES,
            });
            let unknown = page.titles.iter().filter(|title| title.facts.is_none());
            catalog.want_facts(unknown.map(|title| title.path.clone()));
            let unavailable = unavailable_roots(&library, folder.as_ref().map(MediaPath::as_path));
            let exists = is_scanning
                || !unavailable.is_empty()
                || folder.as_ref().is_none_or(|folder| catalog.has_folder(folder));
            let shelf = Self { folder, search, offset, page, exists, is_scanning, unavailable };
            ShelfParts {
                folder: shelf.folder.as_ref().map(MediaPath::display_name),
                exists,
                parts: shelf.parts(beside.as_ref()),
            }
        });
        reading.await
    }

    fn parts(&self, beside: Option<&MediaPath>) -> Vec<(&'static str, String)> {
        let is_search = !self.search.is_empty();
        let folders = if beside.is_some() { &[] } else { self.page.folders.as_slice() };
        let first = if self.offset == 0 { folders } else { &[] };
        let titles = self.page.titles.iter();
        let rows = first
            .iter()
            .map(cards::folder)
            .chain(titles.map(|title| cards::title(title, is_search, beside == Some(&title.path))))
            .take(CARDS_MAX);
        let heading = match (&self.folder, beside) {
            (Some(folder), None) => folder.display_name(),
            _ => "Library".to_owned(),
        };
        vec![
            ("rows", rows.collect()),
            ("crumbs", self.crumbs(beside.is_some())),
            ("folder", Escaped(&heading).to_string()),
            ("count", self.count(if beside.is_some() { 0 } else { self.page.total_folders })),
            ("unavailable", self.unavailable()),
            ("more", if self.exists { self.more() } else { notice(MISSING) }),
        ]
    }

    /// Links to the folders above; beside a title, to its folder, too.
    fn crumbs(&self, with_folder: bool) -> String {
        let nearest = match with_folder {
            true => self.folder.clone(),
            false => self.folder.as_ref().and_then(MediaPath::parent),
        };
        if self.folder.is_none() && !with_folder {
            return String::new();
        }
        let mut folders: Vec<_> = std::iter::successors(nearest, MediaPath::parent).collect();
        folders.reverse();
        let crumb = |name: &str, target: &str| {
            format!("<li><a href=\"{}\"><bdi>{}</bdi></a></li>", Escaped(target), Escaped(name))
        };
        let below =
            folders.iter().map(|folder| crumb(&folder.display_name(), &folder_target(folder)));
        std::iter::once(crumb("Library", "/")).chain(below).collect()
    }

    fn count(&self, folders: usize) -> String {
        let titles = self.page.total;
        if (folders, titles) == (0, 0) && !self.unavailable.is_empty() {
            return String::new();
        }
        let parts = [
            (folders > 0).then(|| cards::count(folders, "folder")),
            (titles > 0 || folders == 0).then(|| cards::count(titles, "title")),
        ];
        let text: Vec<_> = parts.into_iter().flatten().collect();
        let scanning = if self.is_scanning { "scanning… " } else { "" };
        let found = if self.search.is_empty() { "" } else { " found" };
        format!("{scanning}{}{found}", text.join(", "))
    }

    /// Which roots are not available, and why.
    fn unavailable(&self) -> String {
        let sentence = |root: &UnavailableRoot| format!("<p>{}</p>", Escaped(&root.sentence()));
        self.unavailable.iter().map(sentence).collect()
    }

    /// Links to the pages before and behind, for a browser without scripts.
    fn more(&self) -> String {
        let end = self.offset.saturating_add(self.page.titles.len());
        let here = self.folder.as_ref().map_or_else(|| "/".into(), folder_target);
        let search = utf8_percent_encode(&self.search, NON_ALPHANUMERIC);
        let link = |offset: usize, text: &str| {
            format!(
                "<a href=\"{}?search={search}&amp;offset={offset}\">{text}</a> ",
                Escaped(&here)
            )
        };
        let before =
            (self.offset > 0).then(|| link(self.offset.saturating_sub(TITLES), "Previous"));
        let behind = (end < self.page.total).then(|| link(end, "Next"));
        match before.unwrap_or_default() + &behind.unwrap_or_default() {
            links if links.is_empty() => links,
            links => format!("<p>{links}</p>"),
        }
    }
}

fn notice(sentence: &str) -> String {
    format!("<p class=\"notice\">{}</p>", Escaped(sentence))
}
