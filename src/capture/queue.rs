//! The captures that are still to be opened, in the order of their first packets.
//!
//! In come [`Input`]s in the order in which they were named. Of each the first packet is looked at; files are closed again,
//! so that few are open at once, and what cannot be opened twice stays open.

use std::cmp::Reverse;
use std::vec;

use rayon::prelude::*;

use super::lane::{Lane, believed_time};
use super::reader::Reader;
use super::{Batch, CaptureFile, Input};
use crate::flow::Timestamp;
use crate::limits;

/// What is still to be opened.
pub(super) struct Queue {
    waiting: std::iter::Peekable<vec::IntoIter<Waiting>>,
}

struct Waiting {
    /// When its first packet was captured; `None` if it has none, or nobody looked.
    first: Option<Timestamp>,
    /// Whether it was found in a directory rather than named.
    found: bool,
    state: State,
}

enum State {
    Closed(Input),
    /// It is open, and its first packets were read; whether there may be more.
    Open(Box<(Reader, Batch, bool)>),
    /// Nothing of it can be analysed.
    Failed(Box<CaptureFile>),
}

/// A file of which nothing can be analysed.
pub(super) struct Failed {
    pub(super) file: Box<CaptureFile>,
    /// Whether it was found in a directory rather than named.
    pub(super) found: bool,
}

impl Queue {
    /// The queue of `inputs`. Those without a packet come last; else, where nothing tells, the order is the one given.
    pub(super) fn of(inputs: Vec<Input>) -> Self {
        let mut waiting: Vec<Waiting> = if inputs.len() < 2 {
            inputs.into_iter().map(Waiting::unseen).collect()
        } else {
            inputs.into_par_iter().map(Waiting::look).collect()
        };
        waiting.sort_by_key(|waiting| Reverse(waiting.first.map(Reverse)));
        Self { waiting: waiting.into_iter().peekable() }
    }

    /// When the first packet of the next capture was captured; `None` if there is none or that is not known.
    pub(super) fn next_time(&mut self) -> Option<Timestamp> {
        self.waiting.peek()?.first
    }

    /// Opens the next capture, which is to be `file`. `batch` lends its memory.
    pub(super) fn open(&mut self, file: u32, batch: &mut Batch) -> Option<Result<Lane, Failed>> {
        let Waiting { found, state, .. } = self.waiting.next()?;
        let lane = match state {
            State::Closed(input) => Reader::open(input, batch).map(|reader| Lane::new(reader, file)),
            State::Open(open) => {
                let (reader, batch, more) = *open;
                Ok(Lane::begun(reader, batch, more, file))
            }
            State::Failed(failed) => Err(failed),
        };
        Some(lane.map_err(|file| Failed { file, found }))
    }
}

impl Waiting {
    /// One that nobody looks at before its turn comes.
    fn unseen(input: Input) -> Self {
        Self { first: None, found: input.is_found(), state: State::Closed(input) }
    }

    /// Looks at the first packet of `input`.
    fn look(input: Input) -> Self {
        let (again, found) = (input.again(), input.is_found());
        let mut batch = Batch::default();
        let (mut reader, more) = match Reader::open(input, &mut batch) {
            Err(failed) => return Self { first: None, found, state: State::Failed(failed) },
            Ok(mut reader) => {
                reader.set_block(limits::LANE_BYTES);
                let more = reader.fill(&mut batch);
                (reader, more)
            }
        };
        reader.set_block(limits::BATCH_BYTES);
        let first = believed_time(batch.packets());
        let state = again.map_or_else(|| State::Open(Box::new((reader, batch, more))), State::Closed);
        Self { first, found, state }
    }
}
