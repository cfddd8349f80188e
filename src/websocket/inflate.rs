//! Compressed messages of one direction (RFC 7692): what the sender's compressor has shown so far, and the next message's
//! plain text from it.
//!
//! In come the payloads of compressed messages in pieces; out goes the plain text in pieces that fit the cache, never a
//! whole message. What a compressor said before is part of what it says next (context takeover), so each direction
//! remembers the last bytes of what it inflated, as many as the agreed window has. Only while a message is under way it
//! has a decoder too: one that is kept for each thread, so that connections that are between messages cost their window
//! and nothing else.
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
            if self.inflated > limits::INFLATED_BYTES + self.compressed.saturating_mul(limits::INFLATED_PER_BYTE) {
                return Err(Failure::TooLarge);
            }
            rest = rest.get(step.used..).unwrap_or_default();
            match step.status {
                Err(_) => return Err(Failure::Unsound),
                Ok(Status::StreamEnd) => self.begin_stream(),
                Ok(Status::Ok | Status::BufError) if step.made == plain.len() => {}
                Ok(Status::Ok | Status::BufError) if step.used == 0 && !rest.is_empty() => return Err(Failure::Unsound),
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
