//! The opening handshake, judged: which rules its heads break, and what that makes of it.
//!
//! In come what a client offered and how it was answered, each with the packet that completed it and the sender's stream
//! offset just after it; out come faults, which become violations of the connection or of the attempt to open one.

use crate::flow::Role;
use crate::http::{Field, Response};
use crate::tcp::Arrival;
use crate::websocket::Rule;
use crate::websocket::handshake::Offer;
use crate::websocket::opening::{Fault, faults_of_agreement, faults_of_refusal};

use super::record::{Handshake, Violation};

/// A rule that a head of an opening handshake breaks.
#[derive(Clone, Debug)]
pub(super) struct HandshakeFault {
    pub(super) sender: Role,
    /// The packet that completed the head.
    pub(super) at: Arrival,
    /// The sender's stream offset just after the head.
    pub(super) end: u64,
    pub(super) rule: Rule,
    pub(super) detail: String,
}

impl HandshakeFault {
    /// The violation of an attempt that never became a connection, so that no Close frame can answer it.
    pub(super) fn violation(&self) -> Violation {
        Violation {
            packet: self.at.packet,
            time: self.at.time,
            sender: self.sender,
            rule: self.rule,
            detail: self.detail.as_str().into(),
            peer_close_code: None,
            peer_reaction_ms: None,
        }
    }
}

/// What a 101 makes of an attempt.
pub(super) struct Judged {
    pub(super) handshake: Handshake,
    pub(super) faults: Vec<HandshakeFault>,
}

/// The faults of the request that made this offer.
pub(super) fn of_request(offer: &Offer, at: &Arrival, end: u64) -> Vec<HandshakeFault> {
    offer.faults.iter().cloned().map(fault_of(Role::Client, at, end)).collect()
}

/// The faults of an answer that does not agree to WebSocket.
pub(super) fn of_refusal(offer: &Offer, response: &Response, at: &Arrival, end: u64) -> Vec<HandshakeFault> {
    let faults = match response.status {
        // Another protocol may have been offered beside WebSocket, and chosen.
        101 if response.fields.first(Field::Upgrade).is_some() => Vec::new(),
        101 => faults_of_agreement(offer, response),
        _ => faults_of_refusal(offer, response),
    };
    faults.into_iter().map(fault_of(Role::Server, at, end)).collect()
}

/// What a 101 for WebSocket is.
pub(super) fn of_agreement(offer: &Offer, response: &Response, at: &Arrival, end: u64) -> Judged {
    let faults = faults_of_agreement(offer, response);
    let handshake =
        if faults.iter().any(|(rule, _)| breaks_answer(*rule)) { Handshake::Invalid } else { Handshake::Complete };
    Judged { handshake, faults: faults.into_iter().map(fault_of(Role::Server, at, end)).collect() }
}

/// Whether a 101 shows by its `Sec-WebSocket-Accept` that it does not answer this offer. Where other requests may have gone
/// by in a hole, it then answers one of those, and is not wrong.
pub(super) fn answers_another(offer: &Offer, response: &Response) -> bool {
    faults_of_agreement(offer, response).iter().any(|(rule, _)| *rule == Rule::WrongAccept)
}

/// Whether it makes an answer invalid: RFC 6455 section 4.2.2 forbids it, so that a client must not go on.
fn breaks_answer(rule: Rule) -> bool {
    matches!(
        rule,
        Rule::MissingUpgrade
            | Rule::MissingConnectionUpgrade
            | Rule::MissingAccept
            | Rule::WrongAccept
            | Rule::InvalidSubprotocol
            | Rule::UnrequestedSubprotocol
            | Rule::SeveralSubprotocols
            | Rule::UnrequestedExtension
            | Rule::MalformedExtensions
    )
}

fn fault_of(sender: Role, at: &Arrival, end: u64) -> impl Fn(Fault) -> HandshakeFault {
    let at = *at;
    move |(rule, detail)| HandshakeFault { sender, at, end, rule, detail }
}
