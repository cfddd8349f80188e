//! Bytes that are spread evenly: encrypted, compressed, or random.

use super::{LikelyCause, Specimen, is_control};

/// Fewer bytes are even by chance, or uneven.
const LEAST_BYTES: usize = 48;

/// The cause, if the bytes from the fault on are spread evenly.
pub(super) fn find(specimen: &Specimen<'_>) -> Option<LikelyCause> {
    let (piece, _) = specimen.piece();
    let controls = piece.iter().filter(|byte| is_control(**byte)).count();
    // 29 of 256 bytes are controls.
    let enough = piece.len() >= LEAST_BYTES && controls * 20 >= piece.len();
    let even =
        is_even(piece, |byte| byte >> 5) && is_even(piece, |byte| byte & 7) && is_even(piece, |byte| byte >> 2 & 7);
    (enough && even).then_some(LikelyCause("random-binary"))
}

/// Whether eight classes of `bytes` are as frequent as each other: Pearson's test. Random bytes fail it once in a
/// thousand times.
fn is_even(bytes: &[u8], class: impl Fn(u8) -> u8) -> bool {
    const CRITICAL: f64 = 24.32;
    let mut counts = [0_u32; 8];
    for byte in bytes {
        if let Some(count) = counts.get_mut(usize::from(class(*byte))) {
            *count += 1;
        }
    }
    let expected = bytes.len() as f64 / 8.0;
    let squares: f64 = counts.iter().map(|count| (f64::from(*count) - expected).powi(2)).sum();
    squares / expected < CRITICAL
}

#[cfg(test)]
mod tests {
    use super::super::testing::cause;

    #[test]
    fn few_bytes_are_never_noise() {
        let few: Vec<u8> = (0_u8..40).map(|index| index.wrapping_mul(97)).collect();
        assert_ne!(cause(&few), Some("random-binary"));
    }

    #[test]
    fn uneven_bytes_are_not_noise() {
        let small_numbers: Vec<u8> = (0_u8..200).map(|index| if index % 9 == 0 { 0xff } else { index % 9 }).collect();
        assert_ne!(cause(&small_numbers), Some("random-binary"));
    }
}
