//! TLS of outgoing connections: one set of root certificates for webhooks and buckets.

use std::{
    io,
    path::Path,
    sync::{Arc, LazyLock},
};

use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, pem::PemObject as _},
    },
};

/// Built once, since reading the platform's roots takes milliseconds.
static CONNECTOR: LazyLock<TlsConnector> = LazyLock::new(|| connector_of(platform_roots()));

/// The connector that verifies servers by the root certificates of the platform, or of
/// `SSL_CERT_FILE` and `SSL_CERT_DIR`.
pub fn connector() -> &'static TlsConnector {
    &CONNECTOR
}

/// A connector that verifies servers by the certificates of a PEM file alone. Blocking.
pub fn connector_with_roots(ca_file: &Path) -> io::Result<TlsConnector> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca_file).map_err(io::Error::other)? {
        roots.add(certificate.map_err(io::Error::other)?).map_err(io::Error::other)?;
    }
    if roots.is_empty() {
        return Err(io::Error::other("it contains no certificate"));
    }
    Ok(connector_of(roots))
}

fn connector_of(roots: RootCertStore) -> TlsConnector {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider supports TLS")
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

/// The roots of the platform; Mozilla's, which are built in, where it has none.
fn platform_roots() -> RootCertStore {
    let platform = rustls_native_certs::load_native_certs();
    for error in &platform.errors {
        tracing::debug!(%error, "could not read root certificates");
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(platform.certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    roots
}
