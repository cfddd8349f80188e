//! Idle time-outs without a Close frame: proxies and load balancers end a connection that was silent for a set time.
//!
//! One connection that ends after a silence shows nothing: silence ends somehow. A clock shows itself in two ways, by the
//! idle ages of connections: from the last byte of either end to the first FIN or RST, at least [`LEAST_MILLIS`].
//!
//! Several connections to one server, ended by the same side:
//!
//! - Their ages are the same, up to [`TOLERANCE`] and [`TOLERANCE_MILLIS`] at least.
//! - They ended at different times, and their ages differ much less than their ends do. A process that is killed ends all
//!   at once, and a message to everybody makes everybody silent at once: neither is a clock.
//! - Chance would hardly put so many there, judging by the other ages around: less than once in [`CHANCES`] servers.
//!
//! Both legs of one connection through a proxy, when both are in the capture: the proxy ended both at once, with the same
//! age, which is a whole number of seconds as in every configuration file, and it ended no other connection with them that
//! was open by then.
//!
//! Neither counts for a connection in which bytes are missing or a rule was broken, which is a reason of its own, or where
//! another to the same server and path has survived a longer silence.

use std::collections::{BTreeMap, HashMap};

use super::service::Services;
use crate::close_code::CloseCode;
use crate::connection::{ConnectionRecord, Handshake};
use crate::flow::{Endpoint, PacketId, Role, Timestamp};

/// Milliseconds of silence that may be a time-out. Shorter ones are pauses.
const LEAST_MILLIS: f64 = 1000.0;

/// By how much ages may differ: timers of proxies are that exact.
const TOLERANCE: f64 = 0.01;

/// The least difference in milliseconds that is allowed: busy event loops fire that late.
const TOLERANCE_MILLIS: f64 = 25.0;

/// By how much the ends must differ more than the ages.
const INDEPENDENCE: f64 = 5.0;

/// Milliseconds between two ends that did not come from one event.
const APART_MILLIS: f64 = 100.0;

/// How many services may be wrongly found to have a clock: one in so many.
const CHANCES: f64 = 20.0;

/// How far from a whole second an age may be that a proxy's configuration sets.
const WHOLE_MILLIS: f64 = 50.0;

/// Neighbours in age that are looked at on each side. More do not change the answer.
const NEIGHBOURS: usize = 64;

/// What tells time-outs, while it is gathered.
#[derive(Debug, Default)]
pub(super) struct Silences {
    silents: Vec<Silent>,
    ends: Vec<AbnormalEnd>,
}

/// A connection that ended in silence.
#[derive(Debug)]
struct Silent {
    first_packet: PacketId,
    server: Endpoint,
    /// The number of its service.
    service: u32,
    /// The target of its request.
    target: Option<Box<str>>,
    opened_at: Timestamp,
    established_at: Option<Timestamp>,
    /// Milliseconds of silence.
    age: f64,
    /// When it ended, in milliseconds.
    end: f64,
    /// Who ended it.
    by: Role,
}

impl Silences {
    /// Takes in a connection to the service of that number, if it ended without a Close frame.
    pub(super) fn add(&mut self, record: &ConnectionRecord, service: Option<u32>) {
        if record.verdict.close_code != Some(CloseCode::ABNORMAL) {
            return;
        }
        self.ends.extend(AbnormalEnd::of(record));
        self.silents.extend(service.and_then(|service| silent(record, service)));
    }

    pub(super) fn ages(mut self, services: &Services) -> Ages {
        // They may come in any order, and those of the same age must always be in the same.
        self.silents.sort_unstable_by_key(|silent| (silent.opened_at, silent.first_packet));
        self.ends.sort_by(|one, other| one.ended.total_cmp(&other.ended));
        let mut groups = BTreeMap::<(Endpoint, bool), Vec<&Silent>>::new();
        for silent in &self.silents {
            groups.entry((silent.server, silent.by == Role::Client)).or_default().push(silent);
        }
        let mut regular = of_legs(&self.silents, &self.ends);
        for group in groups.values_mut() {
            group.sort_by(|one, other| one.age.total_cmp(&other.age));
            let alike = group.iter().enumerate().filter(|(index, _)| is_regular(group, *index));
            regular.extend(alike.map(|(_, silent)| *silent));
        }
        let survived = |silent: &Silent| services.get(silent.service).survived as f64 / 1e6;
        regular.retain(|silent| survived(silent) <= silent.age + tolerance(silent.age));
        // Ages are positive, and far below what a u64 holds.
        Ages(regular.into_iter().map(|silent| (silent.first_packet, silent.age as u64)).collect())
    }
}

/// The silence after which each connection was ended, where it was a time-out: in milliseconds, by the connection's first
/// packet.
#[derive(Debug)]
pub(super) struct Ages(HashMap<PacketId, u64>);

impl Ages {
    /// The silence after which `record` was ended, if that was a time-out; in milliseconds.
    pub(super) fn regular(&self, record: &ConnectionRecord) -> Option<u64> {
        self.0.get(&record.first_packet).copied()
    }
}

