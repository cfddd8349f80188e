//! Protocol Buffers: fields of a number, a wire type and a value, one after the other.

use super::Evidence;
use super::cursor::{self, Cursor, Stop};
use crate::limits;

/// Field numbers that are believed: larger ones are allowed and rare.
const LAST_FIELD: u64 = 2047;

/// The evidence that `bytes` are a message; `None` if they are not.
pub(super) fn parse(bytes: &[u8], whole: bool) -> Option<Evidence> {
    message(bytes, whole, 0)
}

fn message(bytes: &[u8], whole: bool, depth: usize) -> Option<Evidence> {
    let mut cursor = Cursor::new(bytes, whole);
    let (mut evidence, mut last) = (Evidence::default(), 0);
    while !cursor.is_at_end() {
        match field(&mut cursor, &mut last, depth) {
            Ok(field) => {
                evidence.merge(field);
                if cursor.is_at_end() && whole {
                    let by_length = field.agreements > 0;
                    evidence.add(if by_length { 8.0 } else { 3.0 });
                }
            }
            Err(Stop::Sample) => break,
            Err(Stop::Contradiction) => return None,
        }
    }
    (last > 0).then_some(evidence)
}

/// Reads a field; `last` is the number of the one before.
fn field(cursor: &mut Cursor<'_>, last: &mut u64, depth: usize) -> Result<Evidence, Stop> {
    let tag = varint(cursor)?;
    let number = tag >> 3;
    if number == 0 || number > LAST_FIELD {
        return Err(Stop::Contradiction);
    }
    let mut evidence = Evidence { bits: 2.0, agreements: 0 };
    let in_order = *last > 0 && number >= *last && number <= *last + 8;
    evidence.add(match (in_order, *last) {
        (true, _) => 1.0,
        (false, 0) if number <= 8 => 1.0,
        (false, _) => -1.0,
    });
    *last = number;
    match tag & 7 {
        0 => drop(varint(cursor)?),
        1 => drop(cursor.array::<8>()?),
        2 => evidence.merge(delimited(cursor, depth)?),
        5 => drop(cursor.array::<4>()?),
        _ => return Err(Stop::Contradiction),
    }
    Ok(evidence)
}

/// A value of a told length: a string, a message, or any bytes.
fn delimited(cursor: &mut Cursor<'_>, depth: usize) -> Result<Evidence, Stop> {
    let length = varint(cursor)?;
    let bytes = match cursor.take(length) {
        Err(Stop::Sample) if length > 1 << 24 => return Err(Stop::Contradiction),
        taken => taken?,
    };
    let mut evidence = Evidence { bits: 0.0, agreements: 1 };
    if cursor::text(bytes).is_some() {
        evidence.add((bytes.len() as f64 * 1.5).min(16.0));
    } else if depth < limits::SAMPLE_DEPTH
        && let Some(inner) = message(bytes, true, depth + 1).filter(|inner| inner.bits > 0.0)
    {
        // A value that is not a message would be one by chance now and then.
        evidence.add(inner.bits * 0.75);
    }
    Ok(evidence)
}

/// A number of at most ten bytes, written as short as it can be.
fn varint(cursor: &mut Cursor<'_>) -> Result<u64, Stop> {
    let mut number = 0;
    for index in 0..10 {
        let byte = cursor.byte()?;
        number |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return if byte == 0 && index > 0 { Err(Stop::Contradiction) } else { Ok(number) };
        }
    }
    Err(Stop::Contradiction)
}
