//! What connections to the same service have in common: how its messages are answered, and what silence they survive.

use foldhash::fast::RandomState;
use hashbrown::{Equivalent, HashMap};

use super::normal::Exchanges;
use crate::connection::ConnectionRecord;
use crate::flow::{Endpoint, PerRole, Role};

/// Services by what they are known by, with what was seen of them.
#[derive(Debug, Default)]
pub(super) struct Services {
    numbers: HashMap<Service, u32, RandomState>,
    seen: Vec<Seen>,
}

/// What was seen of a service.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    /// What each end said there, and what was answered.
    pub(super) exchanges: PerRole<Exchanges>,
    /// The longest silence that a connection to it has survived, in nanoseconds.
    pub(super) survived: i64,
}

impl Services {
    /// Takes in a connection: the number of its service; `None` if it never became a WebSocket.
    pub(super) fn add(&mut self, record: &ConnectionRecord) -> Option<u32> {
        let activity = record.activity.as_deref()?;
        let key = Key::of(record);
        let number = self.numbers.get(&key).copied().unwrap_or_else(|| {
            // Memory is full long before the numbers are.
            let number = self.seen.len() as u32;
            self.numbers.insert(Service::from(&key), number);
            self.seen.push(Seen::default());
            number
        });
        let seen = self.seen.get_mut(number as usize)?;
        for role in [Role::Client, Role::Server] {
            seen.exchanges.get_mut(role).add(Exchanges::of(record, role));
        }
        if record.missed_bytes == 0 {
            seen.survived = seen.survived.max(activity.longest_silence);
        }
        Some(number)
    }

    /// What was seen of the service of that number.
    pub(super) fn get(&self, number: u32) -> Seen {
        self.seen.get(number as usize).copied().unwrap_or_default()
    }

    /// What was seen of the service that `record` asked for.
    pub(super) fn of(&self, record: &ConnectionRecord) -> Seen {
        self.numbers.get(&Key::of(record)).map(|&number| self.get(number)).unwrap_or_default()
    }
}

/// What connections to the same service share: the server and the path without its query.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Service {
    server: Endpoint,
    path: Option<Box<str>>,
}

/// A [`Service`] that is looked for.
#[derive(Hash)]
struct Key<'a> {
    server: Endpoint,
    path: Option<&'a str>,
}

impl<'a> Key<'a> {
    fn of(record: &'a ConnectionRecord) -> Self {
        let target = record.request.path.as_deref();
        let path = target.map(|target| target.split_once('?').map_or(target, |(path, _)| path));
        Self { server: record.server, path }
    }
}

impl Equivalent<Service> for Key<'_> {
    fn equivalent(&self, service: &Service) -> bool {
        self.server == service.server && self.path == service.path.as_deref()
    }
}

impl From<&Key<'_>> for Service {
    fn from(key: &Key<'_>) -> Self {
        Self { server: key.server, path: key.path.map(Into::into) }
    }
}

#[cfg(test)]
mod tests {
    use std::hash::BuildHasher;

    use super::*;

    #[test]
    fn what_is_looked_for_hashes_like_what_is_kept() {
        let state = RandomState::default();
        for path in [None, Some(""), Some("/chat")] {
            let key = Key { server: Endpoint::from_v4([10, 0, 0, 1], 80), path };
            let service = Service::from(&key);
            assert_eq!(state.hash_one(&service), state.hash_one(&key));
            assert!(key.equivalent(&service));
        }
    }
}
