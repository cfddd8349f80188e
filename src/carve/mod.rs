//! The packets of chosen connections, as a capture of their own.
//!
//! In come an [`Analysis`], what is chosen of it, and the same captures once more; out goes a pcapng file: the packets as
//! they were captured, with tunnels and fragments, and with comments on those that the analysis points at; and the TLS
//! secrets that open them, of these connections alone. What comes out can be analysed again, with the same verdicts.
//!
//! ```text
//!   Analysis ──▶ Selection ──▶ Chosen connections, by flow ─┐
//!                                                           ▼
//!   the captures again ──batches──▶ decode ──▶ which connection? what to say of it? ──▶ pcapng
//! ```

use std::collections::HashMap;
use std::io::{self, Write};

use crate::analyze::{Analysis, Progress};
use crate::capture::{Batch, Captures, Input, Packet};
use crate::close_code::CloseCode;
use crate::connection::ConnectionRecord;
use crate::flow::{FlowKey, PacketId};
use crate::packet::{self, Decoded, Quoted, Segment};

mod chosen;
mod comments;
mod fragments;
mod pcapng;
mod secrets;

use chosen::Chosen;
use fragments::{Held, Waiting};
use pcapng::PcapngWriter;
use secrets::Copies;

/// What is chosen of an analysis: what every part that is not empty agrees to. Of a list, any element may match; if all
/// is empty, every connection is chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Numbers of connections, as in the tables.
    pub connections: Vec<usize>,
    /// Close codes, as in the tables' `close_code`.
    pub close_codes: Vec<CloseCode>,
    /// Names of causes, as in the tables' `cause`.
    pub causes: Vec<String>,
    /// Only connections with text that is not UTF-8.
    pub invalid_utf8: bool,
    /// Whether the TLS secrets of the chosen connections are left out.
    pub without_secrets: bool,
}

impl Selection {
    /// Whether the connection of that number is chosen.
    #[must_use]
    pub fn chooses(&self, number: usize, record: &ConnectionRecord) -> bool {
        let code = record.verdict.close_code;
        let cause = record.cause.map(|cause| cause.kind.name());
        (self.connections.is_empty() || self.connections.contains(&number))
            && (self.close_codes.is_empty() || code.is_some_and(|code| self.close_codes.contains(&code)))
            && (self.causes.is_empty() || cause.is_some_and(|cause| self.causes.iter().any(|name| name == cause)))
            && (!self.invalid_utf8 || record.invalid_utf8_count > 0)
    }

    /// How many connections of `analysis` are chosen.
    #[must_use]
    pub fn count(&self, analysis: &Analysis) -> usize {
        let mut chosen = 0;
        self.for_each(analysis, |_, _| chosen += 1);
        chosen
    }

    /// Shows `take` each chosen connection.
    fn for_each(&self, analysis: &Analysis, mut take: impl FnMut(usize, &ConnectionRecord)) {
        analysis.connections.for_each(|number, record| {
            // There are no more than fit into memory.
            let number = usize::try_from(number).unwrap_or(usize::MAX);
            if self.chooses(number, record) {
                take(number, record);
            }
        });
    }
}

/// Writes the packets of the chosen connections of `analysis` to `out`, in the order of their times; the fragments of an
/// IP packet stand together, where the last of them was captured. Returns how many packets that were.
///
/// `inputs` must be those that were analysed. What cannot be read of them any more is left out.
///
/// # Errors
///
/// What writing to `out` says.
pub fn carve(
    analysis: &Analysis,
    selection: &Selection,
    inputs: Vec<Input>,
    progress: &mut dyn FnMut(Progress),
    out: impl Write,
) -> io::Result<u64> {
    let secrets = (!selection.without_secrets && !analysis.secrets.is_empty()).then_some(analysis.secrets.as_ref());
    let mut carver = Carver {
        flows: flows(analysis, selection),
        secrets: secrets.map(Copies::new),
        fragments: Waiting::default(),
        writer: PcapngWriter::new(out, analysis)?,
    };
    let mut captures = Captures::new(inputs);
    let mut batch = Batch::default();
    while captures.next_batch(&mut batch) {
        for packet in batch.packets() {
            carver.packet(&batch, packet)?;
        }
        progress(Progress { bytes: captures.bytes_read(), total: captures.bytes_total() });
    }
    carver.writer.finish()
}

