//! A file that several threads read at once. Nearly all that reading a cached file costs is that the system copies its bytes,
//! and whatever one thread does alone is where more threads end being of use.
//!
//! In comes an open file, out comes a reader.

use std::fs::File;
use std::io::{self, Read};

/// What reads `file` from its beginning.
pub(super) fn reader(file: File) -> Box<dyn Read + Send> {
    #[cfg(unix)]
    if file.metadata().is_ok_and(|metadata| metadata.is_file()) {
        return Box::new(shared::SharedFile::new(file));
    }
    Box::new(file)
}

#[cfg(unix)]
mod shared {
    use std::os::unix::fs::FileExt;

    use rayon::prelude::*;

    use super::{File, Read, io};
    use crate::limits;

    /// A regular file. What is read in one call is read in parts.
    pub(super) struct SharedFile {
        file: File,
        offset: u64,
    }

    impl SharedFile {
        pub(super) const fn new(file: File) -> Self {
            Self { file, offset: 0 }
        }

        /// Fills `part` with what lies at `offset`: how much of it there was.
        fn read_part(&self, part: &mut [u8], offset: u64) -> io::Result<usize> {
            let mut filled = 0;
            while let Some(rest) = part.get_mut(filled..).filter(|rest| !rest.is_empty()) {
                match self.file.read_at(rest, offset + filled as u64) {
                    Ok(0) => break,
                    Ok(more) => filled += more,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    // What came before it counts; the next call says it again.
                    Err(_) if filled > 0 => break,
                    Err(error) => return Err(error),
                }
            }
            Ok(filled)
        }
    }

    impl Read for SharedFile {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let part_bytes = limits::READ_PART_BYTES;
            let parts: Vec<io::Result<usize>> = out
                .par_chunks_mut(part_bytes)
                .enumerate()
                .map(|(index, part)| self.read_part(part, self.offset + (index * part_bytes) as u64))
                .collect();
            let mut read = 0;
            for (index, part) in parts.into_iter().enumerate() {
                match part {
                    Ok(more) => read += more,
                    Err(error) if index == 0 => return Err(error),
                    Err(_) => {}
                }
                // What lies behind a part that is not full may have been written only after that was read.
                if read < (index + 1) * part_bytes {
                    break;
                }
            }
            self.offset += read as u64;
            Ok(read)
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::limits;

    /// A file of so many bytes, none like its neighbours.
    fn file_of(length: usize) -> (tempfile::NamedTempFile, Vec<u8>) {
        let bytes: Vec<u8> =
            (0..length as u32).map(|number| number.wrapping_mul(0x9e37_79b9).to_be_bytes()[0]).collect();
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&bytes).unwrap();
        (file, bytes)
    }

    #[test]
    fn every_length_is_read_as_it_is() {
        const PART: usize = limits::READ_PART_BYTES;
        for length in [0, 1, PART - 1, PART, PART + 1, 3 * PART, 3 * PART + 17] {
            let (file, bytes) = file_of(length);
            for at_once in [100_000, PART, PART + 1, 4 * PART] {
                let mut reader = reader(file.reopen().unwrap());
                let (mut read, mut room) = (Vec::new(), vec![0; at_once]);
                loop {
                    let more = reader.read(&mut room).unwrap();
                    if more == 0 {
                        break;
                    }
                    read.extend_from_slice(&room[..more]);
                }
                assert!(read == bytes, "{length} bytes, {at_once} at once");
            }
        }
    }

    #[test]
    fn what_is_appended_is_read_later() {
        let (mut file, mut bytes) = file_of(limits::READ_PART_BYTES);
        let mut reader = reader(file.reopen().unwrap());
        let mut room = vec![0; 2 * limits::READ_PART_BYTES];
        assert_eq!(reader.read(&mut room).unwrap(), bytes.len());
        assert_eq!(reader.read(&mut room).unwrap(), 0);
        file.write_all(b"more").unwrap();
        bytes.extend_from_slice(b"more");
        assert_eq!(reader.read(&mut room).unwrap(), 4);
        assert_eq!(&room[..4], b"more");
    }

    #[test]
    fn errors_are_told() {
        let folder = tempfile::tempdir().unwrap();
        assert!(reader(File::open(folder.path()).unwrap()).read(&mut [0; 10]).is_err());
        let (file, _) = file_of(10);
        let write_only = File::options().write(true).open(file.path()).unwrap();
        assert!(reader(write_only).read(&mut [0; 10]).is_err());
    }
}
