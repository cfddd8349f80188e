//! How far a TLS handshake came, and why it went no further.
//!
//! In come its messages and alerts where they can be read, and the lengths of records where they cannot; out comes a
//! [`Failure`], if it failed. What is only inferred from lengths, order and TCP's end says so.
//!
//! ```text
//!   client                        server
//!     ClientHello ───────────────▶           no answer · a reset · an alert · something that is no TLS
//!           ◀─────────────── ServerHello …
//!           ◀── Certificate … Finished       the client leaves, or sends an alert: it does not like what it got
//!     (Certificate) Finished ────▶           the server sends an alert and leaves: it wants a certificate
//!     application data ◀─────────▶           the handshake is complete
//! ```

use crate::flow::{PerRole, Role};

use super::Version;
use super::alert::Alert;
use super::certificate::Certificate;
use super::hello::{ClientHello, ServerHello};
use super::record::{ContentType, Header};

/// What is known of a handshake. `M` is the caller's mark of each record.
#[derive(Debug)]
pub(super) struct Handshake<M> {
    pub(super) client_hello: Option<Box<ClientHello>>,
    pub(super) server_hello: Option<Box<ServerHello>>,
    /// The protocol that the server chose under its handshake keys.
    pub(super) encrypted_alpn: Option<Box<str>>,
    /// The server's certificates, its own first, until the handshake is over.
    certificates: Vec<Box<[u8]>>,
    certificate_requested: bool,
    alert: Option<SeenAlert<M>>,
    flights: PerRole<Flight>,
    /// What the server answered with, if that was no TLS.
    stranger: Option<M>,
    /// The last record of either end.
    last: Option<M>,
    complete: bool,
}

#[derive(Clone, Copy, Debug)]
struct SeenAlert<M> {
    alert: Alert,
    sender: Role,
    mark: M,
}

/// What one end sent under its keys.
#[derive(Debug, Default)]
struct Flight {
    /// Lengths of the first records.
    lengths: Vec<u16>,
    /// How many records.
    records: u32,
    /// How many of the server's came after the client's first.
    replies: u32,
    /// Whether application data were among them for certain.
    application: bool,
}

/// Why a handshake failed.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure<M> {
    /// The record that shows it, or the last one before the end.
    pub mark: Option<M>,
    /// The alert that told; `None` if none was read.
    pub alert: Option<Alert>,
    /// Who gave up: the sender of the alert, or who ended TCP first.
    pub by: Option<Role>,
    /// Whether it follows from lengths, order and TCP's end only.
    pub inferred: bool,
    /// Why; `None` where nothing says.
    pub cause: Option<&'static str>,
    /// The server's certificate, where it could be read.
    pub certificate: Option<Certificate>,
    /// What was found, in a few words.
    pub detail: String,
}

/// How TCP ended, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    /// Who sent the first FIN or RST.
    pub by: Role,
    /// Whether it was a RST.
    pub reset: bool,
    /// Seconds since 1970, UTC.
    pub at: i64,
}

impl<M> Default for Handshake<M> {
    fn default() -> Self {
        Self {
            client_hello: None,
            server_hello: None,
            encrypted_alpn: None,
            certificates: Vec::new(),
            certificate_requested: false,
            alert: None,
            flights: PerRole::default(),
            stranger: None,
            last: None,
            complete: false,
        }
    }
}

impl<M: Copy> Handshake<M> {
    /// Whether it has succeeded, as far as can be seen.
    pub(super) fn is_complete(&self) -> bool {
        self.complete || (self.flights.client.is_long() && self.flights.server.is_long())
    }

    pub(super) fn is_tls13(&self) -> bool {
        self.server_hello.as_ref().is_some_and(|hello| hello.version == Version::TLS13)
    }

