//! A data message that is under way: its payload goes through here piece by piece and is never stored.

use std::cell::RefCell;

use crate::flow::Role;
use crate::limits;

use super::frame::{Header, Opcode, RSV1, is_ascii, unmask};
use super::handshake::{Compressor, Extensions};
use super::inflate::{Failure, Inflation};
use super::rule::Rule;
use super::utf8::{InvalidText, TextCheck};

/// A data message.
#[derive(Debug)]
pub(super) struct Message<M> {
    /// Its number, from 0.
    pub(super) number: u64,
    /// The stream offset of its first byte of payload.
    pub(super) begin: u64,
    pub(super) text: bool,
    /// Payload bytes so far.
    pub(super) bytes: u64,
    /// What they stand for, in bytes.
    plain_bytes: u64,
    /// Whether it is checked: text, unless an extension may have changed it.
    check: Option<TextCheck<M>>,
    packing: Packing<M>,
}

/// How the payload stands for the message.
#[derive(Debug)]
enum Packing<M> {
    /// As it is.
    Plain,
    /// It is being inflated, from a part that is compressed on.
    Compressed,
    /// It was compressed, and what follows is not or comes in the next frame.
    Inflated,
    /// It cannot be inflated: the rest is not known.
    Unknown,
    /// It cannot be inflated, and that is worth a row.
    Broken(Box<Breach<M>>),
}

/// A rule that the payload breaks.
#[derive(Debug)]
pub(super) struct Breach<M> {
    /// Of the piece in which it shows.
    pub(super) mark: M,
    pub(super) rule: Rule,
    pub(super) detail: String,
}

/// What is known of a message when it is over.
#[derive(Debug)]
pub(super) struct Verdict<M> {
    pub(super) fault: Option<InvalidText<M>>,
    /// Its length in plain bytes; `None` if that is not known.
    pub(super) bytes: Option<u64>,
    /// It could not be inflated.
    pub(super) undecodable: bool,
    pub(super) breach: Option<Box<Breach<M>>>,
}

/// Where in the stream a message is.
#[derive(Clone, Copy, Debug)]
pub(super) struct MessagePlace {
    begin: u64,
    compressed: bool,
}

impl MessagePlace {
    /// The stream offset that the message's byte at `byte_offset` has at least. In a message of one frame that is not
    /// compressed it is exact; headers of further frames push the byte back.
    pub(super) const fn at_least(self, byte_offset: u64) -> u64 {
        if self.compressed { self.begin } else { self.begin + byte_offset }
    }
}

impl<M: Copy> Message<M> {
    /// A message that begins, its payload at stream offset `begin`. `checked` says that it is to be text, as far as it is
    /// not compressed in an unknown way.
    pub(super) fn new(number: u64, begin: u64, text: bool, checked: bool) -> Self {
        let check = checked.then(TextCheck::default);
        Self { number, begin, text, bytes: 0, plain_bytes: 0, check, packing: Packing::Plain }
    }

    /// Where in the stream it is.
    pub(super) const fn place(&self) -> MessagePlace {
        MessagePlace { begin: self.begin, compressed: !matches!(self.packing, Packing::Plain) }
    }

    /// A frame of it begins. What is compressed begins with it, if `header` says so: the message, or each frame for itself.
    pub(super) fn begin_frame(
        &mut self,
        header: &Header,
        sender: Role,
        extensions: Extensions,
        inflation: &mut Inflation,
    ) {
        let Some(deflate) = extensions.deflate else { return };
        let may_begin = deflate.per_frame || header.opcode != Opcode::Continuation;
        if !may_begin || header.reserved & RSV1 == 0 {
            return;
        }
        if extensions.unknown || header.reserved != RSV1 {
            self.give_up(inflation);
        } else {
            self.begin_compressed(*deflate.compressors.get(sender), inflation);
        }
    }

