//! A TLS connection: the records of both directions to what they carry.
//!
//! ```text
//!             both hellos, and the direction changes its keys
//!   ▶ Clear ─────────────────────────────────────────────────▶ Protected ── its secrets are not known ──▶ Opaque
//! ```
//!
//! In come the bytes and gaps of both directions, out go what application data records hold, and that some of it is missing.

use crate::flow::{PerRole, Role};
use crate::limits;

use super::handshake::{Ending, Failure, Handshake};
use super::hello::{ClientHello, Message, ServerHello};
use super::keylog::{ConnectionSecrets, Secret, Secrets};
use super::keys::{Epoch, Keys, Stage};
use super::open::{MacOrder, Opened, Opener};
use super::record::{ContentType, Found, Header, Records};
use super::suite::Suite;
use super::{Random, Version};

/// Whom a [`Tls`] asks for secrets, and where it puts what the connection carries. `M` is the caller's mark of the piece
/// that ended a record.
pub trait Visitor<M> {
    /// The secrets that are known by now.
    fn secrets(&self) -> &Secrets;
    /// The content of a record, in order.
    fn data(&mut self, sender: Role, content: &[u8], mark: M);
    /// Content is missing here; how much is not known.
    fn gap(&mut self, sender: Role, mark: M);
}

/// A TLS connection.
#[derive(Debug)]
pub struct Tls<M> {
    handshake: Handshake<M>,
    halves: PerRole<Half>,
    early: Early<M>,
}

/// Data that the client sent before the server had answered.
#[derive(Debug)]
enum Early<M> {
    /// Held back until the server says whether it takes it, with how many bytes that is.
    Held(Vec<(Vec<u8>, M)>, usize),
    /// The server takes it, or will not say.
    Settled,
}

/// One direction.
#[derive(Debug)]
struct Half {
    records: Records,
    state: State,
    /// The handshake message that is under way.
    message: Vec<u8>,
    /// Bytes that the search for a record after a gap may still try to open.
    search_work: u64,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Clear,
    Protected(Box<Keys>),
    /// What it holds is not known and will not be.
    Opaque,
}

impl<M> Default for Tls<M> {
    fn default() -> Self {
        Self { handshake: Handshake::default(), halves: PerRole::default(), early: Early::Held(Vec::new(), 0) }
    }
}

impl<M: Copy> Tls<M> {
    /// What the client offered; `None` if that is not in the capture.
    #[must_use]
    pub fn client_hello(&self) -> Option<&ClientHello> {
        self.handshake.client_hello.as_deref()
    }

    /// What the server chose; `None` if that is not in the capture.
    #[must_use]
    pub fn server_hello(&self) -> Option<&ServerHello> {
        self.handshake.server_hello.as_deref()
    }

    /// The protocol that the server chose (RFC 7301); `None` if it chose none, or said so under unknown keys.
    #[must_use]
    pub fn alpn(&self) -> Option<&str> {
        let clear = || self.handshake.server_hello.as_ref()?.alpn.as_deref();
        self.handshake.encrypted_alpn.as_deref().or_else(clear)
    }

    /// Why its handshake failed; `None` if it did not, or if nothing shows that. `whole` says that no byte is missing.
    #[must_use]
    pub fn failure(&self, ending: Option<Ending>, whole: bool) -> Option<Failure<M>> {
        self.handshake.failure(ending, whole)
    }

    /// Whether nothing more can be known: its handshake is over, and what it carries is under keys that are not known.
    #[must_use]
    pub fn is_opaque(&self) -> bool {
        let over = self.handshake.is_complete() || self.handshake.client_hello.is_none();
        over && [Role::Client, Role::Server].iter().all(|role| matches!(self.halves.get(*role).state, State::Opaque))
    }

    /// The client's random, if what the connection carries is under keys that are not known.
    #[must_use]
    pub fn locked(&self) -> Option<Random> {
        let locked = |role| matches!(self.halves.get(role).state, State::Opaque);
        let hello = self.handshake.client_hello.as_ref()?;
        (locked(Role::Client) || locked(Role::Server)).then_some(hello.random)
    }

