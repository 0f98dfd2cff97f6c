//! PostgreSQL: a cluster for the time of the tests, on a socket in a temporary folder.

use std::{
    env,
    io::{BufRead as _, BufReader, Read as _},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use rustix::process::geteuid;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

/// Creates a cluster, prints its address, and stops it when its input ends: with the tests, however
/// they end, because no other process holds the other end. Nothing is synced to the disk. The
/// locale is not C: texts must compare as bytes under any locale of an administrator.
const SCRIPT: &str = r#"
set -eu
PATH=$1:$PATH
folder=$(mktemp -d /tmp/headwater-postgres.XXXXXX)
cd "$folder"
trap 'pg_ctl -D data -m immediate stop >/dev/null 2>&1 || true; rm -rf "$folder"' EXIT
initdb -D data -U headwater -A trust -E UTF8 --no-sync --no-instructions \
    --locale=C.UTF-8 --locale-provider=icu --icu-locale=en-US >initdb.log 2>&1 ||
    { cat initdb.log >&2; exit 1; }
cat >>data/postgresql.conf <<END
listen_addresses = ''
unix_socket_directories = '$folder'
max_connections = 300
fsync = off
full_page_writes = off
END
pg_ctl -D data -w -l server.log start >/dev/null || { cat server.log >&2; exit 1; }
echo "$folder"
while read -r order; do
    case $order in
    stop) pg_ctl -D data -m immediate -w stop >/dev/null ;;
    start) pg_ctl -D data -w -l server.log start >/dev/null ;;
    esac
    echo done
done
"#;

/// A running server.
pub struct Cluster {
    folder: PathBuf,
    orders: ChildStdin,
    replies: BufReader<std::process::ChildStdout>,
    _guard: Child,
}

/// The URL of a new, empty database in the cluster that all tests share.
pub async fn database() -> String {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(Cluster::start).database().await
}

impl Cluster {
    /// Starts a cluster.
    pub fn start() -> Self {
        let programs = programs();
        // PostgreSQL refuses to run as root.
        let mut command = if geteuid().is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "sh"]);
            command
        } else {
            Command::new("sh")
        };
        command.args(["-c", SCRIPT, "sh"]).arg(&programs);
        // In its own process group: an interrupt of the tests at a terminal must not stop the
        // cleanup.
        command.process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut guard = command.spawn().expect("setpriv and sh");
        let mut replies = BufReader::new(guard.stdout.take().expect("a pipe"));
        let mut folder = String::new();
        replies.read_line(&mut folder).expect("text");
        if folder.is_empty() {
            let mut why = String::new();
            guard.stderr.take().expect("a pipe").read_to_string(&mut why).expect("text");
            panic!("PostgreSQL does not start: {why}");
        }
        let folder = PathBuf::from(folder.trim_end());
        let orders = guard.stdin.take().expect("a pipe");
        Self { folder, orders, replies, _guard: guard }
    }

    /// The URL of a new, empty database.
    pub async fn database(&self) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let mut connection = PgConnection::connect(&self.url("postgres")).await.expect("a server");
        let create = AssertSqlSafe(format!("CREATE DATABASE {name} TEMPLATE template0"));
        sqlx::raw_sql(create).execute(&mut connection).await.expect("a database");
        connection.close().await.expect("closed");
        self.url(&name)
    }

    /// Has the server `stop`, as if its machine had failed, or `start`.
    pub fn order(&mut self, order: &str) {
        use std::io::Write as _;
        writeln!(self.orders, "{order}").expect("a guard");
        let mut reply = String::new();
        self.replies.read_line(&mut reply).expect("text");
        assert_eq!(reply, "done\n", "{order}");
    }

    fn url(&self, name: &str) -> String {
        format!("postgres://headwater@localhost/{name}?host={}", self.folder.display())
    }
}

/// The folder of the server's programs, which Debian keeps out of the search path.
fn programs() -> PathBuf {
    let on_path = env::var_os("PATH").unwrap_or_default();
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut debian: Vec<_> = debian.map(|version| version.path().join("bin")).collect();
    debian.sort();
    let has_them = |folder: &PathBuf| {
        let is_there = |name: &str| Path::new(folder).join(name).exists();
        is_there("initdb") && is_there("pg_ctl")
    };
    let folders = debian.into_iter().rev().chain(env::split_paths(&on_path));
    folders.into_iter().find(has_them).expect("PostgreSQL; `scripts/setup test` installs it")
}
