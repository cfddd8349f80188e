//! The opening handshake (RFC 6455 section 4), as far as it concerns WebSocket: what was asked for, whether the answer
//! fits, what was agreed upon.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

use crate::http::{Fields, Request, Response};

use super::frame::{Opcode, RSV1};
use super::rule::Rule;

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
    /// The `Sec-WebSocket-Key`.
    pub key: Option<Box<[u8]>>,
    /// The subprotocols.
    pub protocols: Vec<Box<[u8]>>,
    /// The names of the extensions, in small letters.
    pub extensions: Vec<String>,
}

impl Offer {
    /// The offer in an upgrade request.
    #[must_use]
    pub fn of(request: &Request) -> Self {
        Self {
            key: request.fields.first("sec-websocket-key").map(Into::into),
            protocols: request.fields.elements("sec-websocket-protocol").map(Into::into).collect(),
            extensions: extension_names(&request.fields).collect(),
        }
    }

    /// The rules of RFC 6455 section 4.2.2 that a 101 answer breaks, each with what was found.
    #[must_use]
    pub fn faults_of(&self, response: &Response) -> Vec<(Rule, String)> {
        let fields = &response.fields;
        let mut faults = Vec::new();
        if !fields.has_token("upgrade", "websocket") {
            faults.push((Rule::MissingUpgrade, found(fields.first("upgrade"))));
        }
        if !fields.has_token("connection", "upgrade") {
            faults.push((Rule::MissingConnectionUpgrade, found(fields.first("connection"))));
        }
        match (fields.first("sec-websocket-accept"), &self.key) {
            (None, _) => faults.push((Rule::MissingAccept, found(None))),
            (Some(accept), Some(key)) if accept != accept_of(key).as_bytes() => {
                let detail = format!("{}, expected {}", found(Some(accept)), accept_of(key));
                faults.push((Rule::WrongAccept, detail));
            }
            (Some(_), _) => {}
        }
        for protocol in fields.elements("sec-websocket-protocol") {
            if !self.protocols.iter().any(|offered| **offered == *protocol) {
                faults.push((Rule::UnrequestedSubprotocol, found(Some(protocol))));
            }
        }
        for name in extension_names(fields) {
            if !self.extensions.contains(&name) {
                faults.push((Rule::UnrequestedExtension, found(Some(name.as_bytes()))));
            }
        }
        faults
    }
}

/// The `Sec-WebSocket-Accept` that answers `key` (RFC 6455 section 4.2.2).
#[must_use]
pub fn accept_of(key: &[u8]) -> String {
    let digest = Sha1::new().chain_update(key).chain_update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").finalize();
    STANDARD.encode(digest)
}

fn extension_names(fields: &Fields) -> impl Iterator<Item = String> {
    fields.elements("sec-websocket-extensions").map(|element| {
        let name = element.split(|byte| *byte == b';').next().unwrap_or_default();
        String::from_utf8_lossy(name.trim_ascii()).to_ascii_lowercase()
    })
}

fn found(value: Option<&[u8]>) -> String {
    value.map_or_else(|| "found none".into(), |value| format!("found {}", String::from_utf8_lossy(value)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Head;

    const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    const GOOD: &str = "Upgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";

    fn offer(fields: &str) -> Offer {
        let text = format!("GET /chat HTTP/1.1\r\nUpgrade: websocket\r\n{KEY}{fields}\r\n");
        Offer::of(&Request::parse(text.as_bytes()).unwrap().unwrap().0)
    }

    fn answer(fields: &str) -> Response {
        let text = format!("HTTP/1.1 101 Switching Protocols\r\n{fields}\r\n");
        Response::parse(text.as_bytes()).unwrap().unwrap().0
    }

    fn broken(offered: &str, answered: &str) -> Vec<Rule> {
        offer(offered).faults_of(&answer(answered)).into_iter().map(|(rule, _)| rule).collect()
    }

    #[test]
    fn accept_is_that_of_the_rfc() {
        assert_eq!(accept_of(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn sound_answers_break_nothing() {
        assert_eq!(broken("", GOOD), []);
        let offered = "Sec-WebSocket-Protocol: a, b\r\nSec-WebSocket-Extensions: permessage-deflate; x=1, y\r\n";
        let chosen = format!("{GOOD}Sec-WebSocket-Protocol: b\r\nSec-WebSocket-Extensions: Permessage-Deflate; z\r\n");
        assert_eq!(broken(offered, &chosen), []);
    }

    #[test]
    fn each_fault_of_an_answer_is_named() {
        assert_eq!(broken("", "X: y\r\n"), [Rule::MissingUpgrade, Rule::MissingConnectionUpgrade, Rule::MissingAccept]);
        let wrong = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: AAAA\r\n";
        assert_eq!(broken("", wrong), [Rule::WrongAccept]);
        let uninvited = format!("{GOOD}Sec-WebSocket-Protocol: z\r\nSec-WebSocket-Extensions: q\r\n");
        assert_eq!(broken("", &uninvited), [Rule::UnrequestedSubprotocol, Rule::UnrequestedExtension]);
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