    /// The stream offset just after the last record of `sender`.
    #[must_use]
    pub fn end_of_records(&self, sender: Role) -> u64 {
        self.halves.get(sender).records.end()
    }

    /// The next bytes of `sender`, at stream offset `offset`, which came with `mark`.
    pub fn data(&mut self, sender: Role, offset: u64, bytes: &[u8], mark: M, visitor: &mut impl Visitor<M>) {
        let half = self.halves.get_mut(sender);
        half.search_work += limits::TLS_SEARCH_PER_BYTE * bytes.len() as u64;
        let mut records = std::mem::take(&mut half.records);
        records.begin_at(offset);
        records.feed(bytes, &mut |found, _| self.found(sender, found, mark, visitor));
        self.halves.get_mut(sender).records = records;
    }

    /// `length` bytes of `sender` are missing at stream offset `offset`.
    pub fn gap(&mut self, sender: Role, offset: u64, length: u64, mark: M, visitor: &mut impl Visitor<M>) {
        let mut records = std::mem::take(&mut self.halves.get_mut(sender).records);
        records.begin_at(offset);
        let was_lost = records.is_lost();
        records.gap(length, &mut |found, _| self.found(sender, found, mark, visitor));
        if records.is_lost() && !was_lost {
            self.halves.get_mut(sender).message.clear();
            self.lost_content(sender, mark, visitor);
        }
        self.halves.get_mut(sender).records = records;
    }

    /// Nothing more comes.
    pub fn finish(&mut self, mark: M, visitor: &mut impl Visitor<M>) {
        for role in [Role::Client, Role::Server] {
            if self.halves.get(role).records.is_within_record() {
                self.lost_content(role, mark, visitor);
            }
        }
    }

    /// Whether it was a record.
    fn found(&mut self, sender: Role, found: Found<'_>, mark: M, visitor: &mut impl Visitor<M>) -> bool {
        match found {
            Found::Record(header, fragment) => self.record(sender, &header, fragment, mark, visitor),
            Found::Candidate(header, fragment) => {
                let half = self.halves.get_mut(sender);
                let State::Protected(keys) = &mut half.state else { return true };
                let Some(left) = half.search_work.checked_sub(keys.search_work(fragment)) else { return false };
                match keys.open(&header, fragment, limits::TLS_LOST_RECORDS) {
                    Some((stage, opened)) => self.opened(sender, stage, opened, mark, visitor),
                    None => {
                        half.search_work = left;
                        return false;
                    }
                }
            }
            Found::Missing(header) => {
                if let State::Protected(keys) = &mut self.halves.get_mut(sender).state {
                    keys.step_over(None);
                }
                self.halves.get_mut(sender).message.clear();
                if header.content_type == ContentType::ApplicationData {
                    self.lost_content(sender, mark, visitor);
                }
            }
            Found::Malformed => {
                self.handshake.stranger(sender, mark);
                self.halves.get_mut(sender).state = State::Opaque;
            }
        }
        true
    }

    fn lost_content(&mut self, sender: Role, mark: M, visitor: &mut impl Visitor<M>) {
        if matches!(self.halves.get(sender).state, State::Protected(_)) {
            visitor.gap(sender, mark);
        }
    }

    fn record(&mut self, sender: Role, header: &Header, fragment: &[u8], mark: M, visitor: &mut impl Visitor<M>) {
        self.start_early_data(sender, header, visitor.secrets());
        let half = self.halves.get(sender);
        let tls13 = self.handshake.server_hello.is_none() || self.handshake.is_tls13();
        let clear = tls13 && header.content_type != ContentType::ApplicationData;
        if clear || matches!(half.state, State::Clear) {
            self.handshake.clear(mark);
        } else {
            self.handshake.sealed(sender, header, mark);
        }
        match &mut self.halves.get_mut(sender).state {
            State::Protected(keys) if !clear => match keys.open(header, fragment, 0) {
                Some((stage, opened)) => self.opened(sender, stage, opened, mark, visitor),
                None => self.not_opened(sender, header, fragment, mark, visitor),
            },
            State::Opaque if !clear => {}
            State::Clear | State::Protected(_) | State::Opaque => {
                let content = Opened { content_type: header.content_type, content: fragment.to_vec() };
                self.opened(sender, Stage::Handshake, content, mark, visitor);
            }
        }
    }