    /// A record that is under keys, whether or not they are known.
    pub(super) fn sealed(&mut self, sender: Role, header: &Header, mark: M) {
        self.last = Some(mark);
        let replies = sender == Role::Server && self.flights.client.records > 0;
        let tls13 = self.is_tls13();
        let flight = self.flights.get_mut(sender);
        flight.records = flight.records.saturating_add(1);
        flight.replies += u32::from(replies);
        if flight.lengths.len() < LENGTHS {
            flight.lengths.push(header.length);
        }
        // Only in TLS 1.3 everything under keys looks like application data.
        if !tls13 && header.content_type == ContentType::ApplicationData {
            self.application_data(sender);
        }
    }

    /// Application data were sent: its sender is content with the handshake.
    pub(super) fn application_data(&mut self, sender: Role) {
        self.flights.get_mut(sender).application = true;
        // The server speaks last in a handshake, or, where it does not, would have said no.
        if self.flights.server.application {
            self.complete = true;
            self.certificates = Vec::new();
        }
    }

    pub(super) fn clear(&mut self, mark: M) {
        self.last = Some(mark);
    }

    pub(super) fn alert(&mut self, sender: Role, content: &[u8], mark: M) {
        if let Some(alert) = Alert::parse(content).filter(|alert| alert.is_failure()) {
            self.alert.get_or_insert(SeenAlert { alert, sender, mark });
        }
    }

    pub(super) fn stranger(&mut self, sender: Role, mark: M) {
        if sender == Role::Server && self.server_hello.is_none() {
            self.stranger = Some(mark);
        }
    }

    pub(super) fn certificates(&mut self, sender: Role, chain: Vec<Box<[u8]>>) {
        if sender == Role::Server && !self.complete {
            self.certificates = chain;
        }
    }

    pub(super) fn certificate_request(&mut self) {
        self.certificate_requested = true;
    }

    /// Why it failed; `None` if it did not, or if nothing shows that. `whole` says that nothing of it is missing.
    pub(super) fn failure(&self, ending: Option<Ending>, whole: bool) -> Option<Failure<M>> {
        self.client_hello.as_ref()?;
        if self.is_complete() {
            return None;
        }
        if let Some(seen) = &self.alert {
            return Some(self.told(seen, ending));
        }
        let ending = ending.filter(|_| whole)?;
        let (cause, detail) = self.inferred(&ending)?;
        let certificate = self.certificate();
        let by = Some(ending.by);
        let flaw = certificate.as_ref().filter(|_| cause == REJECTED).and_then(|found| self.flaw(found, ending.at));
        let (cause, detail) = match flaw {
            Some((cause, flaw)) => (cause, format!("{detail}; {flaw}")),
            None => (cause, detail),
        };
        Some(Failure {
            mark: self.stranger.or(self.last),
            alert: None,
            by,
            inferred: true,
            cause: Some(cause),
            certificate,
            detail,
        })
    }

    /// The failure that an alert tells.
    fn told(&self, seen: &SeenAlert<M>, ending: Option<Ending>) -> Failure<M> {
        let certificate = self.certificate();
        let flaw = certificate
            .as_ref()
            .filter(|_| seen.sender == Role::Client && seen.alert.is_about_certificate())
            .zip(ending)
            .and_then(|(certificate, ending)| self.flaw(certificate, ending.at));
        let name = seen.alert.name().map_or_else(|| format!("alert {}", seen.alert.0), ToOwned::to_owned);
        let (cause, detail) = match (seen.alert, seen.sender, flaw) {
            (Alert::BAD_CERTIFICATE | Alert::CERTIFICATE_UNKNOWN | Alert::UNKNOWN_CA, _, Some((cause, flaw))) => {
                (Some(cause), format!("{name}; {flaw}"))
            }
            (Alert::HANDSHAKE_FAILURE, Role::Server, _) if self.certificate_requested => {
                (Some("certificate-required"), format!("{name} after a certificate was asked for"))
            }
            (Alert::HANDSHAKE_FAILURE, Role::Server, _) if self.server_hello.is_none() => {
                (Some("no-shared-cipher"), format!("{name} in answer to the ClientHello"))
            }
            (alert, ..) => (alert.cause(), name),
        };
        Failure {
            mark: Some(seen.mark),
            alert: Some(seen.alert),
            by: Some(seen.sender),
            inferred: false,
            cause,
            certificate,
            detail,
        }
    }

