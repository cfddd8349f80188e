//! Cipher suites, as far as decryption must know them.

use tls_parser::{TlsCipherEnc, TlsCipherEncMode, TlsCipherMac, TlsCipherSuite, TlsPRF};

use super::Version;

/// What a cipher suite protects records with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Suite {
    /// How records are protected.
    pub(super) protection: Protection,
    /// The hash that keys are derived with, from TLS 1.2 on.
    pub(super) hash: Hash,
}

/// How records are protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protection {
    Aead(Aead),
    /// AES in CBC mode with HMAC.
    Cbc {
        key_bytes: usize,
        mac: Mac,
    },
}

/// An algorithm that encrypts and authenticates at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aead {
    Aes128Gcm,
    Aes256Gcm,
    ChaCha20Poly1305,
    Aes128Ccm,
    Aes256Ccm,
    /// With a tag of 8 bytes.
    Aes128Ccm8,
    /// With a tag of 8 bytes.
    Aes256Ccm8,
}

impl Aead {
    pub(super) const fn key_bytes(self) -> usize {
        match self {
            Self::Aes128Gcm | Self::Aes128Ccm | Self::Aes128Ccm8 => 16,
            Self::Aes256Gcm | Self::ChaCha20Poly1305 | Self::Aes256Ccm | Self::Aes256Ccm8 => 32,
        }
    }

    pub(super) const fn tag_bytes(self) -> usize {
        match self {
            Self::Aes128Ccm8 | Self::Aes256Ccm8 => 8,
            Self::Aes128Gcm | Self::Aes256Gcm | Self::ChaCha20Poly1305 | Self::Aes128Ccm | Self::Aes256Ccm => 16,
        }
    }

    /// Bytes of the nonce that TLS 1.2 derives; the rest of the 12 stands in each record (RFC 5288 section 3).
    pub(super) const fn fixed_nonce_bytes(self) -> usize {
        match self {
            Self::ChaCha20Poly1305 => 12,
            Self::Aes128Gcm
            | Self::Aes256Gcm
            | Self::Aes128Ccm
            | Self::Aes256Ccm
            | Self::Aes128Ccm8
            | Self::Aes256Ccm8 => 4,
        }
    }
}

/// The hash of a suite's key derivation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hash {
    Sha256,
    Sha384,
}

/// The hash of a record's HMAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mac {
    Sha1,
    Sha256,
    Sha384,
}

impl Mac {
    pub(super) const fn bytes(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
        }
    }
}

/// The suites of TLS 1.3 (RFC 8446 appendix B.4).
const TLS13: [(u16, Aead, Hash); 5] = [
    (0x1301, Aead::Aes128Gcm, Hash::Sha256),
    (0x1302, Aead::Aes256Gcm, Hash::Sha384),
    (0x1303, Aead::ChaCha20Poly1305, Hash::Sha256),
    (0x1304, Aead::Aes128Ccm, Hash::Sha256),
    (0x1305, Aead::Aes128Ccm8, Hash::Sha256),
];

impl Suite {
    /// The suite with this number; `None` if records under it cannot be decrypted here.
    pub(super) fn of(id: u16, version: Version) -> Option<Self> {
        if version == Version::TLS13 {
            let (_, aead, hash) = TLS13.into_iter().find(|(number, ..)| *number == id)?;
            return Some(Self { protection: Protection::Aead(aead), hash });
        }
        let suite = TlsCipherSuite::from_id(id)?;
        let hash = if suite.prf == TlsPRF::Sha384 { Hash::Sha384 } else { Hash::Sha256 };
        Some(Self { protection: protection_of(suite)?, hash })
    }

    /// The suites of TLS 1.3 whose secrets have this many bytes.
    pub(super) fn with_secret_of(bytes: usize) -> impl Iterator<Item = Self> {
        let suites = TLS13.into_iter().filter(move |(_, _, hash)| hash.bytes() == bytes);
        suites.map(|(_, aead, hash)| Self { protection: Protection::Aead(aead), hash })
    }
}

impl Hash {
    pub(super) const fn bytes(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
        }
    }
}

