//! Opens protected records of one direction under one set of keys.
//!
//! In come a record and its sequence number, out comes its content if its tag or MAC says that both are right. A wrong
//! guess of either is refused, which is what makes guessing safe.

use aes::{Aes128, Aes256};
use aes_gcm::aead::{AeadInOut, Nonce, Tag};
use aes_gcm::{Aes128Gcm, Aes256Gcm, KeyInit};
use cbc::Decryptor;
use cbc::cipher::{Block, BlockModeDecrypt, KeyIvInit};
use ccm::Ccm;
use ccm::consts::{U8, U12, U16};
use chacha20poly1305::ChaCha20Poly1305;
use hmac::Hmac;
use sha1::Sha1;
use sha2::{Sha256, Sha384};

use super::Version;
use super::derive::{expand_label, hmac, prf, prf_before_tls12};
use super::record::{ContentType, Header};
use super::suite::{Aead, Mac, Protection, Suite};

const BLOCK: usize = 16;
const NONCE: usize = 12;

/// Opens records of one direction.
#[derive(Debug)]
pub(super) enum Opener {
    /// TLS 1.3.
    Sealed { key: AeadKey, nonce: [u8; NONCE] },
    /// TLS 1.2 with an algorithm that encrypts and authenticates at once. What is fixed of the nonce; the rest stands in
    /// each record, unless it is all fixed.
    Aead { key: AeadKey, nonce: Box<[u8]> },
    /// AES in CBC mode, to TLS 1.2.
    Cbc(CbcKey),
}

#[derive(Debug)]
pub(super) struct CbcKey {
    cipher: Box<[u8]>,
    mac_key: Box<[u8]>,
    mac: Mac,
    order: MacOrder,
    /// The initialisation vector of the next record, where records do not bring their own (TLS 1.0); `None` after one that
    /// is missing.
    chained: Option<[u8; BLOCK]>,
    /// Whether records bring their own (from TLS 1.1 on).
    explicit: bool,
}

/// Whether a MAC covers the plaintext or the ciphertext (RFC 7366).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MacOrder {
    MacThenEncrypt,
    EncryptThenMac,
}

/// What was in a record.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Opened {
    pub(super) content_type: ContentType,
    pub(super) content: Vec<u8>,
}

/// The keys of both directions, to TLS 1.2.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) client: Opener,
    pub(super) server: Opener,
}

impl Opener {
    /// The keys that a traffic secret gives (RFC 8446 section 7.3).
    pub(super) fn of_traffic_secret(suite: Suite, secret: &[u8]) -> Option<Self> {
        let Protection::Aead(aead) = suite.protection else { return None };
        let key = expand_label(suite.hash, secret, "key", aead.key_bytes())?;
        let nonce = expand_label(suite.hash, secret, "iv", NONCE)?;
        Some(Self::Sealed { key: AeadKey::new(aead, &key)?, nonce: nonce.try_into().ok()? })
    }

    /// The keys that a master secret gives (RFC 5246 section 6.3).
    pub(super) fn pair_of_master_secret(
        suite: Suite,
        version: Version,
        order: MacOrder,
        master: &[u8],
        client_random: &[u8],
        server_random: &[u8],
    ) -> Option<Pair> {
        let seed = [server_random, client_random].concat();
        let (mac, key, nonce) = match suite.protection {
            Protection::Aead(aead) => (0, aead.key_bytes(), aead.fixed_nonce_bytes()),
            Protection::Cbc { key_bytes, mac } => (mac.bytes(), key_bytes, BLOCK),
        };
        let length = 2 * (mac + key + nonce);
        let block = match version {
            Version::TLS12 => prf(suite.hash, master, "key expansion", &seed, length),
            _ => prf_before_tls12(master, "key expansion", &seed, length),
        };
        let mut rest = block.as_slice();
        let mut take = |length| {
            let (taken, later) = rest.split_at_checked(length)?;
            rest = later;
            Some(taken)
        };
        let (client_mac, server_mac) = (take(mac)?, take(mac)?);
        let (client_key, server_key) = (take(key)?, take(key)?);
        let (client_nonce, server_nonce) = (take(nonce)?, take(nonce)?);
        let opener = |mac_key: &[u8], key: &[u8], nonce: &[u8]| match suite.protection {
            Protection::Aead(aead) => Some(Self::Aead { key: AeadKey::new(aead, key)?, nonce: nonce.into() }),
            Protection::Cbc { mac, .. } => Some(Self::Cbc(CbcKey {
                cipher: key.into(),
                mac_key: mac_key.into(),
                mac,
                order,
                chained: nonce.try_into().ok(),
                explicit: version != Version::TLS10,
            })),
        };
        Some(Pair {
            client: opener(client_mac, client_key, client_nonce)?,
            server: opener(server_mac, server_key, server_nonce)?,
        })
    }

