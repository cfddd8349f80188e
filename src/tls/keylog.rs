//! TLS secrets that somebody wrote down: key logs (SSLKEYLOGFILE) and the secrets inside captures.
//!
//! In comes the text of a key log, out goes, for the random of a ClientHello, what decrypts that connection. No secret is
//! ever shown: neither `Debug` nor an error says more than how many there are.

use std::fmt;

use hashbrown::HashMap;

use crate::limits;

use super::Random;

/// The secrets of every connection that is known of.
#[derive(Clone, Default)]
pub struct Secrets {
    by_random: HashMap<Random, ConnectionSecrets, foldhash::fast::RandomState>,
}

/// The secrets of one connection.
#[derive(Clone, Default)]
pub struct ConnectionSecrets {
    /// The master secret of TLS 1.2 and before.
    pub(super) master: Option<Secret>,
    /// The client's traffic secret for early data (TLS 1.3).
    pub(super) client_early: Option<Secret>,
    /// The client's handshake traffic secret (TLS 1.3).
    pub(super) client_handshake: Option<Secret>,
    /// The server's handshake traffic secret (TLS 1.3).
    pub(super) server_handshake: Option<Secret>,
    /// The client's first application traffic secret (TLS 1.3); later ones follow from it.
    pub(super) client_traffic: Option<Secret>,
    /// The server's first application traffic secret (TLS 1.3).
    pub(super) server_traffic: Option<Secret>,
}

/// A secret of 32 or 48 bytes.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Secret(Box<[u8]>);

impl Secret {
    pub(super) fn new(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Secret({} bytes)", self.0.len())
    }
}

impl fmt::Debug for ConnectionSecrets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ConnectionSecrets").finish_non_exhaustive()
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Secrets of {} connections", self.by_random.len())
    }
}

impl Secrets {
    /// Adds what a key log says: how many of its lines were of use. Other lines are passed over, as other programs do:
    /// comments, labels of later versions, lines that were cut.
    pub fn add_key_log(&mut self, text: &[u8]) -> usize {
        text.split(|byte| matches!(byte, b'\n' | b'\r')).filter(|line| self.add_line(line).is_some()).count()
    }

    /// What is known of the connection whose ClientHello had this random.
    #[must_use]
    pub fn of(&self, client_random: &Random) -> Option<&ConnectionSecrets> {
        self.by_random.get(client_random)
    }

    /// What is known of the connection whose ClientHello had this random, as the text of a key log: empty if that is
    /// nothing. This is the secret itself, for who has it already.
    #[must_use]
    pub fn key_log_of(&self, client_random: &Random) -> String {
        let random = digits(client_random);
        let labelled = self.of(client_random).map(ConnectionSecrets::labelled).into_iter().flatten();
        let known = labelled.filter_map(|(label, secret)| Some((label, secret?.as_bytes())));
        known.map(|(label, secret)| format!("{label} {random} {}\n", digits(secret))).collect()
    }

    /// Of how many connections something is known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_random.len()
    }

    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_random.is_empty()
    }

    /// A line is a label, the client's random and the secret, the last two in hexadecimal.
    fn add_line(&mut self, line: &[u8]) -> Option<()> {
        let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let (label, random, secret) = (words.next()?, words.next()?, words.next()?);
        let random: Random = hexadecimal(random)?.try_into().ok()?;
        let secret = hexadecimal(secret).filter(|secret| lengths(label).contains(&secret.len()))?;
        if self.by_random.len() >= limits::TLS_SECRETS && !self.by_random.contains_key(&random) {
            return None;
        }
        let mut parsed = ConnectionSecrets::default();
        *parsed.slot(label)? = Some(Secret::new(&secret));
        let known = self.by_random.entry(random).or_default();
        *known.slot(label)? = Some(Secret::new(&secret));
        Some(())
    }
}

