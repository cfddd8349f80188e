//! Compressed messages of one direction (RFC 7692): what the sender's compressor has shown so far, and the next message's
//! plain text from it.
//!
//! In come the payloads of compressed messages in pieces; out goes the plain text in pieces that fit the cache, never a
//! whole message. What a compressor said before is part of what it says next (context takeover), so each direction
//! remembers the last bytes of what it inflated, as many as the agreed window has. Only while a message is under way it
//! has a decoder too: one that is kept for each thread, so that connections that are between messages cost their window
//! and nothing else.
//!
//! Binary messages are inflated as texts are: later texts refer to them, and what is no DEFLATE data is a breach in them
//! too. A sender that refers further back than the agreed window, or to an earlier message where it agreed not to, breaks
//! the agreement, and what it says is refused as its peer would refuse it. References inside a message are not measured.
//!
//! Where the capture lost a piece, what comes next can refer to bytes that nobody has. The decoder refuses such
//! references, and what does not refer to them is exact: so messages are tried, those that fail are unknown and not
//! their sender's fault, and what a sound one says is true. [`Inflation::is_complete`] and [`Inflation::is_certain`] tell
//! which claim is allowed.

use std::cell::Cell;
use std::collections::VecDeque;

use flate2::{Decompress, FlushDecompress, Status};

use crate::limits;

use super::handshake::Compressor;

/// The compression of one direction. It costs nothing before the first compressed message.
#[derive(Debug)]
pub(super) struct Inflation {
    /// Everything that the next message can refer to was seen, so that it must be sound.
    complete: bool,
    /// It is known, and not only assumed, that this is how messages are compressed.
    certain: bool,
    inflater: Option<Box<Inflater>>,
}

/// Why a message cannot be inflated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// It is no DEFLATE data, or refers to something before what may be referred to.
    Unsound,
    /// It ends inside a DEFLATE block.
    Unfinished,
    /// It is larger than what is inflated ([`limits::INFLATED_BYTES`]).
    TooLarge,
}

#[derive(Debug)]
struct Inflater {
    compressor: Compressor,
    /// The last of what was inflated: what the next message may refer to.
    history: VecDeque<u8>,
    /// The decoder of the message that is under way.
    decoder: Option<Box<Decompress>>,
    /// The decoder has had no byte of its current DEFLATE stream.
    fresh: bool,
    /// Compressed bytes so far.
    compressed: u64,
    /// What they were inflated to.
    inflated: u64,
}

impl Inflation {
    /// Of a direction that is seen from its beginning. `certain` as [`Self::is_certain`].
    pub(super) const fn new(certain: bool) -> Self {
        Self { certain, complete: certain, inflater: None }
    }

    /// Whether a message that cannot be inflated is its sender's fault: all that it may refer to was seen.
    pub(super) const fn is_complete(&self) -> bool {
        self.complete
    }

    /// Whether it was agreed upon that messages are compressed like this, or a message has shown it.
    pub(super) const fn is_certain(&self) -> bool {
        self.certain
    }

    /// A message begins that `compressor` made.
    pub(super) fn begin(&mut self, compressor: Compressor) {
        let inflater = self.inflater.get_or_insert_with(|| Box::new(Inflater::new(compressor)));
        self.complete &= inflater.begin();
    }

    /// The next bytes of the message that is under way. Its plain text goes to `sink`, as far as it is sound.
    pub(super) fn piece(&mut self, bytes: &[u8], sink: impl FnMut(&[u8])) -> Result<(), Failure> {
        match &mut self.inflater {
            Some(inflater) => inflater.piece(bytes, sink),
            None => Ok(()),
        }
    }

    /// The message ends.
    pub(super) fn end(&mut self) -> Result<(), Failure> {
        self.inflater.as_mut().map_or(Ok(()), |inflater| inflater.end())
    }

    /// A message was sound. `shows` says that what it inflated to is no coincidence.
    pub(super) fn succeeded(&mut self, shows: bool) {
        self.certain |= shows;
        self.complete |= self.certain && self.inflater.as_ref().is_some_and(|inflater| inflater.has_full_history());
    }

    /// The message that was under way could not be inflated as a whole, so that what it said is not known.
    pub(super) fn failed(&mut self) {
        if let Some(inflater) = &mut self.inflater {
            inflater.forget();
            self.complete &= !inflater.compressor.takeover;
        }
    }

    /// Messages may have gone by unseen.
    pub(super) fn lose(&mut self) {
        self.complete = false;
        if let Some(inflater) = &mut self.inflater {
            inflater.forget();
        }
    }
}

impl Inflater {
    fn new(compressor: Compressor) -> Self {
        let history = VecDeque::new();
        Self { compressor, history, decoder: None, fresh: true, compressed: 0, inflated: 0 }
    }

