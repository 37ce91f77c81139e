//! TLS over any stream.

use std::fmt;
use std::io;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

use crate::builder::ConfigError;
use crate::connector::Stream;

/// Whom to trust. Certificates and host names are always checked.
#[derive(Clone)]
pub struct Tls {
    config: Arc<ClientConfig>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A client configuration can hold a private key.
        f.write_str("Tls(..)")
    }
}

impl Tls {
    /// Trusts what the operating system trusts. The default.
    ///
    /// # Errors
    /// [`ConfigError::Tls`] when the system's certificates cannot be read.
    pub fn system() -> Result<Self, ConfigError> {
        let loaded = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        let (added, _) = roots.add_parsable_certificates(loaded.certs);
        if added == 0 {
            return Err(ConfigError::Tls(
                "the system trusts no certificate; name yours with `Tls::trusting`".into(),
            ));
        }
        Self::with_roots(roots)
    }

    /// Trusts the certificates in this PEM text, and nothing else.
    ///
    /// # Errors
    /// [`ConfigError::Tls`] when it holds no certificate, or a broken one.
    pub fn trusting(pem: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem.as_ref()) {
            let certificate = certificate
                .map_err(|error| ConfigError::Tls(format!("cannot read the PEM text: {error}")))?;
            roots.add(certificate).map_err(|error| {
                ConfigError::Tls(format!("cannot trust the certificate: {error}"))
            })?;
        }
        if roots.is_empty() {
            return Err(ConfigError::Tls("the PEM text has no certificate".into()));
        }
        Self::with_roots(roots)
    }

    /// Uses a configuration of your own, for client certificates or a private verifier. Make it with the
    /// [`rustls`](crate::rustls) that this crate re-exports.
    pub fn with_config(config: Arc<ClientConfig>) -> Self {
        Self { config }
    }

    fn with_roots(roots: RootCertStore) -> Result<Self, ConfigError> {
        // The provider is named, so that a process that installed another one, or several, works too.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| ConfigError::Tls(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { config: Arc::new(config) })
    }

    /// Speaks TLS with `host` over `stream`.
    pub(crate) async fn wrap(
        &self,
        host: &str,
        stream: Box<dyn Stream>,
    ) -> io::Result<Box<dyn Stream>> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let connector = TlsConnector::from(Arc::clone(&self.config));
        Ok(Box::new(connector.connect(name, stream).await?))
    }
}
