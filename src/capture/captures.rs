//! All captures of a run as one sequence of packets, in batches.
//!
//! In come [`Input`]s, out go [`Batch`]es, and in the end what became of each file.
//!
//! ```text
//!   queue, by first packet        lanes: open files whose times overlap
//!   ┌───┬───┬───┬───┐   opens    ┌──────────┐
//!   │ e │ d │ c │ b ├───────────▶│ a ▪▪▪▪▪▪ │──── one lane: its blocks as they are, nothing is copied
//!   └───┴───┴───┴───┘            └──────────┘
//!     when its first packet      │ b ▪▪▪    │──▶ several: the earliest packet next, copied into the batch
//!     is before the next one     └──────────┘
//! ```

use super::lane::Lane;
use super::queue::{Failed, Queue};
use super::{Batch, CaptureFile, Input, Problem};
use crate::error::Error;
use crate::flow::Timestamp;
use crate::limits;

/// The captures that are analysed.
///
/// Files are read in the order of their first packets, whatever the order in which they were named. Where their times
/// overlap, their packets are put in one order by time; the packets of one file keep the order of the file. More than
/// [`limits::OPEN_FILES`] that overlap in one moment are not put in order: the last ones wait until others end, and that
/// is told of them ([`Problem::Late`]).
pub struct Captures {
    /// Until the first batch is asked for.
    inputs: Vec<Input>,
    queue: Queue,
    /// The files that are open, in the order in which they were opened.
    lanes: Vec<Lane>,
    /// Every file that was opened. Of those in [`Self::lanes`] only the name is right yet.
    files: Vec<CaptureFile>,
    /// Bytes read of the files that are done.
    bytes_done: u64,
    bytes_total: Option<u64>,
    /// The time that was reached while no further file could be opened.
    crowded_until: Option<Timestamp>,
    /// Key logs of files that are done.
    key_logs: Vec<Box<[u8]>>,
}

impl Captures {
    /// The captures from `inputs`; nothing is opened yet.
    #[must_use]
    pub fn new(inputs: Vec<Input>) -> Self {
        let bytes_total = inputs.iter().map(Input::size).sum();
        let queue = Queue::of(Vec::new());
        Self {
            inputs,
            queue,
            lanes: Vec::new(),
            files: Vec::new(),
            bytes_done: 0,
            bytes_total,
            crowded_until: None,
            key_logs: Vec::new(),
        }
    }

    /// Puts the next packets into `batch`, at least one. Returns false when there are none left.
    pub fn next_batch(&mut self, batch: &mut Batch) -> bool {
        if !self.inputs.is_empty() {
            self.queue = Queue::of(std::mem::take(&mut self.inputs));
        }
        batch.clear();
        loop {
            match self.lanes.len() {
                0 if !self.open_next(batch) => return false,
                0 => {}
                1 => self.pass_on(batch),
                _ => self.merge(batch),
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
        while !self.lanes.is_empty() {
            self.close(0);
        }
        self.files
    }

    /// Bytes read so far, of all files as they are stored.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.bytes_done + self.lanes.iter().map(Lane::bytes).sum::<u64>()
    }

    /// The size of all files together as they are stored, in bytes; `None` if it is not known of each.
    #[must_use]
    pub const fn bytes_total(&self) -> Option<u64> {
        self.bytes_total
    }

    /// The key logs that were read in the files since they were last taken: TLS secrets, not to be shown.
    pub fn take_key_logs(&mut self) -> Vec<Box<[u8]>> {
        let mut logs = std::mem::take(&mut self.key_logs);
        logs.extend(self.lanes.iter_mut().flat_map(Lane::take_key_logs));
        logs
    }

    /// How many files are open.
    #[cfg(test)]
    pub(super) const fn lanes(&self) -> usize {
        self.lanes.len()
    }

    /// The only open file's next packets, as they are, or the next file opened, if it begins before these packets end.
    fn pass_on(&mut self, batch: &mut Batch) {
        let next = self.next_time();
        let Some(lane) = self.lanes.first_mut() else { return };
        if !lane.load_into(batch) {
            self.close(0);
        } else if next.is_some_and(|next| lane.reaches(next)) {
            self.open_next(batch);
            batch.clear();
        } else {
            lane.give(batch);
        }
    }

    /// Packets of several files by time, until one file is left or the batch is full.
    fn merge(&mut self, batch: &mut Batch) {
        while self.lanes.len() > 1 && !batch.is_full() {
            let Some(((time, _), index)) = self.earliest() else { return };
            if self.next_time().is_some_and(|next| next < time) {
                self.open_next(&mut Batch::default());
                continue;
            }
            if self.lanes.len() >= limits::OPEN_FILES {
                self.crowded_until = self.crowded_until.max(Some(time));
            }
            let limit = self.limit(index);
            if let Some(lane) = self.lanes.get_mut(index)
                && !lane.copy_until(limit, batch)
            {
                self.close(index);
            }
        }
    }

    /// The time and the file of the packet that comes first, and its lane.
    fn earliest(&self) -> Option<((Timestamp, u32), usize)> {
        self.heads().min()
    }

    /// The time from which on the lane at `index` is not the first one any more, and of which file.
    fn limit(&mut self, index: usize) -> Option<(Timestamp, u32)> {
        let waiting = self.next_time().map(|time| (time, u32::MAX));
        let open = self.heads().filter(|(_, lane)| *lane != index).map(|(head, _)| head);
        open.chain(waiting).min()
    }

    fn heads(&self) -> impl Iterator<Item = ((Timestamp, u32), usize)> {
        let lanes = self.lanes.iter().enumerate();
        lanes.filter_map(|(index, lane)| lane.head_time().map(|time| ((time, lane.file()), index)))
    }

    /// When the next file begins, if it may be opened.
    fn next_time(&mut self) -> Option<Timestamp> {
        if self.lanes.len() < limits::OPEN_FILES { self.queue.next_time() } else { None }
    }

    /// Opens the next file of which something can be read: whether there was one. `batch` lends its memory.
    fn open_next(&mut self, batch: &mut Batch) -> bool {
        loop {
            let late = self.queue.next_time().is_some_and(|first| Some(first) < self.crowded_until);
            match self.queue.open(self.files.len() as u32, batch) {
                None => return false,
                Some(Ok(mut lane)) => {
                    lane.set_late(late);
                    self.files.push(CaptureFile::unread(lane.name().to_owned()));
                    // Beside others, its first packet must be known; alone, it is read as it is needed.
                    if !self.lanes.is_empty() {
                        lane.load(limits::LANE_BYTES);
                    }
                    self.lanes.push(lane);
                    return true;
                }
                Some(Err(Failed { file, found })) => {
                    self.bytes_done += file.bytes;
                    if !(found && is_no_capture(&file)) {
                        self.files.push(*file);
                    }
                }
            }
        }
    }

    /// Closes the lane at `index`.
    fn close(&mut self, index: usize) {
        let mut lane = self.lanes.remove(index);
        self.key_logs.extend(lane.take_key_logs());
        self.bytes_done += lane.bytes();
        if let Some(file) = self.files.get_mut(lane.file() as usize) {
            *file = lane.finish();
        }
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
