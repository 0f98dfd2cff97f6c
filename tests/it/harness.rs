//! A server of one's own on a free port, a folder to serve, and a client that believes nothing.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    ops::Deref,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use headwater::{
    config::{Layer, RootConfig, Settings},
    library::MediaPath,
    serve::Server,
    start::StartError,
};
use socket2::{Domain, Socket, Type};
use tempfile::TempDir;

/// A test that waits this long for a byte has failed. Only a guard: no test measures time.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until something is so, by looking again and again. How long that takes means nothing; what
/// never becomes so is a failure.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain until {what}");
        thread::yield_now();
    }
}

/// A folder of files that goes away with the test.
pub struct Folder(TempDir);

impl Folder {
    /// An empty one.
    pub fn new() -> Self {
        Self(TempDir::new().expect("a temporary folder"))
    }

    /// An empty one on the file system of this directory.
    pub fn below(directory: &str) -> std::io::Result<Self> {
        TempDir::new_in(directory).map(Self)
    }

    /// Puts a file into it, with the folders on the way.
    pub fn put(&self, name: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("the folders on the way");
        fs::write(&path, bytes).expect("a file");
        path
    }

    /// Where a name in it is.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.path().join(name)
    }
}

/// A file system of its own, as small as it is said; only root may make one.
pub struct Small<'a>(&'a Path);

impl<'a> Small<'a> {
    /// Mounts it over a folder. Says so if that cannot be.
    pub fn mount(at: &'a Path, size: &str) -> Option<Self> {
        fs::create_dir_all(at).expect("a folder");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", size, "headwater-test"]).arg(at);
        if mount.output().is_ok_and(|output| output.status.success()) {
            return Some(Self(at));
        }
        eprintln!("this test did not run: nothing can be mounted here");
        None
    }
}

impl Drop for Small<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).output();
    }
}

/// Bytes that tell where they are: every 8 of them hold their own offset.
pub fn pattern(length: usize) -> Vec<u8> {
    let words = (0..length.div_ceil(8) as u64).flat_map(|word| (word * 8).to_be_bytes());
    words.take(length).collect()
}

/// A server that is stopped when the test ends.
pub struct Serving {
    server: Option<Server>,
    /// Where it listens.
    pub address: SocketAddr,
    _data: TempDir,
}

/// Serves one folder with the default settings.
pub fn serve(folder: &Folder) -> Serving {
    serve_with(&[folder.0.path().into()], "")
}

/// Serves folders (`name=DIR` as on the command line), with lines of configuration.
pub fn serve_with(roots: &[PathBuf], configuration: &str) -> Serving {
    start(roots, configuration).expect("a server")
}

/// As [`serve_with`], where it may fail.
pub fn start(roots: &[PathBuf], configuration: &str) -> Result<Serving, StartError> {
    let data = TempDir::new().expect("a data folder");
    let file: Layer = toml::from_str(configuration).expect("a configuration");
    let root = |root: &PathBuf| -> RootConfig {
        root.to_str().expect("a name in UTF-8").parse().expect("a root")
    };
    let typed = Layer {
        listen: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
        data: Some(data.path().into()),
        root: roots.iter().map(root).collect(),
        ..Layer::default()
    };
    let server = Server::start(Settings::from_layers(&[typed, file]), None)?;
    Ok(Serving { address: server.address(), server: Some(server), _data: data })
}

impl Serving {
    /// A connection to it.
    pub fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    /// One request on a connection of its own. `fields` are whole lines.
    pub fn request(&self, method: &str, target: &str, fields: &[&str]) -> Response {
        self.connect().request(method, target, fields)
    }

    /// A GET on a connection of its own.
    pub fn get(&self, target: &str, fields: &[&str]) -> Response {
        self.request("GET", target, fields)
    }

