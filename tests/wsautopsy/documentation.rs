//! What the documentation says of tables and rules is what the code says.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use wsautopsy::dataframe::schema_markdown;
use wsautopsy::websocket::Rule;

/// Set, the generated parts are written anew instead of compared.
const UPDATE: &str = "WSAUTOPSY_UPDATE_README";

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The part of the file `name` between the marks `<!-- mark -->` and `<!-- /mark -->` is `expected`.
fn assert_part(name: &str, mark: &str, expected: &str) {
    let text = fs::read_to_string(file(name)).unwrap();
    let (begin, end) = (format!("<!-- {mark} -->\n"), format!("<!-- /{mark} -->"));
    let (before, rest) = text.split_once(&begin).unwrap_or_else(|| panic!("{name} has no line <!-- {mark} -->"));
    let (part, after) = rest.split_once(&end).unwrap_or_else(|| panic!("{name} has no line {end}"));
    let expected = format!("\n{}\n\n", expected.trim());
    if std::env::var_os(UPDATE).is_some() {
        return fs::write(file(name), format!("{before}{begin}{expected}{end}{after}")).unwrap();
    }
    let difference = part.trim().lines().zip(expected.trim().lines()).find(|(found, expected)| found != expected);
    assert!(
        part.trim() == expected.trim(),
        "<!-- {mark} --> in {name} is not what the code says, first at {difference:?}; \
         `{UPDATE}=1 cargo test documentation` writes it anew"
    );
}

#[test]
fn readme_describes_the_tables_as_the_schema_does() {
    assert_part("README.md", "tables", &schema_markdown());
}

#[test]
fn list_of_rules_is_that_of_the_code() {
    let rows = Rule::ALL
        .iter()
        .map(|rule| format!("| `{}` | {} | {} |\n", rule.name(), rule.section().unwrap_or("none"), rule.meaning()));
    let list: String = rows.collect();
    assert_part(RULES, "rules", &format!("| rule | section | what breaks it |\n| --- | --- | --- |\n{list}"));
}

const RULES: &str = "docs/protocol-rules.md";

/// What the last column of the tables of requirements names in backticks, without tables and columns.
fn rules_named() -> BTreeSet<String> {
    let text = fs::read_to_string(file(RULES)).unwrap();
    let (_, tables) = text.split_once("<!-- /rules -->").unwrap();
    let checks = tables.lines().filter_map(|line| {
        let cells: Vec<&str> = line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ").collect();
        let [_, _, _, checked] = cells[..] else { panic!("{line}") };
        Some(checked)
    });
    let quoted = checks.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    let columns = ["peer_close_code", "handshake", "connections", "undecodable_messages"];
    quoted.filter(|name| !columns.contains(name)).map(ToOwned::to_owned).collect()
}

#[test]
fn every_rule_stands_at_a_requirement_and_every_rule_named_there_exists() {
    let of_other_documents = [Rule::ConflictingRetransmission, Rule::LimitReached];
    let rules = Rule::ALL.iter().filter(|rule| !of_other_documents.contains(rule));
    let known: BTreeSet<String> = rules.map(|rule| rule.name().to_owned()).collect();
    assert_eq!(rules_named(), known);
}
