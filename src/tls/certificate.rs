//! Server certificates (RFC 5280), as far as they tell why a client did not like them.

use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// What a certificate says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Its subject, such as `CN=example.com`.
    pub subject: Box<str>,
    /// Seconds since 1970, UTC, before which it is not valid.
    pub not_before: i64,
    /// Seconds since 1970, UTC, after which it is not valid.
    pub not_after: i64,
    /// Whether it names itself as its issuer.
    pub self_signed: bool,
    /// The names and addresses that it is for, as text.
    pub names: Vec<Box<str>>,
}

impl Certificate {
    /// Reads a certificate; `None` if it is malformed.
    #[must_use]
    pub fn parse(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let mut names = Vec::new();
        if let Ok(Some(alternative)) = certificate.subject_alternative_name() {
            names.extend(alternative.value.general_names.iter().filter_map(name_of));
        } else if let Some(Ok(name)) = certificate.subject().iter_common_name().map(|name| name.as_str()).next() {
            names.push(name.into());
        }
        Some(Self {
            subject: certificate.subject().to_string().into(),
            not_before: certificate.validity().not_before.timestamp(),
            not_after: certificate.validity().not_after.timestamp(),
            self_signed: certificate.subject() == certificate.issuer(),
            names,
        })
    }

    /// Whether it is for the host of this name (RFC 9525 section 6.3): a wildcard stands for one label, the first one.
    #[must_use]
    pub fn is_for(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.');
        self.names.iter().any(|name| {
            let wild = name.strip_prefix("*.").zip(host.split_once('.'));
            name.eq_ignore_ascii_case(host) || wild.is_some_and(|(rest, (_, domain))| rest.eq_ignore_ascii_case(domain))
        })
    }
}

fn name_of(name: &GeneralName<'_>) -> Option<Box<str>> {
    match name {
        GeneralName::DNSName(name) => Some((*name).into()),
        GeneralName::IPAddress(bytes) => {
            let address = <[u8; 4]>::try_from(*bytes).map(|bytes| std::net::Ipv4Addr::from(bytes).to_string());
            let long = || <[u8; 16]>::try_from(*bytes).map(|bytes| std::net::Ipv6Addr::from(bytes).to_string());
            address.or_else(|_| long()).ok().map(Into::into)
        }
        _ => None,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// For `chat.example` and names below it, its own issuer, valid in January and February 2026.
    const CHAT: &str = "3082016e30820113a003020102020101300a06082a8648ce3d04030230173115301306035504030c0c636861742e6578616d \
         706c65301e170d3236303130313030303030305a170d3236303330313030303030305a30173115301306035504030c0c6368 \
         61742e6578616d706c653059301306072a8648ce3d020106082a8648ce3d030107034200046533c5904cd0fb47bc93a75506 \
         f7f8932364350196110b0707f05521c41495d5df9f5503438e547a24a8fa7c103350bc5a8a5e4756692ef637e6b3c46c07e9 \
         d5a350304e302d0603551d1104263024820c636861742e6578616d706c65820e2a2e636861742e6578616d706c658704c000 \
         0201301d0603551d0e0416041451f40e3d48998765aaeef4cb9a185017e40a25b7300a06082a8648ce3d0403020349003046 \
         022100c42e9b0e34bb9f47eb636cd53b2a64a77974d56f7d3470130c91298f7ed34abc022100fa069da9f87c64e35e79ee1b \
         9482072cd0638c4459cf2c7fb9cce77064252d1f";

    /// The certificate for `chat.example`, as it is on the wire.
    pub(in crate::tls) fn chat() -> Vec<u8> {
        let digits: Vec<u8> = CHAT.chars().filter_map(|digit| digit.to_digit(16)).map(|digit| digit as u8).collect();
        digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
    }

    #[test]
    fn certificate_says_whose_it_is_and_until_when() {
        let found = Certificate::parse(&chat()).unwrap();
        assert_eq!(&*found.subject, "CN=chat.example");
        assert_eq!((found.not_before, found.not_after), (1_767_225_600, 1_772_323_200));
        assert!(found.self_signed);
        assert_eq!(found.names, ["chat.example".into(), "*.chat.example".into(), Box::<str>::from("192.0.2.1")]);
    }

    #[test]
    fn wildcard_stands_for_one_label() {
        let found = Certificate::parse(&chat()).unwrap();
        for host in ["chat.example", "CHAT.example.", "eu.chat.example", "192.0.2.1"] {
            assert!(found.is_for(host), "{host}");
        }
        for host in ["example", "a.b.chat.example", "evilchat.example", "192.0.2.2", ""] {
            assert!(!found.is_for(host), "{host}");
        }
    }

    #[test]
    fn cut_certificates_are_none() {
        let whole = chat();
        for end in 0..whole.len() {
            assert_eq!(Certificate::parse(&whole[..end]), None, "{end} bytes");
        }
    }
}