    /// What follows was made by `compressor`, until [`Self::end_compressed`].
    fn begin_compressed(&mut self, compressor: Compressor, inflation: &mut Inflation) {
        match self.packing {
            Packing::Plain | Packing::Inflated => {
                inflation.begin(compressor);
                self.packing = Packing::Compressed;
            }
            Packing::Compressed | Packing::Unknown | Packing::Broken(_) => inflation.failed(),
        }
    }

    /// It is compressed in a way that is not known.
    fn give_up(&mut self, inflation: &mut Inflation) {
        self.packing = Packing::Unknown;
        inflation.lose();
    }

    /// The next part of its payload, which begins `position` bytes into its frame.
    pub(super) fn payload(
        &mut self,
        bytes: &[u8],
        mask: Option<[u8; 4]>,
        position: u64,
        mark: M,
        inflation: &mut Inflation,
    ) {
        self.bytes += bytes.len() as u64;
        match &self.packing {
            Packing::Unknown | Packing::Broken(_) => return,
            Packing::Plain | Packing::Inflated => self.plain_bytes += bytes.len() as u64,
            Packing::Compressed => {
                in_plain_pieces(bytes, mask, position, |piece| self.inflate(piece, mark, inflation));
                return;
            }
        }
        if let Some(check) = &mut self.check {
            in_plain_pieces(bytes, mask, position, |piece| check.piece(piece, mark));
        }
    }

    fn inflate(&mut self, piece: &[u8], mark: M, inflation: &mut Inflation) {
        if !matches!(self.packing, Packing::Compressed) {
            return;
        }
        let (plain_bytes, check) = (&mut self.plain_bytes, &mut self.check);
        let result = inflation.piece(piece, |plain| {
            *plain_bytes += plain.len() as u64;
            if let Some(check) = check {
                check.piece(plain, mark);
            }
        });
        if let Err(failure) = result {
            self.fail(failure, mark, inflation);
        }
    }

    /// What was compressed ends here: the message, or a frame of it.
    pub(super) fn end_compressed(&mut self, mark: M, inflation: &mut Inflation) {
        if !matches!(self.packing, Packing::Compressed) {
            return;
        }
        self.packing = Packing::Inflated;
        match inflation.end() {
            Ok(()) => inflation.succeeded(false),
            Err(failure) => self.fail(failure, mark, inflation),
        }
    }

    fn fail(&mut self, failure: Failure, mark: M, inflation: &mut Inflation) {
        let (number, bytes) = (self.number, self.plain_bytes);
        let limit = failure == Failure::TooLarge;
        let detail = match failure {
            Failure::Unsound => format!("message {number} cannot be inflated beyond its first {bytes} bytes"),
            Failure::Unfinished => format!("message {number} ends inside a DEFLATE block, after {bytes} bytes"),
            Failure::TooLarge => format!("message {number} was not inflated beyond its first {bytes} bytes"),
        };
        let rule = if limit { Rule::LimitReached } else { Rule::BadCompression };
        self.packing = if limit || inflation.is_complete() {
            Packing::Broken(Box::new(Breach { mark, rule, detail }))
        } else {
            Packing::Unknown
        };
        self.forget_unproved(inflation);
        inflation.failed();
    }

    /// `length` bytes of its payload are missing.
    pub(super) fn gap(&mut self, length: u64, inflation: &mut Inflation) {
        self.bytes += length;
        if length == 0 {
            return;
        }
        match self.packing {
            Packing::Plain | Packing::Inflated => {
                self.plain_bytes += length;
                if let Some(check) = &mut self.check {
                    check.gap();
                }
            }
            Packing::Compressed => self.leave_unknown(inflation),
            Packing::Unknown | Packing::Broken(_) => {}
        }
    }

    /// The rest of what is being inflated is not in the capture.
    fn leave_unknown(&mut self, inflation: &mut Inflation) {
        self.packing = Packing::Unknown;
        self.forget_unproved(inflation);
        inflation.failed();
    }

