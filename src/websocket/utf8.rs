/// What is wrong with the first bytes that are not UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Utf8ErrorKind {
    /// A byte that occurs in no UTF-8 at all: F8 to FF.
    InvalidByte,
    /// A continuation byte (80 to BF) where a character should begin.
    UnexpectedContinuation,
    /// A character that ends early because another byte follows instead of a continuation byte.
    MissingContinuation,
    /// A character in more bytes than it needs.
    Overlong,
    /// Half of a UTF-16 surrogate pair, U+D800 to U+DFFF.
    Surrogate,
    /// A character above U+10FFFF.
    AboveU10FFFF,
    /// The text ends inside a character.
    Truncated,
}

impl Utf8ErrorKind {
    /// The name that tables use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::InvalidByte => "invalid-byte",
            Self::UnexpectedContinuation => "unexpected-continuation",
            Self::MissingContinuation => "missing-continuation",
            Self::Overlong => "overlong",
            Self::Surrogate => "surrogate",
            Self::AboveU10FFFF => "above-u10ffff",
            Self::Truncated => "truncated",
        }
    }
}
