//! TLS: the certificates that are believed, and what is said of one that is not.
//!
//! Every server's certificate is verified: who signed it, when it is valid, and for which host. There is no
//! option to do without. Believed are the authorities that are built in (those of Mozilla's browser), because
//! many a host has none installed, and in addition those in the file of `--ca-file`. The environment is not
//! asked (`SSL_CERT_FILE`): what a host trusts should not change without a word.

use super::cryptography::provider;
use crate::net::server_clock::DOUBT;
use crate::text::{excerpt, printable, reason};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme,
};
use std::error::Error;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::{Arc, OnceLock};

/// The most bytes of a file of certificates. All authorities of the web together have a fifth of it.
const MAX_FILE: u64 = 1 << 20;

/// The most host names of a certificate that an error names.
const MAX_NAMES: usize = 3;

/// Whether https addresses can be fetched from.
pub(super) const IS_HERE: bool = true;

/// Whose certificates are believed. Its clones share what is set up with the first connection.
#[derive(Clone, Debug, Default)]
pub struct Authorities(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// In addition to those that are built in.
    given: Vec<CertificateDer<'static>>,
    config: OnceLock<Arc<ClientConfig>>,
}

impl Authorities {
    /// Those that are built in, and those in this file (PEM, any number of certificates).
    ///
    /// # Errors
    ///
    /// The file cannot be read, or has no certificate, or one that makes no sense. The message names the
    /// file.
    pub fn with_file(path: &Path) -> Result<Authorities, String> {
        let fail = |why: &dyn fmt::Display| {
            let path = printable(&path.display().to_string());
            let why = printable(&why.to_string());
            format!("cannot use the certificates in {path}: {why}")
        };
        let mut bytes = Vec::new();
        // A pipe or a device may have no end.
        let read = File::open(path).and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes));
        read.map_err(|error| fail(&reason(&error)))?;
        if bytes.len() as u64 > MAX_FILE {
            return Err(fail(&"it is larger than 1 MiB"));
        }
        let given: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
        let given = given.map_err(|error| fail(&format!("it is damaged ({error})")))?;
        if given.is_empty() {
            return Err(fail(&"there are none (expected PEM, with a line -----BEGIN CERTIFICATE-----)"));
        }
        let mut store = RootCertStore::empty();
        for certificate in &given {
            let added = store.add(certificate.clone());
            added.map_err(|error| fail(&format!("one of them is invalid ({error})")))?;
        }
        Ok(Authorities(Arc::new(Inner { given, config: OnceLock::new() })))
    }

    /// What the library needs to know.
    pub(super) fn config(&self) -> Result<Arc<ClientConfig>, rustls::Error> {
        if let Some(config) = self.0.config.get() {
            return Ok(Arc::clone(config));
        }
        let provider = Arc::new(provider());
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        roots.add_parsable_certificates(self.0.given.iter().cloned());
        let signatures = provider.signature_verification_algorithms;
        let verifier = Verifier { roots, given: self.0.given.clone(), signatures };
        let builder =
            ClientConfig::builder_with_provider(provider).with_protocol_versions(rustls::ALL_VERSIONS)?;
        let config =
            builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth();
        Ok(Arc::clone(self.0.config.get_or_init(|| Arc::new(config))))
    }
}

/// Verifies by the functions of the library, as its own verifier does, and also believes a server that shows one of the
/// given certificates itself.
///
/// Who makes a certificate for one server mostly signs it with itself and, without knowing, makes it one of an
/// authority. The library never takes such a one for a server's. The user has given this very certificate, so
/// nothing is left to ask but its host and its time. The library's verifier would also bring what reads lists of
/// certificates that were taken back, of which we have none.
struct Verifier {
    roots: RootCertStore,
    given: Vec<CertificateDer<'static>>,
    signatures: WebPkiSupportedAlgorithms,
}

