//! The integration tests: one binary, a module for each area, captures built by [`builder`].

mod builder;
mod carve;
mod causes;
mod command_line;
mod deflate;
mod documentation;
mod dumps;
mod endings;
mod explain;
mod filters;
mod foreign;
mod formats;
mod handshakes;
mod impaired;
mod invalid_utf8;
mod layering;
mod losses;
mod mutants;
mod mutation;
mod properties;
mod reconnects;
mod redaction;
mod samples;
mod specimens;
mod tables;
mod tls;
mod verdicts;
mod violations;

use wsautopsy::analyze::{Analysis, Options, analyze};
use wsautopsy::capture::Input;
use wsautopsy::connection::ConnectionRecord;
use wsautopsy::flow::Role;

use builder::{Capture, Conversation};

const CLIENT: Role = Role::Client;
const SERVER: Role = Role::Server;

/// What one thread makes of `inputs`.
fn analysis_of(inputs: Vec<Input>) -> Analysis {
    analyze(inputs, &Options { threads: 1, ..Options::default() }, &mut |_| ()).unwrap()
}

fn analysis(capture: &Capture) -> Analysis {
    analysis_of(vec![capture.input("test.pcap")])
}

/// The only connection of `capture`.
#[track_caller]
fn only(capture: &Capture) -> ConnectionRecord {
    let mut connections = analysis(capture).connections;
    assert_eq!(connections.len(), 1, "{connections:#?}");
    connections.remove(0)
}

/// The only connection of a capture of `conversation`.
#[track_caller]
fn record(conversation: Conversation) -> ConnectionRecord {
    only(&Capture::of(conversation))
}

/// The verdict in a few words, such as `1000 frame by client, reply matching 1000, fin by client, clean`. What is null
/// is left out.
fn verdict(record: &ConnectionRecord) -> String {
    let verdict = &record.verdict;
    let mut words = Vec::new();
    if let Some(code) = verdict.close_code {
        let source = verdict.source.unwrap().name();
        words.push(format!("{code} {source}"));
    }
    if let Some(by) = verdict.closed_by {
        words.push(format!("by {}", by.name()));
    }
    if let Some(reply) = verdict.reply {
        let code = verdict.reply_code.map(|code| format!(" {code}")).unwrap_or_default();
        words.push(format!("reply {}{code}", reply.name()));
    }
    if let Some(end) = verdict.tcp_end {
        let by = verdict.tcp_ended_by.map(|role| format!(" by {}", role.name())).unwrap_or_default();
        words.push(format!("{}{by}", end.name()));
    }
    words.extend(verdict.clean.map(|clean| if clean { "clean" } else { "not clean" }.to_owned()));
    words.join(", ")
}

/// The Close frames, such as `client first 1000 bye`.
fn closes(record: &ConnectionRecord) -> Vec<String> {
    let told = record.close_frames.iter().map(|frame| {
        let code = frame.code.map_or_else(|| "empty".to_owned(), |code| code.to_string());
        let reason = frame.reason.escape_ascii();
        let position = frame.position.map_or("unplaced", |position| position.name());
        format!("{} {position} {code} {reason}", frame.sender.name()).trim_end().to_owned()
    });
    told.collect()
}

/// The violations, such as `client unmasked-client-frame in 6`.
fn violations(record: &ConnectionRecord) -> Vec<String> {
    let told = record.violations.iter();
    told.map(|broken| format!("{} {} in {}", broken.sender.name(), broken.rule.name(), broken.packet.number()))
        .collect()
}
