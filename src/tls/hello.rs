//! What both ends say of themselves: ClientHello and ServerHello (RFC 8446 section 4.1).

use tls_parser::{
    TlsExtension, TlsExtensionType, TlsMessage, TlsMessageHandshake, parse_tls_client_hello_extensions,
    parse_tls_extensions, parse_tls_message_handshake, parse_tls_server_hello_extensions,
};

use crate::limits;

use super::{Random, Version};

/// Whether a direction that begins with `bytes` may be a TLS client's: a handshake record with a ClientHello.
#[must_use]
pub fn may_be_client_hello(bytes: &[u8]) -> bool {
    let expected = |index: usize, byte: u8| match index {
        0 => byte == 22,
        1 => byte == 3,
        2 => byte <= 4,
        5 => byte == 1,
        _ => true,
    };
    !bytes.is_empty() && bytes.iter().take(6).enumerate().all(|(index, byte)| expected(index, *byte))
}

/// The random of each ClientHello that a record in `bytes` may begin with, wherever in them: what they are not is not
/// told from what they are.
pub fn possible_randoms(bytes: &[u8]) -> impl Iterator<Item = Random> {
    let hellos = bytes.windows(RANDOM_END).filter(|hello| may_be_client_hello(hello));
    hellos.filter_map(|hello| hello.last_chunk().copied())
}

/// Where the random of a ClientHello ends: after the headers of record and message, and the version.
const RANDOM_END: usize = 5 + 4 + 2 + 32;

/// What a client offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientHello {
    /// Its random, which key logs know the connection by.
    pub random: Random,
    /// The server's name (RFC 6066 section 3).
    pub sni: Option<Box<str>>,
    /// The protocols it would speak (RFC 7301), in its order.
    pub alpn: Vec<Box<str>>,
    /// The versions it speaks, without the reserved ones of RFC 8701.
    pub versions: Vec<Version>,
    /// Whether it sends data before the server has answered.
    pub early_data: bool,
}

/// What a server chose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerHello {
    /// Its random.
    pub random: Random,
    /// The version.
    pub version: Version,
    /// The cipher suite, by its number in IANA's registry.
    pub suite: u16,
    /// The protocol, where it is not encrypted (TLS 1.2).
    pub alpn: Option<Box<str>>,
    /// Whether MACs cover the ciphertext (RFC 7366).
    pub encrypt_then_mac: bool,
}

/// The random of a ServerHello that asks for another ClientHello (RFC 8446 section 4.1.3): SHA-256 of
/// `HelloRetryRequest`.
const RETRY: Random = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11,
    0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// A handshake message that matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Message {
    ClientHello(Box<ClientHello>),
    ServerHello(Box<ServerHello>),
    /// A ServerHello that asks for another ClientHello.
    Retry,
    /// What a server says under its handshake keys (TLS 1.3): the protocol, and whether it took early data.
    EncryptedExtensions {
        alpn: Option<Box<str>>,
        early_data: bool,
    },
    /// A chain, its owner's certificate first.
    Certificate(Vec<Box<[u8]>>),
    CertificateRequest,
    Other,
}

impl Message {
    /// Reads a whole handshake message, header included; [`Self::Other`] if it is of no interest or malformed.
    pub(super) fn parse(bytes: &[u8], tls13: bool) -> Self {
        let body = bytes.get(4..).unwrap_or_default();
        // What tls-parser does not read in the form of TLS 1.3.
        match bytes.first() {
            Some(8) => return encrypted_extensions(body),
            Some(11) => return certificates(body, tls13).map_or(Self::Other, Self::Certificate),
            Some(13) => return Self::CertificateRequest,
            _ => {}
        }
        match parse_tls_message_handshake(bytes) {
            Ok((_, TlsMessage::Handshake(TlsMessageHandshake::ClientHello(hello)))) => {
                client_hello(hello.random, hello.version.0, hello.ext).unwrap_or(Self::Other)
            }
            Ok((_, TlsMessage::Handshake(TlsMessageHandshake::ServerHello(hello)))) => {
                server_hello(hello.random, hello.version.0, hello.cipher.0, hello.ext).unwrap_or(Self::Other)
            }
            _ => Self::Other,
        }
    }
}

