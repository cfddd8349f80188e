//! `Sec-WebSocket-Extensions`: its grammar (RFC 6455 section 9.1), and the parameters that permessage-deflate may have
//! (RFC 7692 section 7.1).
//!
//! In comes one element of the list, out comes an extension with its parameters, or what is wrong with it. What an element
//! breaks is one question, what is to be made of it all the same another: [`DeflateTerms::of`] and
//! [`DeflateTerms::understood`].

use std::borrow::Cow;

use crate::http::{Field, Fields};

/// The name under which RFC 7692 registered its extension.
pub(super) const PERMESSAGE_DEFLATE: &str = "permessage-deflate";

/// An element that does not follow the grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// An extension that is offered or agreed upon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Extension<'a> {
    pub(super) name: &'a [u8],
    pub(super) parameters: Vec<Parameter<'a>>,
}

/// The name of a parameter and, where it has one, its value without quotes.
type Parameter<'a> = (&'a [u8], Option<Cow<'a, [u8]>>);

impl<'a> Extension<'a> {
    /// Takes an element of the list apart.
    pub(super) fn parse(element: &'a [u8]) -> Result<Self, Malformed> {
        let mut parts = parts(element);
        let name = parts.next().filter(|name| is_token(name)).ok_or(Malformed)?;
        let parameters = parts.map(parameter).collect::<Result<_, _>>()?;
        Ok(Self { name, parameters })
    }

    pub(super) fn is_deflate(&self) -> bool {
        self.name.eq_ignore_ascii_case(PERMESSAGE_DEFLATE.as_bytes())
    }
}

/// The extensions in a head that follow the grammar.
pub(super) fn sound_in(fields: &Fields) -> impl Iterator<Item = Extension<'_>> {
    fields.elements(Field::WebSocketExtensions).filter_map(|element| Extension::parse(element).ok())
}

/// The names of all extensions in a head, in small letters.
pub(super) fn names_in(fields: &Fields) -> impl Iterator<Item = String> {
    fields.elements(Field::WebSocketExtensions).map(name_of)
}

/// The name of the extension in an element, in small letters, whether it follows the grammar or not.
pub(super) fn name_of(element: &[u8]) -> String {
    let name = parts(element).next().unwrap_or_default();
    String::from_utf8_lossy(name).to_ascii_lowercase()
}

/// The name in an element, and each of its parameters.
fn parts(element: &[u8]) -> impl Iterator<Item = &[u8]> {
    element.split(|byte| *byte == b';').map(<[u8]>::trim_ascii)
}

/// A parameter: a token, and perhaps a value that is a token, in quotes or not.
fn parameter(part: &[u8]) -> Result<Parameter<'_>, Malformed> {
    let mut halves = part.splitn(2, |byte| *byte == b'=').map(<[u8]>::trim_ascii);
    let name = halves.next().filter(|name| is_token(name)).ok_or(Malformed)?;
    let value = halves.next().map(|value| match value {
        [b'"', quoted @ .., b'"'] => Cow::Owned(unescaped(quoted)),
        bare => Cow::Borrowed(bare),
    });
    if value.as_deref().is_some_and(|value| !is_token(value)) { Err(Malformed) } else { Ok((name, value)) }
}

/// What a quoted string means: a backslash stands for the byte behind it.
fn unescaped(quoted: &[u8]) -> Vec<u8> {
    let mut escaped = false;
    let plain = quoted.iter().copied().filter(|byte| {
        escaped = *byte == b'\\' && !escaped;
        !escaped
    });
    plain.collect()
}

/// Whether it is a token (RFC 2616 section 2.2): visible ASCII without separators, and at least one byte.
pub(super) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|byte| byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?={}".contains(byte))
}

/// The parameters of permessage-deflate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct DeflateTerms {
    pub(super) server_no_context_takeover: bool,
    pub(super) client_no_context_takeover: bool,
    pub(super) server_max_window_bits: Option<u8>,
    pub(super) client_max_window_bits: Option<ClientWindow>,
}

/// What is said of the client's window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClientWindow {
    /// Only in offers: the server may choose.
    AnySize,
    Bits(u8),
}

impl DeflateTerms {
    /// The terms of `extension`, which is permessage-deflate; `is_answer` says that a server states them.
    ///
    /// # Errors
    /// What is wrong with its parameters.
    pub(super) fn of(extension: &Extension<'_>, is_answer: bool) -> Result<Self, String> {
        let mut terms = Self::default();
        for (name, value) in &extension.parameters {
            if terms.add(name, value.as_deref(), is_answer).is_none() {
                let value = value.as_deref().map(|value| format!("={}", value.escape_ascii())).unwrap_or_default();
                return Err(format!("{}{value}", name.escape_ascii()));
            }
        }
        Ok(terms)
    }

    /// What a server's answer `element` says of permessage-deflate. Parameters that break a rule are left out: without
    /// them a sender is held to less, so that what it says can still be read.
    pub(super) fn understood(element: &[u8]) -> Self {
        let mut terms = Self::default();
        for (name, value) in parts(element).skip(1).filter_map(|part| parameter(part).ok()) {
            // One that is repeated holds as it was said last.
            let _ = terms.add(name, value.as_deref(), true);
        }
        terms
    }