fn silent(record: &ConnectionRecord, service: u32) -> Option<Silent> {
    let known = record.handshake == Handshake::Complete && record.missed_bytes == 0;
    let sound = record.violation_count == 0 && record.invalid_utf8_count == 0;
    let end = record.ended_at.filter(|_| record.close_frames.is_empty() && known && sound)?;
    // Without a byte after the handshake, the handshake's answer was the last one.
    let last = record.activity.as_ref()?.last_byte.or(record.established_at)?;
    let age = end.millis_since(last);
    let by = record.verdict.tcp_ended_by?;
    (age >= LEAST_MILLIS).then(|| Silent {
        first_packet: record.first_packet,
        server: record.server,
        service,
        target: record.request.path.clone(),
        opened_at: record.opened_at,
        established_at: record.established_at,
        age,
        end: millis(end),
        by,
    })
}

fn millis(time: Timestamp) -> f64 {
    time.as_nanos() as f64 / 1e6
}

/// A connection that ended without a Close frame, silent or not: when, and when it began, in milliseconds.
#[derive(Debug)]
struct AbnormalEnd {
    began: f64,
    ended: f64,
}

impl AbnormalEnd {
    fn of(record: &ConnectionRecord) -> Option<Self> {
        Some(Self { began: millis(record.opened_at), ended: millis(record.ended_at?) })
    }
}

/// The legs of connections that a proxy ended on both sides at once, and nothing else with them.
fn of_legs<'a>(silents: &'a [Silent], ends: &[AbnormalEnd]) -> Vec<&'a Silent> {
    let mut silents: Vec<_> = silents.iter().collect();
    silents.sort_by(|one, other| one.end.total_cmp(&other.end));
    let moments = silents.chunk_by(|one, next| next.end - one.end <= APART_MILLIS);
    let alone = |end: f64| {
        let position = |time: f64| ends.partition_point(|other| other.ended < time);
        let moment = ends.get(position(end - APART_MILLIS)..position(end + APART_MILLIS)).unwrap_or_default();
        // What began later was not there to be ended with them.
        moment.iter().filter(|other| other.began <= end).take(3).count() <= 2
    };
    let pairs = moments.filter(|moment| matches!(moment, [one, other] if are_legs(one, other) && alone(one.end)));
    pairs.flatten().copied().collect()
}

/// Whether two that ended in one moment are the legs of one connection through a proxy, which ended both by the clock.
fn are_legs(one: &Silent, other: &Silent) -> bool {
    let (front, back) = if one.by == Role::Server { (one, other) } else { (other, one) };
    let middle = front.by == Role::Server && back.by == Role::Client;
    let same = front.target.is_some() && front.target == back.target;
    let began = front.opened_at <= back.opened_at && back.established_at <= front.established_at;
    let at_once = (front.age - back.age).abs() <= TOLERANCE_MILLIS && (front.end - back.end).abs() <= TOLERANCE_MILLIS;
    let whole = (back.age - (back.age / 1000.0).round() * 1000.0).abs() <= tolerance(back.age).min(WHOLE_MILLIS);
    middle && same && began && at_once && whole
}

fn tolerance(age: f64) -> f64 {
    (age * TOLERANCE).max(TOLERANCE_MILLIS)
}

/// Whether the one at `index` of `group`, which is in order of age, ended by the clock.
fn is_regular(group: &[&Silent], index: usize) -> bool {
    let Some(one) = group.get(index) else { return false };
    let margin = tolerance(one.age);
    let within = |from: f64, to: f64| {
        let position = |age: f64| group.partition_point(|other| other.age < age);
        position(to).saturating_sub(position(from)) as f64
    };
    let alike = within(one.age - margin, one.age + margin);
    let around = within(one.age / 2.0, one.age * 2.0) - alike;
    let by_chance = around * (2.0 * margin) / (1.5 * one.age);
    let near = index.saturating_sub(NEIGHBOURS)..(index + NEIGHBOURS + 1).min(group.len());
    let neighbours = group.get(near).unwrap_or_default();
    let sampled = neighbours.iter().filter(|other| (other.age - one.age).abs() <= margin).count().max(1);
    let independent = neighbours.iter().filter(|other| is_independent(one, other)).count();
    let others = alike * independent as f64 / sampled as f64;
    independent > 0 && is_no_chance(others, by_chance, group.len() as f64)
}

/// Whether `found` others are too many where `expected` are by chance, for any of `tries` connections.
///
/// The bound is the term of Poisson's distribution, e^-λ left out, which errs to the safe side.
fn is_no_chance(found: f64, expected: f64, tries: f64) -> bool {
    let mut likelihood = 1.0;
    let mut count = 1.0;
    while count <= found {
        likelihood *= expected / count;
        count += 1.0;
    }
    likelihood * tries * CHANCES <= 1.0
}

/// Whether two have the same age, and not because one event ended or silenced both.
fn is_independent(one: &Silent, other: &Silent) -> bool {
    let (ages, ends) = ((one.age - other.age).abs(), (one.end - other.end).abs());
    ages <= tolerance(one.age) && ends >= APART_MILLIS && ends >= ages * INDEPENDENCE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_is_believed_until_there_are_too_many() {
        assert!(is_no_chance(1.0, 0.0, 2.0));
        assert!(!is_no_chance(1.0, 0.1, 6.0));
        assert!(!is_no_chance(5.0, 4.0, 400.0));
        assert!(is_no_chance(50.0, 4.0, 500.0));
    }
}