    /// Whether the decoder has the history now: one without a header takes any.
    fn begin(&mut self) -> bool {
        let mut decoder = spare_decoder();
        let (older, newer) = self.history.as_slices();
        let taken = [older, newer].into_iter().all(|part| decoder.set_dictionary(part).is_ok());
        self.decoder = Some(decoder);
        self.fresh = true;
        taken
    }

    fn piece(&mut self, bytes: &[u8], mut sink: impl FnMut(&[u8])) -> Result<(), Failure> {
        self.compressed += bytes.len() as u64;
        let mut plain = [0; limits::PIECE_BYTES];
        let mut rest = bytes;
        loop {
            let Some(step) = self.step(rest, &mut plain) else { return Ok(()) };
            let made = plain.get(..step.made).unwrap_or_default();
            self.inflated += made.len() as u64;
            self.remember(made);
            sink(made);
            let allowed = limits::INFLATED_BYTES + self.compressed.saturating_mul(limits::INFLATED_PER_BYTE);
            if self.inflated > allowed {
                // So that messages after this one are allowed as much for each byte again.
                self.inflated = allowed;
                return Err(Failure::TooLarge);
            }
            rest = rest.get(step.used..).unwrap_or_default();
            match step.status {
                Err(_) => return Err(Failure::Unsound),
                Ok(Status::StreamEnd) => self.begin_stream(),
                Ok(Status::Ok | Status::BufError) if step.made == plain.len() => {}
                Ok(Status::Ok | Status::BufError) if step.used == 0 && !rest.is_empty() => {
                    return Err(Failure::Unsound);
                }
                Ok(Status::Ok | Status::BufError) => {}
            }
            if rest.is_empty() && step.made < plain.len() {
                return Ok(());
            }
        }
    }

    /// What the decoder makes of the beginning of `bytes`; `None` without a message.
    fn step(&mut self, bytes: &[u8], plain: &mut [u8]) -> Option<Step> {
        let decoder = self.decoder.as_mut()?;
        let (taken, given) = (decoder.total_in(), decoder.total_out());
        let status = decoder.decompress(bytes, plain, FlushDecompress::None);
        // Neither is more than what the slices hold.
        let used = (decoder.total_in() - taken) as usize;
        let made = (decoder.total_out() - given) as usize;
        self.fresh &= used == 0;
        Some(Step { used, made, status })
    }

    /// A block said that it is the last one (RFC 7692 section 7.2.3.4). What follows is another DEFLATE stream, which
    /// refers to nothing before it.
    fn begin_stream(&mut self) {
        self.history.clear();
        self.fresh = true;
        if let Some(decoder) = &mut self.decoder {
            decoder.reset(false);
        }
    }

    fn end(&mut self) -> Result<(), Failure> {
        let mut plain = [0; TAIL.len()];
        // Nothing at all, or nothing behind a last block, is taken for an empty rest.
        let finished = self.fresh
            || self.step(TAIL, &mut plain).is_none_or(|step| {
                matches!(step.status, Ok(Status::StreamEnd)) && step.used == TAIL.len() && step.made == 0
            });
        self.release();
        if finished { Ok(()) } else { Err(Failure::Unfinished) }
    }

    fn remember(&mut self, made: &[u8]) {
        if !self.compressor.takeover {
            return;
        }
        let window = self.compressor.window();
        let last = made.get(made.len().saturating_sub(window)..).unwrap_or_default();
        let length = self.history.len() + last.len();
        self.history.drain(..length.saturating_sub(window));
        let wanted = length.min(window);
        if wanted > self.history.capacity() {
            self.history.reserve_exact(wanted.next_power_of_two().min(window) - self.history.len());
        }
        self.history.extend(last);
    }

    /// Whether all that the next message can refer to is known.
    fn has_full_history(&self) -> bool {
        !self.compressor.takeover || self.history.len() == self.compressor.window()
    }

    fn forget(&mut self) {
        self.history.clear();
        self.release();
    }

    fn release(&mut self) {
        if let Some(decoder) = self.decoder.take() {
            SPARE.set(Some(decoder));
        }
    }
}

/// What one call of the decoder did.
struct Step {
    used: usize,
    made: usize,
    status: Result<Status, flate2::DecompressError>,
}

/// What the sender left out at the end of a message (RFC 7692 section 7.2.1), and then an empty last block: only a decoder
/// that is between two blocks takes that for the end.
const TAIL: &[u8] = &[0, 0, 0xff, 0xff, 1, 0, 0, 0xff, 0xff];

thread_local! {
    /// A decoder that nobody needs now. To make one takes as long as to inflate a short message.
    static SPARE: Cell<Option<Box<Decompress>>> = const { Cell::new(None) };
}