    fn not_opened(&mut self, sender: Role, header: &Header, fragment: &[u8], mark: M, visitor: &mut impl Visitor<M>) {
        let half = self.halves.get_mut(sender);
        let State::Protected(keys) = &mut half.state else { return };
        keys.step_over(Some(fragment));
        let begun = keys.have_opened();
        if keys.are_useless() {
            half.state = State::Opaque;
        }
        if begun && header.content_type == ContentType::ApplicationData {
            visitor.gap(sender, mark);
        }
    }

    /// The content of a record.
    fn opened(&mut self, sender: Role, stage: Stage, opened: Opened, mark: M, visitor: &mut impl Visitor<M>) {
        match opened.content_type {
            ContentType::ApplicationData => match (&mut self.early, stage) {
                (Early::Held(held, bytes), Stage::EarlyData) => {
                    if !opened.content.is_empty() && *bytes < limits::EARLY_BYTES {
                        *bytes += opened.content.len();
                        held.push((opened.content, mark));
                    }
                }
                (_, Stage::EarlyData | Stage::Handshake) => {}
                (_, Stage::Application) => {
                    self.handshake.application_data(sender);
                    visitor.data(sender, &opened.content, mark);
                }
            },
            ContentType::Handshake => self.handshake(sender, &opened.content, visitor),
            ContentType::ChangeCipherSpec => self.change_cipher(sender, visitor.secrets()),
            ContentType::Alert => self.handshake.alert(sender, &opened.content, mark),
        }
    }

    /// Reads on in handshake messages.
    fn handshake(&mut self, sender: Role, bytes: &[u8], visitor: &mut impl Visitor<M>) {
        let mut message = std::mem::take(&mut self.halves.get_mut(sender).message);
        message.extend_from_slice(bytes);
        let mut used = 0;
        while let Some(whole) = message.get(used..).and_then(first_message) {
            used += whole.len();
            self.message(sender, Message::parse(whole, self.handshake.is_tls13()), visitor);
        }
        // Nothing is copied while a message is under way: its records may be of one byte.
        let left = message.len() - used;
        if left > 0 && left <= limits::TLS_MESSAGE_BYTES {
            message.drain(..used);
            self.halves.get_mut(sender).message = message;
        }
    }

    fn message(&mut self, sender: Role, message: Message, visitor: &mut impl Visitor<M>) {
        match (sender, message) {
            (Role::Client, Message::ClientHello(hello)) => self.handshake.client_hello = Some(hello),
            (Role::Server, Message::ServerHello(hello)) => {
                let tls13 = hello.version == Version::TLS13;
                self.handshake.server_hello = Some(hello);
                if tls13 {
                    self.protect_tls13(visitor.secrets());
                }
            }
            (Role::Server, Message::EncryptedExtensions { alpn, early_data }) => {
                self.handshake.encrypted_alpn = alpn;
                if let Early::Held(held, _) = std::mem::replace(&mut self.early, Early::Settled)
                    && early_data
                {
                    held.into_iter().for_each(|(content, mark)| visitor.data(Role::Client, &content, mark));
                }
            }
            (_, Message::Certificate(chain)) => self.handshake.certificates(sender, chain),
            (Role::Server, Message::CertificateRequest) => self.handshake.certificate_request(),
            (Role::Client | Role::Server, _) => {}
        }
    }

