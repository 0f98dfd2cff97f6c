//! `/watch/<title>`: the page with a title in the player.

use std::sync::LazyLock;

use actix_web::{HttpRequest, HttpResponse, web::Data};

use super::{
    Filled,
    about::About,
    body,
    document::{Document, fill},
    head,
    html::Escaped,
    library::Shelf,
    module_links, plain_video, preload, respond_document, stage,
};
use crate::http::{Error, Site, own_origin::own_origin, urls::path_behind};

/// What viewers read instead of a title that does not exist.
const MISSING: &str = "This title is not in the library. It may have been moved or deleted.";

/// Those of the page, and of what it loads for a title.
static MODULE_LINKS: LazyLock<String> = LazyLock::new(|| module_links(&["page.js", "watch.js"]));

/// `/watch/<title>`
pub async fn serve(request: HttpRequest, site: Data<Site>) -> HttpResponse {
    let filled = document(&request, &site).await;
    respond_document(&request, &site, filled).await
}

async fn document(request: &HttpRequest, site: &Site) -> Result<Filled, Error> {
    let template = Document::Page.template(site).await?;
    let found = match path_behind("/watch/", request) {
        Ok(path) => About::find(site, path).await,
        Err(error) => Err(error),
    };
    let preload = preload(site, &MODULE_LINKS);
    let mut parts = match &found {
        Ok(about) => {
            let head =
                head::of_title(about, &own_origin(request.head(), &site.settings.load())) + preload;
            let mut parts = vec![
                ("head", head),
                ("video", stage(&template, about)),
                ("name", Escaped(&about.name).to_string()),
                ("plain", plain_video(about)),
            ];
            let (folder, beside) = (about.path.parent(), Some(about.path.clone()));
            let shelf = Shelf::read(site, folder, String::new(), 0, beside).await;
            parts.extend(shelf.map(|shelf| shelf.parts).unwrap_or_default());
            parts
        }
        Err(error) => {
            let sentence = match error {
                Error::NotFound => MISSING.to_owned(),
                error => format!("This title cannot be opened: {error}."),
            };
            let head = head::of_page("Not found · Headwater") + preload;
            vec![("head", head), ("missing", Escaped(&sentence).to_string())]
        }
    };
    parts.push(("body", body(request, site, Some("watching"))));
    Ok(Filled { document: fill(&template, &parts), error: found.err() })
}
