//! A directory with every table in each chosen format, and `summary.json`.
//!
//! A report appears whole or not at all: all files are written under temporary names first, and then renamed.

use std::fs;
use std::io::Write;
use std::path::Path;

use super::staged::{Staged, Unfinished};
use super::summary::{Found, Run, summary_of};
use crate::analyze::Analysis;
use crate::dataframe::{Format, Output, TableName, TableOptions, write_tables};
use crate::error::{Error, Result};

/// Writes every table of `analysis` into `directory` as `NAME.EXT`, in each of `formats`, and what is known of `run` as
/// `summary.json`.
///
/// The directory is made if it does not exist. Files of these names are replaced, others stay. `summary.json` is renamed
/// last: where it is, the rest is.
///
/// # Errors
///
/// [`Error::Write`] with the directory or the file, and as [`crate::dataframe::Tables::new`]. Then no temporary file stays
/// behind, and unless it was the renaming that failed, no file was changed.
pub fn write(
    directory: &Path,
    analysis: &Analysis,
    options: &TableOptions,
    formats: &[Format],
    run: &Run,
) -> Result<()> {
    fs::create_dir_all(directory).map_err(|source| Error::Write { path: directory.to_owned(), source })?;
    let mut files = Vec::new();
    for format in Format::ALL.into_iter().filter(|format| formats.contains(format)) {
        for table in TableName::ALL {
            let path = directory.join(format!("{}.{}", table.name(), format.name()));
            files.push((table, format, Unfinished::create(path)?));
        }
    }
    let outputs = files.iter_mut().map(|(table, format, file)| {
        let path = file.staged.path().to_owned();
        Output { table: *table, format: *format, out: &mut file.out, path }
    });
    let mut found = Found::of_captures(analysis);
    write_tables(analysis, options, outputs.collect(), &mut |record| found.add(record))?;
    let mut staged = files.into_iter().map(|(.., file)| file.finish()).collect::<Result<Vec<_>>>()?;
    let summary = summary_of(analysis, &found, run);
    staged.push(Staged::write(directory.join("summary.json"), |out| writeln!(out, "{summary:#}"))?.0);
    staged.into_iter().try_for_each(Staged::publish)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataframe::sample;

    fn write(directory: &Path, formats: &[Format]) -> Result<()> {
        super::write(directory, &sample::analysis(), &TableOptions::default(), formats, &Run::default())
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
        write(&directory, &[Format::Ndjson, Format::Csv, Format::Csv]).unwrap();
        let mut expected: Vec<_> = TableName::ALL
            .iter()
            .flat_map(|table| ["csv", "ndjson"].map(|extension| format!("{}.{extension}", table.name())))
            .collect();
        expected.push("summary.json".to_owned());
        expected.sort_unstable();
        assert_eq!(names(&directory), expected);
        let captures = fs::read_to_string(directory.join("captures.csv")).unwrap();
        assert_eq!(captures.lines().count(), 2);
        let summary: serde_json::Value =
            serde_json::from_slice(&fs::read(directory.join("summary.json")).unwrap()).unwrap();
        assert_eq!(summary["totals"]["connections"], 9);
    }

    #[test]
    fn a_report_replaces_an_older_one() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("captures.csv"), "old").unwrap();
        fs::write(directory.path().join("notes.txt"), "mine").unwrap();
        write(directory.path(), &[Format::Csv]).unwrap();
        assert!(fs::read_to_string(directory.path().join("captures.csv")).unwrap().starts_with("capture,"));
        assert_eq!(fs::read_to_string(directory.path().join("notes.txt")).unwrap(), "mine");
    }

    #[test]
    fn a_failure_changes_nothing_and_leaves_nothing_behind() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("connections.csv"), "old").unwrap();
        fs::create_dir(directory.path().join("captures.csv")).unwrap();
        let error = write(directory.path(), &[Format::Csv]).unwrap_err();
        assert!(error.to_string().contains("captures.csv: cannot write: "), "{error}");
        assert_eq!(names(directory.path()), ["captures.csv", "connections.csv"]);
        assert_eq!(fs::read_to_string(directory.path().join("connections.csv")).unwrap(), "old");
    }

    #[test]
    fn a_file_in_the_place_of_the_directory_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("report");
        fs::write(&path, "").unwrap();
        assert!(matches!(write(&path, &[Format::Csv]), Err(Error::Write { .. })));
    }
}
