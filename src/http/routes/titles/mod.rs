//! `/api/titles`: the titles of the library.

mod list;
mod named;
mod show;

use actix_web::{HttpRequest, HttpResponse};

pub use list::list;
pub use show::show;

use crate::{
    extent::Caching,
    http::{
        Error, Site,
        text_response::{Text, respond_text},
    },
};

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
