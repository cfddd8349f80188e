//! What RFC 6455 section 4 and RFC 7692 section 7.1 demand of the heads of an opening handshake, as far as it can be seen.
//!
//! In come a request, a refusal or a 101; out come the rules that it breaks, each once, with what was found first.

use std::collections::HashSet;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::http::{Field, Fields, Request, Response};
use crate::limits;

use super::extension::{self, DeflateTerms, Extension, is_token};
use super::handshake::{Offer, accept_digits, accept_of};
use super::rule::Rule;

/// A rule that a head breaks, and what was found.
pub type Fault = (Rule, String);

/// The rules that a request to upgrade breaks (RFC 6455 section 4.1).
#[must_use]
pub fn faults_of_request(request: &Request) -> Vec<Fault> {
    let fields = &request.fields;
    let mut faults = Faults::default();
    faults.check(request.method == "GET", Rule::WrongMethod, || request.method.to_string());
    faults.check(request.minor_version >= 1, Rule::OldHttpVersion, || format!("HTTP/1.{}", request.minor_version));
    faults.check(is_target(&request.target), Rule::InvalidTarget, || found(Some(request.target.as_bytes())));
    faults.check(fields.first(Field::Host).is_some(), Rule::MissingHost, || found(None));
    let upgrade = || found(fields.first(Field::Upgrade));
    faults.check(fields.has_token(Field::Upgrade, "websocket"), Rule::MissingUpgradeRequest, upgrade);
    let connection = || found(fields.first(Field::Connection));
    faults.check(fields.has_token(Field::Connection, "upgrade"), Rule::MissingConnectionRequest, connection);
    check_key(fields, &mut faults);
    check_version(fields, &mut faults);
    check_offered_protocols(fields, &mut faults);
    check_extensions(fields, false, &mut faults);
    faults.0
}

/// The rules that an answer breaks which refuses the upgrade (RFC 6455 section 4.2.2).
#[must_use]
pub fn faults_of_refusal(offer: &Offer, response: &Response) -> Vec<Fault> {
    let fields = &response.fields;
    let mut faults = Faults::default();
    // Any other status may have reasons of its own; a 426 may also ask for another protocol than WebSocket.
    let is_for_version = response.status == 426
        && offer.version.as_deref().is_some_and(|version| version != b"13")
        && (fields.first(Field::Upgrade).is_none() || fields.has_token(Field::Upgrade, "websocket"));
    let tells = !is_for_version || fields.first(Field::WebSocketVersion).is_some();
    faults.check(tells, Rule::MissingSupportedVersions, || {
        format!("426 to version {}", shown(offer.version.as_deref().unwrap_or_default()))
    });
    faults.0
}

/// The rules that a 101 breaks (RFC 6455 sections 4.2 and 9, RFC 7692 section 7.1).
#[must_use]
pub fn faults_of_agreement(offer: &Offer, response: &Response) -> Vec<Fault> {
    let fields = &response.fields;
    let mut faults = Faults::default();
    let upgrade = || found(fields.first(Field::Upgrade));
    faults.check(fields.has_token(Field::Upgrade, "websocket"), Rule::MissingUpgrade, upgrade);
    let connection = || found(fields.first(Field::Connection));
    faults.check(fields.has_token(Field::Connection, "upgrade"), Rule::MissingConnectionUpgrade, connection);
    check_accept(offer, fields, &mut faults);
    check_chosen_protocol(offer, fields, &mut faults);
    check_agreed_extensions(offer, fields, &mut faults);
    let not_refused = offer.faults.iter().find(|(rule, _)| demands_refusal(*rule, offer));
    if let Some((rule, detail)) = not_refused {
        faults.add(Rule::BadRequestAccepted, format!("{}: {detail}", rule.name()));
    }
    faults.0
}

/// The terms of each offer of permessage-deflate in a request that breaks no rule.
pub(super) fn deflate_offers(fields: &Fields) -> Vec<DeflateTerms> {
    let offers = extension::sound_in(fields).filter(Extension::is_deflate);
    offers.filter_map(|offer| DeflateTerms::of(&offer, false).ok()).collect()
}