    /// Only where all is known, what the beginning of a message says is proved without its end.
    fn forget_unproved(&mut self, inflation: &Inflation) {
        if !inflation.is_complete() {
            self.check = None;
        }
    }

    /// The message ends.
    pub(super) fn end(&mut self, inflation: &mut Inflation) -> Verdict<M> {
        let (check, bytes) = (self.check.take(), Some(self.plain_bytes));
        let breach = match std::mem::replace(&mut self.packing, Packing::Plain) {
            Packing::Plain | Packing::Compressed => {
                return Verdict { fault: check.and_then(TextCheck::end), bytes, undecodable: false, breach: None };
            }
            Packing::Inflated => {
                let is_text = check.is_some();
                let fault = check.and_then(TextCheck::end);
                if inflation.is_certain() || fault.is_none() {
                    inflation.succeeded(is_text && self.plain_bytes >= TELLING_BYTES);
                    return Verdict { fault, bytes, undecodable: false, breach: None };
                }
                inflation.failed();
                return Verdict { fault: None, bytes: None, undecodable: true, breach: None };
            }
            Packing::Unknown => None,
            Packing::Broken(breach) => Some(breach),
        };
        Verdict { fault: check.and_then(TextCheck::abandon), bytes: None, undecodable: true, breach }
    }

    /// The message will not end any more: only what was found is told.
    pub(super) fn abandon(&mut self, inflation: &mut Inflation) -> Verdict<M> {
        if matches!(self.packing, Packing::Compressed) {
            self.leave_unknown(inflation);
        }
        let breach = match std::mem::replace(&mut self.packing, Packing::Plain) {
            Packing::Plain | Packing::Compressed | Packing::Inflated | Packing::Unknown => None,
            Packing::Broken(breach) => Some(breach),
        };
        Verdict { fault: self.check.take().and_then(TextCheck::abandon), bytes: None, undecodable: false, breach }
    }
}

/// Bytes of valid text that show that a message is compressed as was assumed: other bytes that inflate to their very end
/// are rare, and hardly ever give that much text.
const TELLING_BYTES: u64 = 8;

/// Whether the payload of a frame is UTF-8. It need not say so of one that is too long to be unmasked at once.
pub(super) fn is_text(payload: &[u8], mask: Option<[u8; 4]>) -> bool {
    // Most texts are ASCII, which is known sooner than that they are UTF-8.
    let Some(key) = mask else { return is_ascii(payload, [0; 4]) || simdutf8::basic::from_utf8(payload).is_ok() };
    if is_ascii(payload, key) {
        return true;
    }
    PLAIN.with_borrow_mut(|plain| {
        let Some(plain) = plain.get_mut(..payload.len()) else { return false };
        unmask(payload, key, 0, plain);
        simdutf8::basic::from_utf8(plain).is_ok()
    })
}

/// Hands `bytes`, which begin `position` bytes into their frame, to `each`: at once, or in unmasked pieces.
fn in_plain_pieces(bytes: &[u8], mask: Option<[u8; 4]>, position: u64, mut each: impl FnMut(&[u8])) {
    let Some(key) = mask else {
        each(bytes);
        return;
    };
    PLAIN.with_borrow_mut(|plain| {
        for (index, piece) in bytes.chunks(limits::PIECE_BYTES).enumerate() {
            let skipped = (index * limits::PIECE_BYTES) as u64;
            let Some(plain) = plain.get_mut(..piece.len()) else { continue };
            unmask(piece, key, position + skipped, plain);
            each(plain);
        }
    });
}

thread_local! {
    /// Where pieces are unmasked: nothing that is made for a piece need be filled with zeros first. Nothing that is done
    /// with a piece unmasks another.
    static PLAIN: RefCell<[u8; limits::PIECE_BYTES]> = const { RefCell::new([0; limits::PIECE_BYTES]) };
}
