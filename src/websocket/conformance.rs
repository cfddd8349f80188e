//! The rules that a frame header can break, whatever its payload is (RFC 6455 section 5).

use crate::flow::Role;

use super::frame::{Header, Opcode};
use super::handshake::Extensions;
use super::rule::Rule;

/// Where in a direction a frame stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) sender: Role,
    pub(super) extensions: Extensions,
    /// Bytes so far of the message that is open; `None` between messages.
    pub(super) open: Option<u64>,
    /// A message may be open that was begun before the place in the stream was found again.
    pub(super) resumed: bool,
    /// The sender has sent a Close frame.
    pub(super) closed: bool,
}

/// Tells `broken` of every rule that `header` breaks, with what was found.
pub(super) fn check(header: &Header, place: &Place, mut broken: impl FnMut(Rule, String)) {
    let opcode = header.opcode;
    match (place.sender, header.mask) {
        (Role::Client, None) => {
            broken(Rule::UnmaskedClientFrame, format!("{opcode:?} frame of {} bytes", header.payload));
        }
        (Role::Server, Some(_)) => {
            broken(Rule::MaskedServerFrame, format!("{opcode:?} frame of {} bytes", header.payload));
        }
        (Role::Client, Some(_)) | (Role::Server, None) => {}
    }
    if header.reserved & !place.extensions.reserved_bits(opcode, place.open.is_some()) != 0 {
        broken(Rule::ReservedBits, format!("RSV bits {:03b} on a {opcode:?} frame", header.reserved));
    }
    if let Opcode::Reserved(bits) = opcode {
        broken(Rule::ReservedOpcode, format!("opcode {bits}"));
    }
    if opcode.is_control() && !header.fin {
        broken(Rule::FragmentedControlFrame, format!("{opcode:?} frame without FIN"));
    }
    if opcode.is_control() && header.payload > 125 {
        broken(Rule::LongControlFrame, format!("{opcode:?} frame of {} bytes", header.payload));
    }
    if !header.has_sound_length() {
        broken(Rule::LengthTooLarge, format!("length {:#x}", header.payload));
    } else if !header.minimal {
        broken(Rule::NonMinimalLength, format!("length {} in {} bytes", header.payload, header.size));
    }
    match (opcode, place.open) {
        (Opcode::Continuation, None) if place.resumed => {}
        (Opcode::Continuation, None) => {
            broken(Rule::UnexpectedContinuation, format!("continuation of {} bytes", header.payload));
        }
        (Opcode::Text | Opcode::Binary, Some(open)) => {
            broken(Rule::InterleavedMessage, format!("{opcode:?} frame {} bytes into a message", open));
        }
        _ => {}
    }
    if place.closed {
        broken(Rule::FrameAfterClose, format!("{opcode:?} frame of {} bytes", header.payload));
    }
}
