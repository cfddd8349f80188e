//! WebSocket (RFC 6455): the bytes and gaps of one direction in; messages, Close frames and faults out.
//!
//! Everything here speaks of stream offsets, never of packets or times. Payload is looked at in place and never stored,
//! so that memory does not grow with the size of a message.
//!
//! ```text
//!   heads ─▶ what was offered and agreed upon (handshake, extension), and the rules that they break (opening)
//!   Decoder: frames (frame) ─▶ messages (message, inflate) ─▶ text (utf8), if invalid what else (likely_cause)
//!      │            ├──────▶ Close bodies (close)
//!      │            └──────▶ the rules that they break (conformance, rule)
//!      └── after a gap that hid a header: the next believable frame (resync)
//! ```

mod close;
mod conformance;
mod decoder;
#[cfg(test)]
mod deflate_tests;
mod extension;
mod frame;
pub mod handshake;
mod inflate;
mod likely_cause;
mod message;
pub mod opening;
mod resync;
mod rule;
#[cfg(test)]
mod testing;
mod utf8;

pub use close::CloseBody;
pub use decoder::{Decoder, Event, Visitor};
pub use frame::{Header, MAX_HEADER, Opcode, RSV1, unmask};
pub use handshake::{Compressor, Deflate, Extensions};
pub use likely_cause::LikelyCause;
pub use resync::{Found, Search};
pub use rule::Rule;
pub use utf8::{InvalidText, Sample, TextCheck, Utf8ErrorKind};
