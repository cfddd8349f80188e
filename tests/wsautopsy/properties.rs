//! What holds for every capture: the number of threads changes nothing, no damage panics, disorder is put in order.

use proptest::prelude::*;
use wsautopsy::analyze::{Analysis, analyze};
use wsautopsy::dataframe::{Format, TableName, TableOptions, Tables};

use crate::builder::{BINARY, CLOSE, Capture, Conversation, Link, PING, TEXT, frame, input};
use crate::{CLIENT, SERVER, analysis, analysis_of, closes};

/// Every table of `analysis` as CSV and as NDJSON.
fn every_table(analysis: &Analysis) -> Vec<u8> {
    let tables = Tables::new(analysis, &TableOptions::default()).unwrap();
    let mut bytes = Vec::new();
    for table in TableName::ALL {
        for format in [Format::Csv, Format::Ndjson] {
            tables.write(table, format, &mut bytes).unwrap();
        }
    }
    bytes
}

/// Connections of many kinds at once: clean, aborted, refused, open, invalid, lossy.
fn busy_capture() -> Capture {
    let conversations = (0..300_u16).map(|index| {
        let start = Conversation::from_port(20_000 + index).wait(i64::from(index * 7 % 50));
        match index % 6 {
            0 => start.syn().upgrade("/a").close(CLIENT, 1000, "").close(SERVER, 1000, "").fins(SERVER),
            1 => start.syn().upgrade("/b").text(SERVER, "hi").rst(CLIENT),
            2 => start.syn().request("/c").server("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n").fins(SERVER),
            3 => start.syn().upgrade("/d").frame(CLIENT, TEXT, b"\xff\xfe").close(SERVER, 1007, "").fins(SERVER),
            4 => start.syn().upgrade("/e").unseen(SERVER, 90).text(SERVER, "after a hole").close(
                CLIENT,
                4000 + index,
                "",
            ),
            _ => start.syn().client("SSH-2.0-x\r\n").fins(CLIENT),
        }
    });
    Capture::merged(conversations)
}

#[test]
fn number_of_threads_changes_nothing() {
    let (first, second) = busy_capture().split(1_700);
    let inputs = || vec![first.input("1.pcap"), input("2.pcapng", second.pcapng())];
    let tables = |threads| every_table(&analyze(inputs(), threads, &mut |_| ()).unwrap());
    let one = tables(1);
    assert!(one.len() > 50_000, "{}", one.len());
    assert!(one == tables(2), "two threads");
    assert!(one == tables(8), "eight threads");
}

#[test]
fn same_capture_gives_the_same_tables_again() {
    let capture = busy_capture();
    assert!(every_table(&analysis(&capture)) == every_table(&analysis(&capture)));
}

/// Numbers without order, the same in every run (Marsaglia, "Xorshift RNGs").
struct Xorshift(u64);

impl Xorshift {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % bound
    }

    fn byte(&mut self) -> u8 {
        self.below(256) as u8
    }

    /// A range of at most 200 of `length` places.
    fn range(&mut self, length: usize) -> std::ops::Range<usize> {
        let start = self.below(length);
        start..(start + 1 + self.below(200)).min(length)
    }
}

/// Damages a capture file: flips bits, cuts, repeats or overwrites a part.
fn damage(file: &mut Vec<u8>, random: &mut Xorshift) {
    let length = file.len();
    match random.below(6) {
        0 | 1 => (0..=random.below(20)).for_each(|_| file[random.below(length)] ^= 1 << random.below(8)),
        2 => file.truncate(1 + random.below(length)),
        3 => drop(file.drain(random.range(length))),
        4 => {
            let copy = file[random.range(length)].to_vec();
            let at = random.below(length);
            file.splice(at..at, copy);
        }
        _ => file[random.range(length)].iter_mut().for_each(|byte| *byte = random.byte()),
    }
}

/// A capture with a bit of everything, small so that many can be damaged.
fn varied_conversation(link: Link) -> Conversation {
    let open = Conversation::new().over(link).syn().upgrade("/chat").frame(CLIENT, TEXT, "grüße");
    let open = open.frame(SERVER, 0x01, b"fragment").frame(SERVER, PING, "").frame(SERVER, 0x80, b"\xc3");
    let open = open.segments(SERVER, &frame(SERVER, BINARY, &[7; 300]), 90);
    open.close(SERVER, 1001, "going").frame(CLIENT, CLOSE, "").fins(SERVER)
}

