//! All captures of a run, one after the other, as batches of packets.
//!
//! In come [`Input`]s, out go [`Batch`]es, and in the end what became of each file. One file is open at a time.

use std::vec;

use super::reader::Reader;
use super::{Batch, CaptureFile, Input, Problem};
use crate::error::Error;

/// The captures that are analysed, in order.
pub struct Captures {
    inputs: vec::IntoIter<Input>,
    open: Option<Reader>,
    files: Vec<CaptureFile>,
    /// Bytes read of the files that are done.
    bytes_done: u64,
    bytes_total: Option<u64>,
}

impl Captures {
    /// The captures from `inputs`; nothing is opened yet.
    #[must_use]
    pub fn new(inputs: Vec<Input>) -> Self {
        let bytes_total = inputs.iter().map(Input::size).sum();
        Self { inputs: inputs.into_iter(), open: None, files: Vec::new(), bytes_done: 0, bytes_total }
    }

    /// Puts the next packets into `batch`: at least one, and all of one file. Returns false when there are none left.
    pub fn next_batch(&mut self, batch: &mut Batch) -> bool {
        loop {
            let Some(mut reader) = self.open.take().or_else(|| self.open_next(batch)) else {
                batch.clear();
                return false;
            };
            batch.file = self.files.len() as u32;
            if reader.fill(batch) {
                self.open = Some(reader);
            } else {
                self.bytes_done += reader.bytes();
                self.files.push(reader.finish());
            }
            if !batch.packets().is_empty() {
                return true;
            }
        }
    }

    /// What became of each file, in order: the index is the one that [`Batch::id_of`] gives. Files that were found in a
    /// directory and are no captures are left out.
    #[must_use]
    pub fn into_files(mut self) -> Vec<CaptureFile> {
        self.files.extend(self.open.map(Reader::finish));
        self.files
    }

    /// Bytes read so far, of all files.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.bytes_done + self.open.as_ref().map_or(0, Reader::bytes)
    }

    /// The size of all files together, in bytes; `None` if it is not known of each.
    #[must_use]
    pub const fn bytes_total(&self) -> Option<u64> {
        self.bytes_total
    }

    /// Opens the next input of which something can be read.
    fn open_next(&mut self, batch: &mut Batch) -> Option<Reader> {
        for input in self.inputs.by_ref() {
            let found = input.is_found();
            match Reader::open(input, batch) {
                Ok(reader) => return Some(reader),
                Err(file) => {
                    self.bytes_done += file.bytes;
                    if !(found && is_no_capture(&file)) {
                        self.files.push(*file);
                    }
                }
            }
        }
        None
    }
}

impl std::fmt::Debug for Captures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Captures").field("inputs", &self.inputs).field("files", &self.files).finish_non_exhaustive()
    }
}

/// Whether the file was read and turned out to be no capture.
fn is_no_capture(file: &CaptureFile) -> bool {
    matches!(file.problems.first(), Some(Problem::Error(Error::NotACapture { .. } | Error::Empty { .. })))
}
