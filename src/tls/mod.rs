//! TLS (RFC 8446, RFC 5246): the bytes and gaps of both directions in; what they carry out, where its secrets are known.
//!
//! ```text
//!   Tls: records (record) ─▶ handshake messages (hello) ─▶ what was agreed upon
//!      │             └─────▶ keys (keylog, derive, keys) ─▶ content (open)
//!      └── why a handshake failed (handshake, alert, certificate)
//! ```
//!
//! It knows no file and no clock. Every record is opened with its tag or MAC verified, so that after a gap the sequence
//! number can be guessed: a wrong guess opens nothing.

mod alert;
mod certificate;
mod derive;
mod handshake;
mod hello;
mod keylog;
mod keys;
mod open;
mod record;
mod stream;
mod suite;

pub use alert::Alert;
pub use certificate::Certificate;
pub use handshake::{Ending, Failure};
pub use hello::{ClientHello, ServerHello, may_be_client_hello, possible_randoms};
pub use keylog::{ConnectionSecrets, Secrets};
pub use stream::{Tls, Visitor};
pub use suite::suite_name;

/// The random of a hello message.
pub type Random = [u8; 32];

/// A version of TLS, as it stands in hello messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u16);

impl Version {
    /// TLS 1.0, RFC 2246.
    pub const TLS10: Self = Self(0x0301);
    /// TLS 1.1, RFC 4346.
    pub const TLS11: Self = Self(0x0302);
    /// TLS 1.2, RFC 5246.
    pub const TLS12: Self = Self(0x0303);
    /// TLS 1.3, RFC 8446.
    pub const TLS13: Self = Self(0x0304);

    /// Its name, such as `TLS 1.3`; the number where there is none.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self(0x0300) => "SSL 3.0".to_owned(),
            Self(minor @ 0x0301..=0x0304) => format!("TLS 1.{}", minor - 0x0301),
            Self(other) => format!("{other:#06x}"),
        }
    }
}