#[test]
fn damaged_captures_never_panic() {
    let mut random = Xorshift(0x9e37_79b9_7f4a_7c15);
    let links = [Link::Ethernet, Link::Vlan(3), Link::LinuxCooked2, Link::Raw];
    let sound: Vec<Capture> = links.map(|link| Capture::of(varied_conversation(link))).into();
    let mut connections = 0;
    for round in 0..2_000 {
        let capture = &sound[round % sound.len()];
        let mut file = if round % 3 == 0 { capture.pcapng() } else { capture.pcap() };
        (0..=random.below(3)).for_each(|_| damage(&mut file, &mut random));
        let analysis = analysis_of(vec![input("damaged", file)]);
        connections += analysis.connections.len();
        if round % 20 == 0 {
            every_table(&analysis);
        }
    }
    assert!(connections > 1_000, "damage hides too much for this to test anything: {connections}");
}

#[test]
fn damaged_packets_in_sound_captures_never_panic() {
    let mut random = Xorshift(0x2545_f491_4f6c_dd1d);
    let sound = Capture::of(varied_conversation(Link::Ethernet));
    let mut connections = 0;
    for _ in 0..2_000 {
        let mut capture = sound.clone();
        for _ in 0..=random.below(4) {
            let number = 1 + random.below(capture.packets.len());
            capture = match random.below(5) {
                0 => capture.without(number),
                1 => capture.twice(number),
                2 => capture.swapped(number, 1 + random.below(sound.packets.len() - 4)),
                3 => capture.cut(number, random.below(200)),
                _ => {
                    damage(&mut capture.packets[number - 1].bytes, &mut random);
                    capture
                }
            };
        }
        connections += analysis(&capture).connections.len();
    }
    assert!(connections > 1_500, "{connections}");
}

#[test]
fn random_bytes_after_a_sound_header_never_panic() {
    let mut random = Xorshift(0xdead_beef_cafe_f00d);
    let empty = Capture::default();
    for round in 0..500 {
        let mut file = if round % 2 == 0 { empty.pcap() } else { Capture::of(Conversation::new().syn()).pcapng() };
        file.extend((0..random.below(5_000)).map(|_| random.byte()));
        let analysis = analysis_of(vec![input("random", file)]);
        assert!(analysis.connections.is_empty());
        assert!(analysis.captures[0].file.format.is_some());
    }
}

#[test]
fn random_bytes_in_sound_packets_never_give_a_close_frame() {
    let mut random = Xorshift(0x0123_4567_89ab_cdef);
    for _ in 0..300 {
        let mut conversation = Conversation::open().unseen(SERVER, 10).unseen(CLIENT, 10);
        for _ in 0..20 {
            let sender = if random.below(2) == 0 { CLIENT } else { SERVER };
            let bytes: Vec<u8> = (0..=random.below(300)).map(|_| random.byte()).collect();
            conversation = conversation.bytes(sender, bytes);
        }
        for record in analysis(&Capture::of(conversation)).connections {
            assert_eq!(closes(&record), [""; 0]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Between two acknowledgements the segments of one end may be recorded in any order.
    #[test]
    fn segments_out_of_order_give_the_same_closes(
        order in Just((0..24_usize).collect::<Vec<_>>()).prop_shuffle(),
        size in 20_usize..60,
    ) {
        let stream = [frame(SERVER, TEXT, &[b'x'; 400]), frame(SERVER, BINARY, &[0; 70]), frame(SERVER, CLOSE, b"\x0f\xa0bye")];
        let open = Conversation::open().deaf(CLIENT).segments(SERVER, &stream.concat(), size).hears(CLIENT);
        let sound = Capture::of(open.close(CLIENT, 4000, "").fins(SERVER));
        let mut shuffled = sound.clone();
        let count = stream.concat().len().div_ceil(size);
        let places = order.into_iter().filter(|place| *place < count);
        for (place, from) in places.enumerate() {
            shuffled.packets[5 + place] = sound.packets[5 + from].clone();
        }
        let (sound, shuffled) = (crate::only(&sound), crate::only(&shuffled));
        prop_assert_eq!(closes(&shuffled), closes(&sound));
        prop_assert_eq!(shuffled.messages, sound.messages);
        prop_assert_eq!(shuffled.missed_bytes, 0);
    }
}
