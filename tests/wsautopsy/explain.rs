//! `wsautopsy explain` as a user runs it.

use assert_cmd::Command;

/// The exit code, standard output and standard error of `wsautopsy explain` with these arguments.
fn explain(arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wsautopsy"));
    let output = command.arg("explain").args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_code_is_explained_without_colour_where_there_is_no_terminal() {
    let (code, stdout, stderr) = explain(&["1012"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert!(stdout.starts_with("1012 Service Restart\n"), "{stdout}");
    assert!(!stdout.contains('\u{1b}'), "{stdout}");
    assert!(stdout.lines().all(|line| line.len() <= 80), "{stdout}");
}

#[test]
fn a_name_is_as_good_as_a_number() {
    assert_eq!(explain(&["going-away"]), explain(&["1001"]));
}

#[test]
fn two_codes_are_compared() {
    let (code, stdout, _) = explain(&["1008", "4001"]);
    assert_eq!(code, Some(0));
    assert!(stdout.starts_with("1008 Policy Violation and 4001 (private)\n"), "{stdout}");
    assert!(stdout.contains("\nKey differences\n") && stdout.contains("\nWhen to use which\n"), "{stdout}");
}

#[test]
fn other_formats_are_for_wikis_and_programs() {
    let (_, markdown, _) = explain(&["1007", "--format", "markdown"]);
    assert!(markdown.starts_with("# 1007 Invalid Frame Payload Data\n"), "{markdown}");
    let (_, json, _) = explain(&["1000", "1002", "--format", "json"]);
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(value["codes"], serde_json::json!([1000, 1002]));
    assert_eq!(value["explanations"][1]["name"], "Protocol Error");
}

#[test]
fn what_is_no_code_is_wrong_usage() {
    for arguments in [&["65536"][..], &["-1"], &["nonsense"], &["1000", "x"], &[], &["1", "2", "3"]] {
        let (code, stdout, stderr) = explain(arguments);
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(stderr.contains("Usage") || stderr.contains("expected a close code"), "{stderr}");
    }
}
