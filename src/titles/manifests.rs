//! Playlists and manifests of a title, cached.

use std::{convert::identity, sync::Arc};

use super::{
    Error, Titles,
    assets::TitleAssets,
    manifest_cache::Product,
    media_types::{DASH, HLS},
    opened::Opened,
    presentation,
    readiness::Waiting,
    segments, texts,
};
use crate::{
    extent::{Caching, Text},
    library::MediaPath,
    package::{dash, hls, title},
};

/// A format of manifests.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ManifestFormat {
    /// The multivariant playlist of HLS.
    Hls,
    /// The MPD of DASH.
    Dash,
}

/// The manifest of a title with its assets.
pub async fn manifest(
    titles: &Titles,
    title: &MediaPath,
    opened: &Opened,
    mut assets: TitleAssets,
    format: ManifestFormat,
) -> Result<Text, Error> {
    let digest = assets.digest();
    let product = match format {
        ManifestFormat::Hls => Product::Multivariant(digest),
        ManifestFormat::Dash => Product::Mpd(digest),
    };
    let make = async {
        assets.log_left_out();
        texts::unlist_invalid(titles, title, &mut assets.texts).await;
        let name = title.display_name();
        let opened = opened.clone();
        let write = titles.background.spawn_blocking_limited(move || {
            let presentation = presentation::build(&opened, &name, &assets);
            if presentation.tracks.is_empty() {
                return Err(segments::unsupported(&opened.movie));
            }
            Ok(match format {
                ManifestFormat::Hls => (hls::multivariant(&presentation), HLS),
                ManifestFormat::Dash => (dash::manifest(&presentation), DASH),
            })
        });
        let (manifest, media_type) = write.await.map_err(Error::from).and_then(identity)?;
        // No date: to remove an asset, or to move one here with its old date, would not change the date.
        Ok(Text::kept(manifest, media_type, Caching::Manifest, None))
    };
    titles.cache.text(*opened.file.identity(), product, Waiting::Allowed, make).await
}

/// The media playlist or I-frame playlist of one track, of a title's own file or of a rendition.
pub async fn playlist(
    titles: &Titles,
    title: &Opened,
    rendition: &Opened,
    product: Product,
    waiting: Waiting,
) -> Result<Text, Error> {
    let identity = *rendition.file.identity();
    let make = async {
        let (title, rendition, product) = (title.clone(), rendition.clone(), product.clone());
        let write = move || write_playlist(&title, &rendition, &product);
        let written = titles.background.spawn_blocking_limited(write).await?;
        let playlist = written.ok_or(Error::NotFound)?;
        Ok(Text::kept(playlist, HLS, Caching::Immutable, Some(identity.modified())))
    };
    titles.cache.text(identity, product.clone(), waiting, make).await
}

/// Writes a playlist of a track; `None` if the track or the playlist does not exist.
fn write_playlist(title: &Opened, rendition: &Opened, product: &Product) -> Option<String> {
    let mut presentation = title::presentation(&rendition.movie, "", rendition.version);
    if !Arc::ptr_eq(&title.movie, &rendition.movie) {
        // All playlists of a title have one target duration (RFC 8216bis section 6.2.4).
        let own = title::presentation(&title.movie, "", title.version);
        let longest = own.tracks.iter().map(|track| track.target_duration_s()).max();
        for track in &mut presentation.tracks {
            track.target_duration_min_s = track.target_duration_min_s.max(longest.unwrap_or(0));
        }
    }
    let track = |folder: &String| presentation.tracks.iter().find(|track| track.folder == *folder);
    match product {
        Product::Media(folder) => track(folder).map(hls::media),
        Product::IFrames(folder) => track(folder).and_then(hls::iframes),
        _ => None,
    }
}
