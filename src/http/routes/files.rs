//! `/media/<path>`: a file exactly as it is.

use std::sync::{Arc, atomic::Ordering};

use actix_web::{
    HttpRequest, HttpResponse, ResponseError as _,
    http::{
        StatusCode,
        header::{CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, HeaderValue},
    },
    web::Data,
};
use bytes::{Bytes, BytesMut};

use super::{Read, follow, path_behind, read_method};
use crate::{
    extent::{Caching, Content, Extent, Extents, Source as _, disk::File},
    http::{
        Error, Site, content_coding, cors,
        fields::reading,
        respond::{self, Answer, respond},
        text_response::{Text, respond_text},
    },
    library::{MediaPath, media_type},
    wire::http1::{RequestHead, ResponseHead},
};

/// Texts up to this many bytes are sent in a coding; longer ones are no subtitles.
const CODED_BYTES_MAX: u64 = 2 * 1024 * 1024;

/// For files that are no media: whatever they are, they may do nothing in a browser.
const SANDBOX: HeaderValue = HeaderValue::from_static("sandbox; default-src 'none'");

/// Answers every method.
pub async fn serve(request: HttpRequest, site: Data<Site>) -> HttpResponse {
    let answer = answer(&request, &site).await;
    let settings = site.settings.load();
    let mut response = answer.unwrap_or_else(|error| error.error_response());
    super::remember_not_found(&settings, &mut response);
    cors::decorate(request.headers(), &settings.cors_origins, &mut response);
    response
}

/// Answers in front of the App, if this is a GET or HEAD of a film whose file is open already: most
/// of what a server of films is asked. Whatever else there is to say falls through to [`serve`].
pub fn answer_now(
    request: &RequestHead<'_>,
    site: &Site,
    head: &mut ResponseHead<'_>,
) -> Option<(StatusCode, Answer)> {
    let method = reading(request.method)?;
    let encoded = request.target.strip_prefix("/media/")?;
    if encoded.contains(['?', '#']) {
        return None;
    }
    let path = MediaPath::decode(encoded).ok()?;
    let (media_type, _) = media_type::lookup(path.file_name())?;
    let file = site.library.open_now(&path)?;
    if is_coded(&file, media_type) {
        return None;
    }
    let settings = site.settings.load();
    let content = content(file, media_type);
    let answer = respond::answer(&method, request, &settings, content, head);
    cors::decorate(request, &settings.cors_origins, head);
    Some(answer)
}

async fn answer(request: &HttpRequest, site: &Data<Site>) -> Result<HttpResponse, Error> {
    let method = read_method(request.method());
    if let Ok(Read::Options) = method {
        return Ok(cors::options(request));
    }
    let path = path_behind("/media/", request)?;
    // Opened before the method is refused: what is not there is 404, whatever is asked of it.
    let file = site.library.open(&path).await?;
    method?;
    let Some((media_type, _)) = media_type::lookup(path.file_name()) else {
        return Ok(other_file(request, site, &path, file));
    };
    if follow::is_asked(request.query_string()) {
        return Ok(follow::follow(request, site, path, &file, media_type));
    }
    if is_coded(&file, media_type) {
        let text = read_text(file, media_type).await?;
        return respond_text(request, site, text).await;
    }
    Ok(respond(request, &site.settings.load(), content(file, media_type)))
}

/// Whether a file is a text that is sent in a coding to whoever takes it.
fn is_coded(file: &File, media_type: &str) -> bool {
    let length = usize::try_from(file.len()).unwrap_or(usize::MAX);
    content_coding::applies_to(media_type, length) && file.len() <= CODED_BYTES_MAX
}

/// A file as it is.
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

/// All of a short file, so that it can be sent in a coding.
async fn read_text(file: Arc<File>, media_type: &'static str) -> Result<Text, Error> {
    let bytes = read_all(&file).await?;
    let validator = file.validator().clone();
    Ok(Text::of_file(bytes, media_type, validator, file.identity().modified()))
}

/// All bytes of a file that is known to be short.
pub(super) async fn read_all(file: &Arc<File>) -> Result<Bytes, Error> {
    let mut bytes = BytesMut::new();
    while (bytes.len() as u64) < file.len() {
        let rest = bytes.len() as u64..file.len();
        let piece = match file.read_now(rest.clone())? {
            Some(piece) => piece,
            None => Arc::clone(file).read(rest).await?,
        };
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes.freeze())
}

/// A file that is no media, as an attachment.
fn other_file(
    request: &HttpRequest,
    site: &Site,
    path: &MediaPath,
    file: Arc<File>,
) -> HttpResponse {
    debug_assert!(site.library.serve_other_files.load(Ordering::Relaxed));
    let media_type = media_type::guess(path.file_name());
    let mut response = respond(request, &site.settings.load(), content(file, media_type));
    let fields = response.headers_mut();
    fields.insert(CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    fields.insert(CONTENT_SECURITY_POLICY, SANDBOX);
    response
}
