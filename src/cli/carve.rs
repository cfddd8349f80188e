//! `wsautopsy carve`: captures in, the packets of chosen connections out.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use clap::error::ErrorKind;
use wsautopsy::analyze::{Analysis, analyze};
use wsautopsy::capture::Input;
use wsautopsy::carve::{Selection, carve};
use wsautopsy::close_code::CloseCode;
use wsautopsy::error::{Error, Result};
use wsautopsy::report::staged;

use super::Outcome;
use super::progress::Bar;
use super::source::{self, Analysing};

/// Write just the packets of chosen connections to a pcapng file, with comments on those that tell why they closed.
///
/// Without an option that chooses, every WebSocket connection is chosen. Of an option that is given more than once, any
/// value may match; different options must all match. The packets are as they were captured, payload included, with the
/// whole TCP connection, tunnels and fragments, and the TLS secrets of the chosen connections are copied, so that Wireshark
/// opens them decrypted. Exit codes: 0 written; 1 nothing was chosen, nothing could be analysed, or
/// the file could not be written; 2 wrong usage.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Captures in pcap or pcapng: files or directories; plain, gz, zst, lz4, xz or bz2. They are read twice, so no pipes.
    #[arg(required = true, value_name = "CAPTURE", value_parser = capture)]
    captures: Vec<PathBuf>,
    /// The file to write, or - for standard output.
    #[arg(short, long, value_name = "FILE", required = true)]
    output: PathBuf,
    /// The connection with this number in the tables, if they were made with the same captures, --port, --host, --path,
    /// --since and --until; may be given more than once.
    #[arg(long, value_name = "N")]
    connection: Vec<usize>,
    /// Connections with this close code, 1005, 1006 and 1015 included; may be given more than once.
    #[arg(long, value_name = "CODE", value_parser = super::explain::code)]
    close_code: Vec<CloseCode>,
    /// Connections that closed for this cause, such as idle-timeout; may be given more than once.
    #[arg(long, value_name = "NAME")]
    cause: Vec<String>,
    /// Connections with text that is not UTF-8.
    #[arg(long)]
    invalid_utf8: bool,
    /// Leave out the TLS secrets. Without this, those of the chosen connections, and no others, are copied from the captures
    /// and --keylog, so that who gets the file can read them.
    #[arg(long)]
    no_secrets: bool,
    #[command(flatten)]
    analysing: Analysing,
    /// Neither progress nor warnings.
    #[arg(short, long)]
    quiet: bool,
}

/// Runs it.
pub(super) fn run(options: &Options) -> Result<Outcome> {
    let (inputs, failed) = source::inputs(&options.captures);
    refuse_to_overwrite(&options.output, &inputs);
    let again: Vec<Input> = inputs.iter().filter_map(Input::again).collect();
    let bar = Bar::new(options.quiet);
    let analysis = analyze(inputs, &options.analysing.options()?, &mut |progress| bar.show(progress))?;
    bar.finish();
    let failed = failed | source::warn(&analysis, options.quiet);
    if !options.quiet {
        options.warn_of_unknown(&analysis);
    }
    let chosen = options.selection().count(&analysis);
    if chosen == 0 {
        let found = analysis.connections.len();
        anstream::eprintln!("error: nothing to write: of {found} connections, none is chosen");
        return Ok(Outcome::NothingAnalysed);
    }
    let packets = options.write(&analysis, again)?;
    if !options.quiet {
        anstream::eprintln!("{packets} packets, connections: {chosen}");
    }
    let analysed = analysis.captures.iter().any(|capture| capture.file.format.is_some());
    Ok(if failed && !analysed { Outcome::NothingAnalysed } else { Outcome::Done })
}

impl Options {
    fn selection(&self) -> Selection {
        Selection {
            connections: self.connection.clone(),
            close_codes: self.close_code.clone(),
            causes: self.cause.clone(),
            invalid_utf8: self.invalid_utf8,
            without_secrets: self.no_secrets,
        }
    }

    /// Tells which of the numbers no connection has.
    fn warn_of_unknown(&self, analysis: &Analysis) {
        let found = analysis.connections.len();
        for number in self.connection.iter().filter(|number| **number >= found) {
            anstream::eprintln!(
                "warning: --connection {number}: expected a number below {found}, the connections found"
            );
        }
    }

    /// Writes the chosen packets, read from `inputs`: how many.
    fn write(&self, analysis: &Analysis, inputs: Vec<Input>) -> Result<u64> {
        let bar = Bar::new(self.quiet);
        let content =
            |out: &mut dyn Write| carve(analysis, &self.selection(), inputs, &mut |progress| bar.show(progress), out);
        let written = if self.output == Path::new("-") {
            to_stdout(content)
        } else {
            staged::write(&self.output, |out| content(out))
        };
        bar.finish();
        written
    }
}

/// A reader that went away is no error: it has what it wanted.
fn to_stdout(content: impl FnOnce(&mut dyn Write) -> io::Result<u64>) -> Result<u64> {
    match content(&mut BufWriter::new(io::stdout().lock())) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(0),
        written => written.map_err(|source| Error::Write { path: "standard output".into(), source }),
    }
}

/// A capture that can be read twice. One that is not there is told of when it is opened.
fn capture(text: &str) -> std::result::Result<PathBuf, String> {
    let path = PathBuf::from(text);
    let is_pipe = path.metadata().is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir());
    if text == "-" || is_pipe {
        return Err("expected a file or a directory, because captures are read twice".to_owned());
    }
    Ok(path)
}

/// Ends the program if the output is one of the captures, which would be lost.
fn refuse_to_overwrite(output: &Path, inputs: &[Input]) {
    let is_output = |input: &&Input| match (Path::new(input.name()).canonicalize(), output.canonicalize()) {
        (Ok(input), Ok(output)) => input == output,
        (Err(_), _) | (_, Err(_)) => false,
    };
    if let Some(input) = inputs.iter().find(is_output) {
        let message = format!("expected another file for --output than the capture {}", input.name());
        clap::Error::raw(ErrorKind::ArgumentConflict, message + "\n").exit();
    }
}
