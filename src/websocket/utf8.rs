//! Text that comes in pieces: is it UTF-8, and if not, where and how not.
//!
//! In come pieces of a message, each with a mark of the caller's that tells where it came from; out goes at most one
//! [`InvalidText`], with the mark of the piece that holds the first bad byte. Nothing of the text is stored but a few bytes of
//! its beginning while it is valid, and a sample of fixed size once it is not.

use bitcode::{Decode, Encode};

use crate::limits;

/// What is wrong with the first bytes that are not UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum Utf8ErrorKind {
    /// A byte that occurs in no UTF-8 at all: F8 to FF.
    InvalidByte,
    /// A continuation byte (80 to BF) where a character should begin.
    UnexpectedContinuation,
    /// A character that ends early because another byte follows instead of a continuation byte.
    MissingContinuation,
    /// A character in more bytes than it needs.
    Overlong,
    /// Half of a UTF-16 surrogate pair, U+D800 to U+DFFF.
    Surrogate,
    /// A character above U+10FFFF.
    AboveU10FFFF,
    /// The text ends inside a character.
    Truncated,
}

impl Utf8ErrorKind {
    /// The name that tables use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::InvalidByte => "invalid-byte",
            Self::UnexpectedContinuation => "unexpected-continuation",
            Self::MissingContinuation => "missing-continuation",
            Self::Overlong => "overlong",
            Self::Surrogate => "surrogate",
            Self::AboveU10FFFF => "above-u10ffff",
            Self::Truncated => "truncated",
        }
    }

    /// What is wrong with `bytes`, which begin with a fault (Unicode 16, table 3-7).
    fn of(bytes: &[u8]) -> Self {
        let second = bytes.get(1).copied();
        match (bytes.first(), second) {
            (Some(0x80..=0xbf), _) => Self::UnexpectedContinuation,
            (Some(0xc0 | 0xc1), _) => Self::Overlong,
            (Some(0xf5..=0xf7), _) => Self::AboveU10FFFF,
            (Some(0xf8..=0xff), _) => Self::InvalidByte,
            (Some(0xe0), Some(0x80..=0x9f)) | (Some(0xf0), Some(0x80..=0x8f)) => Self::Overlong,
            (Some(0xed), Some(0xa0..=0xbf)) => Self::Surrogate,
            (Some(0xf4), Some(0x90..=0xbf)) => Self::AboveU10FFFF,
            (_, Some(_)) => Self::MissingContinuation,
            (_, None) => Self::Truncated,
        }
    }
}

/// A fault in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidText<M> {
    /// Where in the text the first bad byte is, as `std::str::Utf8Error::valid_up_to` counts it.
    pub byte_offset: u64,
    /// The mark of the piece that holds it.
    pub mark: M,
    /// What is wrong there.
    pub error: Utf8ErrorKind,
    /// What was kept of the text.
    pub sample: Sample,
    /// The beginning of a character that the text ends with, if that and the end of a character at the text's beginning
    /// are all that is wrong with it; empty otherwise.
    pub unfinished: Box<[u8]>,
}

/// What is kept of a text that is not UTF-8. It does not depend on the pieces in which the text came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The first [`limits::TEXT_HEAD_BYTES`] bytes, or fewer if the first bad byte comes sooner.
    pub head: Box<[u8]>,
    /// Up to [`limits::CONTEXT_BYTES`] bytes before the first bad one, and up to [`limits::TEXT_SAMPLE_BYTES`] from it on.
    pub window: Box<[u8]>,
    /// How many bytes of the window come before the first bad one.
    pub before: usize,
    /// Whether the window goes to the end of the text.
    pub to_end: bool,
}

impl<M> InvalidText<M> {
    /// Up to [`limits::CONTEXT_BYTES`] bytes before the first bad byte and as many from it on.
    #[must_use]
    pub fn context(&self) -> &[u8] {
        let Sample { window, before, .. } = &self.sample;
        window.get(..before + limits::CONTEXT_BYTES).unwrap_or(window)
    }

    /// The continuation bytes that the text begins with.
    #[must_use]
    pub fn leading_continuation(&self) -> &[u8] {
        let window = &*self.sample.window;
        let count = match self.byte_offset {
            0 => continuation_bytes(window),
            _ => 0,
        };
        window.get(..count).unwrap_or_default()
    }
}

