//! The opening handshake (RFC 6455 section 4), as far as it concerns WebSocket: what was asked for, whether the answer
//! fits, what was agreed upon.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

use crate::flow::PerRole;
use crate::http::{Field, Fields, Request, Response};
use crate::limits;

use super::extension::{self, ClientWindow, DeflateTerms, PERMESSAGE_DEFLATE};
use super::frame::{Opcode, RSV1};
use super::opening::{self, Fault};

/// The extensions that were agreed upon, as far as they change frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extensions {
    /// Compression, if messages may be compressed.
    pub deflate: Option<Deflate>,
    /// One that is not known here: reserved bits and payload may be anything.
    pub unknown: bool,
}

/// How messages are compressed: permessage-deflate (RFC 7692), or its forerunner `x-webkit-deflate-frame`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deflate {
    /// Each frame is compressed by itself and says so, as in the forerunner; otherwise each message.
    pub per_frame: bool,
    /// The answer that agrees upon it is not in the capture.
    pub assumed: bool,
    /// The compressors of both ends.
    pub compressors: PerRole<Compressor>,
}

/// What the compressor of one end was held to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compressor {
    /// It may refer to this many bytes before, as a power of 2: 8 to 15.
    pub window_bits: u8,
    /// It may refer to earlier messages.
    pub takeover: bool,
}

impl Default for Compressor {
    fn default() -> Self {
        Self { window_bits: 15, takeover: true }
    }
}

impl Compressor {
    /// Those of both ends, where a server stated `terms`.
    fn held_to(terms: &DeflateTerms) -> PerRole<Self> {
        let Self { window_bits: largest, .. } = Self::default();
        let client_bits = match terms.client_max_window_bits {
            Some(ClientWindow::Bits(bits)) => bits,
            Some(ClientWindow::AnySize) | None => largest,
        };
        let server_bits = terms.server_max_window_bits.unwrap_or(largest);
        PerRole {
            client: Self { window_bits: client_bits, takeover: !terms.client_no_context_takeover },
            server: Self { window_bits: server_bits, takeover: !terms.server_no_context_takeover },
        }
    }

    /// How many bytes before it may refer to.
    #[must_use]
    pub fn window(self) -> usize {
        limits::INFLATE_WINDOW_BYTES.min(1 << self.window_bits)
    }
}

impl Deflate {
    /// permessage-deflate without limits, as it is where the agreement is not in the capture.
    pub const ASSUMED: Self = {
        let compressor = Compressor { window_bits: 15, takeover: true };
        Self { per_frame: false, assumed: true, compressors: PerRole { client: compressor, server: compressor } }
    };

    /// What an element of a `Sec-WebSocket-Extensions` answer agrees upon.
    ///
    /// Parameters only hold a sender to less. Those of the forerunner are not needed: they do not say what the server is
    /// held to, and without them everything can be inflated too.
    fn agreed(element: &[u8]) -> Option<Self> {
        let unlimited = Self { assumed: false, ..Self::ASSUMED };
        match extension::name_of(element).as_str() {
            PERMESSAGE_DEFLATE => {
                let compressors = Compressor::held_to(&DeflateTerms::understood(element));
                Some(Self { compressors, ..unlimited })
            }
            "x-webkit-deflate-frame" | "deflate-frame" => Some(Self { per_frame: true, ..unlimited }),
            _ => None,
        }
    }
}

impl Extensions {
    /// Those of a connection whose agreement is not in the capture: messages that say that they are compressed are
    /// taken for it.
    pub const ASSUMED: Self = Self { deflate: Some(Deflate::ASSUMED), unknown: false };

    /// The extensions in a `Sec-WebSocket-Extensions` answer. Of several that compress, the first counts.
    #[must_use]
    pub fn agreed(response: &Fields) -> Self {
        let mut agreed = Self::default();
        for element in response.elements(Field::WebSocketExtensions) {
            match Deflate::agreed(element) {
                Some(deflate) => agreed.deflate = agreed.deflate.or(Some(deflate)),
                None => agreed.unknown = true,
            }
        }
        agreed
    }

