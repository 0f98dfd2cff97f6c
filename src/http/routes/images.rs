//! `/v/<title>/poster.jpg` and similar: images of a title, which jobs render at the first request.

use std::{sync::Arc, time::Duration};

use crate::{
    extent::{Caching, Content, File, Text, disk::Version},
    http::{
        Error, Site,
        query::Query,
        resource::Resource,
        urls::{Storyboard as StoryboardForm, TrackFile, View},
    },
    library::MediaPath,
    package::{
        hls,
        storyboard::{ImageFormat, json, vtt},
    },
    titles::{
        images::{self, TitleImages},
        media_types::{HLS, VTT},
        opened::Opened,
    },
    transcode::{
        ImageSpec,
        images::{SizeError, SizeRequest},
    },
};

/// The folder of a storyboard.
pub(super) const STORYBOARD: &str = "storyboard";

/// An image of a title, or a text that refers to images: `prefix` leads from its URL to that of the title.
pub(super) async fn resource(
    site: &Site,
    (title, prefix): (&MediaPath, &str),
    opened: &Opened,
    view: &View<'_>,
    query: Query<'_>,
) -> Result<Resource, Error> {
    let requested = Requested::parse(query)?;
    let images = TitleImages::new(&site.titles, title, opened, prefix)?;
    let size = requested.size.resolve(images.display);
    let form = match *view {
        View::Storyboard(form) => form,
        View::Track { version, file, .. } => {
            if version != images.storyboard().version {
                return Err(Error::NotFound);
            }
            return track_file(site, opened, &images, file, &requested).await;
        }
        _ => {
            let (image, name, format) = match *view {
                View::Poster => {
                    (ImageSpec::Poster { size }, "poster.jpg".to_owned(), ImageFormat::Jpg)
                }
                View::Preview => {
                    (ImageSpec::Preview { size }, "preview.webp".to_owned(), ImageFormat::Webp)
                }
                View::Thumbnail(format) => {
                    let exact = requested.exact;
                    let time_ms = images.frame_ms(requested.time_ms, exact).await?;
                    let image = ImageSpec::Thumbnail { time_ms, exact, size, format };
                    (image, format!("thumbnail.{}", format.extension()), format)
                }
                _ => return Err(Error::NotFound),
            };
            return requested.image(site, &images, image, &name, format, Caching::File).await;
        }
    };
    let (text, media_type) = match form {
        StoryboardForm::Sheet(format) => {
            return requested
                .sheet(site, &images, ImageSpec::Overview, format, Caching::File)
                .await;
        }
        StoryboardForm::Bif => {
            let bif = images.bif(requested.wait_timeout(site)).await?;
            return requested.ready_or_pending(bif);
        }
        StoryboardForm::WebVtt => (vtt::format(&images.storyboard(), ImageFormat::Jpg), VTT),
        StoryboardForm::Json => {
            (json::format(&images.storyboard(), ImageFormat::Jpg), "application/json")
        }
    };
    Ok(described(opened, Text::new(text, media_type, Caching::Manifest)))
}

/// The poster of a file that is no movie itself, and not remuxed: of its own first key frames, or its cover
/// art. It has the requested width; height and fit are those of the file.
pub(super) async fn source_poster(
    site: &Site,
    title: &MediaPath,
    source: (&Arc<File>, Version),
    query: Query<'_>,
) -> Result<Resource, Error> {
    let requested = Requested::parse(query)?;
    let (width, timeout) = (requested.size.width(), requested.wait_timeout(site));
    let poster = images::source_poster(&site.titles, title, source, width, timeout).await?;
    requested.ready_or_pending(poster)
}

/// A file of the storyboard's folder.
async fn track_file(
    site: &Site,
    opened: &Opened,
    images: &TitleImages<'_>,
    file: TrackFile,
    requested: &Requested,
) -> Result<Resource, Error> {
    let storyboard = images.storyboard();
    let (image, format) = match file {
        TrackFile::Images => {
            let text = Text::new(hls::images(&storyboard), HLS, Caching::Immutable);
            return Ok(described(opened, text));
        }
        TrackFile::Overview(format) => (ImageSpec::Overview, format),
        TrackFile::Sheet(place, format) => {
            let number = u32::try_from(place + 1).map_err(|_| Error::NotFound)?;
            storyboard.geometry.sheet(number).ok_or(Error::NotFound)?;
            (ImageSpec::Sheet { number }, format)
        }
        _ => return Err(Error::NotFound),
    };
    requested.sheet(site, images, image, format, Caching::Immutable).await
}

/// A text about the images of a title, which changes when the title does.
fn described(opened: &Opened, text: Text) -> Resource {
    Resource::Text(Text { last_modified: Some(opened.file.identity().modified()), ..text })
}

/// The parameters of a query.
#[derive(Debug)]
struct Requested {
    time_ms: u64,
    exact: bool,
    size: SizeRequest,
    /// Whether to wait for an image that is not rendered yet.
    wait: bool,
}

impl Requested {
    fn parse(query: Query<'_>) -> Result<Self, Error> {
        let (width, height, fit) = (query.get("width"), query.get("height"), query.get("fit"));
        Ok(Self {
            time_ms: query.milliseconds("time")?.unwrap_or(0),
            exact: query.flag("exact", false)?,
            wait: query.flag("wait", true)?,
            size: SizeRequest::parse(width.as_deref(), height.as_deref(), fit.as_deref())?,
        })
    }

    fn wait_timeout(&self, site: &Site) -> Duration {
        let seconds = if self.wait { site.settings.load().image_wait_s.get() } else { 0 };
        Duration::from_secs(seconds)
    }

    async fn sheet(
        &self,
        site: &Site,
        images: &TitleImages<'_>,
        image: ImageSpec,
        format: ImageFormat,
        caching: Caching,
    ) -> Result<Resource, Error> {
        let name = format!("sheet.{}", format.extension());
        self.image(site, images, image, &name, format, caching).await
    }

    async fn image(
        &self,
        site: &Site,
        images: &TitleImages<'_>,
        image: ImageSpec,
        name: &str,
        format: ImageFormat,
        caching: Caching,
    ) -> Result<Resource, Error> {
        let timeout = self.wait_timeout(site);
        self.ready_or_pending(images.image(image, name, format, caching, timeout).await?)
    }

    fn ready_or_pending(&self, image: Option<Content>) -> Result<Resource, Error> {
        match image {
            Some(image) => Ok(Resource::Content(image)),
            None if self.wait => Err(Error::NotReady("the image is not rendered yet, retry later")),
            None => Ok(Resource::PendingImage),
        }
    }
}

impl From<SizeError> for Error {
    fn from(refused: SizeError) -> Self {
        Self::BadRequest(refused.to_string())
    }
}
