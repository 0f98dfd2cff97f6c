//! `/v/<title>/poster.jpg` and its like: pictures of a title, made when they are first asked for.

use std::{sync::Arc, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER},
    },
    web::Data,
};
use percent_encoding::percent_decode_str;

use super::{progressive::milliseconds, streams, texts};
use crate::titles::opened::Opened;
use crate::{
    extent::{Caching, Content, Extent, Extents, ReadError, Validator},
    http::{
        Error, Site,
        text_response::{Text, respond_text},
        urls::{Storyboard as Dialect, TrackFile, View},
    },
    library::MediaPath,
    movie::Track,
    package::{
        hls,
        stills::{self, StillsError},
        storyboard::{Geometry, ImageFormat, Storyboard, bif, display_size, json, vtt},
        title,
    },
    titles::artifacts::{ArtifactStatus, Artifacts},
    transcode::{
        ImageSpec, JobSpec, Operation,
        images::{SizeError, SizeRequest},
    },
};

/// What is shown until there is a picture: nothing, in the colour of a screen that is off.
const PLACEHOLDER: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 16 9\">\
    <rect width=\"16\" height=\"9\" fill=\"#223\"/><path d=\"M6.5 3v3l3-1.5z\" fill=\"#667\"/></svg>\n";

/// How soon to come again for a picture that is being made, in seconds.
const AGAIN_S: HeaderValue = HeaderValue::from_static("2");

/// What a query asks for.
#[derive(Debug, Default)]
struct Wanted {
    time_ms: u64,
    exact: bool,
    asked: SizeRequest,
    /// Whether not to wait for what is still to be made.
    at_once: bool,
}

/// Answers for a picture of a title, or for what tells where pictures are.
pub(super) async fn serve(
    request: &HttpRequest,
    site: &Data<Site>,
    title: &MediaPath,
    opened: &Opened,
    view: View<'_>,
) -> Result<HttpResponse, Error> {
    let wanted = Wanted::parse(request.query_string())?;
    let pictures = Pictures::of(opened)?;
    let patience = Duration::from_secs(site.settings.load().image_wait_s.get());
    let patience = if wanted.at_once { Duration::ZERO } else { patience };
    let asking = Asking { request, site, title, opened, patience, at_once: wanted.at_once };
    let size = wanted.asked.resolve(pictures.display);
    match view {
        View::Poster => {
            let wanted = ImageSpec::Poster { size };
            asking.picture(wanted, "poster.jpg", ImageFormat::Jpg, Caching::File).await
        }
        View::Preview => {
            let wanted = ImageSpec::Preview { size };
            asking.picture(wanted, "preview.webp", ImageFormat::Webp, Caching::File).await
        }
        View::Thumbnail(coding) => {
            let (time_ms, exact) = (pictures.nearest_ms(&wanted).await?, wanted.exact);
            let thumbnail = ImageSpec::Thumbnail { time_ms, exact, size, format: coding };
            let name = format!("thumbnail.{}", coding.extension());
            asking.picture(thumbnail, &name, coding, Caching::File).await
        }
        View::Storyboard(Dialect::Sheet(coding)) => {
            asking.sheet(ImageSpec::Overview, coding, Caching::File).await
        }
        View::Storyboard(Dialect::WebVtt) => {
            let text = vtt::format(&pictures.storyboard(), ImageFormat::Jpg);
            asking.text(text, texts::VTT, Caching::Manifest).await
        }
        View::Storyboard(Dialect::Json) => {
            let text = json::format(&pictures.storyboard(), ImageFormat::Jpg);
            asking.text(text, "application/json", Caching::Manifest).await
        }
        View::Storyboard(Dialect::Bif) => asking.bif(&pictures).await,
        View::Track { version, file, .. } => {
            let storyboard = pictures.storyboard();
            if version != storyboard.version {
                return Err(Error::NotFound);
            }
            match file {
                TrackFile::Images => {
                    asking.text(hls::images(&storyboard), streams::HLS, Caching::Immutable).await
                }
                TrackFile::Overview(coding) => {
                    asking.sheet(ImageSpec::Overview, coding, Caching::Immutable).await
                }
                TrackFile::Sheet(place, coding) => {
                    let number = u32::try_from(place + 1).map_err(|_| Error::NotFound)?;
                    storyboard.geometry.sheet(number).ok_or(Error::NotFound)?;
                    asking.sheet(ImageSpec::Sheet { number }, coding, Caching::Immutable).await
                }
                _ => Err(Error::NotFound),
            }
        }
        _ => Err(Error::NotFound),
    }
}