    /// Which reserved bits a frame may have. Only the first frame of a message says that it is compressed (RFC 7692
    /// section 6), or each frame does for itself; `in_message` says that one is open.
    #[must_use]
    pub fn reserved_bits(self, opcode: Opcode, in_message: bool) -> u8 {
        let first_frames = self.deflate.is_some();
        let all_frames = self.deflate.is_some_and(|deflate| deflate.per_frame);
        match opcode {
            _ if self.unknown => 0b111,
            Opcode::Text | Opcode::Binary if first_frames && !in_message => RSV1,
            Opcode::Text | Opcode::Binary | Opcode::Continuation if all_frames => RSV1,
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
    request.fields.has_token(Field::Upgrade, "websocket") || request.fields.first(Field::WebSocketKey).is_some()
}

/// Whether a response agrees to one, soundly or not.
#[must_use]
pub fn is_agreement(response: &Response) -> bool {
    response.status == 101
        && (response.fields.has_token(Field::Upgrade, "websocket")
            || response.fields.first(Field::WebSocketAccept).is_some())
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
        let mut keys = fields.all(Field::WebSocketKey);
        Self {
            key: keys.next().filter(|_| keys.next().is_none()).map(Into::into),
            version: fields.first(Field::WebSocketVersion).map(Into::into),
            protocols: fields.elements(Field::WebSocketProtocol).map(Into::into).collect(),
            extensions: extension::names_in(fields).collect(),
            deflate: opening::deflate_offers(fields),
            faults: opening::faults_of_request(request),
        }
    }

    /// Whether it offers permessage-deflate, soundly or not.
    #[must_use]
    pub fn offers_deflate(&self) -> bool {
        self.extensions.iter().any(|name| name == PERMESSAGE_DEFLATE)
    }
}

/// The `Sec-WebSocket-Accept` that answers `key` (RFC 6455 section 4.2.2).
#[must_use]
pub fn accept_of(key: &[u8]) -> String {
    accept_digits(key).map(char::from).iter().collect()
}

/// The digits of [`accept_of`], which are ASCII.
pub(super) fn accept_digits(key: &[u8]) -> [u8; 28] {
    let digest = Sha1::new().chain_update(key).chain_update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").finalize();
    let mut digits = [0; 28];
    // There is room: 20 bytes are 28 digits.
    let _ = STANDARD.encode_slice(digest, &mut digits);
    digits
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
        assert!(deflate.deflate.is_some() && !deflate.unknown);
        assert_eq!(deflate.reserved_bits(Opcode::Text, false), RSV1);
        assert_eq!(deflate.reserved_bits(Opcode::Text, true), 0);
        assert_eq!(deflate.reserved_bits(Opcode::Ping, false), 0);
        assert_eq!(agreed("Sec-WebSocket-Extensions: mux\r\n").reserved_bits(Opcode::Ping, false), 0b111);
        assert_eq!(agreed("").reserved_bits(Opcode::Text, false), 0);
        let frames = agreed("Sec-WebSocket-Extensions: x-webkit-deflate-frame\r\n");
        assert_eq!(frames.reserved_bits(Opcode::Continuation, true), RSV1);
        assert_eq!(frames.reserved_bits(Opcode::Text, true), RSV1);
        assert_eq!(frames.reserved_bits(Opcode::Pong, true), 0);
    }

    /// Window bits of client and server, each with `fresh` if earlier messages are not referred to.
    fn compressors(extensions: &str) -> Option<String> {
        let fields = format!("Sec-WebSocket-Extensions: {extensions}\r\n");
        let deflate = Extensions::agreed(&answer(&fields).fields).deflate?;
        let told = |compressor: Compressor| {
            format!("{}{}", compressor.window_bits, if compressor.takeover { "" } else { " fresh" })
        };
        Some(format!("{}, {}", told(deflate.compressors.client), told(deflate.compressors.server)))
    }

    #[test]
    fn parameters_limit_the_compressor_of_the_role_that_they_name() {
        let agreed = |extensions| compressors(extensions).unwrap();
        assert_eq!(agreed("permessage-deflate"), "15, 15");
        assert_eq!(agreed("permessage-deflate; server_no_context_takeover"), "15, 15 fresh");
        assert_eq!(agreed("permessage-deflate;client_no_context_takeover ; server_max_window_bits=8"), "15 fresh, 8");
        assert_eq!(agreed("Permessage-Deflate; client_max_window_bits=\"10\"; Server_Max_Window_Bits = 12"), "10, 12");
        assert_eq!(agreed("permessage-deflate; client_max_window_bits=7; server_max_window_bits=x; z=1"), "15, 15");
        assert_eq!(agreed("permessage-deflate; client_max_window_bits"), "15, 15");
        assert_eq!(agreed("x-webkit-deflate-frame; max_window_bits=9; no_context_takeover"), "15, 15");
    }

    #[test]
    fn first_compression_of_a_list_counts_and_another_extension_hides_the_payload() {
        let list = "permessage-deflate; server_max_window_bits=9, permessage-deflate; server_max_window_bits=10";
        assert_eq!(compressors(list).as_deref(), Some("15, 9"));
        assert_eq!(compressors("permessage-bzip2"), None);
        let mixed = answer("Sec-WebSocket-Extensions: x-mux; a=\"b, permessage-deflate\", permessage-deflate\r\n");
        let agreed = Extensions::agreed(&mixed.fields);
        assert!(agreed.deflate.is_some() && agreed.unknown);
        let quoted = answer("Sec-WebSocket-Extensions: x-mux; a=\"b, permessage-deflate\"\r\n");
        assert_eq!(Extensions::agreed(&quoted.fields), Extensions { deflate: None, unknown: true });
    }
}
