//! One open capture file: from its first bytes to its last batch.
//!
//! In come an [`Input`] and batches to fill, out go those batches and in the end the [`CaptureFile`].

use std::io::Read;

use super::batch::{Batch, End};
use super::ledger::{Ledger, Mismatch};
use super::pcap::Pcap;
use super::pcapng::Pcapng;
use super::signature::{self, Signature};
use super::walk::{self, Block, Out};
use super::{CaptureFile, Format, Input, Problem};
use crate::error::Error;
use crate::limits;

/// The file that is being read.
pub(super) struct Reader {
    source: Box<dyn Read + Send>,
    format: Walking,
    ledger: Ledger,
    /// Where in the file [`Self::tail`] begins.
    offset: u64,
    /// The bytes behind the last record of the batch before.
    tail: Vec<u8>,
    ended: bool,
}

/// The walk through the file's format.
enum Walking {
    Pcap(Pcap),
    Pcapng(Pcapng),
}

impl Reader {
    /// Opens `input` and reads its header. A file of which nothing can be read beyond that is done with at once: it is the
    /// error. `batch` lends its memory.
    pub(super) fn open(input: Input, batch: &mut Batch) -> Result<Self, Box<CaptureFile>> {
        let name = input.name().to_owned();
        let mut source = input.open().map_err(|error| unusable(&name, 0, error))?;
        batch.clear();
        let (read, end) = batch.read(&mut *source, LARGEST_HEADER);
        if let Err(source) = end {
            let offset = read as u64;
            return Err(unusable(&name, read, Error::Read { path: name.clone(), offset, source }));
        }
        Self::with_header(source, &name, batch.bytes())
    }

    /// The file from `source` that begins with `bytes`.
    fn with_header(source: Box<dyn Read + Send>, name: &str, bytes: &[u8]) -> Result<Self, Box<CaptureFile>> {
        let path = name.to_owned();
        let (format, kind, header) = match signature::of(bytes) {
            Some(Signature::Pcap(layout)) => {
                let Some(pcap) = Pcap::open(layout, bytes) else {
                    return Err(header_cut(name, layout.file_header(), bytes.len()));
                };
                (Walking::Pcap(pcap), Format::Pcap, layout.file_header())
            }
            Some(Signature::Pcapng(pcapng)) => (Walking::Pcapng(pcapng), Format::Pcapng, 0),
            None if bytes.is_empty() => return Err(unusable(name, 0, Error::Empty { path })),
            None => {
                let found = signature::describe(bytes);
                return Err(unusable(name, bytes.len(), Error::NotACapture { path, found }));
            }
        };
        let mut ledger = Ledger::new(path, kind);
        ledger.add_bytes(bytes.len() as u64);
        let tail = bytes.get(header..).unwrap_or_default().to_vec();
        Ok(Self { source, format, ledger, offset: header as u64, tail, ended: false })
    }

    /// Bytes read of the file so far.
    pub(super) const fn bytes(&self) -> u64 {
        self.ledger.bytes()
    }

    /// Fills `batch` with the next packets. Whether the file may have more after them.
    pub(super) fn fill(&mut self, batch: &mut Batch) -> bool {
        batch.clear();
        batch.append(&self.tail);
        self.tail.clear();
        loop {
            self.read(batch);
            let used = self.walk(batch);
            self.offset += used as u64;
            if self.ended || !batch.packets().is_empty() {
                self.ledger.enter(batch.packets());
                self.tail.extend_from_slice(batch.bytes().get(used..).unwrap_or_default());
                return !self.ended;
            }
            // Inside a large record, or in damage: nothing but the unused bytes must be kept.
            batch.drop_front(used);
        }
    }

    /// The file as it turned out.
    pub(super) fn finish(self) -> CaptureFile {
        self.ledger.finish(self.offset)
    }

    fn read(&mut self, batch: &mut Batch) {
        let (read, end) = batch.read(&mut *self.source, limits::BATCH_BYTES);
        self.ledger.add_bytes(read as u64);
        self.ended = match end {
            Ok(end) => end == End::Reached,
            Err(source) => {
                let path = self.ledger.name().to_owned();
                self.ledger.fail(Error::Read { path, offset: self.ledger.bytes(), source });
                true
            }
        };
    }

    fn walk(&mut self, batch: &mut Batch) -> usize {
        let (bytes, packets) = batch.parts();
        let block = Block { bytes, offset: self.offset, last: self.ended };
        let mut out = Out { ledger: &mut self.ledger, packets };
        match &mut self.format {
            Walking::Pcap(pcap) => walk::scan(pcap, &block, &mut out),
            Walking::Pcapng(pcapng) => walk::scan(pcapng, &block, &mut out),
        }
    }
}

/// A file of which nothing could be analysed because of `error`.
fn unusable(name: &str, read: usize, error: Error) -> Box<CaptureFile> {
    let problems = vec![Problem::Error(error)];
    Box::new(CaptureFile { bytes: read as u64, problems, ..CaptureFile::unread(name.to_owned()) })
}

/// A pcap file that ends after `read` bytes, inside the header of `expected` bytes.
fn header_cut(name: &str, expected: usize, read: usize) -> Box<CaptureFile> {
    let mut ledger = Ledger::new(name.to_owned(), Format::Pcap);
    ledger.add_bytes(read as u64);
    ledger.lose(0, Mismatch::new(format!("a file header of {expected} bytes"), read.to_string()));
    Box::new(ledger.finish(read as u64))
}

/// Bytes of the largest file header.
const LARGEST_HEADER: usize = 28;