    /// Waits until changes in the folder are heard of at once, and those made so far are known.
    pub fn until_watching(&self, folder: &Folder) {
        let catalog = &self.site().library.catalog;
        until("the first scan is over", || !catalog.is_scanning());
        // Only a watch can find what was put there after the scan.
        let name = "only to see whether anybody looks.mp4";
        let probe = MediaPath::from_path(Path::new(name)).expect("a name");
        let mut looks = 0;
        until("the folder is watched", || {
            // Not each time, or there are more events than can be queued.
            if looks % 10_000 == 0 {
                folder.put(name, []);
            }
            looks += 1;
            catalog.get(&probe).is_some()
        });
        fs::remove_file(folder.path(name)).expect("a file");
        until("the probe is forgotten", || catalog.get(&probe).is_none());
    }

    /// Takes the server down as SIGTERM does. Returns whether it has ended.
    pub fn drain(&mut self) -> impl Fn() -> bool + use<> {
        let server = self.server.take().expect("running until now");
        let site = Arc::clone(server.site());
        let stopped = thread::spawn(move || server.stop(true));
        until("the server is going down", || site.is_draining());
        move || stopped.is_finished()
    }

    /// A number that the server counts, by its name with labels.
    pub fn metric(&self, name: &str) -> u64 {
        let text = String::from_utf8(self.get("/metrics", &[]).body).expect("text");
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map_or(0, |value| value.parse().expect("a number"))
    }
}

impl Deref for Serving {
    type Target = Server;

    fn deref(&self) -> &Server {
        self.server.as_ref().expect("running until dropped")
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop(false);
        }
    }
}

/// Connects with so little room for what is received, in bytes, that a server cannot send ahead:
/// what is not read stays unsent.
pub fn narrow_socket(address: SocketAddr, room: usize) -> TcpStream {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None);
    let socket = socket.expect("a socket");
    // Before connecting, because the window's scale is agreed on with the first packet.
    socket.set_recv_buffer_size(room).expect("a small buffer");
    socket.connect(&address.into()).expect("a connection");
    socket.into()
}

/// An HTTP/1 client that checks the framing of every answer.
pub struct Client {
    stream: BufReader<TcpStream>,
    /// The last answer is an HTTP/1.0 one, after which a connection closes unless it says otherwise.
    is_1_0: bool,
}

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// Names in lower case, and values, in the order sent.
    pub fields: Vec<(String, String)>,
    /// The content, transfer coding removed.
    pub body: Vec<u8>,
}

/// Why there is no whole answer.
#[derive(Debug, Eq, PartialEq)]
pub enum Broken {
    /// The connection ended before the head was whole.
    Head,
    /// The connection ended after so many bytes of the content, and more were promised.
    Body(usize),
}

impl Response {
    /// The value of a field that stands at most once.
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut values = self.fields.iter().filter(|field| field.0 == name);
        let value = values.next().map(|field| field.1.as_str());
        assert!(values.next().is_none(), "{name} stands twice: {self:?}");
        value
    }
}