    /// Opens the record with this sequence number; `None` if it is not authentic.
    pub(super) fn open(&self, sequence: u64, header: &Header, fragment: &[u8]) -> Option<Opened> {
        match self {
            Self::Sealed { key, nonce } => {
                let nonce = nonce_of(nonce, sequence);
                let inner = key.open(&nonce, &header.bytes(), fragment)?;
                unpad(inner)
            }
            Self::Aead { key, nonce } => {
                let (nonce, sealed) = if let Ok(whole) = <[u8; NONCE]>::try_from(&**nonce) {
                    (nonce_of(&whole, sequence), fragment)
                } else {
                    let (explicit, sealed) = fragment.split_at_checked(NONCE - nonce.len())?;
                    ([nonce, explicit].concat().try_into().ok()?, sealed)
                };
                let length = sealed.len().checked_sub(key.tag_bytes())?;
                let content = key.open(&nonce, &authenticated(sequence, header, length)?, sealed)?;
                Some(Opened { content_type: header.content_type, content })
            }
            Self::Cbc(key) => key.open(sequence, header, fragment),
        }
    }

    /// A record went by: `fragment` is what it held, `None` if that is not whole.
    pub(super) fn went_by(&mut self, fragment: Option<&[u8]>) {
        match self {
            Self::Sealed { .. } | Self::Aead { .. } => {}
            Self::Cbc(key) => {
                key.chained = fragment.and_then(|fragment| fragment.last_chunk().copied());
            }
        }
    }
}

/// A nonce: what is fixed, with the sequence number added to its end (RFC 8446 section 5.3).
fn nonce_of(fixed: &[u8; NONCE], sequence: u64) -> [u8; NONCE] {
    let mut nonce = *fixed;
    let end = nonce.iter_mut().rev();
    end.zip(sequence.to_be_bytes().into_iter().rev()).for_each(|(byte, sequence)| *byte ^= sequence);
    nonce
}

/// What is authenticated beside the content, to TLS 1.2 (RFC 5246 section 6.2.3).
fn authenticated(sequence: u64, header: &Header, length: usize) -> Option<[u8; 13]> {
    let mut bytes = [0; 13];
    let (start, end) = bytes.split_at_mut_checked(8)?;
    start.copy_from_slice(&sequence.to_be_bytes());
    let with_length = Header { length: u16::try_from(length).ok()?, ..*header };
    end.copy_from_slice(&with_length.bytes());
    Some(bytes)
}

/// The content of a TLS 1.3 record: zeros stand behind it, and before them its type (RFC 8446 section 5.4).
fn unpad(mut inner: Vec<u8>) -> Option<Opened> {
    let end = inner.iter().rposition(|byte| *byte != 0)?;
    let content_type = ContentType::from_byte(*inner.get(end)?)?;
    inner.truncate(end);
    Some(Opened { content_type, content: inner })
}

impl CbcKey {
    fn open(&self, sequence: u64, header: &Header, fragment: &[u8]) -> Option<Opened> {
        let fragment = match self.order {
            MacOrder::MacThenEncrypt => fragment,
            MacOrder::EncryptThenMac => {
                let (sealed, tag) = fragment.split_at_checked(fragment.len().checked_sub(self.mac.bytes())?)?;
                self.is_authentic(sequence, header, sealed, tag)?;
                sealed
            }
        };
        let (iv, encrypted) =
            if self.explicit { fragment.split_first_chunk()? } else { (self.chained.as_ref()?, fragment) };
        let mut content = self.decrypt(iv, encrypted)?;
        // Every byte of the padding, its length included, is its length.
        let padding = *content.last()?;
        let length = content.len().checked_sub(usize::from(padding) + 1)?;
        if content.get(length..)?.iter().any(|byte| *byte != padding) {
            return None;
        }
        content.truncate(length);
        if self.order == MacOrder::MacThenEncrypt {
            let length = content.len().checked_sub(self.mac.bytes())?;
            let (plain, tag) = content.split_at_checked(length)?;
            self.is_authentic(sequence, header, plain, tag)?;
            content.truncate(length);
        }
        Some(Opened { content_type: header.content_type, content })
    }

    fn is_authentic(&self, sequence: u64, header: &Header, bytes: &[u8], tag: &[u8]) -> Option<()> {
        let hmac = match self.mac {
            Mac::Sha1 => hmac::<Hmac<Sha1>>,
            Mac::Sha256 => hmac::<Hmac<Sha256>>,
            Mac::Sha384 => hmac::<Hmac<Sha384>>,
        };
        let expected = hmac(&self.mac_key, &[&authenticated(sequence, header, bytes.len())?, bytes]);
        (expected == tag).then_some(())
    }

