//! A file that appears whole or not at all: it is written under a temporary name beside its own, and then renamed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Writes the file at `path`, or replaces it. Returns what `content` does.
///
/// # Errors
///
/// [`Error::Write`] with what `content` or the operating system says. Then a file that was there is as it was.
pub fn write<T>(path: &Path, content: impl FnOnce(&mut BufWriter<File>) -> io::Result<T>) -> Result<T> {
    let (staged, result) = Staged::write(path.to_owned(), content)?;
    staged.publish()?;
    Ok(result)
}

/// A file under its temporary name, which is removed unless it gets its own.
pub(super) struct Staged {
    temporary: PathBuf,
    path: PathBuf,
}

impl Staged {
    /// Writes what will be `path`. Returns what `content` does, too.
    pub(super) fn write<T>(
        path: PathBuf,
        content: impl FnOnce(&mut BufWriter<File>) -> io::Result<T>,
    ) -> Result<(Self, T)> {
        let mut file = Unfinished::create(path)?;
        let result = content(&mut file.out).map_err(|source| file.staged.failed(source))?;
        Ok((file.finish()?, result))
    }

    /// The name that the file will have.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What is said of a failure to write it.
    pub(super) fn failed(&self, source: io::Error) -> Error {
        Error::Write { path: self.path.clone(), source }
    }

    /// Gives the file its name.
    pub(super) fn publish(self) -> Result<()> {
        fs::rename(&self.temporary, &self.path).map_err(|source| self.failed(source))
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // After the renaming there is nothing to remove, and of any other failure a first one has been told.
        let _ = fs::remove_file(&self.temporary);
    }
}

/// A staged file that is being written.
pub(super) struct Unfinished {
    pub(super) out: BufWriter<File>,
    pub(super) staged: Staged,
}

impl Unfinished {
    /// Begins what will be `path`.
    pub(super) fn create(path: PathBuf) -> Result<Self> {
        let failed = |source| Error::Write { path: path.clone(), source };
        if path.is_dir() {
            return Err(failed(io::ErrorKind::IsADirectory.into()));
        }
        let (temporary, file) = create_beside(&path).map_err(failed)?;
        Ok(Self { out: BufWriter::new(file), staged: Staged { temporary, path } })
    }

    /// Writes what is still in memory.
    pub(super) fn finish(mut self) -> Result<Staged> {
        self.out.flush().map_err(|source| self.staged.failed(source))?;
        Ok(self.staged)
    }
}

/// A new file in the directory of `path`, with a name that no other has.
fn create_beside(path: &Path) -> io::Result<(PathBuf, File)> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut attempt = 0_u32;
    loop {
        let temporary = path.with_file_name(format!(".{name}.{}-{attempt}.tmp", std::process::id()));
        match OpenOptions::new().write(true).create_new(true).open(&temporary) {
            Ok(file) => return Ok((temporary, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && attempt < 100 => attempt += 1,
            Err(error) => return Err(error),
        }
    }
}
