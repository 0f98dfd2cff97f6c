//! `/embed/<title>`: the player alone, for other pages. Its script reads `t`, `autoplay`, `muted` and `loop`
//! from the address.

use std::sync::LazyLock;

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{CONTENT_SECURITY_POLICY, CROSS_ORIGIN_OPENER_POLICY, HeaderValue},
    web::Data,
};

use super::{
    Filled, POLICY,
    about::About,
    document::{Document, fill},
    head, module_links, preload, respond_document, stage,
};
use crate::http::{Error, Site, own_origin::own_origin, urls::path_behind};

/// What viewers of other pages read instead of a title that cannot be shown.
const MISSING: &str = "This title is no longer available.";

static MODULE_LINKS: LazyLock<String> = LazyLock::new(|| module_links(&["embed.js"]));

/// `/embed/<title>`
pub async fn serve(request: HttpRequest, site: Data<Site>) -> HttpResponse {
    let filled = document(&request, &site).await;
    let mut response = respond_document(&request, &site, filled).await;
    let fields = response.headers_mut();
    if fields.contains_key(CONTENT_SECURITY_POLICY) {
        fields.insert(CONTENT_SECURITY_POLICY, policy(&site.settings.load().embed_origins));
        fields.remove(CROSS_ORIGIN_OPENER_POLICY);
    }
    response
}

async fn document(request: &HttpRequest, site: &Site) -> Result<Filled, Error> {
    let template = Document::Embed.template(site).await?;
    let found = match path_behind("/embed/", request) {
        Ok(path) => About::find(site, path).await,
        Err(error) => Err(error),
    };
    let preload = preload(site, &MODULE_LINKS);
    let (head, video, missing) = match &found {
        Ok(about) => {
            let head = head::of_embed(about, &own_origin(request.head(), &site.settings.load()));
            (head, stage(&template, about), String::new())
        }
        Err(_) => {
            (head::of_page("Not available · Headwater"), String::new(), format!("<p>{MISSING}</p>"))
        }
    };
    let plain = found.as_ref().map(super::plain_video).unwrap_or_default();
    let parts =
        [("head", head + preload), ("video", video), ("missing", missing), ("plain", plain)];
    Ok(Filled { document: fill(&template, &parts), error: found.err() })
}

/// The policy of the page, with the origins whose pages may show it.
fn policy(origins: &str) -> HeaderValue {
    let (page, _) = POLICY.split_once("; frame-ancestors").expect("the policy has ancestors");
    // Without the directive a page of any scheme may, which `*` does not say.
    let policy = match origins {
        "*" => page.to_owned(),
        "none" => POLICY.to_owned(),
        // A field has one line, and a list in the configuration file may have several.
        origins => {
            [POLICY].into_iter().chain(origins.split_whitespace()).collect::<Vec<_>>().join(" ")
        }
    };
    HeaderValue::from_str(&policy).expect("origins are ASCII without control characters")
}

#[cfg(test)]
mod tests {
    use super::policy;

    #[test]
    fn a_policy_names_all_origins_on_one_line() {
        for (origins, ancestors) in [
            ("*", None),
            ("none", Some("'self'")),
            ("https://a.example", Some("'self' https://a.example")),
            (
                "https://a.example\n  http://b.example:80\n",
                Some("'self' https://a.example http://b.example:80"),
            ),
        ] {
            let policy = policy(origins);
            let policy = policy.to_str().expect("ASCII");
            let found = policy.split_once("frame-ancestors ").map(|(_, ancestors)| ancestors);
            assert_eq!(found, ancestors, "{origins:?}");
        }
    }
}
