//! The program as a user runs it: output, messages, exit codes.

use std::fs;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use assert_cmd::Command;
use polars::prelude::{CsvReader, DataFrame, IpcReader, JsonFormat, JsonReader, ParquetReader, SerReader};
use tempfile::TempDir;
use wsautopsy::dataframe::{TableName, unescape};

use crate::builder::{Capture, Conversation, TEXT};
use crate::{CLIENT, SERVER};

const PROGRAM: &str = env!("CARGO_BIN_EXE_wsautopsy");

/// A directory with captures, in which the program runs.
struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn with(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    /// `wsautopsy analyze` with these arguments.
    fn analyze(&self, arguments: &[&str]) -> Run {
        self.analyze_stdin(arguments, Vec::new())
    }

    fn analyze_stdin(&self, arguments: &[&str], stdin: Vec<u8>) -> Run {
        let mut command = Command::new(PROGRAM);
        command.current_dir(self.0.path()).arg("analyze").args(arguments).write_stdin(stdin);
        Run::of(&command.output().unwrap())
    }

    fn files_in(&self, directory: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(directory)).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort_unstable();
        names
    }
}

/// What the program said and how it ended.
#[derive(Debug)]
struct Run {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Run {
    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }

    /// Asserts how it ended, and that standard error holds these texts and nothing if there are none.
    #[track_caller]
    fn ended(&self, code: i32, stderr: &[&str]) -> &Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        assert!(stderr.iter().all(|text| self.stderr.contains(text)), "{self:#?}");
        assert_eq!(self.stderr.is_empty(), stderr.is_empty(), "{self:#?}");
        self
    }

    /// The values of a column of the CSV on standard output.
    fn column(&self, name: &str) -> Vec<String> {
        let mut lines = self.stdout.lines();
        let place = lines.next().unwrap().split(',').position(|column| column == name).unwrap();
        lines.map(|line| line.split(',').nth(place).unwrap().to_owned()).collect()
    }
}

fn chat(code: u16) -> Capture {
    let open = Conversation::open().text(CLIENT, "hi");
    Capture::of(open.close(SERVER, code, "").close(CLIENT, code, "").fins(SERVER))
}

const CODES: [&str; 2] = ["--table", "connections"];

#[test]
fn summary_goes_to_standard_output() {
    let desk = Desk::new().with("a.pcap", chat(1001).pcap());
    let run = desk.analyze(&["a.pcap"]);
    run.ended(0, &[]);
    assert!(run.stdout.contains("1001") && run.stdout.contains("Going Away"), "{}", run.stdout);
    assert!(!run.stdout.contains('\u{1b}'), "no colour where there is no terminal");
}

#[test]
fn one_table_goes_to_standard_output() {
    let desk = Desk::new().with("a.pcap", chat(4242).pcap());
    let run = desk.analyze(&["a.pcap", "--table", "close_frames"]);
    run.ended(0, &[]);
    assert_eq!(run.column("code"), ["4242", "4242"]);
    let run = desk.analyze(&["a.pcap", "--table", "connections", "--format", "ndjson"]);
    assert_eq!(run.ended(0, &[]).stdout.lines().count(), 1);
    let row: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((&row["close_code"], &row["capture"]), (&4242.into(), &"a.pcap".into()));
}

#[test]
fn capture_is_read_from_standard_input() {
    let run = Desk::new().analyze_stdin(&["-", "--table", "connections"], chat(4000).pcapng());
    run.ended(0, &[]);
    assert_eq!(run.column("close_code"), ["4000"]);
    // Alone, it might begin a formula.
    assert_eq!(unescape(&run.column("capture")[0]).as_deref(), Some("-"));
}

#[test]
fn directory_stands_for_the_captures_in_it() {
    let desk = Desk::new().with("day/2.pcap", chat(4002).pcap()).with("day/1.pcapng", chat(4001).pcapng());
    let desk = desk.with("day/notes.txt", "no capture");
    let run = desk.analyze(&["day", "--table", "captures"]);
    assert_eq!(run.ended(0, &[]).column("capture"), ["day/1.pcapng", "day/2.pcap"]);
}

#[test]
fn missing_file_is_told_and_the_others_are_analysed() {
    let desk = Desk::new().with("a.pcap", chat(4000).pcap());
    let run = desk.analyze(&[&["missing.pcap", "a.pcap"], &CODES[..]].concat());
    assert_eq!(run.ended(0, &["missing.pcap: cannot open: "]).column("close_code"), ["4000"]);
    desk.analyze(&["missing.pcap"]).ended(1, &["missing.pcap: cannot open: "]);
}

