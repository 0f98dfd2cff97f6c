//! `/api/titles`: the titles of the library.

use actix_web::{
    HttpRequest, HttpResponse, ResponseError as _,
    web::{Data, Query},
};
use serde::{Deserialize, Serialize};

use super::{Read, path_behind, read_method};
use crate::{
    extent::Caching,
    http::{
        Error, Site, cors,
        text_response::{Text, respond_text},
    },
    library::{
        Title,
        catalog::{self, SortBy},
        media_type,
        sidecars::is_set,
    },
};

/// The number of titles on a page: the default, and the maximum.
const LIMIT_DEFAULT: usize = 100;
const LIMIT_MAX: usize = 1000;

/// The query of a list.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ListQuery {
    search: String,
    sort: String,
    offset: usize,
    limit: usize,
}

impl Default for ListQuery {
    fn default() -> Self {
        let (search, sort) = (String::new(), "path".to_owned());
        Self { search, sort, offset: 0, limit: LIMIT_DEFAULT }
    }
}

/// One page of the list.
#[derive(Debug, Serialize)]
struct List {
    titles: Vec<Item>,
    /// The number of titles on all pages.
    total: usize,
    offset: usize,
    limit: usize,
    /// The target of the next page, if there is one.
    next: Option<String>,
    /// Whether the first scan is running, which may find more titles.
    scanning: bool,
}

/// A title as JSON.
#[derive(Debug, Serialize)]
struct Item {
    /// The decoded path.
    path: String,
    /// The target of the file; of a set, of its leading member as one MP4.
    href: String,
    /// The target that all views begin with.
    views: String,
    media_type: &'static str,
    size_bytes: u64,
    /// RFC 3339, in UTC.
    modified: String,
    version: String,
}

impl From<&Title> for Item {
    fn from(title: &Title) -> Self {
        let views = format!("/v/{}/", title.path.encoded());
        let (href, media_type) = match media_type::lookup(title.path.file_name()) {
            _ if is_set(&title.path) => (format!("{views}play.mp4"), "video/mp4"),
            Some((media_type, _)) => (format!("/media/{}", title.path.encoded()), media_type),
            None => (format!("/media/{}", title.path.encoded()), "application/octet-stream"),
        };
        Self {
            path: title.path.display(),
            href,
            views,
            media_type,
            size_bytes: title.size_bytes,
            modified: humantime::format_rfc3339_seconds(title.modified).to_string(),
            version: title.version.to_string(),
        }
    }
}

/// `GET /api/titles?search=&sort=&offset=&limit=`
pub async fn list(request: HttpRequest, site: Data<Site>) -> HttpResponse {
    respond_list(&request, &site).await.unwrap_or_else(|error| error.error_response())
}

/// `GET /api/titles/<path>`
pub async fn show(request: HttpRequest, site: Data<Site>) -> HttpResponse {
    respond_title(&request, &site).await.unwrap_or_else(|error| error.error_response())
}

async fn respond_list(request: &HttpRequest, site: &Data<Site>) -> Result<HttpResponse, Error> {
    if let Read::Options = read_method(request.method())? {
        return Ok(cors::options(request));
    }
    let list_query = Query::<ListQuery>::from_query(request.query_string())
        .map_err(|error| Error::BadRequest(error.to_string()))?
        .into_inner();
    let query = list_query.to_catalog_query()?;
    // Milliseconds for a large library, so not on the I/O thread.
    let shared = site.clone();
    let listing = site.spawn_blocking_limited(move || {
        let page = shared.titles.library.catalog.query(&query);
        let end = query.offset.saturating_add(page.titles.len());
        let list = List {
            titles: page.titles.iter().map(Item::from).collect(),
            total: page.total,
            offset: query.offset,
            limit: query.limit,
            next: (end < page.total).then(|| list_query.next_page(end)),
            scanning: shared.titles.library.catalog.is_scanning(),
        };
        serde_json::to_vec(&list)
    });
    let json = listing.await?.map_err(internal)?;
    respond_json(request, site, json).await
}

async fn respond_title(request: &HttpRequest, site: &Data<Site>) -> Result<HttpResponse, Error> {
    let method = read_method(request.method());
    if let Ok(Read::Options) = method {
        return Ok(cors::options(request));
    }
    let path = path_behind("/api/titles/", request)?;
    // From the disk, because a file may play before the catalog lists it.
    let library = &site.titles.library;
    let title = match library.identity(&path).await? {
        Some(identity) => Title::from_file(path, &identity),
        None => library.set_title(&path).await?,
    };
    let title = title.ok_or(Error::NotFound)?;
    method?;
    let json = serde_json::to_vec(&Item::from(&title)).map_err(internal)?;
    respond_json(request, site, json).await
}

async fn respond_json(
    request: &HttpRequest,
    site: &Site,
    mut json: Vec<u8>,
) -> Result<HttpResponse, Error> {
    json.push(b'\n');
    let text = Text::new(json, "application/json", Caching::Revalidate);
    respond_text(request, site, text).await
}

fn internal(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Internal(Box::new(error))
}

impl ListQuery {
    fn to_catalog_query(&self) -> Result<catalog::Query, Error> {
        let (key, descending) = match self.sort.strip_prefix('-') {
            Some(key) => (key, true),
            None => (self.sort.as_str(), false),
        };
        let sort_by = match key {
            "path" => SortBy::Path,
            "modified" => SortBy::Modified,
            "size" => SortBy::Size,
            _ => {
                let allowed = "sort must be path, modified or size, with - in front to reverse";
                return Err(Error::BadRequest(allowed.into()));
            }
        };
        if !(1..=LIMIT_MAX).contains(&self.limit) {
            return Err(Error::BadRequest(format!("limit must be from 1 to {LIMIT_MAX}")));
        }
        let (search, offset, limit) = (self.search.clone(), self.offset, self.limit);
        Ok(catalog::Query { search, sort_by, descending, offset, limit })
    }

    fn next_page(&self, offset: usize) -> String {
        let encode =
            |text| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC);
        let (search, sort, limit) = (encode(&self.search), encode(&self.sort), self.limit);
        format!("/api/titles?search={search}&sort={sort}&offset={offset}&limit={limit}")
    }
}
