//! Ceph's S3 server, in memory: unlike moto it refuses wrong signatures. One for all tests, where it is
//! installed (`apt-get install radosgw ceph-mon ceph-osd ceph-common`); it ends with them.

use std::{
    env,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{Mutex, OnceLock, PoisonError},
};

use tempfile::TempDir;

use crate::support::{
    bucket::{Bucket, SECRET_KEY},
    documents::ROOT,
};

/// Starts a cluster of one monitor and one disk in memory, and its S3 server; then carries out commands, and
/// ends when its input ends.
const SCRIPT: &str = include_str!("radosgw.py");

/// What the cluster consists of.
const PROGRAMS: [&str; 5] = ["ceph", "ceph-mon", "ceph-osd", "radosgw", "radosgw-admin"];

/// A running server.
pub struct RadosGateway {
    port: u16,
    commands: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
    _process: Child,
    _folder: TempDir,
}

impl RadosGateway {
    /// The server. `None`, and a printed line, where it is not installed.
    pub fn find() -> Option<&'static Self> {
        static SERVER: OnceLock<Option<RadosGateway>> = OnceLock::new();
        SERVER.get_or_init(Self::start).as_ref()
    }

    fn start() -> Option<Self> {
        let folders: Vec<_> = env::split_paths(&env::var_os("PATH")?).collect();
        let is_missing = |program: &&&str| folders.iter().all(|it| !it.join(program).is_file());
        if let Some(missing) = PROGRAMS.iter().find(is_missing) {
            eprintln!("this test did not run: {missing} is not installed");
            return None;
        }
        let folder = TempDir::new().expect("a temporary folder");
        let [monitor, port] = [(); 2].map(|()| free_port());
        let mut process = Command::new(Path::new(ROOT).join("target/bucket/bin/python"))
            .args(["-c", SCRIPT, &monitor.to_string(), &port.to_string(), SECRET_KEY])
            .current_dir(folder.path())
            // An interrupt at a terminal is for the tests.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python with boto3; `scripts/setup test` installs both");
        let output = BufReader::new(process.stdout.take().expect("a pipe"));
        let commands = Mutex::new((process.stdin.take().expect("a pipe"), output));
        let server = Self { port, commands, _process: process, _folder: folder };
        assert_eq!(server.result(), "ready");
        Some(server)
    }

    /// A new, empty bucket.
    pub fn bucket(&self, name: &str) -> Bucket {
        self.call(&["create", name]);
        Bucket { address: ([127, 0, 0, 1], self.port).into(), name: name.to_owned() }
    }

    /// Lets a bucket keep the versions of its objects.
    pub fn keep_versions(&self, bucket: &Bucket) {
        self.call(&["keep-versions", &bucket.name]);
    }

    /// Puts an object.
    pub fn put(&self, bucket: &Bucket, key: &str, bytes: impl AsRef<[u8]>) {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), bytes).expect("disk space");
        self.call(&["put", &bucket.name, key, file.path().to_str().expect("text")]);
    }

    fn call(&self, command: &[&str]) {
        let line = serde_json::to_string(command).expect("text");
        let mut pipes = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(pipes.0, "{line}").expect("the script reads");
        let mut result = String::new();
        pipes.1.read_line(&mut result).expect("text");
        assert_eq!(result.trim_end(), "done", "{command:?}");
    }

    fn result(&self) -> String {
        let mut line = String::new();
        let mut pipes = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
        pipes.1.read_line(&mut line).expect("text");
        line.trim_end().to_owned()
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    listener.local_addr().expect("an address").port()
}