fn spare_decoder() -> Box<Decompress> {
    match SPARE.take() {
        Some(mut decoder) => {
            decoder.reset(false);
            decoder
        }
        None => Box::new(Decompress::new(false)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::*;
    use crate::websocket::testing::{Packer, bomb, text};

    const FRESH: Compressor = Compressor { window_bits: 15, takeover: false };

    /// What a message inflates to.
    fn inflate(inflation: &mut Inflation, compressor: Compressor, pieces: &[&[u8]]) -> Result<Vec<u8>, Failure> {
        let mut plain = Vec::new();
        inflation.begin(compressor);
        let result = pieces.iter().try_for_each(|piece| inflation.piece(piece, |made| plain.extend_from_slice(made)));
        match result.and_then(|()| inflation.end()) {
            Ok(()) => inflation.succeeded(true),
            Err(failure) => {
                inflation.failed();
                return Err(failure);
            }
        }
        Ok(plain)
    }

    /// What the messages of one direction inflate to.
    fn inflate_all(compressor: Compressor, messages: &[&[u8]]) -> Vec<Result<String, Failure>> {
        let mut inflation = Inflation::new(true);
        let text = |plain| String::from_utf8(plain).unwrap();
        messages.iter().map(|message| inflate(&mut inflation, compressor, &[message]).map(text)).collect()
    }

    fn plain(texts: &[&str]) -> Vec<Result<String, Failure>> {
        texts.iter().map(|text| Ok((*text).to_owned())).collect()
    }

    #[test]
    fn examples_of_the_rfc_are_inflated() {
        let hello: &[u8] = b"\xf2\x48\xcd\xc9\xc9\x07\x00";
        let any = Compressor::default();
        assert_eq!(inflate_all(any, &[hello]), plain(&["Hello"]));
        // With the window of the message before, and without.
        assert_eq!(inflate_all(any, &[hello, b"\xf2\x00\x11\x00\x00"]), plain(&["Hello", "Hello"]));
        assert_eq!(inflate_all(FRESH, &[hello, hello]), plain(&["Hello", "Hello"]));
        // A block without compression, a last block, two blocks, an empty one.
        assert_eq!(inflate_all(any, &[b"\x00\x05\x00\xfa\xffHello\x00"]), plain(&["Hello"]));
        assert_eq!(inflate_all(any, &[b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00", hello]), plain(&["Hello", "Hello"]));
        assert_eq!(inflate_all(any, &[b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"]), plain(&["Hello"]));
        assert_eq!(inflate_all(any, &[b"\x00", hello]), plain(&["", "Hello"]));
    }

    #[test]
    fn messages_without_a_byte_are_empty() {
        let hello: &[u8] = b"\xf2\x48\xcd\xc9\xc9\x07\x00";
        let shared: &[u8] = b"\xf2\x00\x11\x00\x00";
        let all = inflate_all(Compressor::default(), &[b"", hello, b"", b"\x00", b"\x02\x00", shared]);
        assert_eq!(all, plain(&["", "Hello", "", "", "", "Hello"]));
    }

    #[test]
    fn last_blocks_end_their_stream_but_not_the_message() {
        let twice = b"\xf3\x48\xcd\xc9\xc9\x07\x00\xf3\x48\xcd\xc9\xc9\x07\x00\x00";
        assert_eq!(inflate_all(Compressor::default(), &[twice]), plain(&["HelloHello"]));
        // Without the empty block behind it, which the RFC asks for.
        assert_eq!(inflate_all(Compressor::default(), &[&twice[..7]]), plain(&["Hello"]));
        let refers_back = inflate_all(Compressor::default(), &[twice, b"\xf2\x00\x11\x00\x00"]);
        assert_eq!(refers_back[1], Err(Failure::Unsound));
    }

    #[test]
    fn every_window_size_is_honoured() {
        for bits in 9..=15 {
            let compressor = Compressor { window_bits: bits, takeover: true };
            let (mut packer, mut inflation) = (Packer::new(bits), Inflation::new(true));
            for number in 0..300 {
                let text = text(number, 400);
                let packed = packer.pack(text.as_bytes());
                assert_eq!(inflate(&mut inflation, compressor, &[&packed]), Ok(text.into_bytes()), "{bits} bits");
            }
            let inflater = inflation.inflater.as_ref().unwrap();
            assert_eq!(inflater.history.len(), compressor.window());
            assert_eq!(inflater.history.capacity(), compressor.window());
        }
    }

    #[test]
    fn message_that_refers_beyond_the_agreed_window_is_refused() {
        let messages = [text(1, 200), text(2, 600), text(1, 200)];
        let mut packer = Packer::new(15);
        let packed: Vec<Vec<u8>> = messages.iter().map(|text| packer.pack(text.as_bytes())).collect();
        let packed: Vec<&[u8]> = packed.iter().map(Vec::as_slice).collect();
        assert_eq!(inflate_all(Compressor::default(), &packed)[2], Ok(messages[2].clone()));
        let narrow = Compressor { window_bits: 8, takeover: true };
        assert_eq!(inflate_all(narrow, &packed)[2], Err(Failure::Unsound));
        assert_eq!(inflate_all(FRESH, &packed)[2], Err(Failure::Unsound));
    }

    #[test]
    fn missing_history_gives_no_wrong_byte() {
        let mut packer = Packer::new(15);
        let messages: Vec<String> = (0..60).map(|number| text(number, 300)).collect();
        let packed: Vec<Vec<u8>> = messages.iter().map(|text| packer.pack(text.as_bytes())).collect();
        let mut refused = 0;
        for lost in 1..messages.len() {
            let mut inflation = Inflation::new(true);
            inflation.lose();
            for (message, packed) in messages.iter().zip(&packed).skip(lost) {
                match inflate(&mut inflation, Compressor::default(), &[packed]) {
                    Ok(plain) => assert_eq!(plain, message.as_bytes(), "{lost} lost"),
                    Err(failure) => {
                        refused += 1;
                        assert_eq!(failure, Failure::Unsound);
                    }
                }
                assert!(!inflation.is_complete());
            }
        }
        assert!(refused > 1000, "{refused}");
    }

    #[test]
    fn window_that_is_full_again_is_complete() {
        let (mut packer, mut inflation) = (Packer::new(15), Inflation::new(true));
        inflation.lose();
        let mut inflated = 0;
        while !inflation.is_complete() {
            let text = text(inflated, 1000);
            inflated += inflate(&mut inflation, Compressor::default(), &[&packer.pack(text.as_bytes())]).unwrap().len();
        }
        assert_eq!(inflated, limits::INFLATE_WINDOW_BYTES.next_multiple_of(1000));
    }

    #[test]
    fn message_that_is_cut_is_not_taken_for_whole() {
        let packed = Packer::new(15).pack(text(3, 500).as_bytes());
        for length in 1..packed.len() {
            let mut inflation = Inflation::new(true);
            let cut = inflate(&mut inflation, Compressor::default(), &[&packed[..length]]);
            assert_eq!(cut, Err(Failure::Unfinished), "{length} bytes");
            assert!(!inflation.is_complete());
        }
    }

    #[test]
    fn bomb_is_given_up_and_the_next_message_is_not() {
        let bomb = bomb(90);
        let mut inflation = Inflation::new(true);
        let mut inflated = 0;
        inflation.begin(FRESH);
        assert_eq!(inflation.piece(&bomb, |made| inflated += made.len() as u64), Err(Failure::TooLarge));
        let limit = limits::INFLATED_BYTES + bomb.len() as u64 * limits::INFLATED_PER_BYTE;
        assert!((limit..=limit + limits::PIECE_BYTES as u64).contains(&inflated), "{inflated} of {limit}");
        inflation.failed();
        let hello = inflate(&mut inflation, FRESH, &[b"\xf2\x48\xcd\xc9\xc9\x07\x00"]);
        assert_eq!(hello, Ok(b"Hello".to_vec()));
        assert_eq!(inflate(&mut Inflation::new(true), FRESH, &[&bomb[..1000]]), Err(Failure::Unfinished));
    }

    #[test]
    fn direction_without_compressed_messages_costs_two_words() {
        assert!(size_of::<Inflation>() <= 16);
    }

    proptest! {
        #[test]
        fn any_split_inflates_to_the_same(
            plain in proptest::collection::vec(prop_oneof![Just(b'a'), any::<u8>()], 0..9000),
            damage in proptest::option::of((any::<Index>(), any::<u8>())),
            cuts in proptest::collection::vec(any::<Index>(), 0..12),
        ) {
            let mut packed = Packer::new(15).pack(&plain);
            if let Some((place, byte)) = &damage {
                let place = place.index(packed.len());
                packed[place] = *byte;
            }
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(packed.len() + 1)).collect();
            cuts.sort_unstable();
            let mut pieces = Vec::new();
            let mut start = 0;
            for cut in cuts.into_iter().chain([packed.len()]) {
                pieces.push(&packed[start..cut]);
                start = cut;
            }
            let whole = inflate(&mut Inflation::new(true), Compressor::default(), &[&packed]);
            if damage.is_none() {
                prop_assert_eq!(&whole, &Ok(plain));
            }
            prop_assert_eq!(inflate(&mut Inflation::new(true), Compressor::default(), &pieces), whole);
        }
    }
}