/// Rules that one head breaks, each once. It can only hold as many as there are rules, whatever the head is.
#[derive(Debug, Default)]
struct Faults(Vec<Fault>);

impl Faults {
    fn add(&mut self, rule: Rule, detail: String) {
        if !self.0.iter().any(|(known, _)| *known == rule) {
            self.0.push((rule, detail));
        }
    }

    fn check(&mut self, sound: bool, rule: Rule, detail: impl FnOnce() -> String) {
        if !sound {
            self.add(rule, detail());
        }
    }
}

fn is_target(target: &str) -> bool {
    let scheme = |scheme: &str| target.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    (target.starts_with('/') || scheme("http://") || scheme("https://")) && !target.contains('#')
}

fn check_key(fields: &Fields, faults: &mut Faults) {
    let mut keys = fields.all(Field::WebSocketKey);
    let Some(key) = keys.next() else { return faults.add(Rule::MissingKey, found(None)) };
    faults.check(is_key(key), Rule::InvalidKey, || found(Some(key)));
    let further = keys.count();
    faults.check(further == 0, Rule::RepeatedKey, || format!("{} fields", further + 1));
}

/// Whether it is the base64 of 16 bytes. The bits that the last digit has too many may be set: the key that RFC 6455
/// section 4.1 gives as an example has them set.
fn is_key(key: &[u8]) -> bool {
    const BASE64: GeneralPurpose = GeneralPurpose::new(
        &alphabet::STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_allow_trailing_bits(true)
            .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
    );
    const DIGITS: usize = 24;
    // What so many digits can stand for, which the decoder wants room for.
    let mut nonce = [0; DIGITS / 4 * 3];
    key.len() == DIGITS && BASE64.decode_slice(key, &mut nonce).is_ok_and(|length| length == 16)
}

fn check_version(fields: &Fields, faults: &mut Faults) {
    let mut versions = fields.all(Field::WebSocketVersion);
    let Some(version) = versions.next() else { return faults.add(Rule::MissingVersion, found(None)) };
    faults.check(version == b"13", Rule::WrongVersion, || found(Some(version)));
    let further = versions.count();
    faults.check(further == 0, Rule::RepeatedVersion, || format!("{} fields", further + 1));
}

fn check_offered_protocols(fields: &Fields, faults: &mut Faults) {
    let mut seen = HashSet::new();
    for protocol in fields.elements(Field::WebSocketProtocol) {
        faults.check(is_token(protocol), Rule::InvalidSubprotocol, || found(Some(protocol)));
        faults.check(seen.insert(protocol), Rule::RepeatedSubprotocol, || found(Some(protocol)));
    }
}

/// What holds for `Sec-WebSocket-Extensions` whoever sends it. An empty one is let pass: it says nothing.
fn check_extensions(fields: &Fields, is_answer: bool, faults: &mut Faults) {
    for element in fields.elements(Field::WebSocketExtensions) {
        let Ok(extension) = Extension::parse(element) else {
            faults.add(Rule::MalformedExtensions, found(Some(element)));
            continue;
        };
        if extension.is_deflate()
            && let Err(parameter) = DeflateTerms::of(&extension, is_answer)
        {
            faults.add(Rule::InvalidDeflateParameter, found(Some(parameter.as_bytes())));
        }
    }
}

fn check_accept(offer: &Offer, fields: &Fields, faults: &mut Faults) {
    let mut answers = fields.all(Field::WebSocketAccept);
    let Some(accept) = answers.next() else { return faults.add(Rule::MissingAccept, found(None)) };
    let further = answers.count();
    faults.check(further == 0, Rule::RepeatedAccept, || format!("{} fields", further + 1));
    if let Some(key) = &offer.key {
        faults.check(accept == accept_digits(key), Rule::WrongAccept, || {
            format!("{}, expected {}", found(Some(accept)), accept_of(key))
        });
    }
}

