//! `GET /api/titles?path=`: the titles of some paths, as far as they exist.

use actix_web::{HttpRequest, HttpResponse, web::Data};

use super::{internal, list::List, respond_json};
use crate::{
    http::{Error, Site, query::Query, title_item::Item, unavailable_roots::unavailable_roots},
    library::MediaPath,
};

/// The most paths of a request.
const PATHS_MAX: usize = 100;

/// Whether a request names paths.
pub fn is_requested(query: Query<'_>) -> bool {
    query.encoded("path").next().is_some()
}

/// Responds to a request with one path or several.
pub async fn respond_named(
    request: &HttpRequest,
    site: &Data<Site>,
    query: Query<'_>,
) -> Result<HttpResponse, Error> {
    let refused = |error| Error::BadRequest(format!("path has {error}"));
    let paths = query.encoded("path").map(MediaPath::decode);
    let paths = paths.collect::<Result<Vec<_>, _>>().map_err(refused)?;
    if paths.len() > PATHS_MAX {
        return Err(Error::BadRequest(format!("path may be given {PATHS_MAX} times at most")));
    }
    let shared = site.clone();
    let listing = site.spawn_blocking_limited(move || {
        let catalog = &shared.titles.library.catalog;
        // Before the look-ups: what they do not find then does not exist.
        let scanning = catalog.is_scanning();
        let unavailable = unavailable_roots(&shared.titles.library, None);
        let changed = catalog.changes();
        let titles: Vec<_> = paths.iter().filter_map(|path| catalog.get(path)).collect();
        let unknown = titles.iter().filter(|title| title.facts.is_none());
        catalog.want_facts(unknown.map(|title| title.path.clone()));
        let list = List {
            titles: titles.iter().map(Item::from).collect(),
            folders: None,
            total_folders: None,
            total: titles.len(),
            offset: 0,
            limit: PATHS_MAX,
            next: None,
            scanning,
            unavailable,
            changed,
        };
        serde_json::to_vec(&list).map_err(internal)
    });
    let json = listing.await??;
    respond_json(request, site, json).await
}
