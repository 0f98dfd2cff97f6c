//! Reads from a real S3 server, also through a proxy that makes faults.

use std::{
    io,
    net::SocketAddr,
    ops::Range,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use futures::future::join_all;
use headwater::extent::bucket::{
    BucketSettings, CHUNK_BYTES, Ends, FetchError, FetchSettings, Fetcher, Need, Opened, Outage,
    Sink, UNIT_BYTES,
};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    runtime::Handle,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    },
};

use crate::support::{
    bucket::{Bucket, SECRET_KEY},
    fault_proxy::{FaultProxy, Faults, Operation},
    folder::Folder,
    webhook_receiver::LOCALHOST,
};

const MIB: usize = 1024 * 1024;

/// A sink in memory.
struct Memory(Mutex<Vec<Option<Bytes>>>);

impl Memory {
    fn new(size: usize) -> Arc<Self> {
        Arc::new(Self(Mutex::new(vec![None; size.div_ceil(CHUNK_BYTES as usize)])))
    }

    /// All bytes; panics if some are missing.
    fn bytes(&self) -> Vec<u8> {
        let chunks = self.0.lock().unwrap();
        chunks.iter().flat_map(|chunk| chunk.clone().expect("a chunk is missing")).collect()
    }

    /// Compares what is there with an object.
    fn is_part_of(&self, object: &[u8]) -> bool {
        let chunks = self.0.lock().unwrap();
        let mut pairs = chunks.iter().zip(object.chunks(CHUNK_BYTES as usize));
        pairs.all(|(chunk, right)| chunk.as_ref().is_none_or(|chunk| chunk == right))
    }
}

impl Sink for Memory {
    async fn missing(&self, range: Range<u64>) -> io::Result<Vec<Range<u64>>> {
        let chunks = self.0.lock().unwrap();
        let numbers = range.start / CHUNK_BYTES..range.end.div_ceil(CHUNK_BYTES);
        let missing = numbers.filter(|number| chunks[*number as usize].is_none());
        let missing = missing.map(|number| number * CHUNK_BYTES..(number + 1) * CHUNK_BYTES);
        Ok(missing.map(|chunk| chunk.start..chunk.end.min(range.end)).collect())
    }

    async fn store(&self, offset: u64, bytes: Bytes) -> io::Result<()> {
        let mut chunks = self.0.lock().unwrap();
        for (number, part) in bytes.chunks(CHUNK_BYTES as usize).enumerate() {
            chunks[(offset / CHUNK_BYTES) as usize + number] = Some(Bytes::copy_from_slice(part));
        }
        Ok(())
    }
}

fn pattern(size: usize, seed: usize) -> Vec<u8> {
    (0..size).map(|at| ((at + seed) % 251 + at / 65_536) as u8).collect()
}

const LIMITS: FetchSettings =
    FetchSettings { deadline: Duration::from_secs(10), requests: 64, hedge: true };

fn settings(bucket: &Bucket, endpoint: &str, credentials: &Path) -> BucketSettings {
    BucketSettings {
        bucket: bucket.name.clone(),
        endpoint: Some(endpoint.to_owned()),
        region: Some("us-east-1".to_owned()),
        path_style: true,
        credentials_file: Some(credentials.to_owned()),
        ca_file: None,
    }
}

fn fetcher(bucket: &Bucket, endpoint: &str, credentials: &Path) -> Arc<Fetcher> {
    let settings = settings(bucket, endpoint, credentials);
    Fetcher::new(&settings, LIMITS, Handle::current()).expect("valid settings")
}

fn credentials(folder: &Folder) -> PathBuf {
    let file = format!("aws_access_key_id = test\naws_secret_access_key = {SECRET_KEY}\n");
    folder.put("credentials", file)
}

