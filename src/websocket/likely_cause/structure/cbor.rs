//! CBOR (RFC 8949): one map or array, possibly behind a tag, that is the whole text.

use super::Evidence;
use super::cursor::{Cursor, Stop};
use crate::limits;

/// The evidence that `bytes` are a map, an array or a tagged value; `None` if they are not.
pub(super) fn parse(bytes: &[u8], whole: bool) -> Option<Evidence> {
    if !matches!(bytes.first()?, 0x81..=0x9f | 0xa1..=0xbf | 0xc0..=0xdb) {
        return None;
    }
    let (mut cursor, mut evidence) = (Cursor::new(bytes, whole), Evidence::default());
    match item(&mut cursor, &mut evidence, 0) {
        Ok(_) if cursor.is_at_end() && whole => {
            evidence.add(8.0);
            evidence.agreements += 1;
            Some(evidence)
        }
        Ok(_) | Err(Stop::Contradiction) => None,
        Err(Stop::Sample) => Some(evidence),
    }
}

/// What an item was.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    String,
    /// The end of items whose number was not told.
    Break,
    Other,
}

fn item(cursor: &mut Cursor<'_>, evidence: &mut Evidence, depth: usize) -> Result<Kind, Stop> {
    if depth > limits::SAMPLE_DEPTH {
        return Err(Stop::Contradiction);
    }
    let head = cursor.byte()?;
    let (major, low) = (head >> 5, head & 0x1f);
    // `None` is a length that is not told.
    let argument = match low {
        0..=23 => Some(u64::from(low)),
        24..=27 => Some(argument(cursor, major, low)?),
        31 if matches!(major, 2..=5 | 7) => None,
        _ => return Err(Stop::Contradiction),
    };
    match (major, argument) {
        (0 | 1, _) => {}
        (2, Some(length)) => drop(cursor.take(length)?),
        (3, Some(length)) => {
            evidence.string(cursor.string(length)?.len());
            return Ok(Kind::String);
        }
        (2 | 3, None) => while item(cursor, evidence, depth + 1)? != Kind::Break {},
        (4, count) => items(count, 1, cursor, evidence, depth)?,
        (5, count) => items(count, 2, cursor, evidence, depth)?,
        (6, _) => return item(cursor, evidence, depth + 1),
        (_, None) => return Ok(Kind::Break),
        (_, Some(_)) if matches!(low, 20..=23 | 25..=27) => {}
        (_, Some(_)) => return Err(Stop::Contradiction),
    }
    Ok(Kind::Other)
}

/// A number of one to eight bytes, which must need so many; a float may be any.
fn argument(cursor: &mut Cursor<'_>, major: u8, low: u8) -> Result<u64, Stop> {
    let number = cursor.number(1 << (low - 24))?;
    let least = match low {
        24 => 24,
        25 => 1 << 8,
        26 => 1 << 16,
        _ => 1 << 32,
    };
    if major != 7 && number < least { Err(Stop::Contradiction) } else { Ok(number) }
}

/// The items of an array, or with two `each` the keys and values of a map.
fn items(
    count: Option<u64>,
    each: u64,
    cursor: &mut Cursor<'_>,
    evidence: &mut Evidence,
    depth: usize,
) -> Result<(), Stop> {
    evidence.add(3.0);
    let last = count.map_or(u64::MAX, |count| count.saturating_mul(each));
    for index in 0..last {
        match item(cursor, evidence, depth + 1)? {
            Kind::Break if count.is_none() && index % each == 0 => return Ok(()),
            Kind::Break => return Err(Stop::Contradiction),
            Kind::String if each == 2 && index % 2 == 0 => evidence.add(2.0),
            Kind::String | Kind::Other => {}
        }
    }
    Ok(())
}