impl ConnectionSecrets {
    /// The secrets with their labels, as [`Self::slot`] knows them.
    const fn labelled(&self) -> [(&'static str, Option<&Secret>); 6] {
        let Self { master, client_early, client_handshake, server_handshake, client_traffic, server_traffic } = self;
        [
            ("CLIENT_RANDOM", master.as_ref()),
            ("CLIENT_EARLY_TRAFFIC_SECRET", client_early.as_ref()),
            ("CLIENT_HANDSHAKE_TRAFFIC_SECRET", client_handshake.as_ref()),
            ("SERVER_HANDSHAKE_TRAFFIC_SECRET", server_handshake.as_ref()),
            ("CLIENT_TRAFFIC_SECRET_0", client_traffic.as_ref()),
            ("SERVER_TRAFFIC_SECRET_0", server_traffic.as_ref()),
        ]
    }

    /// Where the secret with this label belongs (RFC 9850 section 2); `None` for labels that decrypt nothing of ours.
    fn slot(&mut self, label: &[u8]) -> Option<&mut Option<Secret>> {
        match label {
            b"CLIENT_RANDOM" => Some(&mut self.master),
            b"CLIENT_EARLY_TRAFFIC_SECRET" => Some(&mut self.client_early),
            b"CLIENT_HANDSHAKE_TRAFFIC_SECRET" => Some(&mut self.client_handshake),
            b"SERVER_HANDSHAKE_TRAFFIC_SECRET" => Some(&mut self.server_handshake),
            b"CLIENT_TRAFFIC_SECRET_0" => Some(&mut self.client_traffic),
            b"SERVER_TRAFFIC_SECRET_0" => Some(&mut self.server_traffic),
            _ => None,
        }
    }
}

/// Lengths in bytes that a secret with this label may have: a master secret its own, others that of SHA-256 or SHA-384.
const fn lengths(label: &[u8]) -> &'static [usize] {
    match label {
        b"CLIENT_RANDOM" => &[48],
        _ => &[32, 48],
    }
}

fn hexadecimal(text: &[u8]) -> Option<Vec<u8>> {
    let (pairs, []) = text.as_chunks::<2>() else { return None };
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

/// `bytes` in hexadecimal.
fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn digit(character: u8) -> Option<u8> {
    char::from(character).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(label: &str, random: u8, secret: usize) -> String {
        format!("{label} {} {}\n", format!("{random:02x}").repeat(32), "5A".repeat(secret))
    }

    #[test]
    fn secrets_are_found_by_the_random_of_the_client() {
        let mut secrets = Secrets::default();
        let log = [
            "# a comment\r\n".to_owned(),
            line("CLIENT_RANDOM", 1, 48),
            line("CLIENT_TRAFFIC_SECRET_0", 2, 32),
            line("SERVER_TRAFFIC_SECRET_0", 2, 32),
        ];
        assert_eq!(secrets.add_key_log(log.concat().as_bytes()), 3);
        assert_eq!(secrets.len(), 2);
        assert_eq!(secrets.of(&[1; 32]).unwrap().master.as_ref().unwrap().as_bytes(), [0x5a; 48]);
        assert!(secrets.of(&[2; 32]).unwrap().client_traffic.is_some());
        assert!(secrets.of(&[2; 32]).unwrap().server_handshake.is_none());
        assert!(secrets.of(&[3; 32]).is_none());
    }

    #[test]
    fn lines_that_are_cut_or_unknown_are_passed_over() {
        let whole = line("CLIENT_RANDOM", 1, 48);
        let mut secrets = Secrets::default();
        for end in 0..whole.len() - 2 {
            assert_eq!(secrets.add_key_log(&whole.as_bytes()[..end]), 0, "cut at {end}");
        }
        assert_eq!(secrets.add_key_log(line("EXPORTER_SECRET", 1, 32).as_bytes()), 0);
        assert_eq!(secrets.add_key_log(whole.replace('5', "g").as_bytes()), 0);
        assert!(secrets.is_empty());
    }

    #[test]
    fn key_log_of_a_connection_is_what_was_read_of_it() {
        let labels = [
            "CLIENT_RANDOM",
            "CLIENT_EARLY_TRAFFIC_SECRET",
            "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
            "SERVER_HANDSHAKE_TRAFFIC_SECRET",
            "CLIENT_TRAFFIC_SECRET_0",
            "SERVER_TRAFFIC_SECRET_0",
        ];
        let own = labels.map(|label| line(label, 1, 48)).concat().to_lowercase();
        let mut secrets = Secrets::default();
        secrets
            .add_key_log((labels.map(|label| line(label, 1, 48)).concat() + &line("CLIENT_RANDOM", 2, 48)).as_bytes());
        assert_eq!(secrets.key_log_of(&[1; 32]).to_lowercase(), own);
        assert_eq!(secrets.key_log_of(&[3; 32]), "");
        let mut again = Secrets::default();
        assert_eq!(again.add_key_log(secrets.key_log_of(&[1; 32]).as_bytes()), labels.len());
        assert!(again.of(&[2; 32]).is_none());
    }

    #[test]
    fn no_secret_is_shown() {
        let mut secrets = Secrets::default();
        secrets.add_key_log(line("CLIENT_RANDOM", 1, 48).as_bytes());
        let shown = format!("{secrets:?} {:?} {:?}", secrets.of(&[1; 32]), secrets.of(&[1; 32]).unwrap().master);
        assert_eq!(shown, "Secrets of 1 connections Some(ConnectionSecrets { .. }) Some(Secret(48 bytes))");
    }
}
