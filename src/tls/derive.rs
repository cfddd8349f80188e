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

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hexadecimal: &str) -> Vec<u8> {
        let digits: Vec<u8> =
            hexadecimal.chars().filter_map(|digit| digit.to_digit(16)).map(|digit| digit as u8).collect();
        digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
    }

    /// The server's handshake keys in the trace of RFC 8448 section 3.
    #[test]
    fn keys_of_tls13_are_those_of_the_example_trace() {
        let secret = bytes("b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38");
        let key = expand_label(Hash::Sha256, &secret, "key", 16).unwrap();
        let iv = expand_label(Hash::Sha256, &secret, "iv", 12).unwrap();
        assert_eq!(key, bytes("3fce516009c21727d0f2e4e86ee403bc"));
        assert_eq!(iv, bytes("5d313eb2671276ee13000b30"));
        assert_eq!(expand_label(Hash::Sha384, &secret, "key", 16), None, "a secret of the wrong length");
    }

    /// The test vector that the IETF's TLS group published for SHA-256.
    #[test]
    fn prf_of_tls12_is_that_of_the_test_vector() {
        let secret = bytes("9bbe436ba940f017b17652849a71db35");
        let seed = bytes("a0ba9f936cda311827a6f796ffd5198c");
        let output = prf(Hash::Sha256, &secret, "test label", &seed, 100);
        assert_eq!(output.len(), 100);
        assert_eq!(output[..16], bytes("e3f229ba727be17b8d122620557cd453"));
    }
}
