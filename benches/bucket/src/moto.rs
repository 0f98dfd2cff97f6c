//! The bucket: moto, an S3 server in this machine's memory, which ends with this program.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};

/// The only bucket.
pub const BUCKET: &str = "films";

/// The server of the tests.
const SCRIPT: &str = include_str!("../../../tests/it/support/moto.py");

/// moto takes every signature, but wants one.
const AUTHORIZATION: &str = "AWS4-HMAC-SHA256 \
    Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";

/// A running server with an empty bucket; dropping it ends it.
#[derive(Debug)]
pub struct Moto {
    process: Child,
    address: SocketAddr,
}

impl Moto {
    /// Starts the server in `python`.
    pub fn start(python: &Path) -> Result<Self> {
        let mut command = Command::new(python);
        command.args(["-c", SCRIPT]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().with_context(|| {
            format!("cannot start {}; `scripts/setup test` installs moto", python.display())
        })?;
        let mut port = String::new();
        BufReader::new(process.stdout.take().expect("it was piped")).read_line(&mut port)?;
        let port = port.trim_end().parse().context("moto does not start")?;
        let moto = Moto { process, address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)) };
        moto.put(&format!("/{BUCKET}"), &mut [].as_slice(), 0)?;
        Ok(moto)
    }

    /// Puts all files of a folder.
    pub fn put_folder(&self, folder: &Path) -> Result<()> {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).context("a plain name")?;
            let mut file = File::open(&path)?;
            let length = file.metadata()?.len();
            self.put(&format!("/{BUCKET}/{name}"), &mut file, length)?;
        }
        Ok(())
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The variables of the environment that lead a Headwater to the server.
    pub fn environment(&self) -> [(&'static str, String); 4] {
        [
            ("AWS_ENDPOINT_URL", format!("http://{}", self.address)),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
        ]
    }

    fn put(&self, target: &str, content: &mut impl std::io::Read, length: u64) -> Result<()> {
        let mut stream = TcpStream::connect(self.address)?;
        write!(
            stream,
            "PUT {target} HTTP/1.1\r\nHost: {}\r\nAuthorization: {AUTHORIZATION}\r\n\
             Content-Type: video/mp4\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n",
            self.address
        )?;
        std::io::copy(content, &mut stream)?;
        let mut status = String::new();
        BufReader::new(stream).read_line(&mut status)?;
        ensure!(status.starts_with("HTTP/1.1 200 "), "PUT {target}: {}", status.trim_end());
        Ok(())
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