    fn secrets_of<'a>(&self, secrets: &'a Secrets) -> Option<&'a ConnectionSecrets> {
        secrets.of(&self.handshake.client_hello.as_ref()?.random)
    }

    /// The client sends data before the server has said which suite it is under: the secret tells the ones that it may be.
    fn start_early_data(&mut self, sender: Role, header: &Header, secrets: &Secrets) {
        let starts = sender == Role::Client
            && header.content_type == ContentType::ApplicationData
            && self.handshake.server_hello.is_none()
            && matches!(self.halves.client.state, State::Clear);
        let Some(secret) = self.secrets_of(secrets).and_then(|known| known.client_early.clone()).filter(|_| starts)
        else {
            return;
        };
        let suites = Suite::with_secret_of(secret.as_bytes().len());
        let next = suites.filter_map(|suite| Epoch::of_secret(Stage::EarlyData, suite, &secret)).collect();
        self.halves.client.state = State::Protected(Box::new(Keys::to_come(next)));
    }

    /// The server has answered: from now on both directions are protected.
    fn protect_tls13(&mut self, secrets: &Secrets) {
        let suite = self.handshake.server_hello.as_ref().and_then(|hello| Suite::of(hello.suite, hello.version));
        let known = self.secrets_of(secrets).zip(suite);
        let Some((known, suite)) = known else {
            self.halves.client.state = State::Opaque;
            self.halves.server.state = State::Opaque;
            return;
        };
        let epochs = |handshake: &Option<Secret>, application: &Option<Secret>| {
            let stages = [(Stage::Handshake, handshake), (Stage::Application, application)];
            let known = stages.into_iter().filter_map(|(stage, secret)| Some((stage, secret.as_ref()?)));
            known.filter_map(|(stage, secret)| Epoch::of_secret(stage, suite, secret)).collect::<Vec<_>>()
        };
        let client = epochs(&known.client_handshake, &known.client_traffic);
        let server = epochs(&known.server_handshake, &known.server_traffic);
        self.halves.client.follow(client);
        self.halves.server.follow(server);
    }

    /// The sender changes its keys (TLS 1.2 and before; in TLS 1.3 it means nothing).
    fn change_cipher(&mut self, sender: Role, secrets: &Secrets) {
        let Some(hello) = self.handshake.server_hello.as_ref().filter(|hello| hello.version < Version::TLS13) else {
            return;
        };
        let epoch = self.secrets_of(secrets).and_then(|known| {
            let suite = Suite::of(hello.suite, hello.version)?;
            let order = if hello.encrypt_then_mac { MacOrder::EncryptThenMac } else { MacOrder::MacThenEncrypt };
            let random = &self.handshake.client_hello.as_ref()?.random;
            let master = known.master.as_ref()?.as_bytes();
            let pair = Opener::pair_of_master_secret(suite, hello.version, order, master, random, &hello.random)?;
            let opener = match sender {
                Role::Client => pair.client,
                Role::Server => pair.server,
            };
            Some(Epoch::of_opener(opener, suite))
        });
        let half = self.halves.get_mut(sender);
        half.message.clear();
        half.state = match epoch {
            Some(epoch) => State::Protected(Box::new(Keys::from_now_on(epoch))),
            None => State::Opaque,
        };
    }
}

impl Default for Half {
    fn default() -> Self {
        let (records, state) = (Records::default(), State::default());
        Self { records, state, message: Vec::new(), search_work: limits::TLS_SEARCH_BYTES }
    }
}

impl Half {
    /// `epochs` come next.
    fn follow(&mut self, epochs: Vec<Epoch>) {
        match &mut self.state {
            State::Protected(keys) => keys.extend(epochs),
            State::Clear | State::Opaque if epochs.is_empty() => self.state = State::Opaque,
            State::Clear | State::Opaque => {
                self.state = State::Protected(Box::new(Keys::to_come(epochs)));
            }
        }
    }
}

/// The handshake message that `bytes` begin with, its header included.
fn first_message(bytes: &[u8]) -> Option<&[u8]> {
    let &[_, high, middle, low] = bytes.first_chunk()?;
    bytes.get(..4 + u32::from_be_bytes([0, high, middle, low]) as usize)
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
