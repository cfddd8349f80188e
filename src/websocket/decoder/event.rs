//! What a decoder finds, and where it puts it.

use crate::websocket::close::CloseBody;
use crate::websocket::rule::Rule;
use crate::websocket::utf8::InvalidText;

/// What a [`Decoder`](super::Decoder) finds.
#[derive(Debug)]
pub enum Event<'a, M> {
    /// A frame of a text or binary message begins: its header was read.
    DataFrame {
        /// Whether the message is text.
        text: bool,
        /// Whether it is the first frame of the message.
        first: bool,
        /// Payload bytes that its frames have announced so far, as on the wire, this one included.
        bytes: u64,
    },
    /// A Ping frame begins.
    Ping,
    /// A Pong frame begins.
    Pong,
    /// A text or binary message ended.
    Message {
        /// Whether it is text.
        text: bool,
    },
    /// A compressed message that cannot be inflated ended.
    Undecodable,
    /// A text message is not UTF-8. It is told when the message ends.
    InvalidText {
        /// Its number among the data messages of this direction, from 0.
        message: u64,
        /// Its length in bytes, inflated; `None` where that is not known, because its end is not in the capture or
        /// cannot be inflated.
        bytes: Option<u64>,
        /// A stream offset that is not behind the first bad byte, and is that byte's own where the message has one frame.
        offset: u64,
        /// Where and what is wrong.
        fault: InvalidText<M>,
    },
    /// A Close frame. One whose body has a hole is told too.
    Close(CloseBody<'a>),
    /// A rule was broken.
    Violation {
        /// The rule.
        rule: Rule,
        /// What was found.
        detail: String,
    },
}

/// Where a [`Decoder`](super::Decoder) puts what it finds.
pub trait Visitor<M> {
    /// Something ended at stream offset `end`, in the bytes that came with `mark`.
    fn event(&mut self, end: u64, mark: M, event: Event<'_, M>);
}
