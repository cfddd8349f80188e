//! Clients that come back: from packets to rows.

use wsautopsy::dataframe::reconnects;

use crate::builder::{Capture, Conversation};
use crate::{CLIENT, SERVER, analysis};

/// A connection of port `port` to `path`, from one millisecond after noon to another, which the server closes with 1012.
fn connection(port: u16, path: &str, from: i64, to: i64) -> Conversation {
    let chat = Conversation::from_port(port).wait(from).syn().upgrade(path).wait(to - from);
    chat.close(SERVER, 1012, "").close(CLIENT, 1012, "").fins(SERVER)
}

/// The rows, such as `0-1 1012 after 95`.
fn rows(conversations: impl IntoIterator<Item = Conversation>) -> Vec<String> {
    let analysis = analysis(&Capture::merged(conversations));
    let rows = reconnects(&analysis);
    let told = rows
        .iter()
        .map(|row| format!("{}-{} {} after {}", row.connection, row.next_connection, row.code, row.delay_ms));
    told.collect()
}

#[test]
fn delay_is_from_the_close_frame_to_the_next_syn() {
    // The Close frame is the sixth packet: five milliseconds later than the wait alone.
    assert_eq!(rows([connection(50_000, "/a", 0, 100), connection(50_001, "/a", 200, 300)]), ["0-1 1012 after 95"]);
}

#[test]
fn client_that_is_back_before_the_fin_is_back() {
    let first = Conversation::new().syn().upgrade("/a").close(SERVER, 1012, "").close(CLIENT, 1012, "").wait(500);
    assert_eq!(rows([first.fins(SERVER), connection(50_001, "/a", 100, 900)]), ["0-1 1012 after 95"]);
}

#[test]
fn every_client_of_a_restart_is_paired_with_itself() {
    let before = (0..20).map(|client| connection(50_000 + client, &format!("/a?client={client}"), 0, 1000));
    let after = (0..20).map(|client| {
        let began = 5000 - i64::from(client) * 100;
        connection(51_000 + client, &format!("/a?client={client}"), began, 9000)
    });
    let found = rows(before.chain(after));
    assert_eq!(found.len(), 20);
    // Clients that were closed in order come back in the reverse one, and the tables number connections by their begin.
    let expected: Vec<_> = (0..20).map(|client| format!("{client}-{} ", 39 - client)).collect();
    assert!(found.iter().zip(&expected).all(|(row, pair)| row.starts_with(pair)), "{found:#?}");
}

#[test]
fn attempt_that_is_refused_is_no_return() {
    let refused = Conversation::from_port(50_001).wait(200).syn().request("/a");
    let refused = refused.server("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n").fins(SERVER);
    let back = connection(50_002, "/a", 400, 500);
    assert_eq!(rows([connection(50_000, "/a", 0, 100), refused, back]), ["0-2 1012 after 295"]);
}

#[test]
fn connections_that_are_open_and_strangers_are_no_rows() {
    let open = Conversation::from_port(50_000).syn().upgrade("/a");
    assert_eq!(rows([open, connection(50_001, "/a", 200, 300)]), [""; 0]);
    let stranger = Conversation::between("10.0.0.7", 50_001, "10.0.0.2", 80).wait(200).syn().upgrade("/a");
    assert_eq!(rows([connection(50_000, "/a", 0, 100), stranger]), [""; 0]);
}
