//! What must not leave the house: takes payload, or everything that names somebody, out of an [`Analysis`].
//!
//! In comes an analysis, and it stays one: every table, summary and file is made of it afterwards, so that none of them can
//! forget to hide something. Each struct is taken apart field by field: what is added to one does not compile until it is
//! decided here what becomes of it.
//!
//! | | without payload | redacted |
//! |---|---|---|
//! | reasons of Close frames | taken out | taken out |
//! | bytes around invalid UTF-8 | taken out | taken out |
//! | details of violations, which may quote what was sent | taken out | taken out |
//! | addresses, also those that a proxy names | kept | pseudonyms |
//! | names of hosts, origins | kept | pseudonyms |
//! | user agents | kept | pseudonyms |
//! | subjects of certificates, details of failed TLS handshakes | kept | taken out |
//! | queries of paths | kept | taken out |
//! | paths, subprotocols, extensions, ports, times, names of captures | kept | kept |
//!
//! Pseudonyms are numbered in the order in which the connections have them: the same for the same analysis, whatever the
//! number of threads, and no other analysis.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::analyze::Analysis;
use crate::connection::{
    CloseFrame, ConnectionRecord, InvalidUtf8, RequestFacts, ResponseFacts, TlsFailure, Verdict, Violation,
};
use crate::tls::Certificate;

mod arguments;
mod pseudonyms;

pub use arguments::redacted_arguments;
use pseudonyms::Pseudonyms;

/// How much is taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redaction {
    /// What was sent inside WebSockets. The heads of the handshake are no payload.
    Payload,
    /// That, and whatever names somebody.
    Identities,
}

/// Takes out of `analysis` what `redaction` says.
pub fn redact(analysis: &mut Analysis, redaction: Redaction) {
    // Of a capture, only names and counts are told, and what was wrong with the file; of secrets, nothing.
    let Analysis { connections, tls_failures, captures: _, successors: _, locked_tls: _, secrets: _ } = analysis;
    match redaction {
        // A handshake holds no payload.
        Redaction::Payload => connections.alter(without_payload),
        Redaction::Identities => {
            let pseudonyms = Arc::new(Mutex::new(Pseudonyms::default()));
            // Packed connections are altered in any order, and perhaps twice. The first to have a name is the first in
            // order nevertheless, because all are seen before.
            connections.for_each(|_, record| without_identities(&mut record.clone(), &mut known(&pseudonyms)));
            for (_, failure) in tls_failures {
                failure_without_identities(failure, &mut known(&pseudonyms));
            }
            connections.alter(move |record| {
                without_payload(record);
                without_identities(record, &mut known(&pseudonyms));
            });
        }
    }
}

/// The names that are known by now.
fn known(pseudonyms: &Mutex<Pseudonyms>) -> MutexGuard<'_, Pseudonyms> {
    pseudonyms.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes out what was sent inside the WebSocket.
fn without_payload(record: &mut ConnectionRecord) {
    let ConnectionRecord {
        first_packet: _,
        last_packet: _,
        conversation: _,
        tcp: _,
        opened_at: _,
        established_at: _,
        ended_at: _,
        client: _,
        server: _,
        transport: _,
        sni: _,
        request: _,
        response: _,
        handshake: _,
        messages: _,
        payload_bytes: _,
        verdict,
        // A name, a packet and numbers.
        cause: _,
        activity: _,
        close_frames,
        invalid_utf8,
        invalid_utf8_count: _,
        violations,
        violation_count: _,
        undecodable_messages: _,
        missed_bytes: _,
        complete: _,
    } = record;
    verdict_without_payload(verdict);
    close_frames.iter_mut().for_each(close_frame_without_payload);
    invalid_utf8.iter_mut().for_each(text_without_payload);
    violations.iter_mut().for_each(violation_without_payload);
}

fn verdict_without_payload(verdict: &mut Verdict) {
    let Verdict {
        close_code: _,
        source: _,
        reason,
        closed_by: _,
        reply: _,
        reply_code: _,
        reply_ms: _,
        tcp_end: _,
        tcp_ended_by: _,
        clean: _,
    } = verdict;
    *reason = None;
}

fn close_frame_without_payload(frame: &mut CloseFrame) {
    let CloseFrame { packet: _, time: _, sender: _, position: _, code: _, reason, reason_valid: _, payload_bytes: _ } =
        frame;
    *reason = Box::default();
}

fn text_without_payload(text: &mut InvalidUtf8) {
    let InvalidUtf8 {
        packet: _,
        time: _,
        sender: _,
        location: _,
        message_bytes: _,
        byte_offset: _,
        error: _,
        context,
        peer_close_code: _,
        peer_reaction_ms: _,
        // A kind of text, not the text.
        likely_cause: _,
    } = text;
    *context = Box::default();
}