fn check_chosen_protocol(offer: &Offer, fields: &Fields, faults: &mut Faults) {
    let lines = fields.all(Field::WebSocketProtocol).count();
    let mut chosen = fields.elements(Field::WebSocketProtocol);
    let Some(first) = chosen.next() else {
        // The empty string is not a legal value (RFC 6455 section 4.2.2).
        return faults.check(lines == 0, Rule::InvalidSubprotocol, || "found an empty one".into());
    };
    faults.check(is_token(first), Rule::InvalidSubprotocol, || found(Some(first)));
    let second = chosen.next();
    faults.check(second.is_none() && lines == 1, Rule::SeveralSubprotocols, || {
        format!("found {} and {}", shown(first), shown(second.unwrap_or_default()))
    });
    let offered: HashSet<&[u8]> = offer.protocols.iter().map(|protocol| &**protocol).collect();
    for protocol in [first].into_iter().chain(second).chain(chosen) {
        faults.check(offered.contains(protocol), Rule::UnrequestedSubprotocol, || found(Some(protocol)));
    }
}

fn check_agreed_extensions(offer: &Offer, fields: &Fields, faults: &mut Faults) {
    let offered: HashSet<&str> = offer.extensions.iter().map(String::as_str).collect();
    for name in extension::names_in(fields) {
        faults.check(offered.contains(&*name), Rule::UnrequestedExtension, || found(Some(name.as_bytes())));
    }
    check_extensions(fields, true, faults);
    if let Some(deflate) = extension::sound_in(fields).find(Extension::is_deflate)
        && offer.offers_deflate()
        && let Ok(terms) = DeflateTerms::of(&deflate, true)
    {
        check_deflate_terms(offer, &terms, faults);
    }
}

/// Whether one of the client's offers allows what the server made of it.
fn check_deflate_terms(offer: &Offer, terms: &DeflateTerms, faults: &mut Faults) {
    if offer.deflate.iter().any(|offered| offered.allow(terms)) {
        return;
    }
    let window_offered = offer.deflate.iter().any(|offered| offered.client_max_window_bits.is_some());
    if terms.client_max_window_bits.is_some() && !window_offered {
        faults.add(Rule::UnofferedWindowBits, "client_max_window_bits was not offered".into());
    } else {
        faults.add(Rule::UnofferedDeflateTerms, format!("fits none of {} sound offers", offer.deflate.len()));
    }
}

/// Whether a server must not accept a request that breaks `rule` (RFC 6455 section 4.2.1).
fn demands_refusal(rule: Rule, offer: &Offer) -> bool {
    // A server may speak a draft of the protocol beside it (RFC 6455 section 4.4); these have the versions 0 to 8.
    let is_draft = matches!(offer.version.as_deref(), Some([b'0'..=b'8']));
    if rule == Rule::WrongVersion {
        return !is_draft;
    }
    matches!(
        rule,
        Rule::WrongMethod
            | Rule::OldHttpVersion
            | Rule::InvalidTarget
            | Rule::MissingHost
            | Rule::MissingUpgradeRequest
            | Rule::MissingConnectionRequest
            | Rule::MissingKey
            | Rule::InvalidKey
            | Rule::MissingVersion
            | Rule::InvalidSubprotocol
            | Rule::MalformedExtensions
    )
}

fn found(value: Option<&[u8]>) -> String {
    value.map_or_else(|| "found none".into(), |value| format!("found {}", shown(value)))
}

