//! BSON: a document with its length before it, and a zero behind it.

use super::Evidence;
use super::cursor::{self, Cursor, Stop};
use crate::limits;

/// The evidence that `bytes` are a document; `None` if they are not.
pub(super) fn parse(bytes: &[u8], whole: bool) -> Option<Evidence> {
    let length = u64::from(u32::from_le_bytes(*bytes.first_chunk()?));
    let seen = bytes.len() as u64;
    let mut evidence = Evidence::default();
    if whole && length == seen && bytes.last() == Some(&0) {
        evidence.add(40.0);
    } else if whole || length <= seen || length > 1 << 24 {
        return None;
    }
    evidence.add(8.0);
    let mut cursor = Cursor::new(bytes.get(4..)?, whole);
    match elements(&mut cursor, &mut evidence, 0) {
        Ok(()) => (whole && cursor.is_at_end()).then_some(evidence),
        Err(Stop::Sample) => Some(evidence),
        Err(Stop::Contradiction) => None,
    }
}

/// The elements of a document, up to its zero.
fn elements(cursor: &mut Cursor<'_>, evidence: &mut Evidence, depth: usize) -> Result<(), Stop> {
    if depth > limits::SAMPLE_DEPTH {
        return Err(Stop::Contradiction);
    }
    loop {
        let kind = cursor.byte()?;
        if kind == 0 {
            return Ok(());
        }
        let name = name(cursor)?;
        cursor::text(name).ok_or(Stop::Contradiction)?;
        evidence.add(4.0);
        evidence.agreements += 1;
        element(kind, cursor, evidence, depth)?;
    }
}

fn element(kind: u8, cursor: &mut Cursor<'_>, evidence: &mut Evidence, depth: usize) -> Result<(), Stop> {
    match kind {
        0x01 | 0x09 | 0x11 | 0x12 => drop(cursor.array::<8>()?),
        0x02 | 0x0d | 0x0e => {
            let length = length(cursor)?;
            cursor.string(u64::from(length.checked_sub(1).ok_or(Stop::Contradiction)?))?;
            if cursor.byte()? != 0 {
                return Err(Stop::Contradiction);
            }
            evidence.add(8.0);
        }
        0x03 | 0x04 => {
            length(cursor)?;
            elements(cursor, evidence, depth + 1)?;
        }
        0x05 => {
            let length = length(cursor)?;
            cursor.take(u64::from(length) + 1)?;
        }
        0x07 => drop(cursor.array::<12>()?),
        0x08 if cursor.byte()? > 1 => return Err(Stop::Contradiction),
        0x06 | 0x08 | 0x0a | 0x7f | 0xff => {}
        0x0b => {
            name(cursor)?;
            name(cursor)?;
        }
        0x10 => drop(cursor.array::<4>()?),
        0x13 => drop(cursor.array::<16>()?),
        _ => return Err(Stop::Contradiction),
    }
    Ok(())
}

fn length(cursor: &mut Cursor<'_>) -> Result<u32, Stop> {
    cursor.array().map(u32::from_le_bytes)
}

/// Bytes up to a zero.
fn name<'a>(cursor: &mut Cursor<'a>) -> Result<&'a [u8], Stop> {
    let mut ahead = *cursor;
    let mut length = 0;
    while ahead.byte()? != 0 {
        length += 1;
    }
    let name = cursor.take(length)?;
    cursor.byte()?;
    Ok(name)
}
