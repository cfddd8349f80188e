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

/// Tells `broken` of every rule that the first byte of a frame breaks. A receiver need not wait for the rest of the header
/// before it fails the connection, and then a sender may never send it.
pub(super) fn check_first_byte(byte: u8, place: &Place, broken: impl FnMut(Rule, String)) {
    let (fin, reserved, opcode) = Header::first_byte(byte);
    check_bits(fin, reserved, opcode, place, broken);
}

fn check_bits(fin: bool, reserved: u8, opcode: Opcode, place: &Place, mut broken: impl FnMut(Rule, String)) {
    if reserved & !place.extensions.reserved_bits(opcode, place.open.is_some()) != 0 {
        broken(Rule::ReservedBits, format!("RSV bits {reserved:03b} on a {opcode:?} frame"));
    }
    // Extensions may give reserved opcodes a meaning (RFC 6455 section 5.8).
    if let Opcode::Reserved(bits) = opcode
        && !place.extensions.unknown
    {
        broken(Rule::ReservedOpcode, format!("opcode {bits}"));
    }
    if opcode.is_control() && !fin {
        broken(Rule::FragmentedControlFrame, format!("{opcode:?} frame without FIN"));
    }
}

/// Tells `broken` of every rule that the rest of `header` breaks, with what was found.
pub(super) fn check(header: &Header, place: &Place, mut broken: impl FnMut(Rule, String)) {
    check_mask(header, place, &mut broken);
    check_length(header, &mut broken);
    check_order(header, place, &mut broken);
}

/// Whether `header` breaks no rule, wherever it stands among other frames.
pub(super) fn is_frame(header: &Header, place: &Place) -> bool {
    let mut sound = true;
    check_bits(header.fin, header.reserved, header.opcode, place, |_, _| sound = false);
    check_mask(header, place, &mut |_, _| sound = false);
    check_length(header, &mut |_, _| sound = false);
    sound
}

/// Whether `header` may stand where it does.
pub(super) fn is_in_order(header: &Header, place: &Place) -> bool {
    let mut sound = true;
    check_order(header, place, &mut |_, _| sound = false);
    sound
}

fn check_mask(header: &Header, place: &Place, broken: &mut impl FnMut(Rule, String)) {
    match (place.sender, header.mask) {
        (Role::Client, None) => broken(Rule::UnmaskedClientFrame, sized(header)),
        (Role::Server, Some(_)) => broken(Rule::MaskedServerFrame, sized(header)),
        (Role::Client, Some(_)) | (Role::Server, None) => {}
    }
}

fn check_length(header: &Header, broken: &mut impl FnMut(Rule, String)) {
    if header.opcode.is_control() && header.payload > 125 {
        broken(Rule::LongControlFrame, sized(header));
    }
    if !header.has_sound_length() {
        broken(Rule::LengthTooLarge, format!("length {:#x}", header.payload));
    } else if !header.minimal {
        broken(Rule::NonMinimalLength, format!("length {} in {} bytes", header.payload, header.size));
    }
}

/// Whether the frame may stand where it does.
fn check_order(header: &Header, place: &Place, broken: &mut impl FnMut(Rule, String)) {
    let opcode = header.opcode;
    // An extension may interleave the frames of several messages (RFC 6455 section 5.4).
    match (opcode, place.open) {
        _ if place.extensions.unknown => {}
        (Opcode::Continuation, None) if place.resumed => {}
        (Opcode::Continuation, None) => {
            broken(Rule::UnexpectedContinuation, format!("continuation of {} bytes", header.payload));
        }
        (Opcode::Text | Opcode::Binary, Some(open)) => {
            broken(Rule::InterleavedMessage, format!("{opcode:?} frame {open} bytes into a message"));
        }
        (Opcode::Continuation, Some(_))
        | (Opcode::Text | Opcode::Binary, None)
        | (Opcode::Close | Opcode::Ping | Opcode::Pong | Opcode::Reserved(_), _) => {}
    }
    // A Pong may be owed even then (RFC 6455 section 5.5.2), and pings are allowed until the connection is closed.
    match opcode {
        _ if !place.closed => {}
        Opcode::Close => broken(Rule::SecondClose, sized(header)),
        Opcode::Ping | Opcode::Pong => {}
        Opcode::Reserved(_) if opcode.is_control() => {}
        Opcode::Continuation | Opcode::Text | Opcode::Binary | Opcode::Reserved(_) => {
            broken(Rule::FrameAfterClose, sized(header));
        }
    }
}

fn sized(header: &Header) -> String {
    format!("{:?} frame of {} bytes", header.opcode, header.payload)
}

