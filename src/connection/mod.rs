//! Connections: what the protocol decoders say of one TCP flow, and what follows from it.

mod record;

pub use record::*;
