//! Buckets of an S3 server: moto, one for all tests, which ends with them.

use std::{
    fmt::Write as _,
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr},
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use crate::support::{
    client::{Client, Response, head},
    documents::ROOT,
    folder::Folder,
};

/// The server; benches use it, too.
const SCRIPT: &str = include_str!("moto.py");

/// moto takes every signature, but wants one.
pub const AUTHORIZATION: &str = "Authorization: AWS4-HMAC-SHA256 \
    Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";

/// What a secret looks like in the credentials of a test: it must appear in no log.
pub const SECRET_KEY: &str = "not-for-any-log";

/// A bucket of its own in the server that all tests share.
#[derive(Clone, Debug)]
pub struct Bucket {
    /// Its server.
    pub address: SocketAddr,
    /// Its name.
    pub name: String,
}

/// The running server.
struct Server {
    address: SocketAddr,
    process: Mutex<Process>,
}

struct Process {
    child: Child,
    replies: BufReader<ChildStdout>,
}

/// The server.
fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(start)
}

fn start() -> Server {
    let python = Path::new(ROOT).join("target/bucket/bin/python");
    let mut command = Command::new(python);
    command
        .args(["-c", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    // An interrupt at a terminal is for the tests; the server ends with them.
    command.process_group(0);
    let mut child = command.spawn().expect("moto; `scripts/setup test` installs it");
    let mut port = String::new();
    let mut replies = BufReader::new(child.stdout.take().expect("a pipe"));
    replies.read_line(&mut port).expect("text");
    let mut errors = child.stderr.take().expect("a pipe");
    let Ok(port) = port.trim_end().parse::<u16>() else {
        let mut why = String::new();
        errors.read_to_string(&mut why).expect("text");
        panic!("moto does not start: {why}");
    };
    // So that the server never waits for a reader.
    std::thread::spawn(move || std::io::copy(&mut errors, &mut std::io::stderr()));
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    Server { address, process: Mutex::new(Process { child, replies }) }
}

impl Bucket {
    /// A new, empty bucket.
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        Self::named(&format!("bucket-{}", COUNT.fetch_add(1, Ordering::Relaxed)))
    }

    /// A bucket with this name, which is new unless a test has made it.
    pub fn named(name: &str) -> Self {
        let bucket = Self { address: server().address, name: name.to_owned() };
        bucket.request("PUT", &format!("/{name}"), &[]);
        bucket
    }

    /// The variables of the environment that lead to the server.
    pub fn environment(&self) -> [(&'static str, String); 4] {
        [
            ("AWS_ENDPOINT_URL", self.endpoint()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET_KEY.to_owned()),
        ]
    }

    /// A new, empty bucket that keeps the versions of its objects.
    pub fn versioned() -> Self {
        let bucket = Self::new();
        let enable = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
        bucket.configure("versioning", enable);
        bucket
    }

    /// A new bucket with the files of a folder, and of those below it.
    pub fn of_folder(folder: &Path) -> Self {
        let bucket = Self::new();
        bucket.put_folder(folder, "");
        bucket
    }

    /// Sets a subresource of the bucket, such as `versioning` or `lifecycle`, to an XML document.
    pub fn configure(&self, subresource: &str, document: &str) {
        self.request("PUT", &format!("/{}?{subresource}", self.name), document.as_bytes());
    }

    /// Puts an object. Returns its ETag, in quotes.
    pub fn put(&self, key: &str, bytes: impl AsRef<[u8]>) -> String {
        let response = self.request("PUT", &self.target(key), bytes.as_ref());
        response.field("etag").expect("an ETag").to_owned()
    }

    /// Puts so many small objects, `films/000/000000.mp4` and on, a thousand to a folder.
    pub fn fill(&self, count: usize) {
        let mut process = server().process.lock().unwrap_or_else(PoisonError::into_inner);
        let input = process.child.stdin.as_mut().expect("a pipe");
        writeln!(input, "{} {count}", self.name).expect("a server");
        let mut reply = String::new();
        process.replies.read_line(&mut reply).expect("text");
        assert_eq!(reply, "done\n");
    }

    /// Puts all files of a folder, and of those below it. Keys begin with the prefix.
    pub fn put_folder(&self, folder: &Path, prefix: &str) {
        for entry in fs::read_dir(folder).expect("a folder").flatten() {
            let name = entry.file_name().into_string().expect("a name in UTF-8");
            let (path, key) = (entry.path(), format!("{prefix}{name}"));
            if path.is_dir() {
                self.put_folder(&path, &format!("{key}/"));
            } else {
                self.put(&key, fs::read(path).expect("a file"));
            }
        }
    }

    /// Removes an object.
    pub fn remove(&self, key: &str) {
        self.request("DELETE", &self.target(key), &[]);
    }

    /// The URL of the server.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A `[[root]]` table of this bucket behind an endpoint, such as that of a proxy. Writes its credentials
    /// into the folder.
    pub fn root(&self, folder: &Folder, endpoint: &str) -> String {
        let credentials =
            format!("[default]\naws_access_key_id = test\naws_secret_access_key = {SECRET_KEY}\n");
        let file = folder.put("credentials", credentials);
        format!(
            "[[root]]\nbucket = \"s3://{}\"\nendpoint = \"{endpoint}\"\nregion = \"us-east-1\"\n\
             path_style = true\ncredentials_file = \"{}\"\n",
            self.name,
            file.display()
        )
    }

    fn target(&self, key: &str) -> String {
        let mut target = format!("/{}/", self.name);
        for byte in key.bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                    target.push(char::from(byte));
                }
                other => write!(target, "%{other:02X}").expect("a string grows"),
            }
        }
        target
    }

    fn request(&self, method: &str, target: &str, content: &[u8]) -> Response {
        let length = format!("Content-Length: {}", content.len());
        // Of other types moto reads a form.
        let fields = [AUTHORIZATION, "Content-Type: application/xml", &length];
        let mut client = Client::connect(self.address);
        client.send([head(method, target, &fields).as_bytes(), content].concat());
        let response = client.read(method).expect("a response");
        let reason = String::from_utf8_lossy(&response.body);
        assert!(response.status < 300, "{method} {target}: {} {reason}", response.status);
        response
    }
}

#[test]
fn the_bucket_of_the_tests_keeps_what_is_put() {
    let bucket = Bucket::versioned();
    let etag = bucket.put("films/a b?ü.mp4", "0123456789");
    assert_eq!(etag, "\"781e5e245d69b566979b86e28d23f2c7\"");
    let target = bucket.target("films/a b?ü.mp4");
    assert_eq!(bucket.request("GET", &target, &[]).body, b"0123456789");
    let versions = bucket.request("GET", &format!("/{}?versioning", bucket.name), &[]);
    assert!(String::from_utf8_lossy(&versions.body).contains("Enabled"));
    bucket.remove("films/a b?ü.mp4");
    let listing = bucket.request("GET", &format!("/{}?list-type=2", bucket.name), &[]);
    assert!(!String::from_utf8_lossy(&listing.body).contains("films"));
}