/// Opens an object and reads all of it.
async fn read(fetcher: &Arc<Fetcher>, key: &str) -> Result<(Opened, Vec<u8>), FetchError> {
    let sink = Arc::new(Mutex::new(None));
    let made = Arc::clone(&sink);
    let object = fetcher
        .open(key, Ends::Both, move |object| {
            let memory = Memory::new(object.size as usize);
            *made.lock().unwrap() = Some(Arc::clone(&memory));
            memory
        })
        .await?;
    let memory = sink.lock().unwrap().take().unwrap_or_else(|| Memory::new(0));
    fetcher.fetch_all(&object, 0..object.size, &memory).await?;
    Ok((object, memory.bytes()))
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_are_read_listed_and_looked_up_as_they_were_put() {
    let (folder, bucket) = (Folder::new(), Bucket::new());
    let fetcher = fetcher(&bucket, &bucket.endpoint(), &credentials(&folder));
    let mut objects = Vec::new();
    for (number, key) in
        ["a b/z.mp4", "a b/ü+&=%?#.mp4", "a/'(1)!*~.srt", "empty"].into_iter().enumerate()
    {
        let size = [MIB, 3 * MIB + 5, 700, 0][number];
        let bytes = pattern(size, number);
        objects.push((key, bucket.put(key, &bytes), bytes));
    }
    for (key, etag, bytes) in &objects {
        let (object, content) =
            read(&fetcher, key).await.unwrap_or_else(|error| panic!("{key}: {error}"));
        assert_eq!((&*object.etag, object.size), (etag.as_str(), bytes.len() as u64), "{key}");
        assert!(content == *bytes, "{key}");
        assert_eq!(fetcher.head(key).await.expect("it is there"), object);
    }
    assert!(matches!(read(&fetcher, "nothing").await, Err(FetchError::NotFound)));
    assert!(matches!(fetcher.head("nothing").await, Err(FetchError::NotFound)));

    let page = fetcher.list_page("", None).await.expect("a page");
    let listed = page.objects.iter().map(|it| (&*it.key, it.etag.to_string(), it.size));
    let put = objects.iter().map(|(key, etag, bytes)| (*key, etag.clone(), bytes.len() as u64));
    assert_eq!(listed.collect::<Vec<_>>(), put.collect::<Vec<_>>());
    assert!(page.objects.iter().all(|it| it.modified.is_some()) && page.next.is_none());
    let behind = fetcher.list_page("a b/", Some(objects[0].0)).await.expect("a page");
    assert_eq!(behind.objects.len(), 1);
    assert!(!format!("{fetcher:?}").contains(SECRET_KEY));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_of_more_than_a_page_is_listed_once() {
    let (folder, bucket) = (Folder::new(), Bucket::new());
    let keys: Vec<_> = (0..1001).map(|number| format!("{number:04}")).collect();
    keys.iter().for_each(|key| drop(bucket.put(key, "")));
    let fetcher = fetcher(&bucket, &bucket.endpoint(), &credentials(&folder));
    let (mut listed, mut after) = (Vec::new(), None);
    loop {
        let page = fetcher.list_page("", after.as_deref()).await.expect("a page");
        listed.extend(page.objects.iter().map(|it| it.key.to_string()));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(listed, keys);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_object_is_never_mixed_and_a_version_is_read_to_its_end() {
    let folder = Folder::new();
    let (old, new) = (pattern(3 * MIB, 1), pattern(3 * MIB, 2));
    for keeps_versions in [false, true] {
        let bucket = if keeps_versions { Bucket::versioned() } else { Bucket::new() };
        let fetcher = fetcher(&bucket, &bucket.endpoint(), &credentials(&folder));
        bucket.put("a.mp4", &old);
        let sink = Memory::new(old.len());
        let for_open = Arc::clone(&sink);
        let object =
            fetcher.open("a.mp4", Ends::Both, move |_| for_open).await.expect("it is there");
        assert_eq!(object.version_id.is_some(), keeps_versions);
        bucket.put("a.mp4", &new);
        let fetched = fetcher.fetch_all(&object, 0..object.size, &sink).await;
        assert!(sink.is_part_of(&old));
        match keeps_versions {
            true => fetched.expect("the old version is there"),
            false => assert!(matches!(fetched, Err(FetchError::Changed)), "{fetched:?}"),
        }
        assert!(read(&fetcher, "a.mp4").await.expect("it is there").1 == new);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_ignores_preconditions_and_splices_versions_is_found_out() {
    let (folder, bucket) = (Folder::new(), Bucket::new());
    let proxy = FaultProxy::start(bucket.address);
    let fetcher = fetcher(&bucket, &proxy.endpoint(), &credentials(&folder));
    let (old, new) = (pattern(3 * MIB, 1), pattern(3 * MIB, 2));
    bucket.put("a.mp4", &old);
    let sink = Memory::new(old.len());
    let for_open = Arc::clone(&sink);
    let object = fetcher.open("a.mp4", Ends::Both, move |_| for_open).await.expect("it is there");
    fetcher.fetch_all(&object, 0..1, &sink).await.expect("it is there");
    proxy.set(Faults { ignores_preconditions: true, ..Faults::default() });
    bucket.put("a.mp4", &new);
    let fetched = fetcher.fetch_all(&object, 0..object.size, &sink).await;
    assert!(matches!(fetched, Err(FetchError::Changed)), "{fetched:?}");
    assert!(sink.is_part_of(&old));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_viewers_of_a_cold_unit_send_three_requests_at_most() {
    let (folder, bucket) = (Folder::new(), Bucket::new());
    let proxy = FaultProxy::start(bucket.address);
    let fetcher = fetcher(&bucket, &proxy.endpoint(), &credentials(&folder));
    let bytes = pattern(3 * MIB, 1);
    bucket.put("a.mp4", &bytes);
    let object = fetcher.head("a.mp4").await.expect("it is there");
    proxy.set(Faults { latency: Duration::from_millis(100), ..Faults::default() });
    let sink = Memory::new(bytes.len());
    let viewers =
        (0..1000).map(|_| fetcher.fetch(&object, UNIT_BYTES..2 * UNIT_BYTES, &sink, Need::Awaited));
    join_all(viewers).await.into_iter().for_each(|fetched| fetched.expect("it is there"));
    let requests = proxy.requests(Operation::Get);
    // One, and no more than two in addition if this machine takes seconds.
    assert!((1..=3).contains(&requests), "{requests}");
    assert!(sink.is_part_of(&bytes));
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_cut_and_failures_in_between_change_no_byte() {
    let (folder, bucket) = (Folder::new(), Bucket::new());
    let proxy = FaultProxy::start(bucket.address);
    let bytes = pattern(8 * MIB, 3);
    bucket.put("a.mp4", &bytes);
    for faults in [
        Faults { cut_after: Some(500_000), ..Faults::default() },
        Faults { end_after: Some(500_000), ..Faults::default() },
        Faults { unavailable_percent: 30, ..Faults::default() },
        Faults { etag: Some("\"other\""), ..Faults::default() },
        Faults { ignores_range: true, ..Faults::default() },
        Faults { status: Some(403), ..Faults::default() },
    ] {
        proxy.set(Faults::default());
        let fetcher = fetcher(&bucket, &proxy.endpoint(), &credentials(&folder));
        let object = fetcher.head("a.mp4").await.expect("it is there");
        let description = format!("{faults:?}");
        let may_succeed = faults.cut_after.is_some()
            || faults.end_after.is_some()
            || faults.unavailable_percent > 0;
        proxy.set(faults);
        let sink = Memory::new(bytes.len());
        let fetched = fetcher.fetch_all(&object, 0..object.size, &sink).await;
        assert!(sink.is_part_of(&bytes), "{description}");
        assert!(may_succeed || fetched.is_err(), "{description}");
    }
}

/// Passes connections over TLS, with the certificate of `localhost`, to a server without. Returns its port.
async fn tls_in_front_of(server: SocketAddr) -> u16 {
    let certificate = CertificateDer::from_pem_slice(LOCALHOST.as_bytes()).expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(LOCALHOST.as_bytes()).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("TLS")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("a pair");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let mut client = acceptor.accept(stream).await?;
                let mut server = TcpStream::connect(server).await?;
                copy_bidirectional(&mut client, &mut server).await
            });
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_a_certificate_of_its_own_is_trusted_by_its_ca_file_alone() {
    let (folder, bucket) = (Folder::new(), Bucket::new());
    let bytes = pattern(MIB, 1);
    bucket.put("a.mp4", &bytes);
    let port = tls_in_front_of(bucket.address).await;
    let with = |ca_file: Option<PathBuf>| {
        let settings = BucketSettings {
            endpoint: Some(format!("https://localhost:{port}")),
            ca_file,
            ..settings(&bucket, "", &credentials(&folder))
        };
        Fetcher::new(&settings, LIMITS, Handle::current())
    };
    let trusting = with(Some(folder.put("ca.pem", LOCALHOST))).expect("valid settings");
    assert!(read(&trusting, "a.mp4").await.expect("it is there").1 == bytes);
    let distrusting = with(None).expect("valid settings").head("a.mp4").await;
    assert!(
        matches!(distrusting, Err(FetchError::Unavailable { reason: Outage::Connection(_), .. })),
        "{distrusting:?}"
    );
    for file in [folder.path("nothing"), folder.put("empty.pem", "")] {
        let error = with(Some(file)).expect_err("it has no certificate").to_string();
        assert!(error.contains("cannot read ca_file"), "{error}");
    }
}
