//! `/media/<path>`: a file byte for byte.

use std::sync::{Arc, atomic::Ordering};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        StatusCode,
        header::{CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, HeaderValue},
    },
    web::Data,
};

use super::{Read, finish, follow, path_behind, read_method};
use crate::{
    extent::{Caching, Content, Extent, Extents, File, Source as _, Text},
    http::{
        Error, Site, content_coding, cors,
        fields::{RequestFields, ResponseFields, parse_get_or_head},
        query::Query,
        resource::Resource,
        respond::{ResponseBody, respond},
    },
    library::{MediaPath, media_type},
    titles::{
        readiness::{Waiting, if_ready},
        short_file::read_all,
    },
};

/// The longest text file that is sent in a content coding, in bytes; longer ones are no subtitles.
const CODED_BYTES_MAX: u64 = 2 * 1024 * 1024;

/// The policy of files other than media: they must not run scripts in a browser.
const SANDBOX: HeaderValue = HeaderValue::from_static("sandbox; default-src 'none'");

/// Responds to every method.
pub async fn serve(request: HttpRequest, site: Data<Site>) -> HttpResponse {
    finish(&request, &site, respond_to(&request, &site).await)
}

/// Responds in front of the App to a GET or HEAD of a media file that is open already, like most requests for
/// files. [`serve`] handles all others.
pub fn respond_if_ready(
    request: &impl RequestFields,
    site: &Site,
    head: &mut impl ResponseFields,
) -> Option<(StatusCode, ResponseBody)> {
    let method = parse_get_or_head(request.method())?;
    let encoded = request.target().strip_prefix("/media/")?;
    if encoded.contains(['?', '#']) {
        return None;
    }
    let path = MediaPath::decode(encoded).ok()?;
    let (media_type, _) = media_type::lookup(path.file_name())?;
    let waiting = Waiting::Forbidden;
    let written = if_ready(async {
        let file = site.titles.file(&path, waiting).await?;
        let resource = resource(file, media_type, waiting).await?;
        resource.write(&method, request, site, head, waiting).await
    })?;
    let (status, body) = written.ok()?;
    cors::decorate(request, &site.settings.load().cors_origins, head);
    Some((status, body))
}

async fn respond_to(request: &HttpRequest, site: &Data<Site>) -> Result<HttpResponse, Error> {
    let method = read_method(request.method());
    if let Ok(Read::Options) = method {
        return Ok(cors::options(request));
    }
    let path = path_behind("/media/", request)?;
    // Opened before the method is refused: a missing file is 404 for every method.
    let file = site.titles.file(&path, Waiting::Allowed).await?;
    method?;
    let Some((media_type, _)) = media_type::lookup(path.file_name()) else {
        return Ok(attachment(request, site, &path, file));
    };
    if Query::new(request.query_string()).flag("follow", false)? {
        if file.changeable().is_none() {
            return Err(Error::Conflict(
                "an object of a bucket does not grow; play it without ?follow",
            ));
        }
        return follow::follow(request, site, path, &file, media_type);
    }
    let resource = resource(file, media_type, Waiting::Allowed).await?;
    resource.respond(request, site).await
}

/// A media file, or a short text file that clients may get in a content coding.
async fn resource(
    file: Arc<File>,
    media_type: &'static str,
    waiting: Waiting,
) -> Result<Resource, Error> {
    if !is_codable(&file, media_type) {
        return Ok(Resource::Content(content(file, media_type)));
    }
    waiting.begin().await;
    let bytes = Box::pin(read_all(&file)).await?;
    let (validator, modified) = (file.validator().clone(), file.identity().modified());
    Ok(Resource::Text(Text::from_file(bytes, media_type, validator, modified)))
}

fn is_codable(file: &File, media_type: &str) -> bool {
    let length = usize::try_from(file.len()).unwrap_or(usize::MAX);
    content_coding::applies_to(media_type, length) && file.len() <= CODED_BYTES_MAX
}

/// A file byte for byte.
fn content(file: Arc<File>, media_type: &'static str) -> Content {
    let identity = *file.identity();
    Content {
        validator: Some(file.validator().clone()),
        extents: Extents::from(Extent::whole(file)),
        last_modified: Some(identity.modified()),
        media_type,
        caching: Caching::File,
    }
}

/// A file other than media, as an attachment.
fn attachment(
    request: &HttpRequest,
    site: &Site,
    path: &MediaPath,
    file: Arc<File>,
) -> HttpResponse {
    debug_assert!(site.titles.library.serve_other_files.load(Ordering::Relaxed));
    let media_type = media_type::guess(path.file_name());
    let mut response = respond(request, &site.settings.load(), content(file, media_type));
    let fields = response.headers_mut();
    fields.insert(CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    fields.insert(CONTENT_SECURITY_POLICY, SANDBOX);
    response
}
