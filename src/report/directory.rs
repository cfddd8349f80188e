//! A directory with every table in each chosen format, and `summary.json`.
//!
//! A report appears whole or not at all: all files are written under temporary names first, and then renamed.

use std::fs;
use std::io::Write;
use std::path::Path;

use serde_json::Value;

use super::staged::Staged;
use crate::dataframe::{Format, TableName, Tables};
use crate::error::{Error, Result};

/// Writes every table into `directory` as `NAME.EXT`, in each of `formats`, and `summary` as `summary.json`.
///
/// The directory is made if it does not exist. Files of these names are replaced, others stay. `summary.json` is renamed
/// last: where it is, the rest is.
///
/// # Errors
///
/// [`Error::Write`] with the directory or the file. Then no temporary file stays behind, and unless it was the renaming
/// that failed, no file was changed.
pub fn write(directory: &Path, tables: &Tables, formats: &[Format], summary: &Value) -> Result<()> {
    fs::create_dir_all(directory).map_err(|source| Error::Write { path: directory.to_owned(), source })?;
    let mut staged = Vec::new();
    for format in Format::ALL.into_iter().filter(|format| formats.contains(format)) {
        for table in TableName::ALL {
            let path = directory.join(format!("{}.{}", table.name(), format.name()));
            staged.push(Staged::write(path, |out| tables.write(table, format, out))?.0);
        }
    }
    staged.push(Staged::write(directory.join("summary.json"), |out| writeln!(out, "{summary:#}"))?.0);
    staged.into_iter().try_for_each(Staged::publish)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataframe::{TableOptions, sample};

    fn tables() -> Tables {
        Tables::new(&sample::analysis(), &TableOptions::default()).unwrap()
    }

    fn names(directory: &Path) -> Vec<String> {
        let names = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn every_table_is_written_in_each_format() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("new/report");
        let summary = serde_json::json!({ "version": "1" });
        write(&directory, &tables(), &[Format::Ndjson, Format::Csv, Format::Csv], &summary).unwrap();
        let mut expected: Vec<_> = TableName::ALL
            .iter()
            .flat_map(|table| ["csv", "ndjson"].map(|extension| format!("{}.{extension}", table.name())))
            .collect();
        expected.push("summary.json".to_owned());
        expected.sort_unstable();
        assert_eq!(names(&directory), expected);
        let captures = fs::read_to_string(directory.join("captures.csv")).unwrap();
        assert_eq!(captures.lines().count(), 2);
        assert_eq!(fs::read_to_string(directory.join("summary.json")).unwrap(), "{\n  \"version\": \"1\"\n}\n");
    }

    #[test]
    fn a_report_replaces_an_older_one() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("captures.csv"), "old").unwrap();
        fs::write(directory.path().join("notes.txt"), "mine").unwrap();
        write(directory.path(), &tables(), &[Format::Csv], &Value::Null).unwrap();
        assert!(fs::read_to_string(directory.path().join("captures.csv")).unwrap().starts_with("capture,"));
        assert_eq!(fs::read_to_string(directory.path().join("notes.txt")).unwrap(), "mine");
    }

    #[test]
    fn a_failure_changes_nothing_and_leaves_nothing_behind() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("connections.csv"), "old").unwrap();
        fs::create_dir(directory.path().join("captures.csv")).unwrap();
        let error = write(directory.path(), &tables(), &[Format::Csv], &Value::Null).unwrap_err();
        assert!(error.to_string().contains("captures.csv: cannot write: "), "{error}");
        assert_eq!(names(directory.path()), ["captures.csv", "connections.csv"]);
        assert_eq!(fs::read_to_string(directory.path().join("connections.csv")).unwrap(), "old");
    }

    #[test]
    fn a_file_in_the_place_of_the_directory_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("report");
        fs::write(&path, "").unwrap();
        assert!(matches!(write(&path, &tables(), &[Format::Csv], &Value::Null), Err(Error::Write { .. })));
    }
}
