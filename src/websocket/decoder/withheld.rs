//! What was found where the place in the stream was searched for, until it is proved that the place is right.
//!
//! In come texts that are not UTF-8, Close frames, and frames that fit; out they go as events, once enough has fitted or
//! nothing has followed. Where the place was never searched for, everything is told at once.

use crate::websocket::close::CloseBody;
use crate::websocket::conformance::{self, Place};
use crate::websocket::frame::Header;
use crate::websocket::message::{MessagePlace, Verdict};
use crate::websocket::utf8::InvalidText;

use super::{Decoder, Event, Visitor};

/// What waits for proof that the place in the stream is right.
#[derive(Debug)]
pub(super) struct Withheld<M> {
    /// Texts that are not UTF-8: at most one for each frame that must fit.
    texts: Vec<WithheldText<M>>,
    /// It is told at the end, if nothing follows it.
    close: Option<LastClose<M>>,
}

/// An [`Event::InvalidText`], where it would have been told.
#[derive(Debug)]
struct WithheldText<M> {
    end: u64,
    mark: M,
    message: u64,
    bytes: Option<u64>,
    offset: u64,
    fault: InvalidText<M>,
}

#[derive(Debug)]
struct LastClose<M> {
    body: Vec<u8>,
    length: u64,
    /// Stream offset just after it, and the mark of its last byte.
    end: u64,
    mark: M,
}

/// How many frames must fit: random bytes go on like a frame about once in 32 times.
pub(super) const PROVING_FRAMES: u8 = 4;

impl<M: Copy> Decoder<M> {
    /// Whether a frame may follow what went before, at a place that was searched for.
    pub(super) fn fits(&self, header: &Header, place: &Place) -> bool {
        !self.withholds_close() && conformance::is_frame(header, place) && conformance::is_in_order(header, place)
    }

    /// Whether a Close frame waits for the end.
    fn withholds_close(&self) -> bool {
        self.withheld.as_ref().is_some_and(|withheld| withheld.close.is_some())
    }

    /// The stream has ended, so that nothing has followed a Close frame that waits for that.
    pub(super) fn end_withheld(&mut self, visitor: &mut impl Visitor<M>) {
        if self.withholds_close() {
            self.tell_withheld(visitor);
        }
    }

    /// One more frame has fitted.
    pub(super) fn prove(&mut self, visitor: &mut impl Visitor<M>) {
        if self.unproved > 0 {
            self.unproved -= 1;
            if self.unproved == 0 {
                self.tell_withheld(visitor);
            }
        }
    }

    /// The place in the stream is right.
    fn tell_withheld(&mut self, visitor: &mut impl Visitor<M>) {
        let Some(withheld) = self.withheld.take() else { return };
        for WithheldText { end, mark, message, bytes, offset, fault } in withheld.texts {
            visitor.event(end, mark, Event::InvalidText { message, bytes, offset, fault });
        }
        if let Some(close) = withheld.close {
            self.closed = true;
            visitor.event(close.end, close.mark, Event::Close(CloseBody::parse(&close.body, close.length)));
        }
    }

    fn withheld(&mut self) -> &mut Withheld<M> {
        self.withheld.get_or_insert_with(|| Box::new(Withheld { texts: Vec::new(), close: None }))
    }

    pub(super) fn tell_faults(
        &mut self,
        message: u64,
        place: MessagePlace,
        verdict: Verdict<M>,
        mark: M,
        visitor: &mut impl Visitor<M>,
    ) {
        let Verdict { fault, bytes, breach, .. } = verdict;
        if let Some(fault) = fault {
            let (end, offset) = (self.offset, place.at_least(fault.byte_offset));
            if self.unproved > 0 {
                // By the time that it is told, the next message is no longer the next.
                let fault = InvalidText { unfinished: Box::default(), ..fault };
                self.withheld().texts.push(WithheldText { end, mark, message, bytes, offset, fault });
            } else {
                visitor.event(end, mark, Event::InvalidText { message, bytes, offset, fault });
            }
        }
        if let Some(breach) = breach {
            visitor.event(self.offset, breach.mark, Event::Violation { rule: breach.rule, detail: breach.detail });
        }
    }

    pub(super) fn tell_close(&mut self, body: &[u8], length: u64, mark: M, visitor: &mut impl Visitor<M>) {
        if self.searched {
            let close = LastClose { body: body.to_vec(), length, end: self.offset, mark };
            self.withheld().close = Some(close);
            return;
        }
        self.closed = true;
        visitor.event(self.offset, mark, Event::Close(CloseBody::parse(body, length)));
    }
}
