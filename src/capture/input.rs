//! Where captures come from: files, directories, standard input, any reader.
//!
//! In comes what the user named, out go sources with names. Nothing is read here but the first bytes of files that were
//! found in a directory, to leave out what is no capture.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::file;
use super::signature;
use super::source::Source;
use crate::error::Error;
use crate::limits;

/// A capture that has not been opened yet, and its name.
pub struct Input {
    name: String,
    origin: Origin,
    found: bool,
}

enum Origin {
    Path(PathBuf),
    Stdin,
    Reader(Box<dyn Read + Send>),
}

impl Input {
    /// The file at `path`, which is its name too.
    #[must_use]
    pub fn path(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self { name: path.to_string_lossy().into_owned(), origin: Origin::Path(path), found: false }
    }

    /// Standard input, named `-`.
    #[must_use]
    pub fn stdin() -> Self {
        Self { name: "-".to_owned(), origin: Origin::Stdin, found: false }
    }

    /// What `reader` gives, under that `name`.
    #[must_use]
    pub fn reader(name: impl Into<String>, reader: Box<dyn Read + Send>) -> Self {
        Self { name: name.into(), origin: Origin::Reader(reader), found: false }
    }

    /// The captures that `path` stands for: a directory for the captures in it and below, sorted by path; a pattern with
    /// `*`, `?` or `[` that is no file itself, because no shell expanded it, for what it matches, sorted by path;
    /// anything else for itself.
    ///
    /// # Errors
    ///
    /// If a directory cannot be read or no file in it is a capture, or if nothing matches a pattern.
    pub fn expand(path: impl Into<PathBuf>) -> Result<Vec<Self>, Error> {
        let path = path.into();
        match path.to_str() {
            Some(text) if text.contains(['*', '?', '[']) && fs::symlink_metadata(&path).is_err() => {
                let mut inputs = Vec::new();
                for path in matches(text)? {
                    inputs.extend(Self::within(path)?);
                }
                Ok(inputs)
            }
            _ => Self::within(path),
        }
    }

    /// The captures in the directory at `path` and below, or the file there.
    fn within(path: PathBuf) -> Result<Vec<Self>, Error> {
        if !path.is_dir() {
            return Ok(vec![Self::path(path)]);
        }
        let mut files = Vec::new();
        collect(&path, 0, &mut HashSet::new(), &mut files)?;
        files.sort_unstable();
        let captures: Vec<Self> = files
            .into_iter()
            .filter(|file| may_be_capture(file))
            .map(|file| Self { found: true, ..Self::path(file) })
            .collect();
        if captures.is_empty() {
            return Err(Error::NoCaptures { path: path.to_string_lossy().into_owned() });
        }
        Ok(captures)
    }

    /// Its name: the path as given, or `-`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it was found in a directory rather than named, so that it need not be a capture.
    pub(super) const fn is_found(&self) -> bool {
        self.found
    }

    /// The same once more, if reading it takes nothing away: if it is a file.
    #[must_use]
    pub fn again(&self) -> Option<Self> {
        match &self.origin {
            Origin::Path(path) if path.is_file() => {
                Some(Self { name: self.name.clone(), origin: Origin::Path(path.clone()), found: self.found })
            }
            Origin::Path(_) | Origin::Stdin | Origin::Reader(_) => None,
        }
    }

    /// Its size in bytes, if it is known before it is read.
    pub(super) fn size(&self) -> Option<u64> {
        match &self.origin {
            Origin::Path(path) => fs::metadata(path).ok().filter(fs::Metadata::is_file).map(|metadata| metadata.len()),
            Origin::Stdin | Origin::Reader(_) => None,
        }
    }

    /// Opens it.
    pub(super) fn open(self) -> Result<Box<dyn Read + Send>, Error> {
        match self.origin {
            Origin::Path(path) => match File::open(path) {
                Ok(file) => Ok(file::reader(file)),
                Err(source) => Err(Error::Open { path: self.name, source }),
            },
            // Its own buffer would only copy: the reads are larger.
            Origin::Stdin => Ok(Box::new(io::stdin())),
            Origin::Reader(reader) => Ok(reader),
        }
    }
}

impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Input").field("name", &self.name).field("found", &self.found).finish_non_exhaustive()
    }
}

/// The paths that `pattern` matches, sorted. As in a shell, a star at the beginning of a name stands for no dot.
fn matches(pattern: &str) -> Result<Vec<PathBuf>, Error> {
    let options = glob::MatchOptions {
        require_literal_separator: true,
        require_literal_leading_dot: true,
        ..glob::MatchOptions::default()
    };
    let failed = |reason: String| Error::Pattern { pattern: pattern.to_owned(), reason };
    let found = glob::glob_with(pattern, options).map_err(|error| failed(error.to_string()))?;
    let mut paths = found.collect::<Result<Vec<_>, _>>().map_err(|error| failed(error.to_string()))?;
    if paths.is_empty() {
        return Err(failed("nothing matches".to_owned()));
    }
    paths.sort_unstable();
    Ok(paths)
}

/// Puts the files in `directory` and below into `files`. Each directory is looked into once, by whatever way it is
/// reached, so that links that form a loop end.
fn collect(
    directory: &Path,
    depth: usize,
    visited: &mut HashSet<PathBuf>,
    files: &mut Vec<PathBuf>,
) -> Result<(), Error> {
    let failed = |source| Error::Open { path: directory.to_string_lossy().into_owned(), source };
    if depth > limits::DIRECTORY_DEPTH || !visited.insert(fs::canonicalize(directory).map_err(failed)?) {
        return Ok(());
    }
    let mut entries = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        entries.push(entry.map_err(failed)?.path());
    }
    // Sorted, so that it does not depend on the file system which of two ways to a directory is the first.
    entries.sort_unstable();
    for path in entries {
        // A link that leads nowhere is no capture.
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_dir() => collect(&path, depth + 1, visited, files)?,
            Ok(metadata) if metadata.is_file() => files.push(path),
            Ok(_) | Err(_) => {}
        }
    }
    Ok(())
}

/// Whether the file begins like a capture, unpacked if it is compressed. One that cannot be opened may be one: it is told about when its turn comes.
fn may_be_capture(path: &Path) -> bool {
    let Ok(file) = File::open(path) else { return true };
    let Ok(source) = Source::open(Box::new(file)) else { return true };
    let mut first = Vec::new();
    match source.take(signature::BYTES as u64).read_to_end(&mut first) {
        Ok(_) => signature::is_capture(&first),
        Err(_) => true,
    }
}
