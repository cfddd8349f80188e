//! What each end did until the connection was closed: the evidence from which causes are told.
//!
//! In come frame headers, bytes and gaps as they are decoded; out goes an [`Activity`]. It stands still from the first
//! Close frame on, because what came later was no reason for it. Nothing here is allocated, whatever the traffic.

use bitcode::{Decode, Encode};

use crate::flow::{PacketId, PerRole, Role, Timestamp};
use crate::tcp::{Arrival, Repetitions};

use super::rate::Rate;

/// What both ends did until the first Close frame, or without one until the end.
#[derive(Clone, Debug, Default, Encode, Decode)]
pub struct Activity {
    /// What each end did.
    pub ends: PerRole<Conduct>,
    /// Who sent the last data message.
    pub last_sender: Option<Role>,
    /// When the last byte of either end was captured; `None` if there was none after the handshake.
    pub last_byte: Option<Timestamp>,
    /// The longest time without a byte of either end that was followed by one, in nanoseconds.
    pub longest_silence: i64,
    /// The packet that completed the handshake.
    pub handshake_packet: Option<PacketId>,
    /// The packet of the first FIN or RST.
    pub end_packet: Option<PacketId>,
    /// A Close frame was seen.
    closed: bool,
}

/// What one end did.
#[derive(Clone, Debug, Default, Encode, Decode)]
pub struct Conduct {
    /// The last data message that it began, as far as the closer had received it.
    pub last_message: Option<SeenMessage>,
    /// The largest one, the latest of several.
    pub largest_message: Option<SeenMessage>,
    /// Data messages that it began.
    pub messages: u32,
    /// How often a message of it was followed by one of the other end.
    pub answered: u32,
    /// The first of its Pings since the other end's last Pong, if there is one.
    pub unanswered_ping: Option<SeenPing>,
    /// When its last byte was captured, whatever it was part of.
    pub last_byte: Option<Timestamp>,
    /// How fast its messages came.
    pub rate: Rate,
    /// What it repeated at the end while the other end sent nothing at all.
    pub repetitions: Repetitions,
    /// Bytes of it are missing.
    pub holes: bool,
    /// Frame headers of it may be missing, so that frames went by unseen.
    pub lost: bool,
    /// They may be missing since the last one that was seen: among them a Close frame.
    pub unsure: bool,
}

/// A Ping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SeenPing {
    /// The packet that holds its header.
    pub packet: PacketId,
    /// When that was captured.
    pub time: Timestamp,
}

/// A data message, as its frame headers announced it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SeenMessage {
    /// The packet that holds the header of its first frame.
    pub packet: PacketId,
    /// When that was captured.
    pub time: Timestamp,
    /// Payload bytes that its frames announced, as on the wire.
    pub bytes: u64,
    /// Whether it is text.
    pub text: bool,
    /// Stream offset after the header of its first frame.
    offset: u64,
}

impl Activity {
    /// A segment with bytes of `sender`.
    pub(super) fn bytes(&mut self, sender: Role, time: Timestamp) {
        if self.closed {
            return;
        }
        if let Some(last) = self.last_byte {
            let silence = time.as_nanos().saturating_sub(last.as_nanos());
            self.longest_silence = self.longest_silence.max(silence);
        }
        self.last_byte = Some(time);
        self.ends.get_mut(sender).last_byte = Some(time);
    }

    /// A frame of a data message of `sender`, whose header ends at stream offset `offset`.
    pub(super) fn data_frame(&mut self, sender: Role, offset: u64, at: &Arrival, frame: (bool, bool, u64)) {
        if self.closed {
            return;
        }
        let (text, first, bytes) = frame;
        let conduct = self.ends.get_mut(sender);
        conduct.unsure = false;
        if first {
            conduct.messages = conduct.messages.saturating_add(1);
            conduct.rate.message(at.time);
            conduct.last_message = Some(SeenMessage { packet: at.packet, time: at.time, bytes, text, offset });
        } else if let Some(last) = &mut conduct.last_message {
            last.bytes = bytes;
        }
        let size = |message: &SeenMessage| message.bytes;
        if conduct.largest_message.as_ref().map(size) <= conduct.last_message.as_ref().map(size) {
            conduct.largest_message = conduct.last_message;
        }
        if first && self.last_sender.replace(sender) == Some(sender.peer()) {
            let asker = self.ends.get_mut(sender.peer());
            asker.answered = asker.answered.saturating_add(1);
        }
    }

