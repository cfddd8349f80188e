//! Alerts (RFC 8446 section 6): what an end says when it gives up.

/// The description of an alert, by its number in IANA's registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Alert(pub u8);

impl Alert {
    /// The end of what its sender says; no failure.
    pub const CLOSE_NOTIFY: Self = Self(0);
    pub(super) const HANDSHAKE_FAILURE: Self = Self(40);
    pub(super) const BAD_CERTIFICATE: Self = Self(42);
    pub(super) const CERTIFICATE_UNKNOWN: Self = Self(46);
    pub(super) const UNKNOWN_CA: Self = Self(48);
    const USER_CANCELED: Self = Self(90);
    const NO_RENEGOTIATION: Self = Self(100);

    /// The alert that the content of a record is; `None` if it is none.
    pub(super) fn parse(content: &[u8]) -> Option<Self> {
        match content {
            [1 | 2, description] => Some(Self(*description)),
            _ => None,
        }
    }

    /// Whether a handshake that it comes in has failed.
    pub(super) fn is_failure(self) -> bool {
        !matches!(self, Self::CLOSE_NOTIFY | Self::USER_CANCELED | Self::NO_RENEGOTIATION)
    }

    /// Whether it says what its sender thinks of a certificate.
    pub(super) fn is_about_certificate(self) -> bool {
        matches!(self.0, 42..=46 | 48)
    }

    /// Its name in the registry, such as `certificate_expired`; `None` for numbers that have none.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        Some(match self.0 {
            0 => "close_notify",
            10 => "unexpected_message",
            20 => "bad_record_mac",
            21 => "decryption_failed",
            22 => "record_overflow",
            30 => "decompression_failure",
            40 => "handshake_failure",
            41 => "no_certificate",
            42 => "bad_certificate",
            43 => "unsupported_certificate",
            44 => "certificate_revoked",
            45 => "certificate_expired",
            46 => "certificate_unknown",
            47 => "illegal_parameter",
            48 => "unknown_ca",
            49 => "access_denied",
            50 => "decode_error",
            51 => "decrypt_error",
            60 => "export_restriction",
            70 => "protocol_version",
            71 => "insufficient_security",
            80 => "internal_error",
            86 => "inappropriate_fallback",
            90 => "user_canceled",
            100 => "no_renegotiation",
            109 => "missing_extension",
            110 => "unsupported_extension",
            111 => "certificate_unobtainable",
            112 => "unrecognized_name",
            113 => "bad_certificate_status_response",
            114 => "bad_certificate_hash_value",
            115 => "unknown_psk_identity",
            116 => "certificate_required",
            120 => "no_application_protocol",
            121 => "ech_required",
            _ => return None,
        })
    }

    /// The cause that tables show for it, where nothing says more.
    pub(super) fn cause(self) -> Option<&'static str> {
        Some(match self.0 {
            40 => "handshake-failure",
            41 | 116 => "certificate-required",
            42 => "bad-certificate",
            43 => "unsupported-certificate",
            44 => "certificate-revoked",
            45 => "certificate-expired",
            46 => "certificate-rejected",
            48 => "unknown-ca",
            49 => "access-denied",
            70 => "version-mismatch",
            71 => "no-shared-cipher",
            80 => "internal-error",
            86 => "inappropriate-fallback",
            112 => "unrecognized-name",
            120 => "no-shared-protocol",
            10 | 20..=22 | 30 | 47 | 50 | 51 | 109..=111 | 113..=115 | 121 => "protocol-error",
            _ => return None,
        })
    }
}
