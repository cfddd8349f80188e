//! The records of one direction (RFC 8446 section 5): bytes and gaps in, whole records out.
//!
//! ```text
//!            header and fragment
//!   Within ──────────────────────▶ (record) ──▶ Within
//!     │ gap inside the fragment         gap past the record's end
//!     ├───▶ Damaged ── its end ──▶ (a record that is missing) ──▶ Within
//!     └───▶ Lost ◀──────────────────────┘
//!            └── bytes that look like a header, and a fragment that its keys open ──▶ Within
//! ```

use crate::limits;

/// What a record holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ContentType {
    ChangeCipherSpec,
    Alert,
    Handshake,
    ApplicationData,
}

impl ContentType {
    pub(super) const fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            20 => Self::ChangeCipherSpec,
            21 => Self::Alert,
            22 => Self::Handshake,
            23 => Self::ApplicationData,
            _ => return None,
        })
    }

    const fn byte(self) -> u8 {
        match self {
            Self::ChangeCipherSpec => 20,
            Self::Alert => 21,
            Self::Handshake => 22,
            Self::ApplicationData => 23,
        }
    }
}

/// The five bytes before a record's fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) content_type: ContentType,
    /// The version as it stands there, such as 0x0303.
    pub(super) version: u16,
    /// Length of the fragment in bytes.
    pub(super) length: u16,
}

impl Header {
    pub(super) const BYTES: usize = 5;

    /// The header that `bytes` begin with; `None` if they are too short or no header of TLS.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let &[content_type, major, minor, high, low] = bytes.first_chunk()?;
        let header = Self {
            content_type: ContentType::from_byte(content_type)?,
            version: u16::from_be_bytes([major, minor]),
            length: u16::from_be_bytes([high, low]),
        };
        let sound = major == 3 && minor <= 4 && (1..=limits::TLS_FRAGMENT_BYTES).contains(&usize::from(header.length));
        sound.then_some(header)
    }

    /// The header as it was on the wire.
    pub(super) fn bytes(&self) -> [u8; Self::BYTES] {
        let [major, minor] = self.version.to_be_bytes();
        let [high, low] = self.length.to_be_bytes();
        [self.content_type.byte(), major, minor, high, low]
    }

    const fn record_bytes(&self) -> usize {
        Self::BYTES + self.length as usize
    }
}

