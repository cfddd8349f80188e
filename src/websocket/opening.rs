//! What RFC 6455 section 4 and RFC 7692 section 7.1 demand of the heads of an opening handshake, as far as it can be seen.
//!
//! In come a request, a refusal or a 101; out come the rules that it breaks, each once, with what was found first.

use std::collections::HashSet;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::http::{Fields, Request, Response};
use crate::limits;

use super::extension::{DeflateTerms, Extension, is_token};
use super::handshake::{Offer, accept_of, extension_names};
use super::rule::Rule;

/// A rule that a head breaks, and what was found.
pub type Fault = (Rule, String);

/// The rules that a request to upgrade breaks (RFC 6455 section 4.1).
#[must_use]
pub fn faults_of_request(request: &Request) -> Vec<Fault> {
    let fields = &request.fields;
    let mut faults = Faults::default();
    faults.check(&*request.method == "GET", Rule::WrongMethod, || request.method.to_string());
    faults.check(request.minor_version >= 1, Rule::OldHttpVersion, || format!("HTTP/1.{}", request.minor_version));
    faults.check(is_target(&request.target), Rule::InvalidTarget, || found(Some(request.target.as_bytes())));
    faults.check(fields.first("host").is_some(), Rule::MissingHost, || found(None));
    let upgrade = || found(fields.first("upgrade"));
    faults.check(fields.has_token("upgrade", "websocket"), Rule::MissingUpgradeRequest, upgrade);
    let connection = || found(fields.first("connection"));
    faults.check(fields.has_token("connection", "upgrade"), Rule::MissingConnectionRequest, connection);
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
        && (fields.first("upgrade").is_none() || fields.has_token("upgrade", "websocket"));
    let tells = !is_for_version || fields.first("sec-websocket-version").is_some();
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
    let upgrade = || found(fields.first("upgrade"));
    faults.check(fields.has_token("upgrade", "websocket"), Rule::MissingUpgrade, upgrade);
    let connection = || found(fields.first("connection"));
    faults.check(fields.has_token("connection", "upgrade"), Rule::MissingConnectionUpgrade, connection);
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
    let offers = fields.elements("sec-websocket-extensions").filter_map(|element| Extension::parse(element).ok());
    offers.filter(Extension::is_deflate).filter_map(|offer| DeflateTerms::of(&offer, false).ok()).collect()
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
    let mut keys = fields.all("sec-websocket-key");
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
    key.len() == DIGITS && BASE64.decode(key).is_ok_and(|nonce| nonce.len() == 16)
}

fn check_version(fields: &Fields, faults: &mut Faults) {
    let mut versions = fields.all("sec-websocket-version");
    let Some(version) = versions.next() else { return faults.add(Rule::MissingVersion, found(None)) };
    faults.check(version == b"13", Rule::WrongVersion, || found(Some(version)));
    let further = versions.count();
    faults.check(further == 0, Rule::RepeatedVersion, || format!("{} fields", further + 1));
}

fn check_offered_protocols(fields: &Fields, faults: &mut Faults) {
    let mut seen = HashSet::new();
    for protocol in fields.elements("sec-websocket-protocol") {
        faults.check(is_token(protocol), Rule::InvalidSubprotocol, || found(Some(protocol)));
        faults.check(seen.insert(protocol), Rule::RepeatedSubprotocol, || found(Some(protocol)));
    }
}

/// What holds for `Sec-WebSocket-Extensions` whoever sends it. An empty one is let pass: it says nothing.
fn check_extensions(fields: &Fields, is_answer: bool, faults: &mut Faults) {
    for element in fields.elements("sec-websocket-extensions") {
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
    let mut answers = fields.all("sec-websocket-accept");
    let Some(accept) = answers.next() else { return faults.add(Rule::MissingAccept, found(None)) };
    let further = answers.count();
    faults.check(further == 0, Rule::RepeatedAccept, || format!("{} fields", further + 1));
    if let Some(key) = &offer.key {
        let expected = accept_of(key);
        faults.check(accept == expected.as_bytes(), Rule::WrongAccept, || {
            format!("{}, expected {expected}", found(Some(accept)))
        });
    }
}

fn check_chosen_protocol(offer: &Offer, fields: &Fields, faults: &mut Faults) {
    let lines = fields.all("sec-websocket-protocol").count();
    let mut chosen = fields.elements("sec-websocket-protocol");
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
    for name in extension_names(fields) {
        faults.check(offered.contains(&*name), Rule::UnrequestedExtension, || found(Some(name.as_bytes())));
    }
    check_extensions(fields, true, faults);
    let agreed = fields.elements("sec-websocket-extensions").filter_map(|element| Extension::parse(element).ok());
    if let Some(deflate) = agreed.into_iter().find(Extension::is_deflate)
        && offered.contains(super::extension::PERMESSAGE_DEFLATE)
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
