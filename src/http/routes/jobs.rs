//! `/api/jobs`: lists, creates, changes, cancels and retries jobs.

use std::{path::Path, sync::Arc, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse, ResponseError as _,
    http::{
        Method, StatusCode,
        header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, LOCATION},
    },
    web::{Data, Payload},
};
use serde::{Deserialize, Serialize};

use crate::{
    http::{
        Error, Site,
        authorization::{self, Permit},
        content,
        events::{Jobs, is_visible},
        query::Query,
    },
    jobs::text::JobText,
    library::MediaPath,
    queue::{Class, Filter, Job, JobId, Queue, QueueError, State},
    titles::job_request::JobRequest,
    transcode::JobSpec,
};

/// The number of jobs on a page: the default, and the maximum.
const LIMIT_DEFAULT: u32 = 100;
const LIMIT_MAX: u32 = 500;

/// The highest priority; the lowest is its negative.
const PRIORITY_MAX: i64 = 1000;

const ENDED: &str = "the job has already ended";

const LIST_METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, OPTIONS");

const JOB_METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, PATCH, OPTIONS");

const ACTION_METHODS: HeaderValue = HeaderValue::from_static("POST, OPTIONS");

/// The query of a list.
#[derive(Debug)]
struct ListQuery {
    state: Option<String>,
    title: Option<String>,
    limit: u32,
    before: Option<String>,
}

/// One page of the list, the newest job first.
#[derive(Debug, Serialize)]
struct List {
    jobs: Vec<JobText>,
    /// The target of the next page, if there is one.
    next: Option<String>,
    /// The number of the last change in this page, from which `/api/events` continues.
    changed: i64,
}

/// A job and its children.
#[derive(Debug, Serialize)]
struct JobWithChildren {
    #[serde(flatten)]
    job: JobText,
    children: Vec<JobText>,
}

/// The body of a PATCH.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct JobPatch {
    priority: i64,
}

/// `GET /api/jobs?state=&title=&limit=&before=`, and `POST` of a [`JobRequest`].
pub async fn list_or_create(
    request: HttpRequest,
    content: Payload,
    site: Data<Site>,
) -> HttpResponse {
    let response = match *request.method() {
        Method::GET | Method::HEAD => list(&request, &site).await,
        Method::POST => create(&request, content, &site).await,
        _ => options_or_refuse(&request, LIST_METHODS),
    };
    response.unwrap_or_else(|error| error.error_response())
}

/// `GET /api/jobs/<id>`, and `PATCH` of its priority.
pub async fn show_or_update(
    request: HttpRequest,
    content: Payload,
    site: Data<Site>,
) -> HttpResponse {
    let response = match *request.method() {
        Method::GET | Method::HEAD => show(&request, &site).await,
        Method::PATCH => update(&request, content, &site).await,
        _ => options_or_refuse(&request, JOB_METHODS),
    };
    response.unwrap_or_else(|error| error.error_response())
}

/// `POST /api/jobs/<id>/cancel`
pub async fn cancel(request: HttpRequest, site: Data<Site>) -> HttpResponse {
    let response = match *request.method() {
        Method::POST => cancel_job(&request, &site).await,
        _ => options_or_refuse(&request, ACTION_METHODS),
    };
    response.unwrap_or_else(|error| error.error_response())
}

/// `POST /api/jobs/<id>/retry`
pub async fn retry(request: HttpRequest, site: Data<Site>) -> HttpResponse {
    let response = match *request.method() {
        Method::POST => retry_job(&request, &site).await,
        _ => options_or_refuse(&request, ACTION_METHODS),
    };
    response.unwrap_or_else(|error| error.error_response())
}

async fn list(request: &HttpRequest, site: &Site) -> Result<HttpResponse, Error> {
    let query = ListQuery::parse(Query::new(request.query_string()))?;
    let (filter, before, limit) = (query.filter()?, query.before()?, query.limit);
    let page = read_queue(site, async move |queue| {
        // Read before the jobs: events then repeat a change between the two reads, and none is lost.
        let changed = queue.last_change().await?;
        Ok((queue.jobs(&filter, limit, before).await?, changed))
    });
    let (jobs, changed) = page.await?;
    let is_full = jobs.len() == limit as usize;
    let next = jobs.last().filter(|_| is_full).map(|last| query.next_page(last.id));
    let texts = jobs.iter().map(JobText::from).collect();
    json(StatusCode::OK, &List { jobs: texts, next, changed })
}