    fn decrypt(&self, iv: &[u8; BLOCK], encrypted: &[u8]) -> Option<Vec<u8>> {
        match self.cipher.len() {
            16 => decrypt_cbc(Decryptor::<Aes128>::new_from_slices(&self.cipher, iv).ok()?, encrypted),
            _ => decrypt_cbc(Decryptor::<Aes256>::new_from_slices(&self.cipher, iv).ok()?, encrypted),
        }
    }
}

fn decrypt_cbc<C: BlockModeDecrypt<BlockSize = U16>>(mut cipher: C, encrypted: &[u8]) -> Option<Vec<u8>> {
    let (blocks, []) = encrypted.as_chunks::<BLOCK>() else { return None };
    let mut blocks: Vec<Block<C>> = blocks.iter().map(|block| (*block).into()).collect();
    cipher.decrypt_blocks(&mut blocks);
    Some(blocks.into_iter().flatten().collect())
}

/// A key with its algorithm.
pub(super) enum AeadKey {
    Aes128Gcm(Box<Aes128Gcm>),
    Aes256Gcm(Box<Aes256Gcm>),
    ChaCha20Poly1305(Box<ChaCha20Poly1305>),
    Aes128Ccm(Box<Ccm<Aes128, U16, U12>>),
    Aes256Ccm(Box<Ccm<Aes256, U16, U12>>),
    Aes128Ccm8(Box<Ccm<Aes128, U8, U12>>),
    Aes256Ccm8(Box<Ccm<Aes256, U8, U12>>),
}

impl std::fmt::Debug for AeadKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("AeadKey")
    }
}

impl AeadKey {
    fn new(aead: Aead, key: &[u8]) -> Option<Self> {
        Some(match aead {
            Aead::Aes128Gcm => Self::Aes128Gcm(boxed(key)?),
            Aead::Aes256Gcm => Self::Aes256Gcm(boxed(key)?),
            Aead::ChaCha20Poly1305 => Self::ChaCha20Poly1305(boxed(key)?),
            Aead::Aes128Ccm => Self::Aes128Ccm(boxed(key)?),
            Aead::Aes256Ccm => Self::Aes256Ccm(boxed(key)?),
            Aead::Aes128Ccm8 => Self::Aes128Ccm8(boxed(key)?),
            Aead::Aes256Ccm8 => Self::Aes256Ccm8(boxed(key)?),
        })
    }

    const fn tag_bytes(&self) -> usize {
        match self {
            Self::Aes128Ccm8(_) | Self::Aes256Ccm8(_) => Aead::Aes128Ccm8.tag_bytes(),
            Self::Aes128Gcm(_)
            | Self::Aes256Gcm(_)
            | Self::ChaCha20Poly1305(_)
            | Self::Aes128Ccm(_)
            | Self::Aes256Ccm(_) => Aead::Aes128Gcm.tag_bytes(),
        }
    }

    fn open(&self, nonce: &[u8; NONCE], authenticated: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Aes128Gcm(key) => open(&**key, nonce, authenticated, sealed),
            Self::Aes256Gcm(key) => open(&**key, nonce, authenticated, sealed),
            Self::ChaCha20Poly1305(key) => open(&**key, nonce, authenticated, sealed),
            Self::Aes128Ccm(key) => open(&**key, nonce, authenticated, sealed),
            Self::Aes256Ccm(key) => open(&**key, nonce, authenticated, sealed),
            Self::Aes128Ccm8(key) => open(&**key, nonce, authenticated, sealed),
            Self::Aes256Ccm8(key) => open(&**key, nonce, authenticated, sealed),
        }
    }
}

fn boxed<K: KeyInit>(key: &[u8]) -> Option<Box<K>> {
    K::new_from_slice(key).ok().map(Box::new)
}

fn open<K: AeadInOut>(key: &K, nonce: &[u8; NONCE], authenticated: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let nonce: Nonce<K> = nonce.as_slice().try_into().ok()?;
    let length = sealed.len().checked_sub(size_of::<Tag<K>>())?;
    let (encrypted, tag) = sealed.split_at_checked(length)?;
    let tag: Tag<K> = tag.try_into().ok()?;
    let mut content = encrypted.to_vec();
    key.decrypt_inout_detached(&nonce, authenticated, content.as_mut_slice().into(), &tag).ok()?;
    Some(content)
}

/// The other way round, for tests.
#[cfg(test)]
pub(super) mod sealing {
    use aes::cipher::BlockModeEncrypt;
    use cbc::Encryptor;

    use super::*;