fn client_hello(random: &[u8], version: u16, extensions: Option<&[u8]>) -> Option<Message> {
    let mut hello = ClientHello {
        random: random.try_into().ok()?,
        sni: None,
        alpn: Vec::new(),
        versions: Vec::new(),
        early_data: false,
    };
    let (_, extensions) = parse_tls_client_hello_extensions(extensions.unwrap_or_default()).ok()?;
    for extension in extensions {
        match extension {
            TlsExtension::SNI(names) => hello.sni = names.first().map(|(_, name)| text(name)),
            TlsExtension::ALPN(protocols) => hello.alpn = protocols.into_iter().map(text).collect(),
            TlsExtension::SupportedVersions(versions) => {
                hello.versions = versions.into_iter().map(|version| Version(version.0)).filter(is_real).collect();
            }
            TlsExtension::EarlyData(_) => hello.early_data = true,
            _ => {}
        }
    }
    if hello.versions.is_empty() {
        hello.versions.push(Version(version));
    }
    Some(Message::ClientHello(Box::new(hello)))
}

fn server_hello(random: &[u8], version: u16, suite: u16, extensions: Option<&[u8]>) -> Option<Message> {
    let random: Random = random.try_into().ok()?;
    if random == RETRY {
        return Some(Message::Retry);
    }
    let mut hello = ServerHello { random, version: Version(version), suite, alpn: None, encrypt_then_mac: false };
    let (_, extensions) = parse_tls_server_hello_extensions(extensions.unwrap_or_default()).ok()?;
    for extension in extensions {
        match extension {
            TlsExtension::ALPN(protocols) => hello.alpn = protocols.first().map(|name| text(name)),
            TlsExtension::SupportedVersions(versions) => {
                hello.version = versions.first().map_or(hello.version, |version| Version(version.0));
            }
            // tls-parser 0.12 looks for it under another number.
            TlsExtension::EncryptThenMac | TlsExtension::Unknown(TlsExtensionType::EncryptThenMac, _) => {
                hello.encrypt_then_mac = true;
            }
            _ => {}
        }
    }
    Some(Message::ServerHello(Box::new(hello)))
}

fn encrypted_extensions(body: &[u8]) -> Message {
    let extensions = body.get(2..).and_then(|list| parse_tls_extensions(list).ok()).map(|(_, list)| list);
    let (mut alpn, mut early_data) = (None, false);
    for extension in extensions.unwrap_or_default() {
        match extension {
            TlsExtension::ALPN(protocols) => alpn = protocols.first().map(|name| text(name)),
            TlsExtension::EarlyData(_) => early_data = true,
            _ => {}
        }
    }
    Message::EncryptedExtensions { alpn, early_data }
}

/// The certificates of a Certificate message (RFC 5246 section 7.4.2; RFC 8446 section 4.4.2, where a context stands
/// before them and extensions behind each).
fn certificates(body: &[u8], tls13: bool) -> Option<Vec<Box<[u8]>>> {
    let list = if tls13 { prefixed::<1>(body)?.1 } else { body };
    let (mut rest, _) = prefixed::<3>(list)?;
    let mut chain = Vec::new();
    while !rest.is_empty() && chain.len() < limits::TLS_CERTIFICATES {
        let (certificate, after) = prefixed::<3>(rest)?;
        rest = if tls13 { prefixed::<2>(after)?.1 } else { after };
        chain.push(certificate.into());
    }
    Some(chain)
}

/// What a length of `N` bytes stands before, and what follows that.
fn prefixed<const N: usize>(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<N>()?;
    rest.split_at_checked(length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)))
}

fn text(bytes: &[u8]) -> Box<str> {
    String::from_utf8_lossy(bytes).into()
}

/// Versions of the form `0x?a?a` are reserved, so that servers learn to pass over what they do not know (RFC 8701).
fn is_real(version: &Version) -> bool {
    version.0 & 0x0f0f != 0x0a0a
}
