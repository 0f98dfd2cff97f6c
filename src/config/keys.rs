//! Every key, once: its type, its default and its meaning. From this list come the file, the
//! environment and the flags.

use std::{net::SocketAddr, path::PathBuf};

use serde::Deserialize;

use super::value::{
    FieldValue, LogDirectives, LogFormat, Origins, RenditionPolicy, RootConfig, Sandboxing,
    WebhookConfig, Within,
};

/// One key of the list, for the documentation and its test.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// As it stands in the file.
    pub name: &'static str,
    /// What it means.
    pub doc: &'static str,
    /// Its environment variable.
    pub env: &'static str,
    /// Its default as TOML; `None` for a key that is unset by default.
    pub default: Option<&'static str>,
    /// Whether SIGHUP reloads it.
    pub live: bool,
}

macro_rules! settings {
    ($($(#[doc = $doc:literal])+ $liveness:ident $name:ident ($env:literal): $type:ty $(= $default:literal)?;)+) => {
        /// What was typed in one place: the file, or the environment and the flags.
        #[derive(clap::Args, Clone, Debug, Default, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct Layer {
            $(
                $(#[doc = $doc])+
                #[arg(long, env = $env, help_heading = "Settings", hide_env_values = true)]
                pub $name: Option<$type>,
            )+
            /// The library's roots (in the file: one `[[root]]` table for each).
            #[arg(skip)]
            pub root: Vec<RootConfig>,
            /// Who is told what happens (in the file alone: one `[[webhook]]` table for each).
            #[arg(skip)]
            pub webhook: Vec<WebhookConfig>,
        }

        /// What is ready to use.
        #[derive(Clone, Debug)]
        pub struct Settings {
            $(
                $(#[doc = $doc])+
                pub $name: settings!(@type $type $(= $default)?),
            )+
            /// The library's roots.
            pub roots: Vec<RootConfig>,
            /// Who is told what happens.
            pub webhooks: Vec<WebhookConfig>,
        }

        /// Every key.
        pub const KEYS: &[Key] = &[
            $(Key {
                name: stringify!($name),
                doc: concat!($($doc),+),
                env: $env,
                default: settings!(@literal $($default)?),
                live: settings!(@live $liveness),
            }),+
        ];

        impl Settings {
            /// The first layer that sets a key decides it, else its default does.
            pub fn from_layers(layers: &[Layer]) -> Self {
                $(
                    let set = layers.iter().find_map(|layer| layer.$name.clone());
                    let $name = settings!(@value set $($default)?);
                )+
                let roots = layers.iter().map(|layer| &layer.root).find(|roots| !roots.is_empty());
                let webhooks = layers.iter().flat_map(|layer| layer.webhook.iter().cloned());
                let (roots, webhooks) = (roots.cloned().unwrap_or_default(), webhooks.collect());
                Self { $($name,)+ roots, webhooks }
            }

            /// These settings with what can be reloaded taken from `fresh`.
            #[must_use]
            pub fn reloaded(&self, fresh: &Self) -> Self {
                let (roots, webhooks) = (self.roots.clone(), self.webhooks.clone());
                Self {
                    $($name: settings!(@pick $liveness self fresh).$name.clone(),)+
                    roots,
                    webhooks,
                }
            }

            /// The names of keys that differ from another's and need a restart to take effect.
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
    /// Address and port to listen on. Port 0 takes a free one, which is printed.
    fixed listen("HEADWATER_LISTEN"): SocketAddr = "\"127.0.0.1:8080\"";
    /// Folder for what must outlast the process. Default: $STATE_DIRECTORY, else $XDG_STATE_HOME/headwater, else ~/.local/state/headwater.
    fixed data("HEADWATER_DATA"): PathBuf;
    /// File for the access log, or "-" for standard output. Opened anew on SIGHUP. Default: none.
    live access_log("HEADWATER_ACCESS_LOG"): PathBuf;
    /// File with the token that whoever changes something by the API must show, as "Authorization: Bearer …". Without one, changes are taken only on a loopback address and under a loopback name. Read anew on SIGHUP. Default: none.
    live api_token_file("HEADWATER_API_TOKEN_FILE"): PathBuf;
    /// What is logged to standard error: error, warn, info, debug or trace, also by module ("info,headwater::wire=debug").
    live log("HEADWATER_LOG"): LogDirectives = "\"info\"";
    /// How log lines look: text or json.
    fixed log_format("HEADWATER_LOG_FORMAT"): LogFormat = "\"text\"";

    /// I/O workers, each a thread; 0 is one per core.
    fixed io_threads("HEADWATER_IO_THREADS"): Within<0, 1024> = "0";
    /// Connections at most; more wait to be accepted.
    fixed max_connections("HEADWATER_MAX_CONNECTIONS"): Within<1, 10_000_000> = "16000";
    /// Connections at most from one address; 0 is any number, as it must be behind a proxy.
    fixed connections_per_address("HEADWATER_CONNECTIONS_PER_ADDRESS"): Within<0, 10_000_000> = "0";
    /// Seconds that an idle connection is kept. More than the 60 s of common proxies, so that they never find one just closed.
    fixed keep_alive_s("HEADWATER_KEEP_ALIVE_S"): Within<1, 86_400> = "75";
    /// Seconds that a client may take for the head of a request, once it has begun.
    fixed head_timeout_s("HEADWATER_HEAD_TIMEOUT_S"): Within<1, 3_600> = "10";
    /// Seconds that a client may take less than 4 KiB of its response before it is cut. A paused player is such a client.
    fixed send_timeout_s("HEADWATER_SEND_TIMEOUT_S"): Within<1, 604_800> = "900";
    /// Seconds that running responses are given to end after SIGTERM.
    fixed drain_s("HEADWATER_DRAIN_S"): Within<0, 86_400> = "30";
    /// KiB of a file that one call hands to the kernel; between two calls the file is looked at, and others have their turn.
    fixed window_kib("HEADWATER_WINDOW_KIB"): Within<4, 1_048_576> = "4096";
    /// KiB that the kernel takes ahead of what a client has room for. Little, so that a seek or a viewer who goes wastes little; a client that takes much is given up to 4 MiB.
    fixed notsent_lowat_kib("HEADWATER_NOTSENT_LOWAT_KIB"): Within<16, 1_048_576> = "1024";
    /// KiB that the kernel keeps for a connection until they are acknowledged; 0 leaves that to the kernel, which goes by the connection's speed.
    fixed send_buffer_kib("HEADWATER_SEND_BUFFER_KIB"): Within<0, 1_000_000> = "0";
    /// KiB per second that a connection is sent at most; 0 is as fast as it goes.
    fixed rate_limit_kib_s("HEADWATER_RATE_LIMIT_KIB_S"): Within<0, 1_000_000_000> = "0";
    /// TCP congestion control of accepted connections, such as cubic or bbr. Default: the system's.
    fixed tcp_congestion("HEADWATER_TCP_CONGESTION"): String;

    /// Threads for the disk of each root.
    fixed disk_threads("HEADWATER_DISK_THREADS"): Within<1, 256> = "4";
    /// Calls that may wait for a thread of a root; more are refused with 503.
    fixed disk_queue("HEADWATER_DISK_QUEUE"): Within<16, 1_000_000> = "4096";
    /// Milliseconds that a request waits for a disk before it is answered with 503.
    fixed disk_deadline_ms("HEADWATER_DISK_DEADLINE_MS"): Within<10, 600_000> = "5000";
    /// Files of each root that are kept open for the next request.
    fixed open_files("HEADWATER_OPEN_FILES"): Within<16, 1_000_000> = "1024";
    /// Milliseconds after which the name of an open file is looked up again, where the kernel does not report changes (network file systems, links); elsewhere a report ends its use at once. 0 looks up each time.
    fixed revalidate_ms("HEADWATER_REVALIDATE_MS"): Within<0, 3_600_000> = "1000";
    /// Milliseconds that a file must have been left alone before it is sent straight from the page cache; until then it is copied, and checked after each read.
    fixed write_quiet_ms("HEADWATER_WRITE_QUIET_MS"): Within<0, 3_600_000> = "2000";
    /// MiB of buffers for pieces of files on their way to a connection.
    fixed body_buffers_mib("HEADWATER_BODY_BUFFERS_MIB"): Within<1, 65_536> = "32";

    /// Titles listed at most, about 300 bytes of memory each; more play but are not listed.
    fixed max_titles("HEADWATER_MAX_TITLES"): Within<1, 100_000_000> = "1000000";
    /// Seconds between two scans of a root, which repair what watching missed.
    fixed rescan_s("HEADWATER_RESCAN_S"): Within<1, 604_800> = "600";
    /// Whether files that are no media are served too, as attachments.
    live serve_other_files("HEADWATER_SERVE_OTHER_FILES"): bool = "false";

    /// Milliseconds that a segment of HLS and DASH is to last; it does from one key frame to the first that is so much later.
    fixed segment_ms("HEADWATER_SEGMENT_MS"): Within<500, 60_000> = "6000";
    /// MiB of movie indices that are kept in memory, about a quarter of a MiB for a film of two hours.
    fixed index_cache_mib("HEADWATER_INDEX_CACHE_MIB"): Within<1, 1_048_576> = "256";
    /// MiB of playlists and manifests that are kept in memory.
    fixed manifest_cache_mib("HEADWATER_MANIFEST_CACHE_MIB"): Within<1, 1_048_576> = "32";
    /// Seconds that shared caches may keep a playlist or manifest; players ask each time whether it has changed.
    live manifest_max_age_s("HEADWATER_MANIFEST_MAX_AGE_S"): Within<0, 31_536_000> = "120";
    /// Seconds for which those that know CDN-Cache-Control (RFC 9213) may go on with an old one while they fetch the new.
    live manifest_stale_s("HEADWATER_MANIFEST_STALE_S"): Within<0, 31_536_000> = "600";
    /// Where the queue is kept: postgres://user@host/name, or sqlite:FILE. Default: headwater.db in the data folder.
    fixed database("HEADWATER_DATABASE"): String;
    /// Whether a worker is started beside the server, for pictures and renditions. Others may run elsewhere: headwater worker.
    fixed local_worker("HEADWATER_LOCAL_WORKER"): bool = "true";
    /// Films, or pieces of films, that a worker encodes at the same time; 0 is one per core.
    fixed encode_slots("HEADWATER_ENCODE_SLOTS"): Within<0, 1024> = "0";
    /// Seconds that a piece of a film lasts about, which is encoded by itself: so long that starting an encoder does not count, so short that all slots have one, and that little is lost with a worker.
    fixed chunk_s("HEADWATER_CHUNK_S"): Within<1, 3_600> = "60";
    /// Pictures that a worker makes at the same time, besides what it encodes.
    fixed image_slots("HEADWATER_IMAGE_SLOTS"): Within<1, 1024> = "2";
    /// How much a worker yields to everything else on the machine: 0 not at all, 19 the most. Pieces of films are encoded only while nobody else wants the processor, unless this is 0.
    fixed worker_niceness("HEADWATER_WORKER_NICENESS"): Within<0, 19> = "10";
    /// MiB of memory that one run of ffmpeg may take.
    fixed job_memory_mib("HEADWATER_JOB_MEMORY_MIB"): Within<128, 1_048_576> = "4096";
    /// Seconds that one run of ffmpeg for a film, or a piece of one, may last.
    fixed job_deadline_s("HEADWATER_JOB_DEADLINE_S"): Within<1, 2_592_000> = "43200";
    /// Seconds for which a run of ffmpeg may show no progress before it is ended.
    fixed job_stall_s("HEADWATER_JOB_STALL_S"): Within<1, 86_400> = "120";
    /// Seconds after which a job is taken over by another worker when its own gives no sign of life.
    fixed job_lease_s("HEADWATER_JOB_LEASE_S"): Within<2, 3_600> = "30";
    /// Days for which ended jobs are remembered.
    fixed job_keep_days("HEADWATER_JOB_KEEP_DAYS"): Within<1, 3_650> = "14";
    /// What confines ffmpeg: required refuses to run it where the kernel cannot, where-available does what the kernel can, off is for trusted files alone.
    fixed sandbox("HEADWATER_SANDBOX"): Sandboxing = "\"required\"";
    /// MiB of pictures and renditions that are kept; those used longest ago go first.
    fixed artifacts_max_mib("HEADWATER_ARTIFACTS_MAX_MIB"): Within<16, 1_073_741_824> = "20480";
    /// MiB that stay free on the disk of the data folder: no job begins that would need them.
    fixed min_free_disk_mib("HEADWATER_MIN_FREE_DISK_MIB"): Within<0, 1_073_741_824> = "1024";
    /// Seconds that a request for a picture waits for it to be made before it is told to come again.
    live image_wait_s("HEADWATER_IMAGE_WAIT_S"): Within<0, 60> = "10";
    /// Which titles are encoded without being asked for: off none, unplayable those that browsers cannot play, all every title.
    live auto_renditions("HEADWATER_AUTO_RENDITIONS"): RenditionPolicy = "\"off\"";

    /// Seconds that caches may keep a file before they ask whether it has changed.
    live file_max_age_s("HEADWATER_FILE_MAX_AGE_S"): Within<0, 31_536_000> = "60";
    /// Seconds that caches may remember that there is no such file.
    live not_found_max_age_s("HEADWATER_NOT_FOUND_MAX_AGE_S"): Within<0, 86_400> = "5";
    /// CDN-Cache-Control (RFC 9213) for media, for caches that obey it instead of Cache-Control. Default: none.
    live cdn_cache_control("HEADWATER_CDN_CACHE_CONTROL"): FieldValue;
    /// Origins whose pages may read media by script, as scheme://host, separated by spaces; "*" is any.
    live cors_origins("HEADWATER_CORS_ORIGINS"): Origins = "\"*\"";
    /// Seconds after a followed file's last growth until its response ends.
    live follow_idle_s("HEADWATER_FOLLOW_IDLE_S"): Within<1, 86_400> = "30";
    /// Seconds after its writer was seen to close a followed file until its response ends.
    live follow_closed_s("HEADWATER_FOLLOW_CLOSED_S"): Within<0, 86_400> = "2";
    /// Folder with the page's sources, to serve them as they are while they are worked on. Default: the built-in page.
    fixed ui_dir("HEADWATER_UI_DIR"): PathBuf;
}

/// A default of the list. They are literals, and a test reads each of them.
fn default_value<T: serde::de::DeserializeOwned>(toml: &str) -> T {
    #[derive(Deserialize)]
    struct Value<T> {
        value: T,
    }
    toml::from_str::<Value<T>>(&format!("value = {toml}")).expect("a default that is allowed").value
}
