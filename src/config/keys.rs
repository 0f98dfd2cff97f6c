//! The list of configuration keys: type, default and meaning of each. The file, the environment and
//! the flags are generated from it.

use std::path::PathBuf;

use serde::Deserialize;

use super::{
    artifacts_place::ArtifactsPlace,
    listen::ListenAddress,
    root::RootConfig,
    value::{
        AccessLogFormat, EmbedOrigins, FieldValue, Hosts, LogDirectives, LogFormat, Origins,
        RenditionPolicy, Sandboxing, WebhookConfig, Within,
    },
};

/// A key of the list, for the test of the documentation.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Name in the file.
    pub name: &'static str,
    /// Meaning, unit and effect.
    pub doc: &'static str,
    /// Environment variable.
    pub env: &'static str,
    /// Default as TOML; `None` if the key is unset by default.
    pub default: Option<&'static str>,
    /// Whether SIGHUP reloads it.
    pub live: bool,
    /// Name of the value's type, which has the range of a number.
    pub value_type: &'static str,
}

macro_rules! settings {
    ($($(#[doc = $doc:literal])+ $liveness:ident $name:ident ($env:literal): $type:ty $(= $default:literal)?;)+) => {
        /// Settings from one place: the file, or the environment and the flags.
        #[derive(clap::Args, Clone, Debug, Default, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct Layer {
            $(
                $(#[doc = $doc])+
                #[arg(long, env = $env, help_heading = "Settings", hide_env_values = true)]
                pub $name: Option<$type>,
            )+
            /// Roots of the library (in the file: one `[[root]]` table each).
            #[arg(skip)]
            pub root: Vec<RootConfig>,
            /// Webhooks (only in the file: one `[[webhook]]` table each).
            #[arg(skip)]
            pub webhook: Vec<WebhookConfig>,
        }

        /// All settings, ready to use.
        #[derive(Clone, Debug)]
        pub struct Settings {
            $(
                $(#[doc = $doc])+
                pub $name: settings!(@type $type $(= $default)?),
            )+
            /// Roots of the library.
            pub roots: Vec<RootConfig>,
            /// Webhooks.
            pub webhooks: Vec<WebhookConfig>,
        }

        /// All keys.
        pub const KEYS: &[Key] = &[
            $(Key {
                name: stringify!($name),
                doc: concat!($($doc),+),
                env: $env,
                default: settings!(@literal $($default)?),
                live: settings!(@live $liveness),
                value_type: stringify!($type),
            }),+
        ];

        impl Settings {
            /// Takes each key from the first layer that sets it, else its default.
            pub fn from_layers(layers: &[Layer]) -> Self {
                $(
                    let set = layers.iter().find_map(|layer| layer.$name.clone());
                    let $name = settings!(@value set $($default)?);
                )+
                let roots = layers.iter().map(|layer| &layer.root).find(|roots| !roots.is_empty());
                let webhooks = layers.iter().flat_map(|layer| layer.webhook.iter().cloned());
                let (roots, webhooks) = (roots.cloned().unwrap_or_default(), webhooks.collect());
                Self { $($name,)+ roots, webhooks }.with_absolute_paths()
            }

            /// These settings, with the keys that SIGHUP reloads taken from `fresh`.
            #[must_use]
            pub fn reloaded(&self, fresh: &Self) -> Self {
                let (roots, webhooks) = (self.roots.clone(), self.webhooks.clone());
                Self {
                    $($name: settings!(@pick $liveness self fresh).$name.clone(),)+
                    roots,
                    webhooks,
                }
            }

            /// Names of the keys that differ from `other` and need a restart to take effect.
            pub fn restart_needed(&self, other: &Self) -> Vec<&'static str> {
                let differs = [$((
                    stringify!($name),
                    settings!(@live $liveness),
                    format!("{:?}", self.$name) != format!("{:?}", other.$name),
                )),+];
                let roots = ("root", false, self.roots != other.roots);
                let webhooks = ("webhook", false, self.webhooks != other.webhooks);
                let all = differs.into_iter().chain([roots, webhooks]);
                all.filter(|(_, live, differs)| !live && *differs).map(|(name, ..)| name).collect()
            }
        }
    };
    (@type $type:ty = $default:literal) => { $type };
    (@type $type:ty) => { Option<$type> };
    (@literal $default:literal) => { Some($default) };
    (@literal) => { None };
    (@pick live $old:ident $fresh:ident) => { $fresh };
    (@pick fixed $old:ident $fresh:ident) => { $old };
    (@live live) => { true };
    (@live fixed) => { false };
    (@value $set:ident $default:literal) => {
        $set.unwrap_or_else(|| default_value($default))
    };
    (@value $set:ident) => { $set };
}

settings! {
    /// Address and port to listen on: 8080 or localhost:8080 for this machine only, :8080 for every address of it, 192.168.1.2:8080 for that one only. Port 0 picks a free port, which the server prints.
    fixed listen("HEADWATER_LISTEN"): ListenAddress = "\"127.0.0.1:8080\"";
    /// Data folder: database, artifacts, jobs in progress. Default: $STATE_DIRECTORY, else $XDG_STATE_HOME/headwater, else ~/.local/state/headwater.
    fixed data("HEADWATER_DATA"): PathBuf;
    /// Access log file, or "-" for standard output. SIGHUP reopens it. Default: none.
    live access_log("HEADWATER_ACCESS_LOG"): PathBuf;
    /// Format of the access log: text (all that is known), combined (as Apache and nginx write it), or json (one object per line). Bytes are those of the body that the connection accepted.
    live access_log_format("HEADWATER_ACCESS_LOG_FORMAT"): AccessLogFormat = "\"text\"";
    /// File with the API token, which requests that change something send as "Authorization: Bearer …". Without a token the server accepts changes only on a loopback address and under a loopback name. SIGHUP reads the file again. Default: none.
    live api_token_file("HEADWATER_API_TOKEN_FILE"): PathBuf;
    /// Host names of the server, separated by spaces, such as the one that a proxy passes on; "*.tv.example" is every name below tv.example, and "*" any. The page, the API and the metrics are only for these and for localhost, so that no name of a stranger that points at this machine can read them; so is media if cors_origins is a list. URLs in documents have such a name if a proxy forwards it (Forwarded, X-Forwarded-Host). Default: no others on a loopback address, else any.
    live allowed_hosts("HEADWATER_ALLOWED_HOSTS"): Hosts;
    /// Log level on standard error: error, warn, info, debug or trace, also per module ("info,headwater::wire=debug").
    live log("HEADWATER_LOG"): LogDirectives = "\"info\"";
    /// Format of log lines: text, or json (one object per line).
    fixed log_format("HEADWATER_LOG_FORMAT"): LogFormat = "\"text\"";

    /// I/O threads; 0 starts one per core.
    fixed io_threads("HEADWATER_IO_THREADS"): Within<0, 1024> = "0";
    /// Maximum number of open connections; file descriptors may allow fewer. When all are taken, an address with few gets the newest of the address with most, and others get 503.
    fixed max_connections("HEADWATER_MAX_CONNECTIONS"): Within<1, 10_000_000> = "16000";
    /// Maximum number of connections per client address (IPv6: per /64 network); the server closes more at once. With 0, as a proxy in front requires, an address may have all of them until others ask.
    fixed connections_per_address("HEADWATER_CONNECTIONS_PER_ADDRESS"): Within<0, 10_000_000> = "0";
    /// Maximum number of concurrent requests of an HTTP/2 connection.
    fixed http2_streams("HEADWATER_HTTP2_STREAMS"): Within<1, 1_000> = "100";
    /// Timeout of an idle connection, in seconds. Longer than the 60 s of common proxies, so that a proxy never reuses a connection that was just closed.
    fixed keep_alive_s("HEADWATER_KEEP_ALIVE_S"): Within<1, 86_400> = "75";
    /// Timeout for the header section of a request, in seconds from its first byte.
    fixed head_timeout_s("HEADWATER_HEAD_TIMEOUT_S"): Within<1, 3_600> = "10";
    /// Send timeout, in seconds: the server closes a connection whose client takes less than 4 KiB of a response in this time, such as a paused player.
    fixed send_timeout_s("HEADWATER_SEND_TIMEOUT_S"): Within<1, 604_800> = "900";
    /// Time for running responses to finish after SIGTERM, in seconds.
    fixed drain_s("HEADWATER_DRAIN_S"): Within<0, 86_400> = "30";
    /// Part of a file that one system call sends, in KiB. Between two calls the server checks the file and serves other connections.
    fixed window_kib("HEADWATER_WINDOW_KIB"): Within<4, 1_048_576> = "4096";
    /// Unsent data that the kernel buffers per connection, in KiB (TCP_NOTSENT_LOWAT). Low, so that a seek or a viewer who leaves wastes little; fast clients get up to 4 MiB.
    fixed notsent_lowat_kib("HEADWATER_NOTSENT_LOWAT_KIB"): Within<16, 1_048_576> = "1024";
    /// Send buffer per connection, in KiB (SO_SNDBUF); 0 lets the kernel adapt it to the speed of the connection.
    fixed send_buffer_kib("HEADWATER_SEND_BUFFER_KIB"): Within<0, 1_000_000> = "0";
    /// Rate limit per connection, in KiB per second; 0 sets none.
    fixed rate_limit_kib_s("HEADWATER_RATE_LIMIT_KIB_S"): Within<0, 1_000_000_000> = "0";
    /// TCP congestion control of accepted connections, such as cubic or bbr. Default: the system's.
    fixed tcp_congestion("HEADWATER_TCP_CONGESTION"): String;

    /// Threads of the disk pool of each root. As many, at most two, compute what takes long, such as the index of a movie.
    fixed disk_threads("HEADWATER_DISK_THREADS"): Within<1, 256> = "4";
    /// Maximum number of calls that wait for the disk pool of a root, of which one client address gets half; the server refuses more with 503. Addresses take turns.
    fixed disk_queue("HEADWATER_DISK_QUEUE"): Within<16, 1_000_000> = "4096";
    /// Time that a request waits for the disk, in milliseconds; then it fails with 503.
    fixed disk_deadline_ms("HEADWATER_DISK_DEADLINE_MS"): Within<10, 600_000> = "5000";
    /// Open files that each root keeps for later requests; file descriptors may allow fewer.
    fixed open_files("HEADWATER_OPEN_FILES"): Within<16, 1_000_000> = "1024";
    /// Time after which an open file is compared with its path again, in milliseconds, where the kernel does not report changes (network file systems, links); elsewhere a report does so at once. 0 compares on each use.
    fixed revalidate_ms("HEADWATER_REVALIDATE_MS"): Within<0, 3_600_000> = "1000";
    /// Time without a write after which a file is sent straight from the page cache, in milliseconds. Until then the server copies it and checks it after each read.
    fixed write_quiet_ms("HEADWATER_WRITE_QUIET_MS"): Within<0, 3_600_000> = "2000";
    /// Memory that all responses in progress hold together, in MiB: lists of extents, segment headers, documents, copied parts of files that wait for slow clients. The server refuses more with 503; ranges of files always fit.
    fixed response_memory_mib("HEADWATER_RESPONSE_MEMORY_MIB"): Within<1, 1_048_576> = "128";
    /// Memory for the parts of files that the server copies to connections, in MiB.
    fixed body_buffers_mib("HEADWATER_BODY_BUFFERS_MIB"): Within<1, 65_536> = "32";

    /// Maximum number of listed titles, about 500 bytes of memory each; more play but are not listed.
    fixed max_titles("HEADWATER_MAX_TITLES"): Within<1, 100_000_000> = "1000000";
    /// Read each listed title once, in the background, so that lists have its duration and size; a title in a bucket once a list shows it.
    fixed index_titles("HEADWATER_INDEX_TITLES"): bool = "true";
    /// Interval between two scans of a root, in seconds. A scan finds the changes that the watcher missed.
    fixed rescan_s("HEADWATER_RESCAN_S"): Within<1, 604_800> = "600";
    /// Serve files other than media too, as attachments.
    live serve_other_files("HEADWATER_SERVE_OTHER_FILES"): bool = "false";

    /// Folder of the cache of buckets, for one process alone; on a local disk. Default: cache in the data folder.
    fixed cache("HEADWATER_CACHE"): PathBuf;
    /// Maximum size of the cache of buckets, in MiB; what was not used for the longest time goes first.
    fixed cache_mib("HEADWATER_CACHE_MIB"): Within<64, 1_073_741_824> = "10240";
    /// Time for which the size and the ETag of an object are trusted, in seconds: a replaced object is noticed after at most so long. While the bucket does not respond, the last known state counts.
    fixed bucket_trust_s("HEADWATER_BUCKET_TRUST_S"): Within<1, 86_400> = "60";
    /// Time that a request waits for a bucket, retries included, in milliseconds; then it fails with 503.
    fixed bucket_deadline_ms("HEADWATER_BUCKET_DEADLINE_MS"): Within<100, 600_000> = "10000";
    /// Maximum number of concurrent requests to the bucket of a root; those that a viewer waits for come first.
    fixed bucket_requests("HEADWATER_BUCKET_REQUESTS"): Within<1, 10_000> = "64";
    /// Part of an object that is fetched ahead of a viewer who reads it in order, in MiB; 0 fetches nothing ahead.
    fixed bucket_ahead_mib("HEADWATER_BUCKET_AHEAD_MIB"): Within<0, 1_024> = "8";
    /// Send a request to a bucket a second time when its response is late, and take the response that comes first; at most one in twenty.
    fixed bucket_hedge("HEADWATER_BUCKET_HEDGE"): bool = "true";

    /// Target duration of HLS and DASH segments, in milliseconds. A segment extends from one key frame to the first that is at least so much later.
    fixed segment_ms("HEADWATER_SEGMENT_MS"): Within<500, 60_000> = "6000";
    /// Cache of movie indices, in MiB; a movie of two hours takes about a quarter of a MiB. A sixteenth of the cache is for the indices of clips, of up to some MiB each; of a small cache up to a quarter.
    fixed index_cache_mib("HEADWATER_INDEX_CACHE_MIB"): Within<1, 1_048_576> = "256";
    /// Cache of walked segments, in MiB: the places of the samples of Matroska, 16 bytes for each, about 7 KiB for a segment with all its tracks.
    fixed walks_mib("HEADWATER_WALKS_MIB"): Within<1, 65_536> = "32";
    /// Cache of playlists and manifests, in MiB.
    fixed manifest_cache_mib("HEADWATER_MANIFEST_CACHE_MIB"): Within<1, 1_048_576> = "32";
    /// Cache of segments in memory, in MiB: those of audio whose samples are in many places of their file, from their second request on; 0 keeps none.
    fixed gathered_cache_mib("HEADWATER_GATHERED_CACHE_MIB"): Within<0, 1_048_576> = "64";
    /// Lifetime of playlists and manifests in shared caches, in seconds; players revalidate them on each use.
    live manifest_max_age_s("HEADWATER_MANIFEST_MAX_AGE_S"): Within<0, 31_536_000> = "120";
    /// Time for which a cache that knows CDN-Cache-Control (RFC 9213) may serve a stale playlist or manifest while it fetches the new one, in seconds.
    live manifest_stale_s("HEADWATER_MANIFEST_STALE_S"): Within<0, 31_536_000> = "600";
    /// Database of the job queue: postgres://user@host/name, or sqlite:FILE. Default: headwater.db in the data folder.
    fixed database("HEADWATER_DATABASE"): String;
    /// Place of artifacts (images, renditions): a folder, or s3://bucket/prefix for workers and origins without a common folder. A bucket is reached as the root in the same bucket, else as the first root that is a bucket. Default: artifacts in the data folder.
    fixed artifacts("HEADWATER_ARTIFACTS"): ArtifactsPlace;
    /// Start a worker process with the server, for images and renditions. More workers can run elsewhere: headwater worker.
    fixed local_worker("HEADWATER_LOCAL_WORKER"): bool = "true";
    /// Renditions, or chunks of renditions, that a worker encodes at the same time; 0 allows one per core.
    fixed encode_slots("HEADWATER_ENCODE_SLOTS"): Within<0, 1024> = "0";
    /// Target duration of a chunk, in seconds. A worker encodes each chunk of a rendition on its own: long enough that starting an encoder costs little, short enough to fill all slots and to lose little when a worker ends.
    fixed chunk_s("HEADWATER_CHUNK_S"): Within<1, 3_600> = "60";
    /// Images that a worker renders at the same time, in addition to its encode jobs; from 2 on, thumbnails leave one for posters and storyboards.
    fixed image_slots("HEADWATER_IMAGE_SLOTS"): Within<1, 1024> = "2";
    /// Niceness of a worker and its ffmpeg processes: 0 is the priority of the server, 19 the lowest.
    fixed worker_niceness("HEADWATER_WORKER_NICENESS"): Within<0, 19> = "10";
    /// Encode chunks only while the processor is otherwise idle (SCHED_IDLE).
    fixed worker_idle("HEADWATER_WORKER_IDLE"): bool = "true";
    /// Memory limit of an ffmpeg process, in MiB.
    fixed job_memory_mib("HEADWATER_JOB_MEMORY_MIB"): Within<128, 1_048_576> = "4096";
    /// Time limit of an ffmpeg process that encodes or copies a movie or a chunk, in seconds.
    fixed job_deadline_s("HEADWATER_JOB_DEADLINE_S"): Within<1, 2_592_000> = "43200";
    /// Time without progress after which a worker kills an ffmpeg process, in seconds.
    fixed job_stall_s("HEADWATER_JOB_STALL_S"): Within<1, 86_400> = "120";
    /// Lease of a job, in seconds. Its worker renews it; when it expires, another worker takes over the job.
    fixed job_lease_s("HEADWATER_JOB_LEASE_S"): Within<2, 3_600> = "30";
    /// Retention of ended jobs, in days.
    fixed job_keep_days("HEADWATER_JOB_KEEP_DAYS"): Within<1, 3_650> = "14";
    /// Sandbox of ffmpeg (Landlock and seccomp): required runs no ffmpeg where the kernel lacks them, where-available applies what the kernel has, off is for trusted files only.
    fixed sandbox("HEADWATER_SANDBOX"): Sandboxing = "\"required\"";
    /// Maximum size of all artifacts (images, renditions), in MiB; the server removes first what costs least work to make again, for its size and the time since its last use.
    fixed artifacts_max_mib("HEADWATER_ARTIFACTS_MAX_MIB"): Within<16, 1_073_741_824> = "20480";
    /// Free space to keep on the disk of the data folder, in MiB; a job that would use it does not start.
    fixed min_free_disk_mib("HEADWATER_MIN_FREE_DISK_MIB"): Within<0, 1_073_741_824> = "1024";
    /// Time that a request waits for an image, in seconds; then it fails with 503 and Retry-After.
    live image_wait_s("HEADWATER_IMAGE_WAIT_S"): Within<0, 60> = "10";
    /// Titles to encode without a request: off (none), unplayable (those that browsers cannot play) or all.
    live auto_renditions("HEADWATER_AUTO_RENDITIONS"): RenditionPolicy = "\"off\"";

    /// Lifetime of files in caches, in seconds; then caches revalidate them.
    live file_max_age_s("HEADWATER_FILE_MAX_AGE_S"): Within<0, 31_536_000> = "60";
    /// Lifetime of 404 responses in caches, in seconds.
    live not_found_max_age_s("HEADWATER_NOT_FOUND_MAX_AGE_S"): Within<0, 86_400> = "5";
    /// CDN-Cache-Control (RFC 9213) of media, for caches that obey it instead of Cache-Control. Default: none.
    live cdn_cache_control("HEADWATER_CDN_CACHE_CONTROL"): FieldValue;
    /// Origins whose pages may read media by script (CORS), as scheme://host, separated by spaces; "*" allows all.
    live cors_origins("HEADWATER_CORS_ORIGINS"): Origins = "\"*\"";
    /// Origins whose pages may read the API by script (CORS): titles, jobs, events and status; as scheme://host, separated by spaces, or "*" for all. No page of another origin may change anything. Default: none.
    live api_origins("HEADWATER_API_ORIGINS"): Origins;
    /// Origins whose pages may show the player (/embed/…) in a frame, as scheme://host, separated by spaces; "*" allows all, and "none" only pages of this server.
    live embed_origins("HEADWATER_EMBED_ORIGINS"): EmbedOrigins = "\"*\"";
    /// Time without growth after which the response of a followed file ends, and a title without an end counts as complete, in seconds.
    live follow_idle_s("HEADWATER_FOLLOW_IDLE_S"): Within<1, 86_400> = "30";
    /// Time between the close of a followed file by its writer and the end of its response, in seconds.
    live follow_closed_s("HEADWATER_FOLLOW_CLOSED_S"): Within<0, 86_400> = "2";
    /// Folder with the sources of the page, for development: changes take effect at once. Default: the built-in page.
    fixed ui_dir("HEADWATER_UI_DIR"): PathBuf;
}

/// Parses a default of the list: literals, each of which a test reads.
fn default_value<T: serde::de::DeserializeOwned>(toml: &str) -> T {
    #[derive(Deserialize)]
    struct Value<T> {
        value: T,
    }
    toml::from_str::<Value<T>>(&format!("value = {toml}")).expect("a default that is allowed").value
}
