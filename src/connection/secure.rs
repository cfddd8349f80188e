//! A connection under TLS: what its records carry is a connection of its own.
//!
//! Stream offsets and acknowledgements of TCP are turned into those of the content, so that the layers above need not
//! know.

use std::collections::VecDeque;

use crate::flow::{Direction, PerRole, Role};
use crate::limits;
use crate::tcp::{Application, Arrival, FlowStart, FlowSummary, Interest};
use crate::tls::{Secrets, Tls, Visitor};

use super::record::{ConnectionRecord, Handshake, Transport};
use super::tls_failure::TlsFailure;
use super::{Connection, Hole, Workplace};

/// A TLS connection and what it carries.
#[derive(Debug)]
pub(super) struct Secure {
    client: Direction,
    tls: Tls<Arrival>,
    content: Content,
}

/// What the records carry.
#[derive(Debug)]
struct Content {
    client: Direction,
    connection: Box<Connection>,
    progress: PerRole<Progress>,
    interest: Interest,
}

/// How far one direction is, in bytes of content and of TCP.
#[derive(Debug, Default)]
struct Progress {
    /// Bytes of content so far.
    content: u64,
    /// Where recent records ended, oldest first: in TCP's stream, and in the content.
    ends: VecDeque<(u64, u64)>,
    /// Where the last record ended that is not listed any more.
    settled: u64,
}

impl Progress {
    /// `received` bytes of TCP's stream as bytes of content: those of the records that ended by then.
    fn content_of(&mut self, received: u64) -> u64 {
        while let Some((_, content)) = self.ends.pop_front_if(|(end, _)| *end <= received) {
            self.settled = content;
        }
        self.settled
    }

    fn record(&mut self, end: u64) {
        if self.ends.len() >= limits::TLS_RECORDS_IN_FLIGHT {
            self.ends.pop_front();
        }
        self.ends.push_back((end, self.content));
    }
}

impl Secure {
    /// A connection on which `client` sent a ClientHello.
    pub(super) fn new(client: Direction, start: &FlowStart) -> Self {
        let connection = Box::new(Connection::new(start));
        let content = Content { client, connection, progress: PerRole::default(), interest: Interest::Keep };
        Self { client, tls: Tls::default(), content }
    }

    pub(super) fn data(
        &mut self,
        from: Direction,
        offset: u64,
        bytes: &[u8],
        at: &Arrival,
        workplace: &mut Workplace,
    ) -> Interest {
        let sender = self.role_of(from);
        let at = self.content_mark(sender, at);
        let mut carried = Carried { content: &mut self.content, workplace };
        self.tls.data(sender, offset, bytes, at, &mut carried);
        self.content.progress.get_mut(sender).record(self.tls.end_of_records(sender));
        if self.tls.is_opaque() {
            workplace.add_locked(self.tls.locked());
            return Interest::Ignore;
        }
        self.content.interest
    }

    pub(super) fn gap(
        &mut self,
        from: Direction,
        offset: u64,
        length: u64,
        at: &Arrival,
        workplace: &mut Workplace,
    ) -> Interest {
        let sender = self.role_of(from);
        let at = self.content_mark(sender, at);
        let mut carried = Carried { content: &mut self.content, workplace };
        self.tls.gap(sender, offset, length, at, &mut carried);
        if self.tls.is_opaque() { Interest::Ignore } else { self.content.interest }
    }

    /// The connection is over; `missed` counts the bytes that the TCP connection lacks.
    pub(super) fn finish(mut self, start: &FlowStart, summary: &FlowSummary, missed: u64, workplace: &mut Workplace) {
        let first = workplace.records.len();
        workplace.add_locked(self.tls.locked());
        let failure = TlsFailure::of(&self.tls, self.client, start, summary, missed);
        self.tls.finish(summary.last(), &mut Carried { content: &mut self.content, workplace });
        let summary = self.summary_of_content(summary);
        self.content.connection.end(&summary, workplace);
        let sni = self.tls.client_hello().and_then(|hello| hello.sni.clone());
        for record in workplace.records.iter_mut().skip(first) {
            record.transport = Transport::Tls;
            record.sni.clone_from(&sni);
            record.missed_bytes = missed;
            record.complete &= missed == 0;
        }
        if let Some(mut failure) = failure {
            // In TLS 1.3 a client may ask before the server says that it wants a certificate: that is one attempt.
            let unanswered = |record: &ConnectionRecord| record.handshake == Handshake::Unanswered;
            let told = workplace.records.len() > first;
            if told && let Some(asked) = workplace.records.pop_if(|record| unanswered(record)) {
                failure.record.request = asked.request;
            }
            workplace.tls_failures.push(failure);
        }
    }

    /// How TCP ended, in bytes of content.
    fn summary_of_content(&mut self, summary: &FlowSummary) -> FlowSummary {
        let mut summary = *summary;
        for direction in &mut summary.directions {
            // What is missing is counted in bytes of TCP.
            direction.fin_in_gap = false;
        }
        if let Some(end) = &mut summary.end {
            let peer = self.role_of(end.sender).peer();
            let progress = self.content.progress.get_mut(peer);
            end.acknowledged = end.acknowledged.map(|received| progress.content_of(received));
        }
        summary
    }

    fn role_of(&self, direction: Direction) -> Role {
        if direction == self.client { Role::Client } else { Role::Server }
    }

    /// The mark of a packet of `sender` for what its records carry.
    fn content_mark(&mut self, sender: Role, at: &Arrival) -> Arrival {
        let peer = self.content.progress.get_mut(sender.peer());
        Arrival { acknowledged: at.acknowledged.map(|received| peer.content_of(received)), ..*at }
    }
}

/// Takes what records carry.
struct Carried<'a> {
    content: &'a mut Content,
    workplace: &'a mut Workplace,
}

impl Content {
    fn direction_of(&self, sender: Role) -> Direction {
        if sender == Role::Client { self.client } else { self.client.opposite() }
    }
}

impl Visitor<Arrival> for Carried<'_> {
    fn secrets(&self) -> &Secrets {
        &self.workplace.secrets
    }

    fn data(&mut self, sender: Role, bytes: &[u8], at: Arrival) {
        let from = self.content.direction_of(sender);
        let progress = self.content.progress.get_mut(sender);
        let offset = progress.content;
        progress.content += bytes.len() as u64;
        if self.content.interest == Interest::Keep {
            self.content.interest = self.content.connection.data(from, offset, bytes, &at, self.workplace);
        }
    }

    fn gap(&mut self, sender: Role, at: Arrival) {
        let from = self.content.direction_of(sender);
        let progress = self.content.progress.get_mut(sender);
        let hole = Hole { offset: progress.content, length: limits::TLS_HOLE_BYTES, exact: false };
        progress.content += hole.length;
        self.content.connection.lack(from, hole, &at);
    }
}
