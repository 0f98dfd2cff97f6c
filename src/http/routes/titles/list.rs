//! `GET /api/titles`: the titles of the library, page by page.

use std::path::Path;

use actix_web::{
    HttpRequest, HttpResponse, ResponseError as _,
    web::{Data, Query},
};
use serde::{Deserialize, Serialize, de::IgnoredAny};

use super::{internal, named, respond_json};
use crate::{
    http::{
        Error, Site, cors,
        methods::{Read, read_method},
        query,
        title_item::{FolderItem, Item},
    },
    library::{
        MediaPath,
        catalog::{self, Scope, SortBy},
    },
};

/// The number of titles on a page: the default, and the maximum.
const LIMIT_DEFAULT: usize = 100;
const LIMIT_MAX: usize = 1000;

/// The query of a list.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ListQuery {
    /// A request with it has another [response](named); here so that errors list it.
    path: Option<IgnoredAny>,
    /// The decoded path of a folder; empty for the top of the library.
    folder: Option<String>,
    search: String,
    sort: String,
    offset: usize,
    limit: usize,
}

impl Default for ListQuery {
    fn default() -> Self {
        let (search, sort) = (String::new(), "path".to_owned());
        Self { path: None, folder: None, search, sort, offset: 0, limit: LIMIT_DEFAULT }
    }
}

/// One page of the list.
#[derive(Debug, Serialize)]
struct List {
    titles: Vec<Item>,
    /// The folders directly in the folder, up to the maximum.
    #[serde(skip_serializing_if = "Option::is_none")]
    folders: Option<Vec<FolderItem>>,
    /// The number of all folders directly in the folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    total_folders: Option<usize>,
    /// The number of titles on all pages.
    total: usize,
    offset: usize,
    limit: usize,
    /// The target of the next page, if there is one.
    next: Option<String>,
    /// Whether the first scan is running, which may find more titles.
    scanning: bool,
}

/// `GET /api/titles?folder=&search=&sort=&offset=&limit=`, or `?path=` of some titles.
pub async fn list(request: HttpRequest, site: Data<Site>) -> HttpResponse {
    respond_list(&request, &site).await.unwrap_or_else(|error| error.error_response())
}

async fn respond_list(request: &HttpRequest, site: &Data<Site>) -> Result<HttpResponse, Error> {
    if let Read::Options = read_method(request.method())? {
        return Ok(cors::options(request));
    }
    let plain = query::Query::new(request.query_string());
    if named::is_requested(plain) {
        return named::respond_named(request, site, plain).await;
    }
    let list_query = Query::<ListQuery>::from_query(request.query_string())
        .map_err(|error| Error::BadRequest(error.to_string()))?
        .into_inner();
    let query = list_query.to_catalog_query()?;
    // Milliseconds for a large library, so not on the I/O thread.
    let shared = site.clone();
    let listing = site.spawn_blocking_limited(move || {
        let catalog = &shared.titles.library.catalog;
        // Before the query: what it does not find then does not exist.
        let scanning = catalog.is_scanning();
        if let Scope::Folder(Some(folder)) = &query.scope
            && !scanning
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
            next: (end < page.total).then(|| list_query.next_page(end)),
            scanning,
        };
        serde_json::to_vec(&list).map_err(internal)
    });
    let json = listing.await??;
    respond_json(request, site, json).await
}

impl ListQuery {
    fn to_catalog_query(&self) -> Result<catalog::Query, Error> {
        let (key, descending) = match self.sort.strip_prefix('-') {
            Some(key) => (key, true),
            None => (self.sort.as_str(), false),
        };
        let sort_by = match key {
            "path" => SortBy::Path,
            "name" => SortBy::Name,
            "modified" => SortBy::Modified,
            "size" => SortBy::Size,
            "duration" => SortBy::Duration,
            _ => {
                let allowed = "sort must be name, path, modified, size or duration, with - in front to reverse";
                return Err(Error::BadRequest(allowed.into()));
            }
        };
        if !(1..=LIMIT_MAX).contains(&self.limit) {
            return Err(Error::BadRequest(format!("limit must be from 1 to {LIMIT_MAX}")));
        }
        let scope = match self.folder.as_deref() {
            None => Scope::All,
            Some("") => Scope::Folder(None),
            Some(folder) => {
                let refused = |error| Error::BadRequest(format!("folder has {error}"));
                Scope::Folder(Some(MediaPath::from_path(Path::new(folder)).map_err(refused)?))
            }
        };
        let (search, offset, limit) = (self.search.clone(), self.offset, self.limit);
        Ok(catalog::Query { scope, search, sort_by, descending, offset, limit })
    }

    fn next_page(&self, offset: usize) -> String {
        let encode =
            |text| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC);
        let folder = self
            .folder
            .as_deref()
            .map_or(String::new(), |folder| format!("folder={}&", encode(folder)));
        let (search, sort, limit) = (encode(&self.search), encode(&self.sort), self.limit);
        format!("/api/titles?{folder}search={search}&sort={sort}&offset={offset}&limit={limit}")
    }
}