/// The chosen connections by flow. Several may have one: when ports are used again, or after refused attempts.
fn flows(analysis: &Analysis, selection: &Selection) -> HashMap<FlowKey, Vec<Chosen>> {
    let mut flows = HashMap::<_, Vec<_>>::new();
    selection.for_each(analysis, |number, record| {
        let (key, _) = FlowKey::of(record.client, record.server);
        flows.entry(key).or_default().push(Chosen::new(number, record));
    });
    flows
}

struct Carver<'a, W> {
    flows: HashMap<FlowKey, Vec<Chosen>>,
    /// `None` if there are none to copy.
    secrets: Option<Copies<'a>>,
    fragments: Waiting,
    writer: PcapngWriter<'a, W>,
}

impl<W: Write> Carver<'_, W> {
    fn packet(&mut self, batch: &Batch, packet: &Packet) -> io::Result<()> {
        let (id, bytes) = (batch.id_of(packet), batch.bytes_of(packet));
        let comments = match packet::decode(packet.link_type, bytes, packet.original) {
            Decoded::Segment(segment) => self.segment(&segment, bytes, id)?,
            Decoded::Quoted(quoted) => self.quoted(&quoted),
            Decoded::Fragment(fragment) => {
                let held = Held::new(packet, id, batch.interface_of(packet), bytes);
                return match self.fragments.add(&fragment, held) {
                    Some((datagram, parts)) => self.datagram(&datagram, &parts, id),
                    None => Ok(()),
                };
            }
            Decoded::Other | Decoded::Undecoded => None,
        };
        match comments {
            Some(comments) => self.writer.packet(packet, id, batch.interface_of(packet), bytes, &comments),
            None => Ok(()),
        }
    }

    /// What came in `parts`, the last of which is the packet `id`.
    fn datagram(&mut self, datagram: &packet::Datagram, parts: &[Held], id: PacketId) -> io::Result<()> {
        let comments = match packet::decode_datagram(datagram) {
            Decoded::Segment(segment) => self.segment(&segment, &datagram.bytes, id)?,
            Decoded::Quoted(quoted) => self.quoted(&quoted),
            Decoded::Fragment(_) | Decoded::Other | Decoded::Undecoded => None,
        };
        let Some(comments) = comments else { return Ok(()) };
        for part in parts {
            let comments = if part.id == id { comments.as_slice() } else { &[] };
            self.writer.packet(&part.packet, part.id, part.interface, &part.bytes, comments)?;
        }
        Ok(())
    }

    /// What is to be said of a segment in `bytes`; `None` if it is of no chosen connection. The secrets that it asks for are
    /// written, because readers want them before the packets.
    fn segment(&mut self, segment: &Segment, bytes: &[u8], id: PacketId) -> io::Result<Option<Vec<String>>> {
        let Some(flow) = self.flows.get_mut(&segment.key) else { return Ok(None) };
        let payload = bytes.get(segment.payload.start as usize..segment.payload.end as usize).unwrap_or_default();
        let mut comments = None;
        for chosen in flow {
            if chosen.takes(segment, id) {
                chosen.comment(segment, payload, id, comments.get_or_insert_default());
            }
        }
        if let Some(secrets) = self.secrets.as_mut().filter(|_| comments.is_some()) {
            for key_log in secrets.asked_for(payload) {
                self.writer.key_log(&key_log)?;
            }
        }
        Ok(comments)
    }

    /// An ICMP error about a connection belongs to it.
    fn quoted(&self, quoted: &Quoted) -> Option<Vec<String>> {
        self.flows.get(&quoted.key)?.iter().any(Chosen::is_within).then(Vec::new)
    }
}