    /// What follows from what is there, and from TCP's end.
    fn inferred(&self, ending: &Ending) -> Option<(&'static str, String)> {
        if self.stranger.is_some() {
            return Some(("not-tls", "the server answered with something else than TLS".to_owned()));
        }
        let (client, server) = (&self.flights.client, &self.flights.server);
        let how = if ending.reset { "reset" } else { "closed" };
        if self.server_hello.is_none() {
            return Some(match (ending.by, ending.reset) {
                (Role::Client, _) => ("no-answer", format!("the client {how} without an answer to its ClientHello")),
                (Role::Server, true) => ("reset-by-server", "a reset in answer to the ClientHello".to_owned()),
                (Role::Server, false) => ("closed-by-server", "a FIN in answer to the ClientHello".to_owned()),
            });
        }
        if client.records == 0 {
            return Some(match ending.by {
                Role::Client => (REJECTED, format!("the client {how} after the server's certificate")),
                Role::Server => ("closed-by-server", format!("the server {how} during the handshake")),
            });
        }
        if client.lengths.first().copied().is_some_and(|length| self.is_alert_sized(length)) {
            return Some((REJECTED, "the client's first record under keys is as long as an alert".to_owned()));
        }
        let empty_certificate = client.lengths.first().copied().is_some_and(is_empty_certificate);
        let refused = server.replies == 1 && server.lengths.last().is_some_and(|length| self.is_alert_sized(*length));
        if self.is_tls13() && empty_certificate && refused {
            let detail = "the client sent no certificate, and the server a record as long as an alert";
            return Some(("certificate-required", detail.to_owned()));
        }
        // TLS 1.2 needs an answer to the client's Finished; TLS 1.3 does not.
        (!self.is_tls13() && server.records == 0).then(|| match ending.by {
            Role::Client => ("closed-by-client", format!("the client {how} before the server had finished")),
            Role::Server => ("closed-by-server", format!("the server {how} before it had finished")),
        })
    }

    fn certificate(&self) -> Option<Certificate> {
        Certificate::parse(self.certificates.first()?)
    }

    /// What is wrong with the certificate, as far as it can be seen without knowing whom the client trusts.
    fn flaw(&self, certificate: &Certificate, at: i64) -> Option<(&'static str, String)> {
        let sni = self.client_hello.as_ref().and_then(|hello| hello.sni.as_deref());
        if certificate.not_after < at {
            return Some(("certificate-expired", "the certificate had expired".to_owned()));
        }
        if certificate.not_before > at {
            return Some(("certificate-not-yet-valid", "the certificate was not valid yet".to_owned()));
        }
        if let Some(name) = sni.filter(|name| !certificate.is_for(name)) {
            return Some(("wrong-host", format!("the certificate is not for {name}")));
        }
        if certificate.self_signed {
            return Some(("self-signed", "the certificate is its own issuer".to_owned()));
        }
        (self.certificates.len() == 1).then(|| {
            ("unknown-ca", "the server sent no certificate but its own: is an intermediate missing?".to_owned())
        })
    }

    /// An alert has two bytes; its type and a tag are added under TLS 1.3.
    fn is_alert_sized(&self, length: u16) -> bool {
        self.is_tls13() && matches!(length, 19 | 11)
    }
}

impl Flight {
    /// Longer than any handshake that fails.
    fn is_long(&self) -> bool {
        self.records > HANDSHAKE_RECORDS
    }
}

/// A Certificate message without a certificate has 8 bytes (RFC 8446 section 4.4.2), alone in its record.
const fn is_empty_certificate(length: u16) -> bool {
    matches!(length, 25 | 17)
}

/// The client did not like what the server showed; mostly its certificate.
const REJECTED: &str = "certificate-rejected";

/// How many lengths are kept of each end.
const LENGTHS: usize = 16;

/// Records under keys of each end after which a handshake is over. Servers send up to six, clients three.
const HANDSHAKE_RECORDS: u32 = 12;
