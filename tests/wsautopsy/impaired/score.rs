//! What the program found, against the truth.

use std::collections::HashMap;
use std::ops::AddAssign;

use wsautopsy::analyze::Analysis;
use wsautopsy::connection::{ConnectionRecord, TextLocation, Violation};
use wsautopsy::flow::{Endpoint, Role};
use wsautopsy::websocket::Rule;

use super::damage::{Impaired, SERVER, Survivor, client_of};

/// Counts of one capture or of several together.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Figures {
    /// Close frames of which every byte is in the capture, and those of them that were reported.
    pub(crate) surviving: u64,
    pub(crate) found: u64,
    /// Close frames that were reported, and those of them that were sent.
    pub(crate) reported: u64,
    pub(crate) real: u64,
    /// WebSockets with four frames a side in the capture, and those of them that were found, client and server told apart.
    pub(crate) connections: u64,
    pub(crate) connections_found: u64,
    /// Connections that were reported and are no WebSockets, or whose ends were taken for each other.
    pub(crate) connections_false: u64,
    /// Messages that are not UTF-8, in the capture as a whole and where headers lead to, and those of them that were reported.
    pub(crate) invalid: u64,
    pub(crate) invalid_found: u64,
    /// Of those that come some frames behind a place that must be searched for.
    pub(crate) invalid_again: u64,
    pub(crate) invalid_again_found: u64,
    /// Rows of the table `invalid_utf8`, and those of them that are real.
    pub(crate) invalid_reported: u64,
    pub(crate) invalid_real: u64,
    /// Rows of the table `violations` but those of text that is not UTF-8: nobody broke another rule.
    pub(crate) violations: u64,
}

impl AddAssign for Figures {
    fn add_assign(&mut self, other: Self) {
        self.surviving += other.surviving;
        self.found += other.found;
        self.reported += other.reported;
        self.real += other.real;
        self.connections += other.connections;
        self.connections_found += other.connections_found;
        self.connections_false += other.connections_false;
        self.invalid += other.invalid;
        self.invalid_found += other.invalid_found;
        self.invalid_again += other.invalid_again;
        self.invalid_again_found += other.invalid_again_found;
        self.invalid_reported += other.invalid_reported;
        self.invalid_real += other.invalid_real;
        self.violations += other.violations;
    }
}

/// What is true of `analysis`, which is of `impaired`. Tells `wrong` of every row that is not real, and of what was missed.
pub(crate) fn score(analysis: &Analysis, impaired: &Impaired, wrong: &mut dyn FnMut(String)) -> Figures {
    let clients = (0..impaired.connections.len()).map(|index| {
        let (address, port) = client_of(index);
        (Endpoint::from_v4(address, port), index)
    });
    let clients: HashMap<Endpoint, usize> = clients.collect();
    let server = Endpoint::from_v4(SERVER.0, SERVER.1);
    let mut figures = Figures::default();
    let mut records: Vec<Option<&ConnectionRecord>> = vec![None; impaired.connections.len()];
    for record in &analysis.connections {
        let index = clients.get(&record.client).copied().filter(|_| record.server == server);
        match index.filter(|index| impaired.connections[*index].websocket && records[*index].is_none()) {
            Some(index) => records[index] = Some(record),
            None => {
                wrong(format!("no such connection: {:?} {:?}", record.client, record.close_frames));
                figures.connections_false += 1;
                figures.reported += record.close_frames.len() as u64;
                figures.invalid_reported += record.invalid_utf8_count;
                figures.violations += other_breaches(record).count() as u64;
            }
        }
    }
    for (index, (truth, record)) in impaired.connections.iter().zip(records).enumerate() {
        figures += of_connection(truth, record, &mut |text| wrong(format!("connection {index}: {text}")));
    }
    figures
}

fn of_connection(truth: &Survivor, record: Option<&ConnectionRecord>, wrong: &mut dyn FnMut(String)) -> Figures {
    let mut figures = Figures::default();
    if truth.websocket && truth.frames.client >= 4 && truth.frames.server >= 4 {
        figures.connections += 1;
        figures.connections_found += u64::from(record.is_some());
        if record.is_none() {
            wrong(format!("connection not found, frames {:?}", truth.frames));
        }
    }
    if let Some(record) = record {
        for violation in other_breaches(record) {
            figures.violations += 1;
            wrong(format!("violation {violation:?}"));
        }
    }
    close_frames(truth, record, &mut figures, wrong);
    invalid_texts(truth, record, &mut figures, wrong);
    figures
}

/// Text that is not UTF-8 is counted by its own rows.
fn other_breaches(record: &ConnectionRecord) -> impl Iterator<Item = &Violation> {
    let counted = [Rule::InvalidUtf8, Rule::InvalidCloseReason];
    record.violations.iter().filter(move |violation| !counted.contains(&violation.rule))
}

fn close_frames(
    truth: &Survivor,
    record: Option<&ConnectionRecord>,
    figures: &mut Figures,
    wrong: &mut dyn FnMut(String),
) {
    let rows = record.map_or(&[][..], |record| &record.close_frames);
    let mut matched = vec![false; truth.closes.len()];
    for row in rows {
        let place = truth.closes.iter().zip(&matched).position(|((close, _, packets), matched)| {
            let same = close.sender == row.sender && close.code == row.code.map(|code| code.0);
            !matched && same && close.reason == *row.reason && packets.contains(&row.packet.number())
        });
        figures.reported += 1;
        match place {
            Some(place) => {
                matched[place] = true;
                figures.real += 1;
            }
            None => wrong(format!("false {row:?}, sent: {:?}", truth.closes)),
        }
    }
    for ((close, there, packets), matched) in truth.closes.iter().zip(matched) {
        figures.surviving += u64::from(*there);
        figures.found += u64::from(*there && matched);
        if *there && !matched {
            wrong(format!("missed {close:?} in {packets:?}"));
        }
    }
}

fn invalid_texts(
    truth: &Survivor,
    record: Option<&ConnectionRecord>,
    figures: &mut Figures,
    wrong: &mut dyn FnMut(String),
) {
    let rows = record.map_or(&[][..], |record| &record.invalid_utf8);
    let mut left: Vec<(Role, u64)> = rows
        .iter()
        .filter(|row| matches!(row.location, TextLocation::TextMessage(_)))
        .map(|row| (row.sender, row.byte_offset))
        .collect();
    figures.invalid_reported += rows.len() as u64;
    // Those that must be found first, so that one of the same kind does not take their rows.
    let mut truths = truth.invalid.clone();
    truths.sort_by_key(|text| !text.led && !text.again);
    for text in truths {
        let place = left.iter().position(|row| *row == (text.sender, text.valid));
        figures.invalid += u64::from(text.led);
        figures.invalid_again += u64::from(text.again);
        if let Some(place) = place {
            left.swap_remove(place);
            figures.invalid_real += 1;
            figures.invalid_found += u64::from(text.led);
            figures.invalid_again_found += u64::from(text.again);
        } else if text.led || text.again {
            wrong(format!("missed {text:?}"));
        }
    }
    for row in left {
        wrong(format!("false invalid text {row:?}"));
    }
}
