//! The cryptography of TLS: what the library has (ring's), but for what nobody here needs.
//!
//! Left out are signing with keys of our own, of which there are none, and, where the processor computes AES by
//! itself, ChaCha20, which is faster elsewhere. What the program does not name is not in it: 100 KiB.

use rustix::rand::{GetRandomFlags, getrandom};
use rustls::crypto::ring::{cipher_suite, kx_group};
use rustls::crypto::{CryptoProvider, GetRandomFailed, KeyProvider, SecureRandom, WebPkiSupportedAlgorithms};
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::SigningKey;
use rustls::{SignatureScheme, SupportedCipherSuite};
use std::fs::File;
use std::io::Read;
use std::sync::Arc;
use webpki::ring as signatures;

/// The cryptography of connections.
pub(super) fn provider() -> CryptoProvider {
    CryptoProvider {
        cipher_suites: cipher_suites(),
        kx_groups: vec![kx_group::X25519, kx_group::SECP256R1, kx_group::SECP384R1],
        signature_verification_algorithms: SIGNATURES,
        secure_random: &System,
        key_provider: &NoKeys,
    }
}

/// AES with GCM, which every server must have (RFC 8446, section 9.1), and the same for TLS 1.2.
fn cipher_suites() -> Vec<SupportedCipherSuite> {
    vec![
        cipher_suite::TLS13_AES_256_GCM_SHA384,
        cipher_suite::TLS13_AES_128_GCM_SHA256,
        #[cfg(not(target_arch = "x86_64"))]
        cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
        cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        #[cfg(not(target_arch = "x86_64"))]
        cipher_suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        #[cfg(not(target_arch = "x86_64"))]
        cipher_suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    ]
}

/// All signatures under certificates that the library can verify, the preferred ones first. With TLS 1.3 only the first
/// of a line counts: there a scheme names the curve, too.
const SIGNATURES: WebPkiSupportedAlgorithms = WebPkiSupportedAlgorithms {
    all: &[
        signatures::ECDSA_P256_SHA256,
        signatures::ECDSA_P256_SHA384,
        signatures::ECDSA_P384_SHA256,
        signatures::ECDSA_P384_SHA384,
        signatures::ED25519,
        signatures::RSA_PSS_2048_8192_SHA256_LEGACY_KEY,
        signatures::RSA_PSS_2048_8192_SHA384_LEGACY_KEY,
        signatures::RSA_PSS_2048_8192_SHA512_LEGACY_KEY,
        signatures::RSA_PKCS1_2048_8192_SHA256,
        signatures::RSA_PKCS1_2048_8192_SHA384,
        signatures::RSA_PKCS1_2048_8192_SHA512,
        signatures::RSA_PKCS1_2048_8192_SHA256_ABSENT_PARAMS,
        signatures::RSA_PKCS1_2048_8192_SHA384_ABSENT_PARAMS,
        signatures::RSA_PKCS1_2048_8192_SHA512_ABSENT_PARAMS,
    ],
    mapping: &[
        (
            SignatureScheme::ECDSA_NISTP384_SHA384,
            &[signatures::ECDSA_P384_SHA384, signatures::ECDSA_P256_SHA384],
        ),
        (
            SignatureScheme::ECDSA_NISTP256_SHA256,
            &[signatures::ECDSA_P256_SHA256, signatures::ECDSA_P384_SHA256],
        ),
        (SignatureScheme::ED25519, &[signatures::ED25519]),
        (SignatureScheme::RSA_PSS_SHA512, &[signatures::RSA_PSS_2048_8192_SHA512_LEGACY_KEY]),
        (SignatureScheme::RSA_PSS_SHA384, &[signatures::RSA_PSS_2048_8192_SHA384_LEGACY_KEY]),
        (SignatureScheme::RSA_PSS_SHA256, &[signatures::RSA_PSS_2048_8192_SHA256_LEGACY_KEY]),
        (SignatureScheme::RSA_PKCS1_SHA512, &[signatures::RSA_PKCS1_2048_8192_SHA512]),
        (SignatureScheme::RSA_PKCS1_SHA384, &[signatures::RSA_PKCS1_2048_8192_SHA384]),
        (SignatureScheme::RSA_PKCS1_SHA256, &[signatures::RSA_PKCS1_2048_8192_SHA256]),
    ],
};

/// The random numbers of the system, which nobody can guess.
#[derive(Debug)]
struct System;

impl SecureRandom for System {
    fn fill(&self, mut buffer: &mut [u8]) -> Result<(), GetRandomFailed> {
        while !buffer.is_empty() {
            match getrandom(&mut *buffer, GetRandomFlags::empty()) {
                Ok(count @ 1..) => buffer = buffer.get_mut(count..).unwrap_or_default(),
                Err(rustix::io::Errno::INTR) => {}
                // A kernel from before 2014 has them in a file alone.
                _ => {
                    let mut file = File::open("/dev/urandom").map_err(|_| GetRandomFailed)?;
                    return file.read_exact(buffer).map_err(|_| GetRandomFailed);
                }
            }
        }
        Ok(())
    }
}

/// There is no key of ours.
#[derive(Debug)]
struct NoKeys;

impl KeyProvider for NoKeys {
    fn load_private_key(&self, _: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, rustls::Error> {
        Err(rustls::Error::General("there is no key of ours".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::crypto::ring;

    /// What the library would do, and we do not, is what is left out on purpose.
    #[test]
    fn nothing_but_chacha20_and_keys_is_left_out() {
        let (ours, whole) = (provider(), ring::default_provider());
        let mut suites: Vec<_> = whole.cipher_suites.iter().map(|suite| suite.suite()).collect();
        suites.retain(|suite| !cfg!(target_arch = "x86_64") || !format!("{suite:?}").contains("CHACHA20"));
        assert_eq!(ours.cipher_suites.iter().map(|suite| suite.suite()).collect::<Vec<_>>(), suites);
        let groups = |provider: &CryptoProvider| -> Vec<_> {
            provider.kx_groups.iter().map(|group| group.name()).collect()
        };
        assert_eq!(groups(&ours), groups(&whole));
        let (ours, whole) = (ours.signature_verification_algorithms, whole.signature_verification_algorithms);
        assert_eq!(ours.supported_schemes(), whole.supported_schemes());
        assert_eq!(format!("{:?}", ours.all), format!("{:?}", whole.all));
        assert_eq!(format!("{:?}", ours.mapping), format!("{:?}", whole.mapping));
    }

    #[test]
    fn random_numbers_fill_all_of_the_room_and_differ() {
        let (mut one, mut other) = ([0; 100_000], [0; 100_000]);
        System.fill(&mut one).and_then(|()| System.fill(&mut other)).unwrap();
        assert!(one != other && one.ends_with(&one[99_990..]) && one[99_900..] != [0; 100]);
        System.fill(&mut []).unwrap();
    }
}