pub(super) fn continuation_bytes(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| matches!(byte, 0x80..=0xbf)).count()
}

/// Checks one text.
#[derive(Debug)]
pub struct TextCheck<M> {
    state: State<M>,
}

#[derive(Debug)]
enum State<M> {
    /// Valid so far; what is needed to go on. Created with the first piece.
    Checking(Option<Progress<M>>),
    Found(Box<Found<M>>),
    /// Something is missing, so that nothing more can be proved.
    Unverifiable,
}

/// A text that is valid so far and came in more than one piece.
#[derive(Debug)]
struct Progress<M> {
    /// Bytes of whole characters so far.
    valid: u64,
    /// The beginning of a character that goes on in the next piece.
    carry: Carry<M>,
    /// The first of the valid bytes.
    head: Head,
    /// The last of the valid bytes.
    tail: Tail,
}

#[derive(Clone, Copy, Debug)]
struct Carry<M> {
    bytes: [u8; 3],
    length: u8,
    /// Of the piece in which it begins.
    mark: M,
}

#[derive(Debug)]
struct Head {
    bytes: [u8; limits::TEXT_HEAD_BYTES],
    length: u8,
}

#[derive(Debug, Default)]
struct Tail {
    bytes: [u8; limits::CONTEXT_BYTES],
    length: u8,
}

#[derive(Debug)]
struct Found<M> {
    fault: InvalidText<M>,
    window: Vec<u8>,
    /// How long the window is to become; less if bytes are missing.
    wanted: usize,
    rest: Rest<M>,
}

/// What follows the fault.
#[derive(Debug)]
enum Rest<M> {
    /// The text has begun with so many continuation bytes and nothing else yet.
    Leading(usize),
    /// It began with no more of them than a character has; valid from there on.
    Valid(Progress<M>),
    /// Anything else.
    Other,
}

impl<M> Default for TextCheck<M> {
    fn default() -> Self {
        Self { state: State::Checking(None) }
    }
}

impl<M: Copy> TextCheck<M> {
    /// The next piece, which came from `mark`.
    pub fn piece(&mut self, piece: &[u8], mark: M) {
        match &mut self.state {
            State::Unverifiable => {}
            State::Found(found) => found.extend(piece, mark),
            State::Checking(progress) => {
                let progress = progress.get_or_insert_with(|| Progress::new(mark));
                if let Some(found) = progress.piece(piece, mark) {
                    self.state = State::Found(found);
                }
            }
        }
    }

    /// The whole text in one piece: the same as [`Self::piece`] and [`Self::end`], but quick where it is valid.
    #[must_use]
    pub fn whole(text: &[u8], mark: M) -> Option<InvalidText<M>> {
        if simdutf8::basic::from_utf8(text).is_ok() {
            return None;
        }
        let mut check = Self::default();
        check.piece(text, mark);
        check.end()
    }

    /// Bytes are missing here: what was found before stays proved, but no more can be.
    pub fn gap(&mut self) {
        match &mut self.state {
            State::Found(found) => found.gap(),
            State::Checking(_) | State::Unverifiable => self.state = State::Unverifiable,
        }
    }

    /// The text ends here.
    #[must_use]
    pub fn end(self) -> Option<InvalidText<M>> {
        match self.state {
            State::Unverifiable => None,
            State::Checking(progress) => progress?.end().map(|found| found.finish(true)),
            State::Found(found) => Some(found.finish(true)),
        }
    }

    /// The capture ends inside the text: only what was found is told.
    #[must_use]
    pub fn abandon(self) -> Option<InvalidText<M>> {
        match self.state {
            State::Found(found) => Some(found.finish(false)),
            State::Checking(_) | State::Unverifiable => None,
        }
    }
}

impl<M: Copy> Progress<M> {
    fn new(mark: M) -> Self {
        Self { valid: 0, carry: Carry::of(&[], mark), head: Head::default(), tail: Tail::default() }
    }