async fn show(request: &HttpRequest, site: &Site) -> Result<HttpResponse, Error> {
    let id = parse_id(request)?;
    let found =
        read_queue(site, async move |queue| Ok((queue.job(id).await?, queue.children(id).await?)));
    let (job, children) = found.await?;
    let job = JobText::from(&job.filter(is_visible).ok_or(Error::NotFound)?);
    let children = children.iter().map(JobText::from).collect();
    json(StatusCode::OK, &JobWithChildren { job, children })
}

async fn create(
    request: &HttpRequest,
    content: Payload,
    site: &Site,
) -> Result<HttpResponse, Error> {
    let permit = authorization::permit(request, site)?;
    let job_request: JobRequest = read_json(content, site).await?;
    if let Some(reason) =
        site.titles.artifacts.load().as_ref().and_then(|artifacts| artifacts.unavailable)
    {
        return Err(Error::Unavailable(reason.to_owned()));
    }
    let (spec, audio_specs) = specs(&job_request, site).await?;
    let enqueue = async move |queue: Queue| {
        let enqueued = queue.enqueue(spec.submission()).await?;
        for spec in audio_specs {
            if queue.artifact(spec.key().as_str()).await?.is_none() {
                queue.enqueue(spec.submission()).await?;
            }
        }
        Ok(enqueued)
    };
    let (job, is_new) = change_queue(permit, site, enqueue).await?;
    forget_failure(site, &job);
    let status = if is_new { StatusCode::ACCEPTED } else { StatusCode::OK };
    let mut response = json(status, &JobText::from(&job))?;
    let location = HeaderValue::from_str(&format!("/api/jobs/{}", job.id));
    response.headers_mut().insert(LOCATION, location.expect("digits and hyphens"));
    Ok(response)
}

/// The job spec of a request, and the job specs of its audio tracks.
async fn specs(job_request: &JobRequest, site: &Site) -> Result<(JobSpec, Vec<JobSpec>), Error> {
    let requested = MediaPath::from_path(Path::new(job_request.title()))?;
    let title = site.titles.title_file(requested).await?;
    if let JobRequest::Remux { .. } = job_request
        && let Some(spec) = site.titles.remux_job(&title).await?
    {
        return Ok((spec, Vec::new()));
    }
    let opened = site.titles.open_playable(&title).await?;
    let spec = job_request.spec(&title, opened.source, &opened.movie)?;
    Ok((spec, job_request.audio_specs(&title, opened.source, &opened.movie)))
}

async fn update(
    request: &HttpRequest,
    content: Payload,
    site: &Site,
) -> Result<HttpResponse, Error> {
    let permit = authorization::permit(request, site)?;
    let id = visible_job(request, site).await?;
    let JobPatch { priority } = read_json(content, site).await?;
    if !(-PRIORITY_MAX..=PRIORITY_MAX).contains(&priority) {
        let allowed = format!("priority must be from -{PRIORITY_MAX} to {PRIORITY_MAX}");
        return Err(Error::BadRequest(allowed));
    }
    let set = async move |queue: Queue| queue.set_priority(id, priority).await;
    match change_queue(permit, site, set).await? {
        Some(job) if job.state.is_end() => Err(Error::Conflict(ENDED)),
        job => one_job(job),
    }
}

async fn cancel_job(request: &HttpRequest, site: &Site) -> Result<HttpResponse, Error> {
    let permit = authorization::permit(request, site)?;
    let id = visible_job(request, site).await?;
    let job = change_queue(permit, site, async move |queue| queue.cancel(id).await).await?;
    match job {
        Some(Job { state: State::Done | State::Failed, .. }) => Err(Error::Conflict(ENDED)),
        job => one_job(job),
    }
}

async fn retry_job(request: &HttpRequest, site: &Site) -> Result<HttpResponse, Error> {
    let permit = authorization::permit(request, site)?;
    let id = visible_job(request, site).await?;
    let job = change_queue(permit, site, async move |queue| queue.retry(id).await).await?;
    if let Some(job) = &job {
        forget_failure(site, job);
    }
    match job {
        Some(job) if job.state.is_end() => {
            Err(Error::Conflict("the job is done, or a newer job replaces it"))
        }
        job => one_job(job),
    }
}

/// Lets requests for the artifact of a job wait for it, although an earlier job has failed.
fn forget_failure(site: &Site, job: &Job) {
    if let (Some(artifacts), Some(key)) = (&*site.titles.artifacts.load(), &job.dedupe_key) {
        artifacts.forget_failure(key);
    }
}

