//! TLS of webhook clients.

use std::sync::{Arc, LazyLock};

use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, RootCertStore, crypto::ring},
};

/// Built once, since reading the platform's roots takes milliseconds.
static CONNECTOR: LazyLock<TlsConnector> = LazyLock::new(|| {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider supports TLS")
        .with_root_certificates(roots())
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
});

/// The connector that verifies receivers by the root certificates of the platform, or of
/// `SSL_CERT_FILE` and `SSL_CERT_DIR`.
pub(super) fn connector() -> &'static TlsConnector {
    &CONNECTOR
}

/// The roots of the platform; Mozilla's, which are built in, where it has none.
fn roots() -> RootCertStore {
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