    fn piece(&mut self, piece: &[u8], mark: M) -> Option<Box<Found<M>>> {
        let mut rest = piece;
        if self.carry.length > 0 {
            match self.complete_carry(piece, mark) {
                Ok(used) => rest = piece.get(used..).unwrap_or_default(),
                Err(found) => return Some(found),
            }
        }
        let Err(error) = simdutf8::compat::from_utf8(rest) else {
            self.accept(rest);
            return None;
        };
        let (good, bad) = rest.split_at_checked(error.valid_up_to()).unwrap_or_default();
        self.accept(good);
        if error.error_len().is_some() {
            return Some(self.fault(bad, mark));
        }
        self.carry = Carry::of(bad, mark);
        None
    }

    /// Completes the character that began in an earlier piece: how many bytes of this piece it took.
    fn complete_carry(&mut self, piece: &[u8], mark: M) -> Result<usize, Box<Found<M>>> {
        let carried = self.carry.length as usize;
        let mut character = [0; 6];
        let mut length = 0;
        let begin = self.carry.bytes.iter().take(carried);
        for (slot, byte) in character.iter_mut().zip(begin.chain(piece.iter().take(3))) {
            *slot = *byte;
            length += 1;
        }
        let character = character.get(..length).unwrap_or_default();
        let valid = match std::str::from_utf8(character) {
            Ok(text) => text.len(),
            Err(error) if error.valid_up_to() > 0 => error.valid_up_to(),
            Err(error) if error.error_len().is_some() => {
                let mut found = self.fault(character, self.carry.mark);
                found.extend(piece.get(length - carried..).unwrap_or_default(), mark);
                return Err(found);
            }
            Err(_) => {
                self.carry = Carry::of(character, self.carry.mark);
                return Ok(piece.len());
            }
        };
        self.carry.length = 0;
        self.accept(character.get(..valid).unwrap_or_default());
        Ok(valid - carried)
    }

    fn accept(&mut self, good: &[u8]) {
        self.valid += good.len() as u64;
        self.head.push(good);
        self.tail.push(good);
    }

    /// The fault at the beginning of `bad`.
    fn fault(&self, bad: &[u8], mark: M) -> Box<Found<M>> {
        let before = self.tail.get().len();
        let mut window = Vec::with_capacity(before + limits::CONTEXT_BYTES);
        window.extend_from_slice(self.tail.get());
        let sample = Sample { head: self.head.get().into(), window: Box::default(), before, to_end: true };
        let error = Utf8ErrorKind::of(bad);
        let fault = InvalidText { byte_offset: self.valid, mark, error, sample, unfinished: Box::default() };
        let rest = if self.valid == 0 { Rest::Leading(0) } else { Rest::Other };
        let mut found = Box::new(Found { fault, window, wanted: before + limits::TEXT_SAMPLE_BYTES, rest });
        found.extend(bad, mark);
        found
    }

    fn end(&self) -> Option<Box<Found<M>>> {
        let carried = self.carry.bytes.get(..self.carry.length as usize)?;
        if carried.is_empty() {
            return None;
        }
        let mut found = self.fault(carried, self.carry.mark);
        found.fault.error = Utf8ErrorKind::Truncated;
        found.fault.unfinished = carried.into();
        Some(found)
    }
}

impl<M> Carry<M> {
    fn of(bytes: &[u8], mark: M) -> Self {
        let mut carry = Self { bytes: [0; 3], length: 0, mark };
        for (slot, byte) in carry.bytes.iter_mut().zip(bytes) {
            *slot = *byte;
            carry.length += 1;
        }
        carry
    }
}

impl Default for Head {
    fn default() -> Self {
        Self { bytes: [0; limits::TEXT_HEAD_BYTES], length: 0 }
    }
}

impl Head {
    fn get(&self) -> &[u8] {
        self.bytes.get(..self.length as usize).unwrap_or_default()
    }

    fn push(&mut self, good: &[u8]) {
        let room = self.bytes.get_mut(self.length as usize..).unwrap_or_default();
        let count = room.len().min(good.len());
        if let (Some(slots), Some(first)) = (room.get_mut(..count), good.get(..count)) {
            slots.copy_from_slice(first);
        }
        // At most TEXT_HEAD_BYTES, which fits.
        self.length += count as u8;
    }
}

