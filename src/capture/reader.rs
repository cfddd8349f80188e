//! One open capture file: from its first bytes to its last batch.
//!
//! In come an [`Input`] and batches to fill, out go those batches and in the end the [`CaptureFile`].

use std::io;

use super::batch::{Batch, End};
use super::ledger::{Ledger, Mismatch};
use super::pcap::Pcap;
use super::pcapng::Pcapng;
use super::signature::{self, Signature};
use super::source::Source;
use super::walk::{self, Block, Out};
use super::{CaptureFile, Format, Input, Problem};
use crate::error::Error;
use crate::limits;

/// The file that is being read.
pub(super) struct Reader {
    source: Source,
    format: Walking,
    ledger: Ledger,
    /// Where [`Self::tail`] begins in the file, unpacked.
    offset: u64,
    /// The bytes behind the last record of the batch before.
    tail: Vec<u8>,
    ended: bool,
    /// Bytes that are read in one go.
    block: usize,
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
        let source = input.open().map_err(|error| unusable(&name, 0, error))?;
        let failed = |read, offset, source| unusable(&name, read, Error::Read { path: name.clone(), offset, source });
        let mut source = Source::open(source).map_err(|error| failed(0, 0, error))?;
        batch.clear();
        match batch.read(&mut source, LARGEST_HEADER) {
            // A compressed file may be damaged right behind its header: the next read says so again.
            (1.., Err(error)) if is_damage(&error) => {}
            (read, Err(error)) => return Err(failed(source.bytes(), read as u64, error)),
            (_, Ok(_)) => {}
        }
        Self::with_header(source, &name, batch.bytes())
    }

    /// The file from `source` that begins with `bytes`.
    fn with_header(source: Source, name: &str, bytes: &[u8]) -> Result<Self, Box<CaptureFile>> {
        let (path, read) = (name.to_owned(), source.bytes());
        let (format, kind, header) = match signature::of(bytes) {
            Some(Signature::Pcap(layout)) => {
                let Some(pcap) = Pcap::open(layout, bytes) else {
                    return Err(header_cut(name, read, layout.file_header(), bytes.len()));
                };
                (Walking::Pcap(pcap), Format::Pcap, layout.file_header())
            }
            Some(Signature::Pcapng(pcapng)) => (Walking::Pcapng(pcapng), Format::Pcapng, 0),
            None if bytes.is_empty() => return Err(unusable(name, read, Error::Empty { path })),
            None => {
                let found = signature::describe(bytes);
                return Err(unusable(name, read, Error::NotACapture { path, found }));
            }
        };
        let mut ledger = Ledger::new(path, kind);
        ledger.set_bytes(read);
        if let Walking::Pcap(pcap) = &format {
            ledger.interface(pcap.description());
        }
        let tail = bytes.get(header..).unwrap_or_default().to_vec();
        Ok(Self { source, format, ledger, offset: header as u64, tail, ended: false, block: limits::BATCH_BYTES })
    }

    /// From now on, so many `bytes` are read in one go.
    pub(super) const fn set_block(&mut self, bytes: usize) {
        self.block = bytes;
    }

    /// The name of the file.
    pub(super) fn name(&self) -> &str {
        self.ledger.name()
    }

    /// Bytes read of the file so far.
    pub(super) const fn bytes(&self) -> u64 {
        self.ledger.bytes()
    }

    /// How many different interfaces the file describes so far.
    pub(super) const fn interfaces(&self) -> usize {
        self.ledger.interfaces()
    }

    /// Fills `batch` with the next packets. Whether the file may have more after them.
    pub(super) fn fill(&mut self, batch: &mut Batch) -> bool {
        batch.clear();
        batch.reserve(self.tail.len() + self.block);
        batch.append(&self.tail);
        self.tail.clear();
        loop {
            let failure = self.read(batch);
            let used = self.walk(batch);
            self.offset += used as u64;
            if let Some(error) = failure {
                self.fail(error);
            }
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

    /// Reads a block: why that ended it, if not for the end of the file.
    fn read(&mut self, batch: &mut Batch) -> Option<io::Error> {
        let (_, end) = batch.read(&mut self.source, self.block);
        self.ended = !matches!(end, Ok(End::NotYet));
        self.ledger.set_bytes(self.source.bytes());
        end.err()
    }

    /// Nothing behind what was read can be read.
    fn fail(&mut self, error: io::Error) {
        // What was read ends inside a record, as a rule: that comes first.
        self.ledger.resume(self.offset);
        match error.downcast::<Mismatch>() {
            Ok(mismatch) => {
                let skipped = self.source.drain();
                self.ledger.damage(self.offset, skipped, mismatch);
                self.ledger.set_bytes(self.source.bytes());
            }
            Err(source) => {
                let path = self.ledger.name().to_owned();
                self.ledger.fail(Error::Read { path, offset: self.offset, source });
            }
        }
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

/// A file of which nothing could be analysed because of `error`, after so many bytes of it were `read`.
fn unusable(name: &str, read: u64, error: Error) -> Box<CaptureFile> {
    let problems = vec![Problem::Error(error)];
    Box::new(CaptureFile { bytes: read, problems, ..CaptureFile::unread(name.to_owned()) })
}

/// A pcap file that ends after `found` bytes, inside the header of `expected` bytes.
fn header_cut(name: &str, read: u64, expected: usize, found: usize) -> Box<CaptureFile> {
    let mut ledger = Ledger::new(name.to_owned(), Format::Pcap);
    ledger.set_bytes(read);
    ledger.lose(0, Mismatch::new(format!("a file header of {expected} bytes"), found.to_string()));
    Box::new(ledger.finish(found as u64))
}

/// Whether reading failed because the compressed data are damaged.
fn is_damage(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<Mismatch>())
}

/// Bytes of the largest file header.
const LARGEST_HEADER: usize = 28;