/// The name of a cipher suite in IANA's registry; its number where there is none.
#[must_use]
pub fn suite_name(id: u16) -> String {
    TlsCipherSuite::from_id(id).map_or_else(|| format!("{id:#06x}"), |suite| suite.name.to_owned())
}

fn protection_of(suite: &TlsCipherSuite) -> Option<Protection> {
    let short_tag = suite.name.ends_with("_CCM_8");
    let aead = match (suite.enc, suite.enc_mode, suite.enc_size) {
        (TlsCipherEnc::Chacha20_Poly1305, _, _) => Aead::ChaCha20Poly1305,
        (TlsCipherEnc::Aes, TlsCipherEncMode::Gcm, 128) => Aead::Aes128Gcm,
        (TlsCipherEnc::Aes, TlsCipherEncMode::Gcm, 256) => Aead::Aes256Gcm,
        (TlsCipherEnc::Aes, TlsCipherEncMode::Ccm, 128) if short_tag => Aead::Aes128Ccm8,
        (TlsCipherEnc::Aes, TlsCipherEncMode::Ccm, 256) if short_tag => Aead::Aes256Ccm8,
        (TlsCipherEnc::Aes, TlsCipherEncMode::Ccm, 128) => Aead::Aes128Ccm,
        (TlsCipherEnc::Aes, TlsCipherEncMode::Ccm, 256) => Aead::Aes256Ccm,
        (TlsCipherEnc::Aes, TlsCipherEncMode::Cbc, bits @ (128 | 256)) => {
            let mac = match suite.mac {
                TlsCipherMac::HmacSha1 => Mac::Sha1,
                TlsCipherMac::HmacSha256 => Mac::Sha256,
                TlsCipherMac::HmacSha384 => Mac::Sha384,
                _ => return None,
            };
            return Some(Protection::Cbc { key_bytes: usize::from(bits) / 8, mac });
        }
        _ => return None,
    };
    Some(Protection::Aead(aead))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn protection(id: u16, version: Version) -> Option<Protection> {
        Suite::of(id, version).map(|suite| suite.protection)
    }

    #[test]
    fn suites_in_use_are_known() {
        let aead = |id| protection(id, Version::TLS12);
        assert_eq!(aead(0xc02f), Some(Protection::Aead(Aead::Aes128Gcm)));
        assert_eq!(aead(0xc030), Some(Protection::Aead(Aead::Aes256Gcm)));
        assert_eq!(aead(0xcca8), Some(Protection::Aead(Aead::ChaCha20Poly1305)));
        assert_eq!(aead(0xc0ac), Some(Protection::Aead(Aead::Aes128Ccm)));
        assert_eq!(aead(0xc0af), Some(Protection::Aead(Aead::Aes256Ccm8)));
        assert_eq!(aead(0xc013), Some(Protection::Cbc { key_bytes: 16, mac: Mac::Sha1 }));
        assert_eq!(aead(0xc028), Some(Protection::Cbc { key_bytes: 32, mac: Mac::Sha384 }));
        assert_eq!(aead(0x003c), Some(Protection::Cbc { key_bytes: 16, mac: Mac::Sha256 }));
        assert_eq!(Suite::of(0xc030, Version::TLS12).map(|suite| suite.hash), Some(Hash::Sha384));
        assert_eq!(Suite::of(0xc014, Version::TLS12).map(|suite| suite.hash), Some(Hash::Sha256));
    }

    #[test]
    fn suites_of_one_version_are_none_of_the_other() {
        assert_eq!(protection(0x1305, Version::TLS13), Some(Protection::Aead(Aead::Aes128Ccm8)));
        assert_eq!(protection(0xc02f, Version::TLS13), None);
        // RC4.
        assert_eq!(protection(0x0005, Version::TLS12), None);
    }

    #[test]
    fn secret_tells_the_suites_that_it_may_be_of() {
        assert_eq!(Suite::with_secret_of(48).count(), 1);
        assert_eq!(Suite::with_secret_of(32).count(), 4);
        assert_eq!(Suite::with_secret_of(20).count(), 0);
    }
}
