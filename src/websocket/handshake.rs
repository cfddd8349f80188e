//! The opening handshake (RFC 6455 section 4), as far as it concerns WebSocket: what was asked for, whether the answer
//! fits, what was agreed upon.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

use crate::http::{Fields, Request, Response};

use super::extension::DeflateTerms;
use super::frame::{Opcode, RSV1};
use super::opening::{self, Fault};

/// The extensions that were agreed upon, as far as they change frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extensions {
    /// permessage-deflate (RFC 7692), or its forerunner `x-webkit-deflate-frame`.
    pub deflate: bool,
    /// One that is not known here: reserved bits and payload may be anything.
    pub unknown: bool,
}

impl Extensions {
    /// The extensions in a `Sec-WebSocket-Extensions` answer.
    #[must_use]
    pub fn agreed(response: &Fields) -> Self {
        let mut agreed = Self::default();
        for name in extension_names(response) {
            match name.as_str() {
                "permessage-deflate" | "x-webkit-deflate-frame" => agreed.deflate = true,
                _ => agreed.unknown = true,
            }
        }
        agreed
    }

    /// Which reserved bits a frame may have. Only the first frame of a message says that it is compressed (RFC 7692
    /// section 6); `in_message` says that one is open.
    #[must_use]
    pub const fn reserved_bits(self, opcode: Opcode, in_message: bool) -> u8 {
        match opcode {
            _ if self.unknown => 0b111,
            Opcode::Text | Opcode::Binary if self.deflate && !in_message => RSV1,
            Opcode::Text
            | Opcode::Binary
            | Opcode::Continuation
            | Opcode::Close
            | Opcode::Ping
            | Opcode::Pong
            | Opcode::Reserved(_) => 0,
        }
    }
}

/// Whether a request asks for a WebSocket, soundly or not.
#[must_use]
pub fn is_upgrade(request: &Request) -> bool {
    request.fields.has_token("upgrade", "websocket") || request.fields.first("sec-websocket-key").is_some()
}

/// Whether a response agrees to one, soundly or not.
#[must_use]
pub fn is_agreement(response: &Response) -> bool {
    response.status == 101
        && (response.fields.has_token("upgrade", "websocket")
            || response.fields.first("sec-websocket-accept").is_some())
}

/// What a client asked for, as far as the answer must fit it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    /// The `Sec-WebSocket-Key`; `None` if there is none, or more than one.
    pub key: Option<Box<[u8]>>,
    /// The `Sec-WebSocket-Version`.
    pub version: Option<Box<[u8]>>,
    /// The subprotocols.
    pub protocols: Vec<Box<[u8]>>,
    /// The names of the extensions, in small letters.
    pub extensions: Vec<String>,
    /// The terms of each offer of permessage-deflate, those that break no rule.
    pub(super) deflate: Vec<DeflateTerms>,
    /// The rules that the request breaks.
    pub faults: Vec<Fault>,
}

impl Offer {
    /// The offer in an upgrade request.
    #[must_use]
    pub fn of(request: &Request) -> Self {
        let fields = &request.fields;
        let mut keys = fields.all("sec-websocket-key");
        Self {
            key: keys.next().filter(|_| keys.next().is_none()).map(Into::into),
            version: fields.first("sec-websocket-version").map(Into::into),
            protocols: fields.elements("sec-websocket-protocol").map(Into::into).collect(),
            extensions: extension_names(fields).collect(),
            deflate: opening::deflate_offers(fields),
            faults: opening::faults_of_request(request),
        }
    }
}

/// The `Sec-WebSocket-Accept` that answers `key` (RFC 6455 section 4.2.2).
#[must_use]
pub fn accept_of(key: &[u8]) -> String {
    let digest = Sha1::new().chain_update(key).chain_update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").finalize();
    STANDARD.encode(digest)
}

/// The names of the extensions in `Sec-WebSocket-Extensions`, in small letters.
pub(super) fn extension_names(fields: &Fields) -> impl Iterator<Item = String> {
    fields.elements("sec-websocket-extensions").map(|element| {
        let name = element.split(|byte| *byte == b';').next().unwrap_or_default();
        String::from_utf8_lossy(name.trim_ascii()).to_ascii_lowercase()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Head;

    fn answer(fields: &str) -> Response {
        let text = format!("HTTP/1.1 101 Switching Protocols\r\n{fields}\r\n");
        Response::parse(text.as_bytes()).unwrap().unwrap().0
    }

    #[test]
    fn accept_is_that_of_the_rfc() {
        assert_eq!(accept_of(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn agreed_extensions_say_which_bits_may_be_set() {
        let agreed = |fields: &str| Extensions::agreed(&answer(fields).fields);
        let deflate = agreed("Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=12\r\n");
        assert_eq!(deflate, Extensions { deflate: true, unknown: false });
        assert_eq!(deflate.reserved_bits(Opcode::Text, false), RSV1);
        assert_eq!(deflate.reserved_bits(Opcode::Text, true), 0);
        assert_eq!(deflate.reserved_bits(Opcode::Ping, false), 0);
        assert_eq!(agreed("Sec-WebSocket-Extensions: mux\r\n").reserved_bits(Opcode::Ping, false), 0b111);
        assert_eq!(agreed("").reserved_bits(Opcode::Text, false), 0);
    }
}