    impl Opener {
        /// A record with this content, header included.
        pub(in crate::tls) fn seal(
            &mut self,
            sequence: u64,
            version: u16,
            content_type: ContentType,
            content: &[u8],
        ) -> Vec<u8> {
            let header = |content_type, length: usize| Header { content_type, version, length: length as u16 };
            let (header, fragment) = match self {
                Self::Sealed { key, nonce } => {
                    let inner = [content, &header(content_type, 0).bytes()[..1], &[0; 3]].concat();
                    let header = header(ContentType::ApplicationData, inner.len() + key.tag_bytes());
                    (header, key.seal(&nonce_of(nonce, sequence), &header.bytes(), &inner))
                }
                Self::Aead { key, nonce } => {
                    let explicit = if nonce.len() == NONCE { Vec::new() } else { sequence.to_be_bytes().to_vec() };
                    let whole = match <[u8; NONCE]>::try_from(&**nonce) {
                        Ok(fixed) => nonce_of(&fixed, sequence),
                        Err(_) => [nonce, &explicit[..]].concat().try_into().unwrap(),
                    };
                    let plain = header(content_type, content.len());
                    let sealed = key.seal(&whole, &authenticated(sequence, &plain, content.len()).unwrap(), content);
                    let fragment = [explicit, sealed].concat();
                    (header(content_type, fragment.len()), fragment)
                }
                Self::Cbc(key) => {
                    let fragment = key.seal(sequence, &header(content_type, 0), content);
                    (header(content_type, fragment.len()), fragment)
                }
            };
            self.went_by(Some(&fragment));
            [&header.bytes()[..], &fragment].concat()
        }
    }

    impl CbcKey {
        fn tag(&self, sequence: u64, header: &Header, bytes: &[u8]) -> Vec<u8> {
            let hmac = match self.mac {
                Mac::Sha1 => hmac::<Hmac<Sha1>>,
                Mac::Sha256 => hmac::<Hmac<Sha256>>,
                Mac::Sha384 => hmac::<Hmac<Sha384>>,
            };
            hmac(&self.mac_key, &[&authenticated(sequence, header, bytes.len()).unwrap(), bytes])
        }

        fn seal(&self, sequence: u64, header: &Header, content: &[u8]) -> Vec<u8> {
            let mut plain = content.to_vec();
            if self.order == MacOrder::MacThenEncrypt {
                plain.extend(self.tag(sequence, header, content));
            }
            let padding = BLOCK - 1 - plain.len() % BLOCK;
            plain.extend(std::iter::repeat_n(padding as u8, padding + 1));
            let iv = if self.explicit { [7; BLOCK] } else { self.chained.unwrap() };
            let encrypted = match self.cipher.len() {
                16 => encrypt(Encryptor::<Aes128>::new_from_slices(&self.cipher, &iv).unwrap(), &plain),
                _ => encrypt(Encryptor::<Aes256>::new_from_slices(&self.cipher, &iv).unwrap(), &plain),
            };
            let mut fragment = if self.explicit { [&iv[..], &encrypted].concat() } else { encrypted };
            if self.order == MacOrder::EncryptThenMac {
                fragment.extend(self.tag(sequence, header, &fragment));
            }
            fragment
        }
    }

    fn encrypt<C: BlockModeEncrypt<BlockSize = U16>>(mut cipher: C, plain: &[u8]) -> Vec<u8> {
        let mut blocks: Vec<Block<C>> = plain.as_chunks::<BLOCK>().0.iter().map(|block| (*block).into()).collect();
        cipher.encrypt_blocks(&mut blocks);
        blocks.into_iter().flatten().collect()
    }

    impl AeadKey {
        fn seal(&self, nonce: &[u8; NONCE], authenticated: &[u8], content: &[u8]) -> Vec<u8> {
            match self {
                Self::Aes128Gcm(key) => seal(&**key, nonce, authenticated, content),
                Self::Aes256Gcm(key) => seal(&**key, nonce, authenticated, content),
                Self::ChaCha20Poly1305(key) => seal(&**key, nonce, authenticated, content),
                Self::Aes128Ccm(key) => seal(&**key, nonce, authenticated, content),
                Self::Aes256Ccm(key) => seal(&**key, nonce, authenticated, content),
                Self::Aes128Ccm8(key) => seal(&**key, nonce, authenticated, content),
                Self::Aes256Ccm8(key) => seal(&**key, nonce, authenticated, content),
            }
        }
    }

    fn seal<K: AeadInOut>(key: &K, nonce: &[u8; NONCE], authenticated: &[u8], content: &[u8]) -> Vec<u8> {
        let nonce: Nonce<K> = nonce.as_slice().try_into().unwrap();
        let mut sealed = content.to_vec();
        let tag = key.encrypt_inout_detached(&nonce, authenticated, sealed.as_mut_slice().into()).unwrap();
        sealed.extend_from_slice(&tag);
        sealed
    }
}
