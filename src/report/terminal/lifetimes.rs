//! Connections that closed normally, but far sooner than others to the same endpoint: perhaps the peer was not content.

use super::Style;
use crate::close_code::CloseCode;
use crate::connection::ConnectionRecord;
use crate::dataframe::PerEndpoint;
use crate::report::figures::{count, fit, millis};

/// How long connections lived that closed normally, with their numbers, by endpoint.
#[derive(Debug, Default)]
pub(super) struct Lives(PerEndpoint<Vec<(f64, u64)>>);

impl Lives {
    /// Takes in the connection of that number.
    pub(super) fn add(&mut self, number: u64, record: &ConnectionRecord) {
        if let Some(end) = record.ended_at.filter(|_| record.verdict.close_code == Some(CloseCode::NORMAL)) {
            self.0.of(record).push((end.millis_since(record.opened_at), number));
        }
    }

    /// Nothing if none stands out.
    pub(super) fn lines(self, style: Style) -> Vec<String> {
        let lives = self.0.sorted().into_iter();
        let early = lives.filter_map(|(_, lives)| early(lives)).max_by_key(|early| early.connections);
        early.iter().map(|early| fit(&early.line(), style.width)).collect()
    }
}

/// Connections of one endpoint that ended early.
struct Early {
    connections: u64,
    all: u64,
    within: f64,
    usual: f64,
    /// The number of one of them.
    example: u64,
}

fn early(mut lives: Vec<(f64, u64)>) -> Option<Early> {
    lives.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    let (usual, _) = *lives.get(lives.len() / 2)?;
    let early = lives.partition_point(|(life, _)| life * FACTOR < usual);
    let (within, example) = *lives.get(early.checked_sub(1)?)?;
    let believable = lives.len() >= LEAST && usual >= USUAL_MILLIS;
    believable.then_some(Early { connections: early as u64, all: lives.len() as u64, within, usual, example })
}

impl Early {
    fn line(&self) -> String {
        let Self { connections, all, example, .. } = self;
        let (within, usual) = (millis(self.within), millis(self.usual));
        let (connections, all) = (count(*connections), count(*all));
        format!("1000, but early: {connections} of {all} within {within}, usually {usual}; e.g. connection {example}")
    }
}

/// How much sooner than the median is early.
const FACTOR: f64 = 20.0;

/// Connections to an endpoint that tell what is usual.
const LEAST: usize = 10;

/// Milliseconds that connections last at least where an early end is worth a word.
const USUAL_MILLIS: f64 = 10_000.0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataframe::sample::{self, ConnectionBuilder, NOON};
    use crate::flow::Role;

    /// Connections that closed normally after so many seconds.
    fn told(seconds: impl IntoIterator<Item = i64>) -> Vec<String> {
        let closed = |seconds: i64| {
            let closed = ConnectionBuilder::new().closed(1000, Role::Client).replied(Some(1000));
            closed.ended_at(NOON + seconds * 1_000_000_000).build()
        };
        let mut lives = Lives::default();
        sample::of(seconds.into_iter().map(closed)).connections.for_each(|number, record| lives.add(number, record));
        lives.lines(Style::default())
    }

    #[test]
    fn early_ends_are_told_against_what_is_usual() {
        let expected = "1000, but early: 2 of 22 within 3.0 s, usually 2 min 0 s; e.g. connection 21";
        assert_eq!(told([120; 20].into_iter().chain([2, 3])), [expected]);
    }

    #[test]
    fn what_is_usual_is_not_early() {
        assert_eq!(told([120, 100, 80, 60, 40, 20, 130, 140, 150, 160, 90]), [""; 0]);
        assert_eq!(told([120, 120, 120, 1]), [""; 0]);
        assert_eq!(told([9; 20].into_iter().chain([0])), [""; 0]);
    }
}
