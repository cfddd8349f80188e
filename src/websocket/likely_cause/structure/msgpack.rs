//! MessagePack: one map or array that is the whole text.

use super::Evidence;
use super::cursor::{Cursor, Stop};
use crate::limits;

/// The evidence that `bytes` are a map or an array; `None` if they are not.
pub(super) fn parse(bytes: &[u8], whole: bool) -> Option<Evidence> {
    if !matches!(bytes.first()?, 0x81..=0x8f | 0x91..=0x9f | 0xdc..=0xdf) {
        return None;
    }
    let (mut cursor, mut evidence) = (Cursor::new(bytes, whole), Evidence::default());
    match value(&mut cursor, &mut evidence, 0) {
        Ok(_) if cursor.is_at_end() && whole => {
            evidence.add(8.0);
            evidence.agreements += 1;
            Some(evidence)
        }
        Ok(_) | Err(Stop::Contradiction) => None,
        Err(Stop::Sample) => Some(evidence),
    }
}

/// Reads a value: whether it is a string.
fn value(cursor: &mut Cursor<'_>, evidence: &mut Evidence, depth: usize) -> Result<bool, Stop> {
    if depth > limits::SAMPLE_DEPTH {
        return Err(Stop::Contradiction);
    }
    let head = cursor.byte()?;
    let string = match head {
        0xa0..=0xbf => Some(u64::from(head & 0x1f)),
        0xd9 => Some(cursor.number(1)?),
        0xda => Some(cursor.number(2)?),
        0xdb => Some(cursor.number(4)?),
        _ => None,
    };
    if let Some(length) = string {
        evidence.string(cursor.string(length)?.len());
        return Ok(true);
    }
    match head {
        0x00..=0x7f | 0xc0 | 0xc2 | 0xc3 | 0xe0..=0xff => {}
        0x80..=0x8f => map(u64::from(head & 0x0f), cursor, evidence, depth)?,
        0x90..=0x9f => array(u64::from(head & 0x0f), cursor, evidence, depth)?,
        0xc4..=0xc6 => {
            let length = cursor.number(1 << (head - 0xc4))?;
            cursor.take(length)?;
        }
        0xc7..=0xc9 => {
            let length = cursor.number(1 << (head - 0xc7))?;
            cursor.take(length + 1)?;
        }
        0xcc..=0xcf => drop(cursor.take(1 << (head - 0xcc))?),
        0xd0..=0xd3 => drop(cursor.take(1 << (head - 0xd0))?),
        0xca => drop(cursor.take(4)?),
        0xcb => drop(cursor.take(8)?),
        0xd4..=0xd8 => drop(cursor.take((1 << (head - 0xd4)) + 1)?),
        0xdc | 0xdd => {
            let count = cursor.number(2 << (head - 0xdc))?;
            array(count, cursor, evidence, depth)?;
        }
        0xde | 0xdf => {
            let count = cursor.number(2 << (head - 0xde))?;
            map(count, cursor, evidence, depth)?;
        }
        0xc1 | 0xa0..=0xbf | 0xd9..=0xdb => return Err(Stop::Contradiction),
    }
    Ok(false)
}

fn map(count: u64, cursor: &mut Cursor<'_>, evidence: &mut Evidence, depth: usize) -> Result<(), Stop> {
    evidence.add(3.0);
    for _ in 0..count {
        if value(cursor, evidence, depth + 1)? {
            evidence.add(2.0);
        }
        value(cursor, evidence, depth + 1)?;
    }
    Ok(())
}

fn array(count: u64, cursor: &mut Cursor<'_>, evidence: &mut Evidence, depth: usize) -> Result<(), Stop> {
    evidence.add(3.0);
    for _ in 0..count {
        value(cursor, evidence, depth + 1)?;
    }
    Ok(())
}