/// A detail is made for people, and any rule's may quote what was sent.
fn violation_without_payload(violation: &mut Violation) {
    let Violation { packet: _, time: _, sender: _, rule: _, detail, peer_close_code: _, peer_reaction_ms: _ } =
        violation;
    *detail = Box::default();
}

/// Takes out whatever names somebody, of a record without payload.
fn without_identities(record: &mut ConnectionRecord, pseudonyms: &mut Pseudonyms) {
    record.client = pseudonyms.endpoint(record.client);
    record.server = pseudonyms.endpoint(record.server);
    replace(&mut record.sni, |name| pseudonyms.authority(name));
    let RequestFacts { host, path, origin, user_agent, forwarded_for } = &mut record.request;
    replace(host, |host| pseudonyms.authority(host));
    replace(path, pseudonyms::path);
    replace(origin, |origin| pseudonyms.origin(origin));
    replace(user_agent, |agent| pseudonyms.agent(agent));
    replace(forwarded_for, |client| pseudonyms.authority(client));
    // What the server chose is of the protocol, and says what is spoken.
    let ResponseFacts { status: _, subprotocol: _, extensions: _ } = &record.response;
}

/// Takes out of a failed TLS handshake whatever names somebody.
fn failure_without_identities(failure: &mut TlsFailure, pseudonyms: &mut Pseudonyms) {
    let TlsFailure {
        record,
        packet: _,
        time: _,
        alpn: _,
        offered_versions: _,
        version: _,
        cipher: _,
        alert: _,
        alert_sender: _,
        inferred: _,
        cause: _,
        certificate,
        detail,
    } = failure;
    without_identities(record, pseudonyms);
    if let Some(Certificate { subject, not_before: _, not_after: _, self_signed: _, names }) = certificate {
        *subject = Box::default();
        names.clear();
    }
    // It may say for which host a certificate is not.
    *detail = String::new();
}

fn replace(text: &mut Option<Box<str>>, with: impl FnOnce(&str) -> String) {
    if let Some(text) = text {
        *text = with(text).into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataframe::sample::{self, ConnectionBuilder};
    use crate::flow::Role;

    fn connection(host: &str, path: &str) -> ConnectionRecord {
        let closed = ConnectionBuilder::new().host(host).path(path).closed(1000, Role::Client);
        let mut record = closed.build();
        record.request.origin = Some(format!("https://{host}:8443").into());
        record.request.user_agent = Some("agent/1".into());
        record.request.forwarded_for = Some("10.0.0.1".into());
        record
    }

    #[test]
    fn payload_goes_and_names_stay() {
        let mut analysis = sample::of([connection("chat.example", "/ws?token=1")]);
        redact(&mut analysis, Redaction::Payload);
        let record = &analysis.connections[0];
        assert_eq!((record.verdict.reason.as_deref(), &*record.close_frames[0].reason), (None, &b""[..]));
        assert!(record.close_frames[0].reason_valid);
        assert_eq!(record.request, connection("chat.example", "/ws?token=1").request);
    }

    #[test]
    fn packed_connections_are_redacted_alike() {
        for redaction in [Redaction::Payload, Redaction::Identities] {
            let records =
                || [connection("a.example", "/a?x"), connection("b.example", "/b"), connection("a.example", "/")];
            let (mut plain, mut packed) = (sample::of(records()), sample::packed(sample::of(records())));
            redact(&mut plain, redaction);
            redact(&mut packed, redaction);
            // The last is unpacked first, and all of them twice.
            let last = packed.connections.chunks().last().unwrap().1;
            assert_eq!(format!("{:?}", last[2]), format!("{:?}", plain.connections[2]));
            assert_eq!(format!("{:?}", packed.connections), format!("{:?}", plain.connections));
        }
    }

    #[test]
    fn the_same_names_have_the_same_pseudonyms() {
        let records = [connection("a.example", "/a?x"), connection("b.example", "/b"), connection("A.example", "/a")];
        let mut analysis = sample::of(records);
        redact(&mut analysis, Redaction::Identities);
        let text = |text: &Option<Box<str>>| text.as_deref().unwrap().to_owned();
        let facts = analysis.connections.iter().map(|record| {
            let request = &record.request;
            [&request.host, &request.path, &request.origin, &request.user_agent, &request.forwarded_for].map(text)
        });
        let expected = [
            ["host-1.invalid", "/a?redacted", "https://host-1.invalid:8443", "agent-1", "240.0.0.1"],
            ["host-2.invalid", "/b", "https://host-2.invalid:8443", "agent-1", "240.0.0.1"],
            ["host-1.invalid", "/a", "https://host-1.invalid:8443", "agent-1", "240.0.0.1"],
        ];
        assert_eq!(facts.collect::<Vec<_>>(), expected);
        let ends = analysis.connections.iter().map(|record| [record.client, record.server].map(|end| end.to_string()));
        assert!(ends.into_iter().all(|ends| ends == ["240.0.0.1:50000", "240.0.0.2:80"]));
    }
}