/// The beginning of what was on the wire, as text.
fn shown(value: &[u8]) -> String {
    match value.get(..limits::DETAIL_BYTES) {
        Some(beginning) if value.len() > limits::DETAIL_BYTES => format!("{}…", String::from_utf8_lossy(beginning)),
        _ => String::from_utf8_lossy(value).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Head;

    const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    const USUAL: &str = "Host: server.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
    const VERSION: &str = "Sec-WebSocket-Version: 13\r\n";
    const GOOD: &str =
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";

    fn request(text: &str) -> Request {
        Request::parse(text.as_bytes()).unwrap().unwrap().0
    }

    fn rules(faults: &[Fault]) -> Vec<Rule> {
        faults.iter().map(|(rule, _)| *rule).collect()
    }

    /// What a request with this first line and these fields breaks.
    fn asked(line: &str, fields: &str) -> Vec<Rule> {
        rules(&faults_of_request(&request(&format!("{line}\r\n{fields}\r\n"))))
    }

    /// What one with these fields besides the usual ones breaks.
    fn asked_with(fields: &str) -> Vec<Rule> {
        asked("GET /chat HTTP/1.1", &format!("{USUAL}{KEY}{VERSION}{fields}"))
    }

    fn response(status: u16, fields: &str) -> Response {
        Response::parse(format!("HTTP/1.1 {status} Whatever\r\n{fields}\r\n").as_bytes()).unwrap().unwrap().0
    }

    /// What a 101 with the fields `answer` breaks to a request with the fields `offer` besides the usual ones.
    fn agreed(offer: &str, answer: &str) -> Vec<Rule> {
        let offer = Offer::of(&request(&format!("GET / HTTP/1.1\r\n{USUAL}{KEY}{VERSION}{offer}\r\n")));
        rules(&faults_of_agreement(&offer, &response(101, answer)))
    }

    /// The same, with the fields of a good answer before.
    fn agreed_with(offer: &str, answer: &str) -> Vec<Rule> {
        agreed(offer, &format!("{GOOD}{answer}"))
    }

    fn extensions(value: &str) -> String {
        format!("Sec-WebSocket-Extensions: {value}\r\n")
    }

    #[test]
    fn sound_requests_break_nothing() {
        // RFC 6455 section 1.2.
        let example = "host: server.example.com\r\nUPGRADE: websocket\r\nConnection: Upgrade\r\n\
                       Origin: http://example.com\r\nSec-WebSocket-Protocol: chat, superchat\r\n";
        assert_eq!(asked("GET /chat HTTP/1.1", &format!("{example}{KEY}{VERSION}")), []);
        let legal = "Host:\r\nUpgrade: h2c, WebSocket\r\nConnection:  keep-alive ,\tUPGRADE\r\n\
                     Sec-WebSocket-Key:   AQIDBAUGBwgJCgsMDQ4PEC==  \r\nSec-WebSocket-Version:\t13\r\n\
                     Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: b ,, v1.c\r\nX: y\r\n";
        assert_eq!(asked("GET http://server.example.com/chat?a=%23 HTTP/1.1", legal), []);
        let split = "Connection: keep-alive\r\nConnection: x\r\n";
        assert_eq!(asked_with(split), []);
        for value in ["deflate-stream", "foo, bar; baz=2", "mux; max-channels=4; flow-control,\tdeflate-stream", ""] {
            assert_eq!(asked_with(&extensions(value)), [], "{value}");
        }
        let browser = "permessage-deflate; client_max_window_bits, permessage-deflate";
        assert_eq!(
            asked_with(&[extensions(browser), extensions("x-webkit-deflate-frame; no_context_takeover")].concat()),
            []
        );
    }

    #[test]
    fn each_fault_of_the_request_line_is_named() {
        let good = format!("{USUAL}{KEY}{VERSION}");
        assert_eq!(asked("POST /chat HTTP/1.1", &good), [Rule::WrongMethod]);
        assert_eq!(asked("GET /chat HTTP/1.0", &good), [Rule::OldHttpVersion]);
        for target in ["*", "chat", "ws://server.example.com/chat", "/chat#top", "httpx://a/"] {
            assert_eq!(asked(&format!("GET {target} HTTP/1.1"), &good), [Rule::InvalidTarget], "{target}");
        }
    }

    #[test]
    fn each_missing_field_of_a_request_is_named() {
        let without = |name: &str| {
            let fields = format!("{USUAL}{KEY}{VERSION}");
            let rest: String = fields.split_inclusive('\n').filter(|line| !line.starts_with(name)).collect();
            asked("GET / HTTP/1.1", &rest)
        };
        assert_eq!(without("Host"), [Rule::MissingHost]);
        assert_eq!(without("Upgrade"), [Rule::MissingUpgradeRequest]);
        assert_eq!(without("Connection"), [Rule::MissingConnectionRequest]);
        assert_eq!(without("Sec-WebSocket-Key"), [Rule::MissingKey]);
        assert_eq!(without("Sec-WebSocket-Version"), [Rule::MissingVersion]);
        assert_eq!(without("X"), []);
    }

    #[test]
    fn keys_and_versions_must_be_what_they_should_and_be_there_once() {
        let usual = |fields: &str| asked("GET / HTTP/1.1", &format!("{USUAL}{fields}"));
        for key in [
            "",
            "dGhlIHNhbXBsZSBub25jZQ",
            "dGhlIHNhbXBsZSBub25jZQ=",
            "c2hvcnQ=",
            "!GhlIHNhbXBsZSBub25jZQ==",
            "dGhlIHNhbXBsZSBub25jZWFhYWE=",
        ] {
            assert_eq!(usual(&format!("Sec-WebSocket-Key: {key}\r\n{VERSION}")), [Rule::InvalidKey], "{key:?}");
        }
        for version in ["", "8", "14", "013", "13, 8", "x"] {
            assert_eq!(
                usual(&format!("{KEY}Sec-WebSocket-Version: {version}\r\n")),
                [Rule::WrongVersion],
                "{version:?}"
            );
        }
        assert_eq!(usual(&format!("{KEY}{KEY}{VERSION}{VERSION}")), [Rule::RepeatedKey, Rule::RepeatedVersion]);
    }

    #[test]
    fn offers_that_cannot_be_read_are_named() {
        assert_eq!(asked_with("Sec-WebSocket-Protocol: a, b c\r\n"), [Rule::InvalidSubprotocol]);
        assert_eq!(asked_with("Sec-WebSocket-Protocol: http://a\r\n"), [Rule::InvalidSubprotocol]);
        let twice = "Sec-WebSocket-Protocol: a, b\r\nSec-WebSocket-Protocol: a\r\n";
        assert_eq!(asked_with(twice), [Rule::RepeatedSubprotocol]);
        assert_eq!(asked_with("Sec-WebSocket-Protocol: a, A\r\n"), []);
        assert_eq!(asked_with(&extensions("a;, b c, d e")), [Rule::MalformedExtensions]);
        assert_eq!(asked_with(&extensions("permessage-deflate; level=9")), [Rule::InvalidDeflateParameter]);
        assert_eq!(asked_with(&extensions("other; level=9")), []);
    }

    #[test]
    fn sound_answers_break_nothing() {
        assert_eq!(agreed("", GOOD), []);
        let cased = "upgrade: WebSocket\r\nconnection: keep-alive, upgrade\r\n\
                     SEC-WEBSOCKET-ACCEPT:  s3pPLMBiTxaQ9kYGzzhZRbK+xOo= \r\n";
        assert_eq!(agreed("", cased), []);
        let offered = "Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: b\r\n";
        assert_eq!(agreed_with(offered, "Sec-WebSocket-Protocol: b\r\n"), []);
        let offered = extensions("permessage-deflate; client_max_window_bits, y");
        let answers = [
            "Permessage-Deflate",
            "y, permessage-deflate; client_max_window_bits=9",
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
            "",
        ];
        for answer in answers {
            assert_eq!(agreed_with(&offered, &extensions(answer)), [], "{answer}");
        }
        let lines = [extensions("y"), extensions("permessage-deflate")].concat();
        assert_eq!(agreed_with(&offered, &lines), []);
    }

    #[test]
    fn each_fault_of_an_answer_is_named() {
        let nothing = [Rule::MissingUpgrade, Rule::MissingConnectionUpgrade, Rule::MissingAccept];
        assert_eq!(agreed("", "X: y\r\n"), nothing);
        let wrong = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: AAAA\r\n";
        assert_eq!(agreed("", wrong), [Rule::WrongAccept]);
        assert_eq!(agreed_with("", "Sec-WebSocket-Accept: x\r\n"), [Rule::RepeatedAccept]);
        let uninvited = format!("Sec-WebSocket-Protocol: z\r\n{}", extensions("q"));
        assert_eq!(agreed_with("", &uninvited), [Rule::UnrequestedSubprotocol, Rule::UnrequestedExtension]);
        let offered = "Sec-WebSocket-Protocol: a, b\r\n";
        assert_eq!(agreed_with(offered, "Sec-WebSocket-Protocol: a, b\r\n"), [Rule::SeveralSubprotocols]);
        let lines = "Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: a\r\n";
        assert_eq!(agreed_with(offered, lines), [Rule::SeveralSubprotocols]);
        assert_eq!(agreed_with(offered, "Sec-WebSocket-Protocol:\r\n"), [Rule::InvalidSubprotocol]);
        assert_eq!(agreed_with(&extensions("a"), &extensions("a; ?")), [Rule::MalformedExtensions]);
    }

    #[test]
    fn accept_is_not_judged_if_there_are_two_keys() {
        let other = "Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEC==\r\n";
        let wrong = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: AAAA\r\n";
        assert_eq!(agreed(other, wrong), []);
    }

    #[test]
    fn terms_of_compression_must_be_among_those_offered() {
        let deflate = |offer: &str, answer: &str| {
            let head = |terms: &str| extensions(&format!("permessage-deflate{terms}"));
            agreed_with(&head(offer), &head(answer))
        };
        assert_eq!(deflate("", "; client_max_window_bits=15"), [Rule::UnofferedWindowBits]);
        assert_eq!(deflate("; server_no_context_takeover", ""), [Rule::UnofferedDeflateTerms]);
        assert_eq!(deflate("; server_max_window_bits=9", "; server_max_window_bits=10"), [Rule::UnofferedDeflateTerms]);
        assert_eq!(deflate("; server_max_window_bits=9, permessage-deflate", ""), []);
        assert_eq!(deflate("", "; server_max_window_bits=16"), [Rule::InvalidDeflateParameter]);
        // An offer that must be declined.
        assert_eq!(deflate("; server_max_window_bits=99", ""), [Rule::UnofferedDeflateTerms]);
    }

    #[test]
    fn request_that_must_be_refused_must_not_be_accepted() {
        let accepted = |fields: &str| {
            let request = request(&format!("GET / HTTP/1.1\r\n{fields}\r\n"));
            faults_of_agreement(&Offer::of(&request), &response(101, GOOD))
        };
        let missing = accepted(&format!("{USUAL}{KEY}"));
        assert_eq!(missing, [(Rule::BadRequestAccepted, "missing-version: found none".into())]);
        let version = |version: u8| accepted(&format!("{USUAL}{KEY}Sec-WebSocket-Version: {version}\r\n"));
        assert_eq!(rules(&version(99)), [Rule::BadRequestAccepted]);
        assert_eq!(rules(&version(8)), []);
        let repeated = format!("{USUAL}{KEY}{VERSION}Sec-WebSocket-Protocol: a, a\r\n");
        assert_eq!(rules(&accepted(&repeated)), []);
    }

    #[test]
    fn refusal_for_the_version_tells_those_that_are_known() {
        let refused = |version: &str, status: u16, fields: &str| {
            let offer =
                Offer::of(&request(&format!("GET / HTTP/1.1\r\n{USUAL}{KEY}Sec-WebSocket-Version: {version}\r\n\r\n")));
            rules(&faults_of_refusal(&offer, &response(status, fields)))
        };
        assert_eq!(refused("25", 426, ""), [Rule::MissingSupportedVersions]);
        assert_eq!(refused("25", 426, "Upgrade: websocket\r\n"), [Rule::MissingSupportedVersions]);
        assert_eq!(refused("25", 426, "Sec-WebSocket-Version: 13, 8, 7\r\n"), []);
        assert_eq!(refused("25", 426, "Upgrade: TLS/1.0\r\n"), []);
        assert_eq!(refused("25", 404, ""), []);
        assert_eq!(refused("13", 426, ""), []);
    }

    #[test]
    fn details_quote_no_more_than_a_line() {
        let long = "a".repeat(40_000);
        let head =
            request(&format!("GET / HTTP/1.1\r\n{USUAL}{KEY}{VERSION}Sec-WebSocket-Protocol: {long}/,b c\r\n\r\n"));
        let faults = faults_of_request(&head);
        assert_eq!(rules(&faults), [Rule::InvalidSubprotocol]);
        assert!(faults[0].1.len() < 100);
    }
}