    pub(super) fn ping(&mut self, sender: Role, at: &Arrival) {
        if !self.closed {
            self.ends.get_mut(sender).unsure = false;
            self.ends.get_mut(sender).unanswered_ping.get_or_insert(SeenPing { packet: at.packet, time: at.time });
        }
    }

    /// A Pong answers every Ping before it: only the latest need be answered (RFC 6455 section 5.5.3).
    pub(super) fn pong(&mut self, sender: Role) {
        if !self.closed {
            self.ends.get_mut(sender).unsure = false;
            self.ends.get_mut(sender.peer()).unanswered_ping = None;
        }
    }

    /// A Close frame. What its sender had not received by then is no reason for it.
    pub(super) fn close(&mut self, sender: Role, at: &Arrival) {
        if std::mem::replace(&mut self.closed, true) {
            return;
        }
        let Some(received) = at.acknowledged else { return };
        let peer = self.ends.get_mut(sender.peer());
        peer.last_message = peer.last_message.filter(|message| message.offset <= received);
        peer.largest_message = peer.largest_message.filter(|message| message.offset <= received);
    }

    /// Bytes of `sender` are missing; `lost` says that frame headers may be among them. A gap can come to light after the
    /// Close frame that it came before, so it always counts.
    pub(super) fn gap(&mut self, sender: Role, lost: bool) {
        let conduct = self.ends.get_mut(sender);
        conduct.holes = true;
        conduct.lost |= lost;
        conduct.unsure |= lost;
    }

    /// Milliseconds from the last byte of either end to `end`; `None` if there was none after the handshake.
    #[must_use]
    pub fn silence_before(&self, end: Timestamp) -> Option<f64> {
        self.last_byte.map(|last| end.millis_since(last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(packet: u64, millis: i64) -> Arrival {
        let packet = PacketId::new(0, packet);
        Arrival { packet, time: Timestamp::from_nanos(millis * 1_000_000), acknowledged: Some(100) }
    }

    #[test]
    fn a_live_connection_costs_little() {
        assert!(size_of::<Activity>() <= 400, "{}", size_of::<Activity>());
    }

    #[test]
    fn largest_message_is_the_latest_of_equal_ones_and_counts_its_frames() {
        let mut activity = Activity::default();
        for (packet, first, bytes) in [(1, true, 50), (2, true, 20), (3, false, 50), (4, true, 10)] {
            activity.data_frame(Role::Client, packet, &at(packet, 0), (true, first, bytes));
        }
        let client = &activity.ends.client;
        assert_eq!(client.largest_message.map(|message| (message.packet.number(), message.bytes)), Some((2, 50)));
        assert_eq!(client.last_message.map(|message| message.packet.number()), Some(4));
        assert_eq!(client.messages, 3);
    }

    #[test]
    fn what_the_closer_had_not_received_is_left_out() {
        let mut activity = Activity::default();
        activity.data_frame(Role::Client, 90, &at(1, 0), (true, true, 5));
        activity.data_frame(Role::Client, 110, &at(2, 0), (true, true, 9000));
        activity.close(Role::Server, &at(3, 1));
        assert_eq!(activity.ends.client.largest_message, None);
    }

    #[test]
    fn nothing_after_the_first_close_counts() {
        let mut activity = Activity::default();
        activity.ping(Role::Server, &at(1, 0));
        activity.close(Role::Server, &at(2, 1000));
        activity.pong(Role::Client);
        activity.data_frame(Role::Client, 5, &at(4, 2000), (true, true, 5));
        assert_eq!(activity.ends.server.unanswered_ping.map(|ping| ping.packet.number()), Some(1));
        assert_eq!(activity.ends.client.messages, 0);
    }

    #[test]
    fn answers_and_silences_are_counted() {
        let mut activity = Activity::default();
        for (index, sender) in [Role::Client, Role::Server, Role::Client, Role::Client, Role::Server].iter().enumerate()
        {
            let time = index as i64 * 100;
            activity.bytes(*sender, at(1, time).time);
            activity.data_frame(*sender, 1, &at(1, time), (true, true, 1));
        }
        assert_eq!((activity.ends.client.messages, activity.ends.client.answered), (3, 2));
        assert_eq!(activity.longest_silence, 100_000_000);
        assert_eq!(activity.silence_before(at(1, 450).time), Some(50.0));
    }
}
