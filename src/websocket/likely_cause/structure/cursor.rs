//! Reads on in a sample, whose end is not a contradiction unless it is the end of the text.

/// What a read gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The sample ends here; the text goes on.
    Sample,
    /// It is not this format.
    Contradiction,
}

/// The rest of a sample.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
    whole: bool,
}

impl<'a> Cursor<'a> {
    /// At the beginning of `bytes`, which are `whole` or go on.
    pub(super) const fn new(bytes: &'a [u8], whole: bool) -> Self {
        Self { rest: bytes, whole }
    }

    pub(super) const fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn take(&mut self, length: u64) -> Result<&'a [u8], Stop> {
        let taken = usize::try_from(length).ok().and_then(|length| self.rest.split_at_checked(length));
        let Some((taken, rest)) = taken else { return Err(self.stop()) };
        self.rest = rest;
        Ok(taken)
    }

    pub(super) fn byte(&mut self) -> Result<u8, Stop> {
        self.array().map(|[byte]| byte)
    }

    pub(super) fn array<const LENGTH: usize>(&mut self) -> Result<[u8; LENGTH], Stop> {
        let Some((taken, rest)) = self.rest.split_first_chunk() else { return Err(self.stop()) };
        self.rest = rest;
        Ok(*taken)
    }

    /// A big-endian number of `length` bytes, at most eight.
    pub(super) fn number(&mut self, length: u64) -> Result<u64, Stop> {
        Ok(self.take(length)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// A string of `length` bytes without controls.
    pub(super) fn string(&mut self, length: u64) -> Result<&'a str, Stop> {
        let begun = self.rest;
        match self.take(length) {
            Ok(bytes) => text(bytes).ok_or(Stop::Contradiction),
            Err(Stop::Sample) if length < 1 << 24 && could_be_text(begun) => Err(Stop::Sample),
            Err(_) => Err(Stop::Contradiction),
        }
    }

    const fn stop(&self) -> Stop {
        if self.whole { Stop::Contradiction } else { Stop::Sample }
    }
}

/// `bytes` as text without controls.
pub(super) fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok().filter(|text| !text.bytes().any(super::is_control))
}

fn could_be_text(bytes: &[u8]) -> bool {
    let valid = std::str::from_utf8(bytes)
        .map_or_else(|error| if error.error_len().is_none() { error.valid_up_to() } else { 0 }, str::len);
    bytes.is_empty() || (valid > 0 && bytes.get(..valid).is_some_and(|bytes| text(bytes).is_some()))
}