impl Client {
    /// Connects.
    pub fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).expect("a connection"))
    }

    /// Connects by a [`narrow_socket`].
    pub fn narrow(address: SocketAddr, room: usize) -> Self {
        Self::over(narrow_socket(address, room))
    }

    fn over(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        stream.set_write_timeout(Some(PATIENCE)).expect("a time-out");
        Self { stream: BufReader::new(stream), is_1_0: false }
    }

    /// The socket.
    pub fn socket(&self) -> &TcpStream {
        self.stream.get_ref()
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.get_mut().write_all(bytes.as_ref()).expect("bytes are taken");
    }

    /// Sends a request without content and reads its answer.
    pub fn request(&mut self, method: &str, target: &str, fields: &[&str]) -> Response {
        self.send(head(method, target, fields));
        self.read(method).expect("a whole answer")
    }

    /// Reads an answer to a request of this method.
    pub fn read(&mut self, method: &str) -> Result<Response, Broken> {
        let mut response = self.read_head()?;
        let length = response.field("content-length").map(|length| length.parse::<usize>());
        let is_chunked = response.field("transfer-encoding") == Some("chunked");
        assert!(length.is_none() || !is_chunked, "both framings: {response:?}");
        if method == "HEAD" || matches!(response.status, 100..200 | 204 | 304) {
            return Ok(response);
        }
        response.body = if is_chunked {
            self.read_chunks()?
        } else if let Some(length) = length {
            self.read_exactly(length.expect("a number"))?
        } else {
            let closes = self.is_1_0 || response.field("connection") == Some("close");
            assert!(closes, "no framing: {response:?}");
            let mut rest = Vec::new();
            self.stream.read_to_end(&mut rest).map_err(|_| Broken::Body(rest.len()))?;
            rest
        };
        Ok(response)
    }

    /// Reads an answer's head alone.
    pub fn read_head(&mut self) -> Result<Response, Broken> {
        let line = self.read_line()?;
        self.is_1_0 = line.starts_with("HTTP/1.0 ");
        let status = line.strip_prefix("HTTP/1.1 ").or(line.strip_prefix("HTTP/1.0 "));
        let status = status.and_then(|rest| rest.get(..3)?.parse().ok());
        let status = status.unwrap_or_else(|| panic!("not a status line: {line:?}"));
        let mut fields = Vec::new();
        loop {
            let line = self.read_line()?;
            if line.is_empty() {
                return Ok(Response { status, fields, body: Vec::new() });
            }
            let (name, value) = line.split_once(": ").expect("a field");
            assert_eq!(name, name.trim(), "white space around a name");
            fields.push((name.to_ascii_lowercase(), value.to_owned()));
        }
    }

    /// Reads exactly so many bytes.
    pub fn read_exactly(&mut self, length: usize) -> Result<Vec<u8>, Broken> {
        let mut body = Vec::new();
        let read = self.stream.by_ref().take(length as u64).read_to_end(&mut body);
        // A reset in the middle is as much an early end as a close is.
        match read {
            Ok(_) | Err(_) if body.len() < length => Err(Broken::Body(body.len())),
            _ => Ok(body),
        }
    }

    /// Whether the server has closed the connection and sent nothing more.
    pub fn is_closed(&mut self) -> bool {
        self.stream.fill_buf().is_ok_and(<[u8]>::is_empty)
    }

    /// Reads one chunk of a chunked body; an empty one is its end.
    pub fn read_chunk(&mut self) -> Result<Vec<u8>, Broken> {
        let line = self.read_line().map_err(|_| Broken::Body(0))?;
        let size = usize::from_str_radix(&line, 16).expect("a chunk's size");
        let chunk = self.read_exactly(size)?;
        let end = self.read_line().map_err(|_| Broken::Body(size))?;
        assert_eq!(end, "", "a chunk ends with an empty line");
        Ok(chunk)
    }

    fn read_chunks(&mut self) -> Result<Vec<u8>, Broken> {
        let mut body = Vec::new();
        loop {
            match self.read_chunk() {
                Ok(chunk) if chunk.is_empty() => return Ok(body),
                Ok(chunk) => body.extend(chunk),
                Err(_) => return Err(Broken::Body(body.len())),
            }
        }
    }

    fn read_line(&mut self) -> Result<String, Broken> {
        let mut line = Vec::new();
        let read = self.stream.read_until(b'\n', &mut line);
        if read.is_err() || !line.ends_with(b"\n") {
            return Err(Broken::Head);
        }
        let line = String::from_utf8(line).expect("a head is text");
        Ok(line.strip_suffix("\r\n").expect("lines end with CR LF").to_owned())
    }
}

/// A request's head.
pub fn head(method: &str, target: &str, fields: &[&str]) -> String {
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: test\r\n");
    for field in fields {
        head.push_str(field);
        head.push_str("\r\n");
    }
    head + "\r\n"
}

/// Waits for what the server does beside its I/O workers.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.expect("a runtime").block_on(future)
}
