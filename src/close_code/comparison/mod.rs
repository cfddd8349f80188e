//! Two close codes side by side: what sets them apart, and when to use which.
//!
//! In come two codes, out goes a [`Comparison`]. Pairs that people confuse have text of their own, a [`Pair`]; of all
//! others speak the [`Fact`]s that follow from the registry and from each code's guidance.

mod errors;
mod ordinary;
mod service;

use super::CloseCode;

/// Two codes compared. Swapped codes give the same comparison with its sides swapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// The codes.
    pub codes: [CloseCode; 2],
    /// What sets the two apart; `None` for a pair without text of its own, of which [`Self::facts`] say all.
    pub difference: Option<&'static str>,
    /// When to use, or expect, each.
    pub use_when: [&'static str; 2],
    /// How to tell them apart in a capture; `None` for a pair without text of its own.
    pub in_capture: Option<&'static str>,
    /// What can be said of every code, side by side.
    pub facts: Vec<Fact>,
}

/// One aspect of two codes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// The aspect, as a key for programs.
    pub key: &'static str,
    /// The aspect, for people.
    pub aspect: &'static str,
    /// What holds for each code.
    pub values: [&'static str; 2],
}

impl Fact {
    /// Whether it sets the two codes apart.
    #[must_use]
    pub fn differs(&self) -> bool {
        self.values[0] != self.values[1]
    }
}

/// Text about two codes that people confuse. The first is the smaller one; 4000 stands for all private ones.
struct Pair {
    codes: (u16, u16),
    difference: &'static str,
    use_first: &'static str,
    use_second: &'static str,
    in_capture: &'static str,
}

impl Comparison {
    /// Compares `first` with `second`.
    #[must_use]
    pub fn of(first: CloseCode, second: CloseCode) -> Self {
        let codes = [first, second];
        let pair = pair(first, second);
        let use_when = match pair {
            Some(pair) if pair.codes.0 == key(first) => [pair.use_first, pair.use_second],
            Some(pair) => [pair.use_second, pair.use_first],
            None => codes.map(|code| code.guidance().use_when),
        };
        Self {
            codes,
            difference: pair.map(|pair| pair.difference),
            use_when,
            in_capture: pair.map(|pair| pair.in_capture),
            facts: facts(codes),
        }
    }
}

fn pair(first: CloseCode, second: CloseCode) -> Option<&'static Pair> {
    let (first, second) = (key(first), key(second));
    let codes = (first.min(second), first.max(second));
    [ordinary::PAIRS, errors::PAIRS, service::PAIRS].into_iter().flatten().find(|pair| pair.codes == codes)
}

/// The code that a [`Pair`] has for `code`.
const fn key(code: CloseCode) -> u16 {
    match code.0 {
        4000..=4999 => 4000,
        other => other,
    }
}

fn facts(codes: [CloseCode; 2]) -> Vec<Fact> {
    let fact = |key, aspect, of: fn(CloseCode) -> &'static str| Fact { key, aspect, values: codes.map(of) };
    vec![
        fact("name", "name", |code| code.name().unwrap_or("(none)")),
        fact("kind", "kind", |code| code.kind().name()),
        fact("on_the_wire", "in a Close frame", |code| if code.may_be_sent() { "yes" } else { "must not be" }),
        fact("sent_by", "sent by", |code| code.guidance().sender.about()),
        fact("clean", "clean close", |code| code.guidance().clean.about()),
        fact("trouble", "where the trouble lies", |code| code.guidance().trouble.about()),
        fact("retry", "connect again", |code| code.guidance().retry.about()),
        fact("defined_in", "defined in", |code| code.guidance().references.first().copied().unwrap_or_default()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs() -> impl Iterator<Item = &'static Pair> {
        [ordinary::PAIRS, errors::PAIRS, service::PAIRS].into_iter().flatten()
    }

    #[test]
    fn swapped_codes_swap_the_sides() {
        let codes = (999..=1016).chain([3000, 3001, 3003, 3008, 4000, 4321, 5000]).map(CloseCode);
        for first in codes.clone() {
            for second in codes.clone() {
                let (one, other) = (Comparison::of(first, second), Comparison::of(second, first));
                assert_eq!((one.difference, one.in_capture), (other.difference, other.in_capture));
                assert_eq!(one.use_when, [other.use_when[1], other.use_when[0]], "{first} {second}");
                for (fact, swapped) in one.facts.iter().zip(&other.facts) {
                    assert_eq!(fact.values, [swapped.values[1], swapped.values[0]], "{first} {second}");
                }
            }
        }
    }

    #[test]
    fn every_pair_is_there_once_in_order_and_names_both_codes() {
        let mut seen = std::collections::BTreeSet::new();
        for pair in pairs() {
            let (first, second) = pair.codes;
            assert!(first < second && seen.insert(pair.codes), "{first} {second}");
            let names = if second == 4000 { "4000 to 4999".to_owned() } else { second.to_string() };
            assert!(pair.difference.contains(&first.to_string()), "{first} {second}");
            assert!(pair.difference.contains(&names), "{first} {second}");
            for text in [pair.difference, pair.use_first, pair.use_second, pair.in_capture] {
                assert!(!text.is_empty() && text.trim() == text && !text.contains(['\n', '\t']), "{text:?}");
                assert!(!text.contains("  ") && text.ends_with('.'), "{text:?}");
            }
        }
    }

    #[test]
    fn the_codes_that_are_met_most_have_text_for_every_pair() {
        let codes = [1000, 1002, 1007, 1008, 1012, 1015];
        for first in codes {
            for second in codes.into_iter().filter(|&second| second != first) {
                let comparison = Comparison::of(CloseCode(first), CloseCode(second));
                assert!(comparison.difference.is_some(), "{first} {second}");
            }
        }
    }

    #[test]
    fn private_codes_share_their_text() {
        let compared = |private| Comparison::of(CloseCode(private), CloseCode(1008)).difference;
        assert!(compared(4000).is_some());
        assert_eq!(compared(4999), compared(4000));
        assert_eq!(compared(5000), None);
    }

    #[test]
    fn facts_of_any_two_codes_are_there() {
        for (first, second) in [(1009, 1014), (0, 65_535), (1016, 1017), (3000, 4000)] {
            let comparison = Comparison::of(CloseCode(first), CloseCode(second));
            assert!(comparison.facts.iter().flat_map(|fact| fact.values).all(|value| !value.is_empty()));
        }
        let same_range = Comparison::of(CloseCode(1016), CloseCode(1017));
        assert!(!same_range.facts.iter().any(Fact::differs));
    }
}
