//! Fragments of IP packets that wait to be known: only the whole packet tells which connection it is of.

use std::collections::{HashMap, VecDeque};

use crate::capture::Packet;
use crate::flow::PacketId;
use crate::limits;
use crate::packet::{Datagram, DatagramKey, Fragment, Fragments};

/// A captured packet that is kept.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) packet: Packet,
    pub(super) id: PacketId,
    /// The number of its interface in its file.
    pub(super) interface: usize,
    pub(super) bytes: Vec<u8>,
}

impl Held {
    pub(super) fn new(packet: &Packet, id: PacketId, interface: usize, bytes: &[u8]) -> Self {
        Self { packet: *packet, id, interface, bytes: bytes.to_owned() }
    }
}

/// The fragments that wait, up to [`limits::HELD_FRAGMENT_BYTES`]: beyond it, those that wait longest are dropped.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    whole: Fragments,
    held: HashMap<DatagramKey, Vec<Held>>,
    /// The keys of [`Self::held`], oldest first.
    order: VecDeque<DatagramKey>,
    bytes: usize,
}

impl Waiting {
    /// Adds a fragment: what it makes whole, with all the packets it came in.
    pub(super) fn add(&mut self, fragment: &Fragment, held: Held) -> Option<(Datagram, Vec<Held>)> {
        let key = fragment.datagram();
        let payload = held.bytes.get(fragment.payload.start as usize..fragment.payload.end as usize);
        let whole = self.whole.add(fragment, payload.unwrap_or_default(), held.packet.time);
        self.bytes += held.bytes.len();
        let order = &mut self.order;
        let parts = self.held.entry(key).or_insert_with(|| {
            order.push_back(key);
            Vec::new()
        });
        parts.push(held);
        let Some(datagram) = whole else {
            self.drop_oldest();
            return None;
        };
        self.order.retain(|waiting| *waiting != key);
        Some((datagram, self.take(&key)))
    }

    fn drop_oldest(&mut self) {
        while self.bytes > limits::HELD_FRAGMENT_BYTES || self.order.len() > limits::FRAGMENTED_DATAGRAMS {
            let Some(key) = self.order.pop_front() else { return };
            self.take(&key);
        }
    }

    fn take(&mut self, key: &DatagramKey) -> Vec<Held> {
        let parts = self.held.remove(key).unwrap_or_default();
        self.bytes -= parts.iter().map(|part| part.bytes.len()).sum::<usize>();
        parts
    }
}
