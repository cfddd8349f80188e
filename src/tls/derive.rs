//! Keys from secrets: HKDF of TLS 1.3 (RFC 8446 section 7), the PRF of TLS 1.2 and before (RFC 5246 section 5).

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit};
use md5::Md5;
use sha1::Sha1;
use sha2::{Sha256, Sha384};

use super::suite::Hash;

/// `HKDF-Expand-Label` with an empty context; `None` if `secret` has not the length of the hash.
pub(super) fn expand_label(hash: Hash, secret: &[u8], label: &str, length: usize) -> Option<Vec<u8>> {
    let full = ["tls13 ".as_bytes(), label.as_bytes()].concat();
    let length_bytes = u16::try_from(length).ok()?.to_be_bytes();
    let info = [&length_bytes[..], &[u8::try_from(full.len()).ok()?], &full, &[0]].concat();
    let mut output = vec![0; length];
    match hash {
        Hash::Sha256 => Hkdf::<Sha256>::from_prk(secret).ok()?.expand(&info, &mut output).ok()?,
        Hash::Sha384 => Hkdf::<Sha384>::from_prk(secret).ok()?.expand(&info, &mut output).ok()?,
    }
    Some(output)
}

/// The PRF of TLS 1.2: `length` bytes.
pub(super) fn prf(hash: Hash, secret: &[u8], label: &str, seed: &[u8], length: usize) -> Vec<u8> {
    let seed = [label.as_bytes(), seed].concat();
    match hash {
        Hash::Sha256 => expand(hmac::<Hmac<Sha256>>, secret, &seed, length),
        Hash::Sha384 => expand(hmac::<Hmac<Sha384>>, secret, &seed, length),
    }
}

/// The PRF of TLS 1.0 and 1.1 (RFC 4346 section 5): MD5 with one half of the secret, SHA-1 with the other.
pub(super) fn prf_before_tls12(secret: &[u8], label: &str, seed: &[u8], length: usize) -> Vec<u8> {
    let seed = [label.as_bytes(), seed].concat();
    let half = secret.len().div_ceil(2);
    let (first, _) = secret.split_at_checked(half).unwrap_or_default();
    let (_, second) = secret.split_at_checked(secret.len() - half).unwrap_or_default();
    let md5 = expand(hmac::<Hmac<Md5>>, first, &seed, length);
    let sha1 = expand(hmac::<Hmac<Sha1>>, second, &seed, length);
    md5.iter().zip(sha1).map(|(one, other)| one ^ other).collect()
}

/// The HMAC of `parts`, one after the other.
pub(super) fn hmac<M: hmac::Mac + KeyInit>(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    // An HMAC takes keys of any length.
    let Ok(mut mac) = <M as KeyInit>::new_from_slice(key) else { return Vec::new() };
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().to_vec()
}

/// `P_hash`.
fn expand(hmac: fn(&[u8], &[&[u8]]) -> Vec<u8>, secret: &[u8], seed: &[u8], length: usize) -> Vec<u8> {
    let mut output = Vec::with_capacity(length);
    let mut chain = hmac(secret, &[seed]);
    while output.len() < length && !chain.is_empty() {
        output.extend(hmac(secret, &[&chain, seed]));
        chain = hmac(secret, &[&chain]);
    }
    output.truncate(length);
    output
}