#[test]
fn file_without_permission_is_told() {
    let desk = Desk::new().with("secret.pcap", chat(1000).pcap());
    let path = desk.path("secret.pcap");
    let mut permissions = fs::metadata(&path).unwrap().permissions();
    #[cfg(unix)]
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0);
    fs::set_permissions(&path, permissions).unwrap();
    if fs::File::open(&path).is_ok() {
        eprintln!("skipped: this user may read everything");
        return;
    }
    desk.analyze(&["secret.pcap"]).ended(1, &["secret.pcap: cannot open: "]);
}

#[test]
fn what_is_no_capture_is_told_with_what_was_found() {
    let desk = Desk::new()
        .with("empty.pcap", "")
        .with("text.pcap", "just some text, long enough")
        .with("a.pcap", chat(4000).pcap());
    desk.analyze(&["empty.pcap"]).ended(1, &["empty.pcap: expected a pcap or pcapng capture, found an empty file"]);
    desk.analyze(&["text.pcap"]).ended(1, &["text.pcap: expected a pcap or pcapng capture, found "]);
    let run = desk.analyze(&[&["empty.pcap", "text.pcap", "a.pcap"], &CODES[..]].concat());
    assert_eq!(run.ended(0, &["empty.pcap: ", "text.pcap: "]).column("close_code"), ["4000"]);
}

#[test]
fn directory_without_captures_is_told() {
    let desk = Desk::new().with("day/notes.txt", "no capture");
    desk.analyze(&["day"]).ended(1, &["day: expected a directory with pcap or pcapng captures, found none in it"]);
}

#[test]
fn truncated_capture_is_analysed_up_to_its_end() {
    let mut file = chat(4000).pcap();
    file.truncate(file.len() - 5);
    let desk = Desk::new().with("cut.pcap", file);
    let run = desk.analyze(&[&["cut.pcap"], &CODES[..]].concat());
    let place = ["warning: cut.pcap: after packet 10, at byte ", "expected ", "found "];
    assert_eq!(run.ended(0, &place).column("close_code"), ["4000"]);
    desk.analyze(&["cut.pcap", "--quiet"]).ended(0, &[]);
}

#[test]
fn damaged_capture_is_analysed_past_the_damage() {
    let (before, after) =
        (chat(4001), Capture::of(Conversation::from_port(9).syn().upgrade("/").close(SERVER, 4002, "")));
    let mut file = before.pcap();
    file.extend([0xff; 100]);
    file.extend(&after.pcap()[24..]);
    let run = Desk::new().with("bad.pcap", file).analyze(&[&["bad.pcap"], &CODES[..]].concat());
    let place = ["warning: bad.pcap: after packet 11, at byte ", "expected ", "found ", "100 bytes skipped"];
    assert_eq!(run.ended(0, &place).column("close_code"), ["4001", "4002"]);
}

#[test]
fn wrong_usage_ends_with_two() {
    let desk = Desk::new().with("a.pcap", chat(1000).pcap());
    for arguments in [
        &[][..],
        &["a.pcap", "--table", "nonsense"],
        &["a.pcap", "--format", "xml"],
        &["a.pcap", "--bucket", "0s"],
        &["a.pcap", "--bucket", "soon"],
        &["a.pcap", "--fail-on", "boredom"],
        &["a.pcap", "--no-such-option"],
    ] {
        let run = desk.analyze(arguments);
        assert_eq!((run.code, &*run.stdout), (Some(2), ""), "{arguments:?}: {run:#?}");
        assert!(run.stderr.starts_with("error: "), "{run:#?}");
    }
}

#[test]
fn conditions_end_with_three_when_they_hold() {
    let bad = Conversation::open().frame(CLIENT, TEXT, b"\xff").close(CLIENT, 4000, "").close(CLIENT, 4000, "");
    let desk = Desk::new().with("good.pcap", chat(1000).pcap()).with("bad.pcap", Capture::of(bad).pcap());
    for condition in ["4000", "invalid-utf8", "violation"] {
        desk.analyze(&["bad.pcap", "--quiet", "--fail-on", condition]).ended(3, &[]);
        desk.analyze(&["good.pcap", "--quiet", "--fail-on", condition]).ended(0, &[]);
    }
    desk.analyze(&["good.pcap", "--quiet", "--fail-on", "4000", "--fail-on", "1000"]).ended(3, &[]);
}

