//! Data flows one way: what each module may import, and which libraries it may use.

use std::fs;
use std::path::{Path, PathBuf};

/// What every module may use.
const SHARED: [&str; 4] = ["error", "flow", "limits", "close_code"];

/// The pipeline: a module may use what stands before it.
const PIPELINE: [&str; 13] = [
    "capture",
    "packet",
    "tcp",
    "tls",
    "http",
    "websocket",
    "connection",
    "cause",
    "analyze",
    "carve",
    "redact",
    "dataframe",
    "report",
];

/// Libraries with one user each.
const LIBRARIES: [(&str, &[&str]); 17] = [
    ("pcap_parser", &["src/capture/"]),
    ("chardetng", &["src/websocket/likely_cause/"]),
    ("encoding_rs", &["src/websocket/likely_cause/"]),
    ("etherparse", &["src/packet/"]),
    // An error of the tables keeps what polars says.
    ("polars", &["src/dataframe/", "src/error.rs"]),
    // The program hands its arguments to the parser.
    ("clap", &["src/cli/", "src/main.rs"]),
    ("indicatif", &["src/cli/"]),
    // What opens TLS records and reads handshakes.
    ("aes", &["src/tls/"]),
    ("aes_gcm", &["src/tls/"]),
    ("cbc", &["src/tls/"]),
    ("ccm", &["src/tls/"]),
    ("chacha20poly1305", &["src/tls/"]),
    ("hkdf", &["src/tls/"]),
    ("hmac", &["src/tls/"]),
    ("sha2", &["src/tls/"]),
    ("tls_parser", &["src/tls/"]),
    ("x509_parser", &["src/tls/"]),
];

/// A source file without its tests.
struct Source {
    /// Such as `src/tcp/table.rs`.
    path: String,
    text: String,
}

impl Source {
    /// The module of the crate that it is part of, such as `tcp`.
    fn module(&self) -> &str {
        let inside = self.path.trim_start_matches("src/");
        inside.split('/').next().unwrap_or_default().trim_end_matches(".rs")
    }

    /// Whether it is the module's own file, whose parent is the crate.
    fn is_top(&self) -> bool {
        let inside = self.path.trim_start_matches("src/");
        !inside.contains('/') || inside.ends_with(&format!("{}/mod.rs", self.module()))
    }

    /// Every path into the crate that it names: what follows `crate::`.
    fn crate_paths(&self) -> impl Iterator<Item = &str> {
        self.text.split("crate::").skip(1).map(|rest| {
            let end = rest.find(|character: char| !(character.is_alphanumeric() || "_:".contains(character)));
            &rest[..end.unwrap_or(rest.len())]
        })
    }

    fn mentions(&self, library: &str) -> bool {
        let is_part_of_a_name = |character: char| character.is_alphanumeric() || character == '_';
        self.code().any(|line| line.split(|character| !is_part_of_a_name(character)).any(|word| word == library))
    }

    /// Its lines without comments.
    fn code(&self) -> impl Iterator<Item = &str> {
        self.text.lines().filter(|line| !line.trim_start().starts_with("//"))
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    collect(&root.join("src"), &mut files);
    let relative = |file: &PathBuf| file.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
    let all: Vec<(String, String)> =
        files.iter().map(|file| (relative(file), fs::read_to_string(file).unwrap())).collect();
    let tests = files_for_tests(&all);
    let sources = all.into_iter().filter(|(path, _)| !tests.contains(path));
    sources.map(|(path, text)| Source { path, text: without_tests(&text).to_owned() }).collect()
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => collect(&path, files),
            false if path.extension().is_some_and(|extension| extension == "rs") => files.push(path),
            false => {}
        }
    }
    files.sort();
}

/// The files that are declared for tests only: `#[cfg(test)]`, then `mod NAME;`.
fn files_for_tests(all: &[(String, String)]) -> Vec<String> {
    let mut files = Vec::new();
    for (path, text) in all {
        let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
        for declared in text.split("#[cfg(test)]\n").skip(1) {
            let line = declared.lines().next().unwrap_or_default();
            let name = line.split_once("mod ").and_then(|(_, name)| name.strip_suffix(';'));
            files.extend(name.map(|name| format!("{directory}/{name}.rs")));
        }
    }
    files
}

fn without_tests(text: &str) -> &str {
    text.split_once("\n#[cfg(test)]\nmod tests {").map_or(text, |(code, _)| code)
}

/// Whether code of `module` may name `path`, such as `flow::Role`.
fn is_allowed(module: &str, path: &str) -> bool {
    let target = path.split(':').next().unwrap_or_default();
    let place = |name: &str| PIPELINE.iter().position(|stage| *stage == name);
    match (place(module), place(target)) {
        _ if target == module => true,
        // Of a capture, headers need only know how they begin.
        (Some(_), Some(_)) if module == "packet" && target == "capture" => path == "capture::LinkType",
        (Some(user), Some(used)) => used < user,
        (_, None) => SHARED.contains(&target),
        (None, Some(_)) => false,
    }
}

#[test]
fn modules_use_only_what_stands_before_them() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for source in sources().iter().filter(|source| !source.path.starts_with("src/cli/")) {
        for path in source.crate_paths() {
            seen += 1;
            if !is_allowed(source.module(), path) {
                wrong.push(format!("{}: crate::{path}", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(seen > 100, "the paths are not found any more: {seen}");
}

#[test]
fn no_module_leaves_its_own_through_super() {
    let leaves = |source: &Source| {
        source.code().any(|line| line.contains("super::super::") || (source.is_top() && line.contains("super::")))
    };
    let wrong: Vec<_> = sources().into_iter().filter(leaves).map(|source| source.path).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn libraries_have_one_user_each() {
    let sources = sources();
    for (library, users) in LIBRARIES {
        let may = |source: &&Source| users.iter().any(|user| source.path.starts_with(user));
        let found: Vec<&str> = sources
            .iter()
            .filter(|source| source.mentions(library) && !may(source))
            .map(|source| &*source.path)
            .collect();
        assert!(found.is_empty(), "{library} is used by {found:?}");
        assert!(sources.iter().any(|source| source.mentions(library)), "{library} is not used any more");
    }
}

#[test]
fn every_module_has_its_place() {
    for source in sources() {
        let module = source.module();
        let known = PIPELINE.contains(&module) || SHARED.contains(&module) || ["lib", "main", "cli"].contains(&module);
        assert!(known, "{} is of no known module", source.path);
    }
}

#[test]
fn protocol_modules_do_no_io() {
    let sans_io = ["packet", "tcp", "http", "websocket", "connection", "cause", "close_code", "flow"];
    for source in sources().iter().filter(|source| sans_io.contains(&source.module())) {
        for forbidden in
            ["std::fs", "std::io", "std::time::Instant", "SystemTime", "std::thread", "println!", "anstyle"]
        {
            let line = source.code().find(|line| line.contains(forbidden));
            assert_eq!(line, None, "{} uses {forbidden}", source.path);
        }
    }
}
