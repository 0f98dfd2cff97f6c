//! `GET /api/titles`: the titles of the library, page by page.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _, path::Path};

use actix_web::{HttpRequest, HttpResponse, ResponseError as _, web::Data};
use percent_encoding::{NON_ALPHANUMERIC, percent_encode, utf8_percent_encode};
use serde::Serialize;

use super::{internal, named, respond_json};
use crate::{
    http::{
        Error, Site, cors,
        methods::{Read, read_method},
        query::Query,
        title_item::{FolderItem, Item},
        unavailable_roots::{UnavailableRoot, unavailable_roots},
    },
    library::{
        MediaPath,
        catalog::{self, Scope, SortBy},
    },
};

/// The number of titles on a page: the default, and the maximum.
const LIMIT_DEFAULT: usize = 100;
const LIMIT_MAX: usize = 1000;

const SORT_DEFAULT: &str = "path";

// A request with `path` has another response (named.rs); here so that errors list it.
const KEYS: [&str; 6] = ["path", "folder", "search", "sort", "offset", "limit"];

/// One page of the list, or the titles of some paths in their order.
#[derive(Debug, Serialize)]
pub(super) struct List {
    pub(super) titles: Vec<Item>,
    /// The folders directly in the folder, up to the maximum.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) folders: Option<Vec<FolderItem>>,
    /// The number of all folders directly in the folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) total_folders: Option<usize>,
    /// The number of titles on all pages.
    pub(super) total: usize,
    pub(super) offset: usize,
    pub(super) limit: usize,
    /// The target of the next page, if there is one.
    pub(super) next: Option<String>,
    /// Whether the first scan is running, which may find more titles.
    pub(super) scanning: bool,
    /// The roots whose titles may be missing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) unavailable: Vec<UnavailableRoot>,
    /// The number of the last change that the list shows; it may show some later ones.
    pub(super) changed: u64,
}

/// `GET /api/titles?folder=&search=&sort=&offset=&limit=`, or `?path=` of some titles.
pub async fn list(request: HttpRequest, site: Data<Site>) -> HttpResponse {
    respond_list(&request, &site).await.unwrap_or_else(|error| error.error_response())
}

async fn respond_list(request: &HttpRequest, site: &Data<Site>) -> Result<HttpResponse, Error> {
    if let Read::Options = read_method(request.method())? {
        return Ok(cors::options(request));
    }
    let text = Query::new(request.query_string());
    if named::is_requested(text) {
        return named::respond_named(request, site, text).await;
    }
    let (query, sort) =
        (parse(text)?, text.get("sort").unwrap_or(SORT_DEFAULT.into()).into_owned());
    // Milliseconds for a large library, so not on the I/O thread.
    let shared = site.clone();
    let listing = site.spawn_blocking_limited(move || {
        let catalog = &shared.titles.library.catalog;
        // Before the query: what it does not find then does not exist.
        let scanning = catalog.is_scanning();
        let changed = catalog.changes();
        let folder = match &query.scope {
            Scope::Folder(Some(folder)) => Some(folder),
            _ => None,
        };
        let unavailable = unavailable_roots(&shared.titles.library, folder.map(MediaPath::as_path));
        if let Some(folder) = folder
            && !scanning
            && unavailable.is_empty()
            && !catalog.has_folder(folder)
        {
            return Err(Error::NotFound);
        }
        let page = catalog.query(&query);
        let unknown = page.titles.iter().filter(|title| title.facts.is_none());
        catalog.want_facts(unknown.map(|title| title.path.clone()));
        let end = query.offset.saturating_add(page.titles.len());
        let folders =
            page.folders.iter().map(|folder| FolderItem::new(&folder.path, folder.titles));
        let is_folder = matches!(query.scope, Scope::Folder(_));
        let list = List {
            titles: page.titles.iter().map(Item::from).collect(),
            folders: is_folder.then(|| folders.collect()),
            total_folders: is_folder.then_some(page.total_folders),
            total: page.total,
            offset: query.offset,
            limit: query.limit,
            next: (end < page.total).then(|| next_page(&query, &sort, end)),
            scanning,
            unavailable,
            changed,
        };
        serde_json::to_vec(&list).map_err(internal)
    });
    let json = listing.await??;
    respond_json(request, site, json).await
}

/// Parses the query of a list.
fn parse(query: Query<'_>) -> Result<catalog::Query, Error> {
    query.check_keys(&KEYS)?;
    let sort = query.get("sort").unwrap_or(SORT_DEFAULT.into());
    let (key, descending) = match sort.strip_prefix('-') {
        Some(key) => (key, true),
        None => (&*sort, false),
    };
    let sort_by = match key {
        "path" => SortBy::Path,
        "name" => SortBy::Name,
        "modified" => SortBy::Modified,
        "size" => SortBy::Size,
        "duration" => SortBy::Duration,
        _ => {
            let allowed =
                "sort must be name, path, modified, size or duration, with - in front to reverse";
            return Err(Error::BadRequest(allowed.into()));
        }
    };
    let number = |key| {
        Ok::<_, Error>(query.number(key)?.map(|it| usize::try_from(it).unwrap_or(usize::MAX)))
    };
    let limit = number("limit")?.unwrap_or(LIMIT_DEFAULT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(Error::BadRequest(format!("limit must be from 1 to {LIMIT_MAX}")));
    }
    let scope = match query.bytes("folder").as_deref() {
        None => Scope::All,
        Some(b"") => Scope::Folder(None),
        Some(folder) => {
            let refused = |error| Error::BadRequest(format!("folder has {error}"));
            let path = MediaPath::from_path(Path::new(OsStr::from_bytes(folder)));
            Scope::Folder(Some(path.map_err(refused)?))
        }
    };
    Ok(catalog::Query {
        scope,
        search: query.get("search").unwrap_or_default().into_owned(),
        sort_by,
        descending,
        offset: number("offset")?.unwrap_or_default(),
        limit,
    })
}

/// The target of the page from an offset on.
fn next_page(query: &catalog::Query, sort: &str, offset: usize) -> String {
    let encode = |text| utf8_percent_encode(text, NON_ALPHANUMERIC);
    let folder = match &query.scope {
        Scope::All => String::new(),
        Scope::Folder(None) => "folder=&".to_owned(),
        Scope::Folder(Some(folder)) => {
            let bytes = folder.as_path().as_os_str().as_bytes();
            format!("folder={}&", percent_encode(bytes, NON_ALPHANUMERIC))
        }
    };
    let (search, sort, limit) = (encode(&query.search), encode(sort), query.limit);
    format!("/api/titles?{folder}search={search}&sort={sort}&offset={offset}&limit={limit}")
}
