//! The first bytes of a file: what format they begin, or what they are instead.

use super::pcap::Layout;
use super::pcapng::Pcapng;

/// Bytes that are enough to know a capture.
pub(super) const BYTES: usize = 12;

/// The capture format that a file begins.
pub(super) enum Signature {
    Pcap(Layout),
    Pcapng(Pcapng),
}

/// What a file that begins with `bytes` is; `None` if it is no capture.
pub(super) fn of(bytes: &[u8]) -> Option<Signature> {
    let magic = *bytes.first_chunk()?;
    match Layout::of(magic) {
        Some(layout) => Some(Signature::Pcap(layout)),
        None => Pcapng::open(bytes).map(Signature::Pcapng),
    }
}

/// Whether a file that begins with `bytes` is a capture.
pub(super) fn is_capture(bytes: &[u8]) -> bool {
    of(bytes).is_some()
}

/// Words for what a file is that begins with `bytes` and is no capture.
pub(super) fn describe(bytes: &[u8]) -> String {
    if let Some((_, name)) = KNOWN.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return (*name).to_owned();
    }
    let first = bytes.get(..4).unwrap_or(bytes);
    let hex: Vec<String> = first.iter().map(|byte| format!("{byte:02x}")).collect();
    let hex = hex.join(" ");
    if first.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ') {
        format!("bytes {hex} (\"{}\")", String::from_utf8_lossy(first))
    } else {
        format!("bytes {hex}")
    }
}

/// First bytes of what is taken for a capture at times.
const KNOWN: [(&[u8], &str); 12] = [
    (b"\x1f\x8b", "gzip data"),
    (b"\x28\xb5\x2f\xfd", "Zstandard data"),
    (b"\xfd7zXZ\0", "xz data"),
    (b"BZh", "bzip2 data"),
    (b"\x04\x22\x4d\x18", "LZ4 data"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x7fELF", "an ELF program"),
    (b"\x0a\x0d\x0d\x0a", "a pcapng section header without a byte-order magic number"),
    (b"GMBU", "a Microsoft Network Monitor 2 capture"),
    (b"RTSS", "a Microsoft Network Monitor 1 capture"),
    (b"snoop\0\0\0", "a snoop capture"),
    (b"TRSNIFF data", "a Sniffer capture"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_are_described() {
        assert_eq!(describe(b"{\"ab\": 1}"), "bytes 7b 22 61 62 (\"{\"ab\")");
        assert_eq!(describe(b"\x1f\x8b\x08\x00"), "gzip data");
        assert_eq!(describe(b"\x00\x01"), "bytes 00 01");
    }

    #[test]
    fn captures_are_known() {
        assert!(is_capture(b"\xd4\xc3\xb2\xa1"));
        assert!(is_capture(b"\x0a\x0d\x0d\x0a\x1c\x00\x00\x00\x4d\x3c\x2b\x1a"));
        assert!(!is_capture(b"\x0a\x0d\x0d\x0a\x1c\x00\x00\x00????"));
        assert!(!is_capture(b"\xd4\xc3\xb2"));
    }
}
