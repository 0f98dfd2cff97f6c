//! `Server-Timing`: the durations of the steps of a request (HTTP.md, D6).

use std::time::Duration;

use actix_web::http::header::HeaderName;

use super::fields::ResponseFields;
use crate::titles::opened::Timing;

const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// Adds the field to a response.
pub fn put(timing: &Timing, head: &mut impl ResponseFields) {
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    let index = ms(timing.indexed.duration_since(timing.begun));
    let assemble = ms(timing.indexed.elapsed());
    let value = format_args!("index;dur={index:.3}, assemble;dur={assemble:.3}");
    head.put_text(&SERVER_TIMING, value);
}
