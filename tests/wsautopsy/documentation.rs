//! What the README says of the tables is what the schema says.

use std::fs;
use std::path::{Path, PathBuf};

use wsautopsy::dataframe::schema_markdown;

const BEGIN: &str = "<!-- tables -->\n";
const END: &str = "<!-- /tables -->";
/// Set, the README is written anew instead of compared.
const UPDATE: &str = "WSAUTOPSY_UPDATE_README";

fn readme() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")
}

#[test]
fn readme_describes_the_tables_as_the_schema_does() {
    let text = fs::read_to_string(readme()).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("README.md has no line <!-- tables -->");
    let (tables, after) = rest.split_once(END).expect("README.md has no line <!-- /tables -->");
    let expected = format!("\n{}\n", schema_markdown().trim());
    if std::env::var_os(UPDATE).is_some() {
        return fs::write(readme(), format!("{before}{BEGIN}{expected}\n{END}{after}")).unwrap();
    }
    let difference = tables.trim().lines().zip(expected.trim().lines()).find(|(found, expected)| found != expected);
    assert!(
        tables.trim() == expected.trim(),
        "the tables in README.md are not those of the schema, first at {difference:?}; \
         `{UPDATE}=1 cargo test readme` writes them anew"
    );
}