#[test]
fn report_has_every_table_in_every_format() {
    let desk = Desk::new().with("a.pcap", chat(4000).pcap());
    let formats = ["csv", "parquet", "json", "ndjson", "arrow"];
    let options = formats.iter().flat_map(|format| ["--format", format]);
    desk.analyze(&["a.pcap", "-o", "report"].into_iter().chain(options).collect::<Vec<_>>()).ended(0, &[]);
    assert_eq!(desk.files_in("report").len(), TableName::ALL.len() * formats.len() + 1);
    for table in TableName::ALL {
        let rows = formats.map(|format| rows_of(&desk.path("report"), table, format));
        assert!(rows.iter().all(|count| *count == rows[0]), "{} has {rows:?} rows", table.name());
    }
    let summary: serde_json::Value =
        serde_json::from_slice(&fs::read(desk.path("report/summary.json")).unwrap()).unwrap();
    assert_eq!((&summary["totals"]["connections"], &summary["totals"]["close_frames"]), (&1.into(), &2.into()));
}

/// Reads the file of a table with Polars: how many rows it has.
fn rows_of(directory: &Path, table: TableName, format: &str) -> usize {
    let bytes = fs::read(directory.join(format!("{}.{format}", table.name()))).unwrap();
    if format == "json" {
        return serde_json::from_slice::<Vec<serde_json::Value>>(&bytes).unwrap().len();
    }
    if bytes.is_empty() {
        return 0;
    }
    let frame = frame_of(Cursor::new(bytes), format);
    let mut names: Vec<&str> = frame.get_column_names().into_iter().map(|name| name.as_str()).collect();
    let mut expected: Vec<&str> = table.schema().iter().map(|column| column.name).collect();
    if format == "ndjson" {
        // Objects have no order, and neither has what Polars makes of them.
        names.sort_unstable();
        expected.sort_unstable();
    }
    assert_eq!(names, expected, "{} as {format}", table.name());
    frame.height()
}

fn frame_of(file: Cursor<Vec<u8>>, format: &str) -> DataFrame {
    match format {
        "csv" => CsvReader::new(file).finish().unwrap(),
        "parquet" => ParquetReader::new(file).finish().unwrap(),
        "arrow" => IpcReader::new(file).finish().unwrap(),
        "ndjson" => JsonReader::new(file).with_json_format(JsonFormat::JsonLines).finish().unwrap(),
        other => panic!("no reader for {other}"),
    }
}

#[test]
fn report_that_cannot_be_written_leaves_nothing() {
    let desk = Desk::new().with("a.pcap", chat(1000).pcap()).with("occupied", "a file");
    desk.analyze(&["a.pcap", "-o", "occupied"]).ended(1, &["occupied: cannot write: "]);
    assert_eq!(desk.files_in(""), ["a.pcap", "occupied"]);

    fs::create_dir_all(desk.path("report/violations.csv")).unwrap();
    desk.analyze(&["a.pcap", "-o", "report"]).ended(1, &["violations.csv: cannot write: "]);
    assert_eq!(desk.files_in("report"), ["violations.csv"]);
}

#[test]
fn report_in_a_directory_that_cannot_be_made_is_an_error() {
    let desk = Desk::new().with("a.pcap", chat(1000).pcap());
    desk.analyze(&["a.pcap", "-o", "/proc/none/report"]).ended(1, &["/proc/none/report: cannot write: "]);
}

#[test]
fn closed_pipe_ends_the_program_quietly() {
    let mut child = std::process::Command::new(PROGRAM)
        .args(["analyze", "-", "--table", "connections"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Nothing is written before all was read, so the reader is surely gone by then.
    drop(child.stdout.take());
    child.stdin.take().unwrap().write_all(&chat(1000).pcap()).unwrap();
    Run::of(&child.wait_with_output().unwrap()).ended(0, &[]);
}

#[test]
fn number_of_threads_is_a_choice_without_consequences() {
    let desk = Desk::new().with("a.pcap", chat(4000).pcap());
    let run = |threads| desk.analyze(&["a.pcap", "--table", "connections", "--threads", threads]).stdout;
    assert_eq!(run("1"), run("3"));
    assert_eq!(run("1").lines().count(), 2);
}

#[test]
fn help_and_version_are_told() {
    let output = |argument| Run::of(&Command::new(PROGRAM).arg(argument).output().unwrap());
    assert!(output("--help").ended(0, &[]).stdout.contains("analyze"));
    assert_eq!(output("--version").ended(0, &[]).stdout, concat!("wsautopsy ", env!("CARGO_PKG_VERSION"), "\n"));
}