impl Tail {
    fn get(&self) -> &[u8] {
        self.bytes.get(self.bytes.len() - self.length as usize..).unwrap_or_default()
    }

    fn push(&mut self, good: &[u8]) {
        let room = self.bytes.len();
        let new = good.len().min(room);
        self.bytes.copy_within(new.., 0);
        if let (Some(slots), Some(last)) = (self.bytes.get_mut(room - new..), good.get(good.len() - new..)) {
            slots.copy_from_slice(last);
        }
        // At most CONTEXT_BYTES, which fits.
        self.length = (self.length as usize + new).min(room) as u8;
    }
}

impl<M: Copy> Found<M> {
    fn extend(&mut self, bytes: &[u8], mark: M) {
        let missing = self.wanted.saturating_sub(self.window.len());
        self.window.extend(bytes.iter().take(missing));
        self.fault.sample.to_end &= bytes.len() <= missing;
        self.follow(bytes, mark);
    }

    /// Looks whether the rest of the text is valid.
    fn follow(&mut self, bytes: &[u8], mark: M) {
        match &mut self.rest {
            Rest::Other => {}
            Rest::Leading(before) => {
                let more = continuation_bytes(bytes);
                *before += more;
                let rest = bytes.get(more..).unwrap_or_default();
                match *before {
                    1..=3 if rest.is_empty() => {}
                    1..=3 => {
                        self.rest = Rest::Valid(Progress::new(mark));
                        self.follow(rest, mark);
                    }
                    _ => self.rest = Rest::Other,
                }
            }
            Rest::Valid(progress) => {
                if progress.piece(bytes, mark).is_some() {
                    self.rest = Rest::Other;
                }
            }
        }
    }

    /// Bytes are missing here, so that nothing that comes later can be put in its place.
    fn gap(&mut self) {
        self.wanted = 0;
        self.rest = Rest::Other;
    }