/// How often in a row a client has masked with the same key.
///
/// A key must be fresh for each frame (RFC 6455 section 5.3). Two that are equal can be chance; four in a row are one
/// chance in 2^96.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct MaskRun {
    key: [u8; 4],
    /// Frames in a row that had it; stays at [`Self::PROOF`].
    frames: u8,
}

impl MaskRun {
    const PROOF: u8 = 4;

    /// The next frame: whether it proves that the key stays the same, which one frame does. What masks nothing does not
    /// count.
    #[inline]
    pub(super) fn is_proved_by(&mut self, header: &Header) -> bool {
        let Some(key) = header.mask.filter(|_| header.payload > 0 && self.frames < Self::PROOF) else { return false };
        self.frames = if self.frames > 0 && key == self.key { self.frames + 1 } else { 1 };
        self.key = key;
        self.frames == Self::PROOF
    }

    /// What proves it.
    #[cold]
    pub(super) fn proof(&self) -> String {
        let [a, b, c, d] = self.key;
        format!("key {a:02x}{b:02x}{c:02x}{d:02x} for {} frames in a row", self.frames)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Extensions = Extensions { deflate: None, unknown: false };

    fn header(bytes: &[u8]) -> Header {
        Header::parse(bytes).unwrap()
    }

    fn server() -> Place {
        Place { sender: Role::Server, extensions: PLAIN, open: None, resumed: false, closed: false }
    }

    fn broken(bytes: &[u8], place: &Place) -> Vec<Rule> {
        let mut rules = Vec::new();
        check_first_byte(bytes[0], place, |rule, _| rules.push(rule));
        check(&header(bytes), place, |rule, _| rules.push(rule));
        rules
    }

    #[test]
    fn frames_of_the_rfc_break_nothing() {
        // RFC 6455 section 5.7, without the payloads.
        let client = Place { sender: Role::Client, ..server() };
        assert_eq!(broken(&[0x81, 0x05], &server()), []);
        assert_eq!(broken(&[0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d], &client), []);
        assert_eq!(broken(&[0x01, 0x03], &server()), []);
        assert_eq!(broken(&[0x80, 0x02], &Place { open: Some(3), ..server() }), []);
        assert_eq!(broken(&[0x89, 0x05], &Place { open: Some(3), ..server() }), []);
        assert_eq!(broken(&[0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d], &client), []);
        assert_eq!(broken(&[0x82, 0x7e, 1, 0], &server()), []);
        assert_eq!(broken(&[0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0], &server()), []);
    }

    #[test]
    fn only_data_and_a_second_close_are_wrong_after_a_close() {
        let closed = Place { closed: true, ..server() };
        assert_eq!(broken(&[0x81, 0], &closed), [Rule::FrameAfterClose]);
        assert_eq!(broken(&[0x88, 0], &closed), [Rule::SecondClose]);
        assert_eq!(broken(&[0x89, 0], &closed), []);
        assert_eq!(broken(&[0x8a, 0], &closed), []);
        let rest = Place { open: Some(1), ..closed };
        assert_eq!(broken(&[0x80, 0], &rest), [Rule::FrameAfterClose]);
    }

    #[test]
    fn unknown_extension_may_use_what_is_reserved_but_not_break_control_frames() {
        let extended = Place { extensions: Extensions { deflate: None, unknown: true }, ..server() };
        assert_eq!(broken(&[0xf3, 0], &extended), []);
        assert_eq!(broken(&[0x80, 0], &extended), []);
        assert_eq!(broken(&[0x81, 0], &Place { open: Some(1), ..extended }), []);
        assert_eq!(broken(&[0x09, 0], &extended), [Rule::FragmentedControlFrame]);
        assert_eq!(broken(&[0xf3, 0], &server()), [Rule::ReservedBits, Rule::ReservedOpcode]);
    }

    #[test]
    fn masking_key_is_told_once_and_only_when_it_stays_the_same() {
        let told = |keys: &[u8]| {
            let (mut run, mut told) = (MaskRun::default(), Vec::new());
            for (frame, key) in keys.iter().enumerate() {
                told.extend(run.is_proved_by(&header(&[0x81, 0x81, *key, 0, 0, 0])).then_some(frame));
            }
            told
        };
        assert_eq!(told(&[7, 7, 7, 7, 7, 7, 7, 7, 7]), [3]);
        assert_eq!(told(&[0, 0, 0, 0]), [3]);
        assert_eq!(told(&[7, 7, 7, 8, 7, 7, 7, 9, 9, 9]), [0_usize; 0]);
        let mut run = MaskRun::default();
        for _ in 0..9 {
            assert!(!run.is_proved_by(&header(&[0x89, 0x80, 0, 0, 0, 0])), "an empty payload is not masked");
        }
    }
}