/// The storyboard of a title, if there is somebody to make it and something to make it of.
pub fn storyboard(site: &Site, opened: &Opened, prefix: &str) -> Option<Storyboard> {
    let artifacts = site.artifacts.load_full()?;
    if artifacts.lacks.is_some() {
        return None;
    }
    let storyboard = Pictures::of(opened).ok()?.storyboard();
    Some(Storyboard { prefix: prefix.to_owned(), ..storyboard })
}

/// What has to be known of a title for its pictures.
struct Pictures<'a> {
    opened: &'a Opened,
    /// The place of the track in the movie.
    place: usize,
    display: (u32, u32),
}

impl<'a> Pictures<'a> {
    fn of(opened: &'a Opened) -> Result<Self, Error> {
        let movie = &opened.movie;
        let track = stills::track(movie)?;
        let display = display_size(track).ok_or(StillsError::NoVideo)?;
        let place = movie.tracks.iter().position(|other| std::ptr::eq(other, track));
        Ok(Self { opened, place: place.expect("it is one of these"), display })
    }

    fn storyboard(&self) -> Storyboard {
        Storyboard {
            prefix: String::new(),
            version: JobSpec::image_version(self.opened.source).to_string(),
            geometry: Geometry::new(title::duration_ms(&self.opened.movie), self.display),
        }
    }

    /// When the picture that is wanted is shown: one picture has one name, however it was asked for.
    async fn nearest_ms(&self, wanted: &Wanted) -> Result<u64, Error> {
        let (movie, place) = (Arc::clone(&self.opened.movie), self.place);
        let (time_ms, exact) = (wanted.time_ms, wanted.exact);
        let found = self.opened.file.run_in_pool(move |open| {
            let (track, reader): (&Track, _) = (&movie.tracks[place], open.blocking_reader());
            let stills = match exact {
                true => stills::exact(track, time_ms, &reader)?,
                false => stills::nearest(track, &[time_ms], &reader)?,
            };
            Ok::<_, StillsError>(stills.times_ms.get(stills.second as usize).copied())
        });
        let found = found.await.map_err(ReadError::from)??;
        found.ok_or(Error::NotFound)
    }
}

/// A request for what is made of a title.
struct Asking<'a> {
    request: &'a HttpRequest,
    site: &'a Data<Site>,
    title: &'a MediaPath,
    opened: &'a Opened,
    patience: Duration,
    at_once: bool,
}