impl ListQuery {
    fn parse(query: Query<'_>) -> Result<Self, Error> {
        query.check_keys(&["state", "title", "limit", "before"])?;
        let limit = query.number("limit")?.unwrap_or(LIMIT_DEFAULT.into());
        let limit = u32::try_from(limit).ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
        let refused = || Error::BadRequest(format!("limit must be from 1 to {LIMIT_MAX}"));
        let text = |key| query.get(key).map(std::borrow::Cow::into_owned);
        Ok(Self {
            state: text("state"),
            title: text("title"),
            limit: limit.ok_or_else(refused)?,
            before: text("before"),
        })
    }

    fn filter(&self) -> Result<Filter, Error> {
        let state = self.state.as_deref().map(|name| {
            let known = || State::ALL.iter().map(|state| state.as_str()).collect::<Vec<_>>();
            let refused =
                |_| Error::BadRequest(format!("state must be one of {}", known().join(", ")));
            name.parse().map_err(refused)
        });
        let (state, title) = (state.transpose()?, self.title.clone());
        let not_class = Some(Class::Webhook);
        Ok(Filter { state, title, not_class, only_parents: true, ..Filter::default() })
    }

    fn before(&self) -> Result<Option<JobId>, Error> {
        let refused = |_| Error::BadRequest("before must be a job id".into());
        self.before.as_deref().map(str::parse).transpose().map_err(refused)
    }

    fn next_page(&self, before: JobId) -> String {
        let encode =
            |text| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC);
        let mut next = format!("/api/jobs?limit={}&before={before}", self.limit);
        for (key, value) in [("state", &self.state), ("title", &self.title)] {
            if let Some(value) = value {
                next += &format!("&{key}={}", encode(value));
            }
        }
        next
    }
}

/// The queue with its events; an error if the server has no database.
pub(super) fn require_jobs(site: &Site) -> Result<Arc<Jobs>, Error> {
    let none = "no jobs: the server runs without a database; see its log";
    site.jobs.load_full().ok_or(Error::DatabaseUnavailable(none))
}

/// Reads the queue in the background, because the database's connections belong to that runtime.
async fn read_queue<T: Send + 'static, F>(
    site: &Site,
    read: impl FnOnce(Queue) -> F,
) -> Result<T, Error>
where
    F: Future<Output = Result<T, QueueError>> + Send + 'static,
{
    let queue = require_jobs(site)?.queue.clone();
    site.spawn_limited(read(queue)).await?.map_err(Error::from)
}

/// Changes the queue, with a permit.
async fn change_queue<T: Send + 'static, F>(
    _permit: Permit,
    site: &Site,
    change: impl FnOnce(Queue) -> F,
) -> Result<T, Error>
where
    F: Future<Output = Result<T, QueueError>> + Send + 'static,
{
    read_queue(site, change).await
}

async fn read_json<T: serde::de::DeserializeOwned>(
    content: Payload,
    site: &Site,
) -> Result<T, Error> {
    let timeout = Duration::from_secs(site.settings.load().head_timeout_s.get());
    content::from_json(&content::read(content, timeout).await?)
}

fn parse_id(request: &HttpRequest) -> Result<JobId, Error> {
    request.match_info().query("id").parse().map_err(|_| Error::NotFound)
}

/// The id of the job that a target names, if clients may see that job.
async fn visible_job(request: &HttpRequest, site: &Site) -> Result<JobId, Error> {
    let id = parse_id(request)?;
    let job = read_queue(site, async move |queue| queue.job(id).await).await?;
    job.filter(is_visible).map(|job| job.id).ok_or(Error::NotFound)
}

fn one_job(job: Option<Job>) -> Result<HttpResponse, Error> {
    json(StatusCode::OK, &JobText::from(&job.ok_or(Error::NotFound)?))
}

/// A JSON response that caches must not store.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Result<HttpResponse, Error> {
    let json = serde_json::to_vec(value).map_err(|error| Error::Internal(Box::new(error)))?;
    Ok(HttpResponse::build(status)
        .insert_header((CONTENT_TYPE, HeaderValue::from_static("application/json")))
        .insert_header((CACHE_CONTROL, HeaderValue::from_static("no-store")))
        .body([json, vec![b'\n']].concat()))
}

/// Responds to OPTIONS, without CORS fields, and refuses all other methods.
pub(super) fn options_or_refuse(
    request: &HttpRequest,
    methods: HeaderValue,
) -> Result<HttpResponse, Error> {
    match *request.method() {
        Method::OPTIONS => Ok(HttpResponse::NoContent().insert_header((ALLOW, methods)).finish()),
        _ => Err(Error::MethodNotAllowed(methods)),
    }
}