    /// The text is over; `ended` if it came to its own end.
    fn finish(mut self, ended: bool) -> InvalidText<M> {
        self.fault.sample.to_end &= ended && self.wanted > 0;
        self.fault.sample.window = self.window.into();
        if let (true, Rest::Valid(progress)) = (ended, &self.rest) {
            let carry = &progress.carry;
            self.fault.unfinished = carry.bytes.get(..carry.length as usize).unwrap_or_default().into();
        }
        self.fault
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(pieces: &[&[u8]]) -> Option<InvalidText<u64>> {
        let mut check = TextCheck::default();
        let mut offset = 0;
        for piece in pieces {
            check.piece(piece, offset);
            offset += piece.len() as u64;
        }
        check.end()
    }

    fn kind(bytes: &[u8]) -> Option<Utf8ErrorKind> {
        check(&[bytes]).map(|fault| fault.error)
    }

    #[test]
    fn every_kind_of_fault_is_named() {
        assert_eq!(kind("grüße 🎉".as_bytes()), None);
        assert_eq!(kind(b"a\xff"), Some(Utf8ErrorKind::InvalidByte));
        assert_eq!(kind(b"a\x80"), Some(Utf8ErrorKind::UnexpectedContinuation));
        assert_eq!(kind(b"a\xe9 b"), Some(Utf8ErrorKind::MissingContinuation));
        assert_eq!(kind(b"\xe2\x82 b"), Some(Utf8ErrorKind::MissingContinuation));
        assert_eq!(kind(b"\xc0\xaf"), Some(Utf8ErrorKind::Overlong));
        assert_eq!(kind(b"\xe0\x80\xaf"), Some(Utf8ErrorKind::Overlong));
        assert_eq!(kind(b"\xf0\x8f\xbf\xbf"), Some(Utf8ErrorKind::Overlong));
        assert_eq!(kind(b"\xed\xa0\x80"), Some(Utf8ErrorKind::Surrogate));
        assert_eq!(kind(b"\xf4\x90\x80\x80"), Some(Utf8ErrorKind::AboveU10FFFF));
        assert_eq!(kind(b"\xf5"), Some(Utf8ErrorKind::AboveU10FFFF));
        assert_eq!(kind(b"abc\xe2\x82"), Some(Utf8ErrorKind::Truncated));
    }

    #[test]
    fn context_surrounds_the_first_bad_byte() {
        let fault = check(&[b"0123456789abcdef0123", b"4567\xff", b"89abcdefghijklmnopq"]).unwrap();
        assert_eq!(fault.byte_offset, 24);
        assert_eq!(fault.mark, 20, "the second piece holds it");
        assert_eq!(fault.context(), b"89abcdef01234567\xff89abcdefghijklm");
    }

    #[test]
    fn gap_hides_what_follows_but_not_what_came_before() {
        let mut valid_before = TextCheck::<u64>::default();
        valid_before.piece(b"abc\xe2", 0);
        valid_before.gap();
        valid_before.piece(b"\xff", 10);
        assert_eq!(valid_before.end(), None);
        let mut bad_before = TextCheck::default();
        bad_before.piece(b"abc\xff", 0);
        bad_before.gap();
        assert_eq!(bad_before.end().map(|fault| fault.byte_offset), Some(3));
    }

    #[test]
    fn nothing_is_sampled_past_a_gap() {
        let mut check = TextCheck::default();
        check.piece(b"abc\xffde", 0);
        check.gap();
        check.piece(b"fgh", 10);
        let fault = check.end().unwrap();
        assert_eq!(fault.context(), b"abc\xffde");
        assert!(!fault.sample.to_end);
    }

    #[test]
    fn unfinished_character_is_kept_where_the_rest_is_valid() {
        let unfinished = |text: &[u8]| check(&[text]).unwrap().unfinished;
        assert_eq!(&*unfinished(b"5 \xe2\x82"), b"\xe2\x82");
        assert_eq!(&*unfinished(b"\x82\xac each \xf0\x9f"), b"\xf0\x9f");
        assert_eq!(&*unfinished(b"\x82\xac each"), b"");
        assert_eq!(&*unfinished(b"\x82\xac \xff \xf0\x9f"), b"", "something else is wrong");
        assert_eq!(&*unfinished(b"\x80\x80\x80\x80 \xf0\x9f"), b"", "no character has so many bytes");
    }

    fn nearly_utf8() -> impl Strategy<Value = Vec<u8>> {
        let part = prop_oneof![
            any::<String>().prop_map(String::into_bytes),
            proptest::collection::vec(any::<u8>(), 0..4),
            Just(vec![0xed, 0xa0, 0x80]),
            Just(vec![0xf0, 0x9f, 0x8e]),
        ];
        proptest::collection::vec(part, 0..6).prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn any_split_gives_the_answer_of_the_standard_library(
            bytes in nearly_utf8(),
            cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            cuts.sort_unstable();
            let mut pieces = Vec::new();
            let mut start = 0;
            for cut in cuts.into_iter().chain([bytes.len()]) {
                pieces.push(&bytes[start..cut]);
                start = cut;
            }
            let fault = check(&pieces);
            let whole = check(&[&bytes]);
            let expected = std::str::from_utf8(&bytes).err();
            prop_assert_eq!(fault.as_ref().map(|fault| fault.byte_offset), expected.map(|error| error.valid_up_to() as u64));
            prop_assert_eq!(fault.as_ref().map(|fault| &fault.sample), whole.as_ref().map(|fault| &fault.sample));
            prop_assert_eq!(
                fault.as_ref().map(|fault| &fault.unfinished),
                whole.as_ref().map(|fault| &fault.unfinished)
            );
            prop_assert_eq!(fault.as_ref().map(|fault| fault.error), whole.as_ref().map(|fault| fault.error));
            if let (Some(fault), Some(error)) = (fault, expected) {
                prop_assert_eq!(fault.error == Utf8ErrorKind::Truncated, error.error_len().is_none());
                let holder = pieces.iter().scan(0, |start, piece| {
                    let range = *start..*start + piece.len() as u64;
                    *start = range.end;
                    Some(range)
                });
                let holder = holder.filter(|range| range.contains(&fault.byte_offset)).map(|range| range.start).next();
                prop_assert_eq!(Some(fault.mark), holder);
                let bad = error.valid_up_to();
                let context = &bytes[bad.saturating_sub(16)..bytes.len().min(bad + 16)];
                prop_assert_eq!(fault.context(), context);
            }
        }
    }
}