impl Asking<'_> {
    fn artifacts(&self) -> Result<Arc<Artifacts>, Error> {
        self.site.artifacts.load_full().ok_or(Error::NotReady(
            "there are no pictures here, because there is no database; the log says why",
        ))
    }

    fn spec(&self, wanted: ImageSpec) -> JobSpec {
        JobSpec::new(self.title, self.opened.source, Operation::Image(wanted))
    }

    async fn picture(
        &self,
        wanted: ImageSpec,
        name: &str,
        coding: ImageFormat,
        caching: Caching,
    ) -> Result<HttpResponse, Error> {
        let (artifacts, spec) = (self.artifacts()?, self.spec(wanted));
        let tag = format!("{}-{}", spec.key(), name.replace('.', "-"));
        let folder = match artifacts.obtain(spec, self.patience).await? {
            ArtifactStatus::Ready(folder) => folder,
            other => return self.without(other),
        };
        let file = artifacts.open(&folder, name).await?;
        let content = Content {
            validator: Some(Validator::new(&tag)),
            last_modified: Some(file.identity().modified()),
            extents: Extents::from(Extent::whole(file)),
            media_type: match coding {
                ImageFormat::Jpg => "image/jpeg",
                ImageFormat::Webp => "image/webp",
            },
            caching,
        };
        streams::send(self.request, self.site, content).await
    }

    async fn sheet(
        &self,
        wanted: ImageSpec,
        coding: ImageFormat,
        caching: Caching,
    ) -> Result<HttpResponse, Error> {
        self.picture(wanted, &format!("sheet.{}", coding.extension()), coding, caching).await
    }

    async fn text(
        &self,
        text: String,
        media_type: &'static str,
        caching: Caching,
    ) -> Result<HttpResponse, Error> {
        let mut text = Text::made(text, media_type, caching);
        text.last_modified = Some(self.opened.file.identity().modified());
        respond_text(self.request, self.site, text).await
    }

    /// All tiles of all sheets, put together.
    async fn bif(&self, pictures: &Pictures<'_>) -> Result<HttpResponse, Error> {
        let (artifacts, storyboard) = (self.artifacts()?, pictures.storyboard());
        let geometry = storyboard.geometry;
        // All are begun before any is waited for.
        let numbers = 1..=geometry.sheets();
        let sheets = numbers.map(|number| {
            let spec = self.spec(ImageSpec::Sheet { number });
            artifacts.obtain(spec, self.patience)
        });
        let sheets = futures::future::try_join_all(sheets).await?;
        let mut tiles = Vec::new();
        for (number, stands) in (1..).zip(sheets) {
            let folder = match stands {
                ArtifactStatus::Ready(folder) => folder,
                other => return self.without(other),
            };
            let sheet = geometry.sheet(number).ok_or(Error::NotFound)?;
            for tile in 1..=sheet.tiles {
                let file = artifacts.open(&folder, &format!("{tile}.jpg")).await?;
                tiles.push(Extent::whole(file));
            }
        }
        let extents = bif::build(geometry.interval_ms, tiles);
        let content = Content {
            extents: extents.map_err(|error| Error::Unprocessable(error.to_string()))?,
            validator: Some(Validator::new(&format!("{}-bif", storyboard.version))),
            last_modified: Some(self.opened.file.identity().modified()),
            media_type: "application/octet-stream",
            caching: Caching::File,
        };
        streams::send(self.request, self.site, content).await
    }

    /// The answer while there is nothing to show.
    fn without(&self, stands: ArtifactStatus) -> Result<HttpResponse, Error> {
        match stands {
            ArtifactStatus::Failed(why) => {
                Err(Error::Unprocessable(format!("it cannot be made: {why}")))
            }
            ArtifactStatus::Unavailable(what) => {
                Err(Error::Lacking(format!("it cannot be made at the moment: {what}")))
            }
            ArtifactStatus::Pending(_) if self.at_once => {
                Ok(HttpResponse::build(StatusCode::ACCEPTED)
                    .insert_header((CONTENT_TYPE, HeaderValue::from_static("image/svg+xml")))
                    .insert_header((CACHE_CONTROL, HeaderValue::from_static("no-store")))
                    .insert_header((RETRY_AFTER, AGAIN_S))
                    .body(PLACEHOLDER))
            }
            ArtifactStatus::Pending(_) | ArtifactStatus::Ready(_) => {
                Err(Error::NotReady("it is being made; ask again"))
            }
        }
    }
}

impl Wanted {
    fn parse(query: &str) -> Result<Self, Error> {
        let mut wanted = Self::default();
        let (mut width, mut height, mut fit) = (None, None, None);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = percent_decode_str(value).decode_utf8_lossy().into_owned();
            match key {
                "time" => {
                    let must = "time must be a time in seconds, such as 90 or 12.5";
                    let time_ms = milliseconds(&value);
                    wanted.time_ms = time_ms.ok_or_else(|| Error::BadRequest(must.to_owned()))?;
                }
                "exact" => wanted.exact = value != "0",
                "wait" => wanted.at_once = value == "0",
                "width" => width = Some(value),
                "height" => height = Some(value),
                "fit" => fit = Some(value),
                // Whatever analytics add to a URL.
                _ => {}
            }
        }
        wanted.asked = SizeRequest::parse(width.as_deref(), height.as_deref(), fit.as_deref())?;
        Ok(wanted)
    }
}

impl From<SizeError> for Error {
    fn from(refused: SizeError) -> Self {
        Self::BadRequest(refused.to_string())
    }
}

impl From<StillsError> for Error {
    fn from(refused: StillsError) -> Self {
        match refused {
            StillsError::Read(error) => error.into(),
            refused => Self::Unprocessable(refused.to_string()),
        }
    }
}
