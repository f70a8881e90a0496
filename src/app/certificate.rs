//! The certificate of the TLS listeners: read from its files, and again when they change.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use thiserror::Error;
use tokio::{
    signal::unix::{SignalKind, signal},
    task::spawn_blocking,
    time::{MissedTickBehavior, interval},
};
use tracing::{info, warn};

use crate::settings::{Settings, TlsSettings};

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(30);

/// Why a certificate cannot be used.
#[derive(Debug, Error)]
pub(super) enum CertificateError {
    /// A file cannot be read.
    #[error("{key}: cannot read {}", path.display())]
    Unreadable { key: &'static str, path: PathBuf, source: io::Error },
    /// A file does not hold what it should.
    #[error("{key}: {} holds no {what} in PEM form", path.display())]
    Empty { key: &'static str, path: PathBuf, what: &'static str },
    /// Certificate and key do not go together.
    #[error("server.tls: certificate and key cannot be used together")]
    Unusable(#[source] rustls::Error),
}

/// A certificate in use.
pub(super) struct Certificate {
    chain: PathBuf,
    key: PathBuf,
    served: Arc<Served>,
    /// The content of both files.
    content: Content,
}

type Content = (Vec<u8>, Vec<u8>);

/// What clients are shown.
#[derive(Debug)]
struct Served(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for Served {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

impl Certificate {
    /// Reads the certificate that the settings name.
    ///
    /// # Errors
    /// When it cannot be used.
    pub(super) fn load(tls: &TlsSettings, settings: &Settings) -> Result<Self, CertificateError> {
        let certificate_file = settings.resolve(&tls.certificate_file);
        let key_file = settings.resolve(&tls.key_file);
        let content = read(&certificate_file, &key_file)?;
        let served = Served(ArcSwap::from_pointee(parse(&content, &certificate_file, &key_file)?));
        Ok(Self { chain: certificate_file, key: key_file, served: Arc::new(served), content })
    }

    /// What a listener needs to show it.
    ///
    /// # Errors
    /// When this build knows no version of the protocol.
    pub(super) fn server_config(&self) -> Result<ServerConfig, rustls::Error> {
        let resolver = Arc::clone(&self.served);
        Ok(ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(resolver))
    }

    /// Shows what is in the files whenever that changes, which is seen within half a minute or on
    /// SIGHUP. Files that cannot be used change nothing. Never ends.
    pub(super) async fn follow(mut self) {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut hangups = signal(SignalKind::hangup()).ok();
        loop {
            tokio::select! {
                _ = looks.tick() => {}
                Some(()) = async { hangups.as_mut()?.recv().await } => {}
            }
            // The files are small, but their disk may be far away.
            match spawn_blocking(move || (self.look(), self)).await {
                Ok((Ok(changed), certificate)) => {
                    self = certificate;
                    if changed {
                        info!("The certificate of the TLS listeners was exchanged");
                    }
                }
                Ok((Err(error), certificate)) => {
                    self = certificate;
                    warn!(error = %error, "The certificate on disk cannot be used; the old one stays");
                }
                // The service ends.
                Err(_) => return,
            }
        }
    }

    /// Takes what is in the files when that has changed, and tells whether it has.
    ///
    /// # Errors
    /// When it cannot be used; that is said once for each content.
    fn look(&mut self) -> Result<bool, CertificateError> {
        let content = read(&self.chain, &self.key)?;
        if content == self.content {
            return Ok(false);
        }
        self.content = content;
        let certified = parse(&self.content, &self.chain, &self.key)?;
        self.served.0.store(Arc::new(certified));
        Ok(true)
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn read(certificate_file: &Path, key_file: &Path) -> Result<Content, CertificateError> {
    let read = |key, path: &Path| {
        std::fs::read(path).map_err(|source| CertificateError::Unreadable {
            key,
            path: path.to_owned(),
            source,
        })
    };
    Ok((
        read("server.tls.certificate_file", certificate_file)?,
        read("server.tls.key_file", key_file)?,
    ))
}

fn parse(
    (certificate, key): &Content,
    certificate_file: &Path,
    key_file: &Path,
) -> Result<CertifiedKey, CertificateError> {
    let chain: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(certificate).collect();
    let chain = chain.ok().filter(|chain| !chain.is_empty());
    let chain = chain.ok_or_else(|| CertificateError::Empty {
        key: "server.tls.certificate_file",
        path: certificate_file.to_owned(),
        what: "certificate",
    })?;
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| CertificateError::Empty {
        key: "server.tls.key_file",
        path: key_file.to_owned(),
        what: "private key",
    })?;
    CertifiedKey::from_der(chain, key, &provider()).map_err(CertificateError::Unusable)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn fixture(name: &str) -> Vec<u8> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/api/tls");
        fs::read(folder.join(name)).unwrap()
    }

    #[test]
    fn a_changed_certificate_is_taken_and_a_broken_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let (certificate_file, key_file) =
            (folder.path().join("cert.pem"), folder.path().join("key.pem"));
        let write = |certificate: &[u8], key: &[u8]| {
            fs::write(&certificate_file, certificate).unwrap();
            fs::write(&key_file, key).unwrap();
        };
        write(&fixture("one.pem"), &fixture("one.key.pem"));
        let content = read(&certificate_file, &key_file).unwrap();
        let certified = parse(&content, &certificate_file, &key_file).unwrap();
        let first = certified.cert.clone();
        let served = Arc::new(Served(ArcSwap::from_pointee(certified)));
        let mut certificate = Certificate {
            chain: certificate_file.clone(),
            key: key_file.clone(),
            served: Arc::clone(&served),
            content,
        };
        assert!(!certificate.look().unwrap());
        // A half-written pair is what a look may find.
        write(&fixture("two.pem"), &fixture("one.key.pem"));
        assert!(certificate.look().is_err());
        assert_eq!(served.0.load().cert, first);
        assert!(!certificate.look().unwrap(), "it is said once");
        write(&fixture("two.pem"), &fixture("two.key.pem"));
        assert!(certificate.look().unwrap());
        assert_ne!(served.0.load().cert, first);
        fs::remove_file(&key_file).unwrap();
        assert!(certificate.look().is_err());
    }
}
