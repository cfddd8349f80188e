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
