//! WebSocket (RFC 6455): bytes and stream offsets in, frames, messages and their faults out.

mod rule;
mod utf8;

pub use rule::Rule;
pub use utf8::Utf8ErrorKind;