    /// One more parameter; `None` if it must not be there.
    fn add(&mut self, name: &[u8], value: Option<&[u8]>, is_answer: bool) -> Option<()> {
        match (name.to_ascii_lowercase().as_slice(), value) {
            (b"server_no_context_takeover", None) => set_once(&mut self.server_no_context_takeover),
            (b"client_no_context_takeover", None) => set_once(&mut self.client_no_context_takeover),
            (b"server_max_window_bits", Some(bits)) => put_once(&mut self.server_max_window_bits, window_bits(bits)?),
            (b"client_max_window_bits", Some(bits)) => {
                put_once(&mut self.client_max_window_bits, ClientWindow::Bits(window_bits(bits)?))
            }
            (b"client_max_window_bits", None) if !is_answer => {
                put_once(&mut self.client_max_window_bits, ClientWindow::AnySize)
            }
            _ => None,
        }
    }

    /// Whether a server that was offered these terms may answer with `answer`.
    pub(super) fn allow(&self, answer: &Self) -> bool {
        let context = answer.server_no_context_takeover || !self.server_no_context_takeover;
        let server = match (self.server_max_window_bits, answer.server_max_window_bits) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(offered), Some(bits)) => bits <= offered,
        };
        let client = match (self.client_max_window_bits, answer.client_max_window_bits) {
            (_, None) | (Some(ClientWindow::AnySize), Some(_)) => true,
            (None, Some(_)) | (Some(ClientWindow::Bits(_)), Some(ClientWindow::AnySize)) => false,
            (Some(ClientWindow::Bits(offered)), Some(ClientWindow::Bits(bits))) => bits <= offered,
        };
        context && server && client
    }
}

fn set_once(flag: &mut bool) -> Option<()> {
    (!std::mem::replace(flag, true)).then_some(())
}

fn put_once<T>(slot: &mut Option<T>, value: T) -> Option<()> {
    slot.replace(value).is_none().then_some(())
}

/// A window size: 8 to 15, in decimal and without leading zeros.
fn window_bits(value: &[u8]) -> Option<u8> {
    match value {
        [digit @ b'8'..=b'9'] => Some(digit - b'0'),
        [b'1', digit @ b'0'..=b'5'] => Some(10 + digit - b'0'),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(element: &str, is_answer: bool) -> Result<DeflateTerms, String> {
        DeflateTerms::of(&Extension::parse(element.as_bytes()).unwrap(), is_answer)
    }

    fn offered(parameters: &str) -> DeflateTerms {
        terms(&format!("permessage-deflate{parameters}"), false).unwrap()
    }

    fn answered(parameters: &str) -> DeflateTerms {
        terms(&format!("permessage-deflate{parameters}"), true).unwrap()
    }

    #[test]
    fn grammar_is_that_of_the_rfc() {
        for sound in ["deflate-stream", "mux; max-channels=4;flow-control", "a ;b = \"c\"", "x;y=\"a\\b\""] {
            assert!(Extension::parse(sound.as_bytes()).is_ok(), "{sound}");
        }
        for malformed in
            ["", ";a", "a;", "a;;b", "a b", "a; =1", "a; b=", "a; b=\"\"", "a; b=\"c d\"", "a; b=c=d", "a/b"]
        {
            assert_eq!(Extension::parse(malformed.as_bytes()), Err(Malformed), "{malformed}");
        }
        let quoted = Extension::parse(b"a; b=\"\\1\\0\"").unwrap();
        assert_eq!(quoted.parameters, [(&b"b"[..], Some(Cow::Borrowed(&b"10"[..])))]);
    }

    #[test]
    fn parameters_have_the_values_that_they_may_have() {
        let sound = [
            "permessage-deflate",
            "permessage-deflate; client_max_window_bits",
            "permessage-deflate; client_max_window_bits=8; server_max_window_bits=\"15\"",
            "Permessage-Deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=10",
        ];
        assert!(sound.iter().all(|element| terms(element, false).is_ok()));
        for wrong in ["7", "16", "08", "0", "1", "+9", "9x", "100"] {
            assert!(terms(&format!("permessage-deflate; server_max_window_bits={wrong}"), false).is_err(), "{wrong}");
            assert!(terms(&format!("permessage-deflate; client_max_window_bits={wrong}"), true).is_err(), "{wrong}");
        }
        for wrong in
            ["server_max_window_bits", "server_no_context_takeover=1", "client_no_context_takeover=true", "level=9"]
        {
            assert_eq!(terms(&format!("permessage-deflate; {wrong}"), false), Err(wrong.to_owned()));
        }
        let twice = "permessage-deflate; server_no_context_takeover; server_no_context_takeover";
        assert!(terms(twice, true).is_err());
        assert!(terms("permessage-deflate; client_max_window_bits", true).is_err());
    }

    #[test]
    fn terms_allow_what_rfc_7692_lets_a_server_answer() {
        let allowed = [
            ("", ""),
            ("", "; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=9"),
            ("; client_max_window_bits", "; client_max_window_bits=8"),
            ("; client_max_window_bits", ""),
            ("; client_max_window_bits=12", "; client_max_window_bits=12"),
            ("; client_max_window_bits=12", ""),
            ("; server_max_window_bits=10", "; server_max_window_bits=9"),
            ("; server_no_context_takeover", "; server_no_context_takeover"),
            ("; client_no_context_takeover", ""),
        ];
        for (offer, answer) in allowed {
            assert!(offered(offer).allow(&answered(answer)), "{offer:?} {answer:?}");
        }
        let forbidden = [
            ("", "; client_max_window_bits=15"),
            ("; client_max_window_bits=12", "; client_max_window_bits=13"),
            ("; server_max_window_bits=10", ""),
            ("; server_max_window_bits=10", "; server_max_window_bits=11"),
            ("; server_no_context_takeover", ""),
        ];
        for (offer, answer) in forbidden {
            assert!(!offered(offer).allow(&answered(answer)), "{offer:?} {answer:?}");
        }
    }
}
