//! Many values of one sort in little memory: encoded field by field over all of them, and compressed.

use std::borrow::Cow;

use bitcode::{DecodeOwned, Encode};

/// Values that are packed together.
#[derive(Debug)]
pub struct Packed {
    /// What bitcode makes of them, compressed where that makes it shorter.
    bytes: Box<[u8]>,
    /// Its length before.
    length: usize,
}

impl Packed {
    /// Packs `values`.
    pub fn of<T: Encode>(values: &[T]) -> Self {
        let bytes = bitcode::encode(values);
        let length = bytes.len();
        let compressed = lz4_flex::block::compress(&bytes);
        let is_shorter = compressed.len() < length;
        Self { bytes: if is_shorter { compressed } else { bytes }.into(), length }
    }

    /// The values again, which must be of the same type.
    ///
    /// # Panics
    ///
    /// If memory is broken: what is unpacked is what this process has packed.
    #[must_use]
    pub fn unpack<T: DecodeOwned>(&self) -> Vec<T> {
        let bytes = match self.bytes.len() == self.length {
            true => Cow::Borrowed(&*self.bytes),
            false => {
                Cow::Owned(lz4_flex::block::decompress(&self.bytes, self.length).expect("this process has packed it"))
            }
        };
        bitcode::decode(&bytes).expect("this process has packed it")
    }

    /// How many bytes it takes.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_out_as_they_were() {
        let texts: Vec<String> = (0..100).map(|number: u32| format!("{number}")).collect();
        assert_eq!(Packed::of(&texts).unpack::<String>(), texts);
        let same = [7_u64; 1000];
        assert!(Packed::of(&same).size() < 100);
        assert_eq!(Packed::of(&same).unpack::<u64>(), same);
        assert_eq!(Packed::of::<u64>(&[]).unpack::<u64>(), [0; 0]);
        assert_eq!(Packed::of(&[1_u8]).unpack::<u8>(), [1]);
    }
}
