//! What a capture says of the interfaces that its packets were captured on, for whoever writes such packets again.
//!
//! In come the descriptions of a file's sections, out goes a list in which each different one is once.

use std::collections::HashMap;

use super::LinkType;

/// An interface, as a capture describes it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct InterfaceDescription {
    /// What its packets begin with.
    pub link_type: LinkType,
    /// Bytes of a packet that are captured at most; 0 for all.
    pub snaplen: u32,
    /// The resolution of its clock, as pcapng's option `if_tsresol` has it: a negative power of 10, or of 2 if the highest
    /// bit is set.
    pub resolution: u8,
    /// Its name, as far as [`crate::limits::INTERFACE_NAME_BYTES`] hold it; `None` if the capture names none.
    pub name: Option<Box<str>>,
    /// What it is, in the same bounds.
    pub description: Option<Box<str>>,
}

/// The interfaces of one file, whatever the section.
#[derive(Debug, Default)]
pub(super) struct Descriptions {
    numbers: HashMap<InterfaceDescription, u16>,
    list: Vec<InterfaceDescription>,
}

impl Descriptions {
    /// The number of the interface, from 0: that of an equal one if there is one.
    pub(super) fn number(&mut self, description: InterfaceDescription) -> u16 {
        if let Some(&number) = self.numbers.get(&description) {
            return number;
        }
        // Nobody has that many; the last ones would share a number.
        let Ok(number) = u16::try_from(self.list.len()) else { return u16::MAX };
        self.numbers.insert(description.clone(), number);
        self.list.push(description);
        number
    }

    /// How many there are.
    pub(super) const fn len(&self) -> usize {
        self.list.len()
    }

    /// All of them, by number.
    pub(super) fn into_list(self) -> Vec<InterfaceDescription> {
        self.list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_interfaces_share_a_number() {
        let named = |name: &str| InterfaceDescription {
            link_type: LinkType(1),
            snaplen: 0,
            resolution: 9,
            name: Some(name.into()),
            description: None,
        };
        let mut descriptions = Descriptions::default();
        let numbers = ["eth0", "eth1", "eth0", "lo"].map(|name| descriptions.number(named(name)));
        assert_eq!(numbers, [0, 1, 0, 2]);
        assert_eq!(descriptions.into_list(), ["eth0", "eth1", "lo"].map(named));
    }
}
