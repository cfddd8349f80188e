//! Characters that a sender split between two text messages, because it cuts its text at a number of bytes.
//!
//! One message ends inside a character and is valid but for that; the sender's next text message begins with exactly the
//! bytes that are missing. Neither shows it alone.

use crate::websocket::InvalidText;

/// What one sender's last text message left unfinished.
#[derive(Debug, Default)]
pub(super) struct Splits {
    open: Option<Unfinished>,
}

#[derive(Debug)]
struct Unfinished {
    /// The message's row.
    row: usize,
    /// The beginning of the character.
    character: Box<[u8]>,
    /// The end of that message is still to be told.
    current: bool,
}

impl Splits {
    /// A text message with `row` has `fault`: the row of the message before, if a character is split between the two.
    pub(super) fn invalid<M>(&mut self, row: usize, fault: &InvalidText<M>) -> Option<usize> {
        let before = self.open.take().filter(|before| completes(&before.character, fault.leading_continuation()));
        let follows = before.is_some() || fault.byte_offset > 0;
        if follows && !fault.unfinished.is_empty() {
            self.open = Some(Unfinished { row, character: fault.unfinished.clone(), current: true });
        }
        before.map(|before| before.row)
    }

    /// A text message was told, after its fault if it has one.
    pub(super) fn message(&mut self) {
        self.open.take_if(|open| !std::mem::replace(&mut open.current, false));
    }
}

/// Whether `end` is what `beginning` lacks to be a character.
fn completes(beginning: &[u8], end: &[u8]) -> bool {
    let character = [beginning, end].concat();
    !end.is_empty() && std::str::from_utf8(&character).is_ok_and(|text| text.chars().count() == 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::websocket::TextCheck;

    /// Rows of the messages that each message's first character belongs to as well.
    fn told(messages: &[&[u8]]) -> Vec<Option<usize>> {
        let mut splits = Splits::default();
        let told = messages.iter().enumerate().map(|(row, message)| {
            let before = TextCheck::whole(message, ()).and_then(|fault| splits.invalid(row, &fault));
            splits.message();
            before
        });
        told.collect()
    }

    #[test]
    fn missing_bytes_at_the_beginning_of_the_next_message_complete_a_character() {
        assert_eq!(told(&[b"5 \xe2\x82", b"\xac each"]), [None, Some(0)]);
        assert_eq!(told(&[b"5 \xe2", b"\x82\xac each \xf0\x9f", b"\x98\x80 ok"]), [None, Some(0), Some(1)]);
    }

    #[test]
    fn other_bytes_do_not() {
        assert_eq!(told(&[b"5 \xe2\x82", b"\x82\xac each"]), [None, None], "one too many");
        assert_eq!(told(&[b"5 \xe2\x82", b"ok", b"\xac each"]), [None, None, None], "another text between");
        assert_eq!(told(&[b"\xff \xe2\x82", b"\xac each"]), [None, None], "something else is wrong");
        assert_eq!(told(&[b"\x80 \xe2\x82", b"\xac each"]), [None, None], "and so is this");
    }

    #[test]
    fn nothing_stays_open_after_a_valid_text() {
        let mut splits = Splits::default();
        let fault = TextCheck::whole(b"5 \xe2\x82", ()).unwrap();
        assert_eq!(splits.invalid(0, &fault), None);
        splits.message();
        assert!(splits.open.is_some());
        splits.message();
        assert!(splits.open.is_none());
    }
}