// As for the guard, nobody prints it.
impl fmt::Debug for Verifier {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Verifier").finish_non_exhaustive()
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        host: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let parsed = ParsedCertificate::try_from(shown)?;
        let is_signed = verify_server_cert_signed_by_trust_anchor(
            &parsed,
            &self.roots,
            between,
            now,
            self.signatures.all,
        );
        match is_signed {
            // The library looks at the time of a certificate before it asks whether it is an authority's.
            Err(error) if is_of_authority(&error) && self.given.iter().any(|given| given == shown) => {}
            verdict => verdict?,
        }
        verify_server_name(&parsed, host)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, shown, signed, &self.signatures)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, shown, signed, &self.signatures)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.signatures.supported_schemes()
    }
}

/// Whether a server's certificate was refused for being that of an authority.
fn is_of_authority(error: &rustls::Error) -> bool {
    matches!(error, rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(other)))
        if other.downcast_ref() == Some(&webpki::Error::CaUsedAsEndEntity))
}

/// Why there is no TLS with a server, fit to print, with the way out.
#[derive(Debug)]
pub(super) struct TlsFault(pub String);

impl fmt::Display for TlsFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl Error for TlsFault {}

/// What is wrong with the server, if this error of a connection says that it speaks no TLS or that its certificate is
/// not believed.
pub(super) fn tls_fault(error: &io::Error) -> Option<TlsFault> {
    let error = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    let fault = match error {
        rustls::Error::InvalidCertificate(fault) => fault,
        rustls::Error::InvalidMessage(_) => {
            return Some(TlsFault("does not speak TLS (http:// instead of https://?)".to_owned()));
        }
        _ => return None,
    };
    let nobody = "is not signed by a trusted authority (if you trust it, give it or its authority's with \
                  --ca-file)";
    let words = match fault {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            format!("has expired ({DOUBT})")
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            format!("is not valid yet ({DOUBT})")
        }
        CertificateError::NotValidForNameContext { presented, .. } => {
            let names: Vec<String> = presented.iter().take(MAX_NAMES).map(|name| plain(name)).collect();
            let more = if presented.len() > MAX_NAMES { " and others" } else { "" };
            format!("is for another host: {}{more} (check the address)", names.join(", "))
        }
        CertificateError::NotValidForName => "is for another host (check the address)".to_owned(),
        CertificateError::UnknownIssuer => nobody.to_owned(),
        _ if is_of_authority(error) => nobody.to_owned(),
        CertificateError::Other(OtherError(other)) => {
            format!("is refused: {}", excerpt(&other.to_string(), 200))
        }
        other => format!("is refused: {}", excerpt(&other.to_string(), 200)),
    };
    Some(TlsFault(format!("its certificate {words}")))
}

/// What is said of TLS or a certificate, if that is what went wrong.
pub(super) fn words(error: Box<dyn Error + Send + Sync>) -> Result<String, Box<dyn Error + Send + Sync>> {
    error.downcast::<TlsFault>().map(|fault| fault.0)
}

/// `DnsName("a.example")` as `a.example`. It comes from the certificate, so from a stranger.
fn plain(name: &str) -> String {
    let inner = name.split_once('"').and_then(|(_, rest)| rest.rsplit_once('"')).map(|(inner, _)| inner);
    excerpt(inner.unwrap_or(name), 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_certificates_without_end_is_refused() {
        let refusal = |path: &Path| Authorities::with_file(path).unwrap_err();
        assert!(refusal(Path::new("/dev/zero")).contains("/dev/zero: it is larger than 1 MiB"));
        let path = std::env::temp_dir().join(format!("certificates-{}", std::process::id()));
        for (length, why) in [(MAX_FILE, "there are none"), (MAX_FILE + 1, "it is larger than 1 MiB")] {
            std::fs::write(&path, vec![b' '; length as usize]).unwrap();
            assert!(refusal(&path).contains(why), "{length}");
        }
        std::fs::remove_file(&path).unwrap();
    }
}