/// What a [`Records`] finds.
#[derive(Debug)]
pub(super) enum Found<'a> {
    /// A record.
    Record(Header, &'a [u8]),
    /// A record of which bytes are missing.
    Missing(Header),
    /// What may be a record after a gap. The answer says whether it is one.
    Candidate(Header, &'a [u8]),
    /// No TLS.
    Malformed,
}

/// Reads the records of one direction.
#[derive(Debug, Default)]
pub(super) struct Records {
    state: State,
    /// Stream offset just after the last record that was found.
    end: u64,
    /// Stream offset of the next byte.
    offset: u64,
}

#[derive(Debug)]
enum State {
    /// In a record, of which these bytes were read.
    Within(Vec<u8>),
    /// In a record of which bytes are missing; so many are still to come.
    Damaged { header: Header, left: u64 },
    /// Where a record begins is not known. These bytes begin like one.
    Lost(Vec<u8>),
    /// No TLS.
    Over,
}

impl Default for State {
    fn default() -> Self {
        Self::Within(Vec::new())
    }
}

impl Records {
    /// The next bytes are at stream offset `offset`. Says something new only before the first ones, which begin a record.
    pub(super) fn begin_at(&mut self, offset: u64) {
        if self.offset == 0 {
            (self.end, self.offset) = (offset, offset);
        }
    }

    /// Stream offset just after the last record that was told.
    pub(super) const fn end(&self) -> u64 {
        self.end
    }

    /// Whether a record has begun that has not ended.
    pub(super) const fn is_within_record(&self) -> bool {
        match &self.state {
            State::Within(read) => !read.is_empty(),
            State::Damaged { .. } => true,
            State::Lost(_) | State::Over => false,
        }
    }

    pub(super) const fn is_lost(&self) -> bool {
        matches!(self.state, State::Lost(_))
    }

    /// The next bytes. `tell` is called with what is found and the stream offset just after it; for a candidate it
    /// answers whether it is a record, for everything else the answer means nothing.
    pub(super) fn feed(&mut self, bytes: &[u8], tell: &mut impl FnMut(Found<'_>, u64) -> bool) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let used = match &mut self.state {
                State::Within(_) => self.read(rest, tell),
                State::Damaged { .. } => self.step_over(rest.len() as u64, tell),
                State::Lost(_) => return self.search(rest, tell),
                State::Over => return,
            };
            rest = rest.get(used..).unwrap_or_default();
        }
    }

    /// `length` bytes are missing.
    pub(super) fn gap(&mut self, length: u64, tell: &mut impl FnMut(Found<'_>, u64) -> bool) {
        if let State::Within(read) = &self.state
            && let Some(header) = Header::parse(read)
        {
            self.state = State::Damaged { header, left: (header.record_bytes() - read.len()) as u64 };
        }
        match &self.state {
            State::Damaged { left, .. } if *left >= length => {
                self.step_over(length, tell);
            }
            State::Damaged { .. } | State::Within(_) | State::Lost(_) => {
                self.offset += length;
                self.state = State::Lost(Vec::new());
            }
            State::Over => {}
        }
    }

    /// Reads on in a record: how many bytes were used.
    fn read(&mut self, bytes: &[u8], tell: &mut impl FnMut(Found<'_>, u64) -> bool) -> usize {
        let State::Within(read) = &mut self.state else { return 0 };
        let before = read.len();
        if before == 0
            && let Some(header) = Header::parse(bytes)
            && let Some(fragment) = bytes.get(Header::BYTES..header.record_bytes())
        {
            self.offset += header.record_bytes() as u64;
            self.end = self.offset;
            tell(Found::Record(header, fragment), self.end);
            return header.record_bytes();
        }
        if before < Header::BYTES {
            let used = bytes.len().min(Header::BYTES - before);
            read.extend_from_slice(bytes.get(..used).unwrap_or_default());
            self.offset += used as u64;
            if read.len() == Header::BYTES && Header::parse(read).is_none() {
                self.state = State::Over;
                tell(Found::Malformed, self.offset);
            }
            return used;
        }
        let Some(header) = Header::parse(read) else { return bytes.len() };
        let used = bytes.len().min(header.record_bytes() - before);
        read.extend_from_slice(bytes.get(..used).unwrap_or_default());
        self.offset += used as u64;
        if read.len() == header.record_bytes() {
            let whole = std::mem::take(read);
            self.end = self.offset;
            tell(Found::Record(header, whole.get(Header::BYTES..).unwrap_or_default()), self.end);
        }
        used
    }

    /// Goes on in a record of which bytes are missing: by how much.
    fn step_over(&mut self, length: u64, tell: &mut impl FnMut(Found<'_>, u64) -> bool) -> usize {
        let State::Damaged { header, left } = &mut self.state else { return 0 };
        let step = length.min(*left);
        *left -= step;
        self.offset += step;
        if *left == 0 {
            let header = *header;
            self.state = State::default();
            self.end = self.offset;
            tell(Found::Missing(header), self.end);
        }
        // A record is shorter than 64 KiB.
        step as usize
    }

    /// Looks for a record, and goes on behind it.
    fn search(&mut self, bytes: &[u8], tell: &mut impl FnMut(Found<'_>, u64) -> bool) {
        let State::Lost(held) = &mut self.state else { return };
        let start = self.offset - held.len() as u64;
        held.extend_from_slice(bytes);
        self.offset += bytes.len() as u64;
        let mut position = 0;
        while let Some(rest) = held.get(position..).filter(|rest| !rest.is_empty()) {
            match judge(rest) {
                Candidate::Open => break,
                Candidate::None => position += 1,
                Candidate::Whole(header) => {
                    let (record, later) = rest.split_at_checked(header.record_bytes()).unwrap_or_default();
                    let end = start + (position + record.len()) as u64;
                    if tell(Found::Candidate(header, record.get(Header::BYTES..).unwrap_or_default()), end) {
                        let later = later.to_vec();
                        *self = Self { state: State::default(), end, offset: end };
                        return self.feed(&later, tell);
                    }
                    position += 1;
                }
            }
        }
        held.drain(..position);
    }
}

/// Whether a record may begin somewhere.
enum Candidate {
    /// It may, and all of it is there.
    Whole(Header),
    /// It may, and goes on behind what is there.
    Open,
    None,
}

fn judge(bytes: &[u8]) -> Candidate {
    match (Header::parse(bytes), bytes) {
        (Some(header), _) if header.version != ENCRYPTED_VERSION => Candidate::None,
        (Some(header), _) if bytes.len() >= header.record_bytes() => Candidate::Whole(header),
        (Some(_), _) => Candidate::Open,
        (None, [20..=23]) | (None, [20..=23, 3]) | (None, [20..=23, 3, 3]) | (None, [20..=23, 3, 3, _]) => {
            Candidate::Open
        }
        (None, _) => Candidate::None,
    }
}

/// The version in the records of TLS 1.2 and 1.3.
const ENCRYPTED_VERSION: u16 = 0x0303;
