//! Every bound in one place: its unit, its value, and why it is that.
//!
//! No input may make the program allocate without bound; whatever grows with the input has its limit here.

// Captures.

/// Bytes that are read from a capture in one go, and so the usual size of a batch. Large enough that several threads can
/// share in it, small enough that what was read is still in the cache when it is decoded.
pub const BATCH_BYTES: usize = 1 << 20;

/// Bytes of a file that one thread reads while others read what follows: enough that a call of the system is worth it, few
/// enough that the threads of a usual machine share what is read in one go.
pub const READ_PART_BYTES: usize = BATCH_BYTES / 4;

/// Captures that are open at once, because their times overlap. Hosts with a capture for each core have fewer, and systems
/// let a program open more. A further one waits until one of these is at its end; its packets are then analysed late.
pub const OPEN_FILES: usize = 128;

/// Bytes that are read in one go from each of several captures that are read side by side, and from a capture to learn
/// when it begins.
pub const LANE_BYTES: usize = 64 << 10;

/// Bytes of one captured packet or pcapng block that are believed. The largest snap length in use is 256 KiB; pcapng
/// options and comments may add to it. A longer record is damage.
pub const RECORD_BYTES: usize = 16 << 20;

/// Bytes that the decoder of one compressed capture may allocate, whatever the file's header asks for. It is the window
/// that the `zstd` program accepts unless told otherwise, and twice what `xz -9` needs.
pub const UNPACKER_BYTES: u64 = 128 << 20;

/// Interfaces of one pcapng section. Each costs a few bytes; real captures have fewer than a hundred.
pub const INTERFACES: usize = 65_536;

/// Bytes of an interface's name or description that are kept. Systems' own names are shorter; a file may say anything.
pub const INTERFACE_NAME_BYTES: usize = 256;

/// Problems of one capture file that are told one by one. A sound file has none; beyond this many the file is ruined, and
/// the rest is told in one sum.
pub const PROBLEMS_PER_FILE: usize = 1000;

/// Directories below the one that was named, so that a loop of links ends.
pub const DIRECTORY_DEPTH: usize = 64;

// Packets.

/// Batches that the flow tables take at once. The more there are, the more packets of a flow follow each other while what is
/// known of it is in the cache, and the fewer bytes of packets are still there themselves.
pub const BATCHES_AT_ONCE: usize = 4;

/// Such sets of batches that are under way at once: one is read while another is taken.
pub const SETS_UNDER_WAY: usize = 2;

/// Headers before TCP that a packet may have, tags and tunnels included. Two tunnels, each with tags and labels, have
/// about fifteen; more is a packet made to keep us busy.
pub const PACKET_LAYERS: usize = 32;

/// Extension headers of one IPv6 packet. RFC 8200 section 4.1 has room for seven.
pub const EXTENSION_HEADERS: usize = 8;

/// Attributes of one packet in Linux's firewall log. The kernel writes about twenty kinds, each once.
pub const NFLOG_ATTRIBUTES: usize = 64;

/// Nanoseconds of capture time that the fragments of an IP packet wait for each other: what Linux waits.
pub const FRAGMENT_NANOS: i64 = 30_000_000_000;

/// IP packets whose fragments are waited for at a time, each of at most 64 KiB.
pub const FRAGMENTED_DATAGRAMS: usize = 1024;

/// Bytes of packets with fragments that are kept until it is known whether they are of a connection to carve out. A few
/// milliseconds of fragments at full speed.
pub const HELD_FRAGMENT_BYTES: usize = 64 << 20;

// TCP.

/// Shards that the flows are spread over. Many more than cores, so that a busy flow keeps no core waiting; few enough
/// that a batch still has work for each.
pub const SHARDS: usize = 64;

/// Groups of flows that a shard's segments are put in order by. Of some thousand open connections, most then have a group
/// of their own.
pub const FLOW_GROUPS: usize = 64;

/// Flows that are looked up in a table before the first of them is worked on: enough that the waiting for memory is one,
/// few enough that all stay in the cache.
pub const FLOWS_AHEAD: usize = 32;

/// Flows that one shard remembers, over all shards about a million. Beyond it those idle longest are ended as if the
/// capture had ended.
pub const FLOWS_PER_SHARD: usize = 16_384;

/// Bytes of one direction that wait for a hole before them to be filled. A window of that size is rare, and a hole that
/// outlives it was lost by the capture.
pub const OUT_OF_ORDER_BYTES: usize = 4 << 20;

/// Segments of one direction that wait for a hole before them, however small they are.
pub const OUT_OF_ORDER_SEGMENTS: usize = 4096;

/// Packets of a connection that a hole is in doubt for, once the other end has acknowledged it: the bytes may only have
/// been recorded late. Queues of a network card and taps are out of step by a burst, which is a few dozen packets at most.
pub const REORDERED_PACKETS: usize = 32;

/// Nanoseconds of capture time that such a hole is in doubt for, 20 ms: more than clocks of taps differ that are worth
/// merging, and less than a sender waits before it retransmits.
pub const REORDERED_NANOS: i64 = 20_000_000;

/// Bytes that an acknowledgement or a segment may lie ahead of what was seen and still be believed: the largest TCP
/// window (RFC 7323 section 2.3). Further ahead it is a stray of another connection, or damage.
pub const WINDOW_BYTES: u64 = 1 << 30;

/// Nanoseconds of capture time that a connection is kept after both its ends, for packets that were captured late.
pub const LINGER_NANOS: i64 = 5_000_000_000;

/// Nanoseconds of capture time after which an end of a connection has vanished that said nothing since the other end's
/// FIN, while that one goes on sending: by then a FIN was sent again about five times.
pub const VANISHED_NANOS: i64 = 10_000_000_000;

/// Bytes that a segment may lie from the end of a connection that is over and still belong to it. Further away it is of
/// a later connection on the same ports.
pub const STRAGGLER_BYTES: u32 = 1 << 20;

// TLS.

/// Bytes of a TLS record's fragment: 2^14 and what protection may add (RFC 5246 section 6.2.3).
pub const TLS_FRAGMENT_BYTES: usize = (1 << 14) + 2048;

/// Bytes of one TLS handshake message. Certificate chains are mostly under 10 KB, and OpenSSL refuses those over 100 KB.
pub const TLS_MESSAGE_BYTES: usize = 128 << 10;

/// Connections whose TLS secrets are kept. Each costs about 300 bytes; a key log with more is cut.
pub const TLS_SECRETS: usize = 1 << 20;

/// Records in a row that the secrets of a TLS connection do not open before its rest is given up: those of the handshake
/// may be under secrets that are not known, and there are fewer of them.
pub const TLS_FAILURES: u64 = 64;

/// Records of one direction whose ends are remembered until they are acknowledged. Of one that is not, an acknowledgement
/// is taken for one of an earlier record.
pub const TLS_RECORDS_IN_FLIGHT: usize = 256;

/// Bytes that are taken for what a hole in a TLS connection held, which is not known: more than any Close frame has.
pub const TLS_HOLE_BYTES: u64 = 1024;

/// Sequence numbers that are tried on the first record after a gap. A gap of so many records is a connection of its own;
/// each costs the verification of a tag.
pub const TLS_LOST_RECORDS: u64 = 1024;

/// Bytes that the search for a record after a gap may try to open in vain in one direction, before
/// [`TLS_SEARCH_PER_BYTE`] counts: with three keys, one record of the largest size with every sequence number.
pub const TLS_SEARCH_BYTES: u64 = 64 << 20;

/// Bytes that it may try to open in vain for each byte of the direction. Of random bytes, one in four million looks like a
/// record; bytes made to look like records everywhere would have each tried a thousand times.
pub const TLS_SEARCH_PER_BYTE: u64 = 64;

/// Certificates of one chain that are kept. Chains have two to four; a message has room for forty thousand empty ones.
pub const TLS_CERTIFICATES: usize = 16;

// HTTP and what comes before it.

/// Bytes of a PROXY header of version 2, with what proxies add to the addresses. HAProxy's own limit is a buffer of 16 KiB,
/// but certificates' names are all that is added in practice.
pub const PROXY_HEADER_BYTES: usize = 2048;

/// Bytes of a connection that began before the capture, or lacks its beginning, in which HTTP or WebSocket is looked for.
pub const PROBED_BYTES: usize = 1 << 20;

/// Bytes of an HTTP head. Servers refuse heads from 8 to 64 KiB on.
pub const HTTP_HEAD_BYTES: usize = 64 << 10;

/// Header fields of an HTTP head. Servers refuse more than about a hundred.
pub const HTTP_HEADERS: usize = 128;

/// HTTP requests of one connection that wait for their answers.
pub const HTTP_PIPELINE: usize = 256;

/// Bytes that a client may send behind its upgrade request before the answer is seen.
pub const EARLY_BYTES: usize = 64 << 10;

// WebSocket.

/// Bytes that the search for the next frame after a gap holds back, per direction.
pub const RESYNC_BYTES: usize = 16 << 10;

/// Payload bytes of a frame that the search for the next frame believes. Larger ones are rare, and a length that noise
/// made must not make it wait for long.
pub const RESYNC_FRAME_BYTES: u64 = 16 << 20;

/// Chains of frames that one search follows at a time. Random bytes make two or three at a time.
pub const RESYNC_CHAINS: usize = 64;

/// Payload bytes that the search looks at inside a segment, for each byte of the segment. Random bytes need less than
/// one; without a bound, lengths made for it would have everything looked at from everywhere.
pub const RESYNC_WORK: usize = 16;

/// Bytes of a Close frame's body that are kept. RFC 6455 section 5.5 allows 125; what breaks that rule is still shown.
pub const CLOSE_BODY_BYTES: usize = 4096;

/// Bytes of a Close frame's reason: RFC 6455 section 5.5 allows a body of 125, two of which are the code.
pub const CLOSE_REASON_BYTES: usize = 123;

/// Nanoseconds of capture time within which an end answers a Close frame that it has received, 1 s. Libraries answer in the
/// moment in which they read it.
pub const CLOSE_ANSWER_NANOS: i64 = 1_000_000_000;

/// Bytes that are unmasked and validated at once: it fits the first-level cache with room to spare.
pub const PIECE_BYTES: usize = 2 << 10;

/// Bytes that one direction remembers of what it inflated, because later messages may refer to them: what DEFLATE can
/// refer to, or what was agreed upon or was inflated so far if that is less. So 100,000 connections on which both ends
/// have sent that much and take their context over need 6.1 GiB, and those that sent a kilobyte 0.2 GiB. While a message
/// is under way its decoder takes 48 KiB more.
pub const INFLATE_WINDOW_BYTES: usize = 32 << 10;

/// Bytes that one direction may inflate to before [`INFLATED_PER_BYTE`] counts. Messages that are larger than what
/// servers accept are rare; this much is inflated in a fraction of a second.
pub const INFLATED_BYTES: u64 = 64 << 20;

/// Bytes that a direction may inflate to for each compressed byte, beyond [`INFLATED_BYTES`]. DEFLATE reaches 1,032 on
/// a message made to burst its receiver, and 3 to 30 on what applications send.
pub const INFLATED_PER_BYTE: u64 = 128;

// Text that is invalid, and what it is instead.

/// Bytes before, and bytes from, the first bad byte that `context_hex` shows.
pub const CONTEXT_BYTES: usize = 16;

/// Bytes of a text's beginning that are remembered while it is valid, for the signature of what it is instead. They are
/// part of every connection's memory; formats that are not text have a byte that is not UTF-8 before long.
pub const TEXT_HEAD_BYTES: usize = 64;

/// Bytes from the first bad one on that are kept until the text ends, to tell what it is instead. Encodings of short words
/// show in a tenth of that; formats that are parsed have many fields in it.
pub const TEXT_SAMPLE_BYTES: usize = 512;

/// Bytes that the beginning of compressed data is inflated to, to see whether it is that.
pub const INFLATED_SAMPLE_BYTES: usize = 4 << 10;

/// Values within values that a binary format is followed into.
pub const SAMPLE_DEPTH: usize = 16;

// Finished connections.

/// Finished connections of a shard that wait unpacked. Each is a kilobyte or two with its evidence and texts; more of them
/// at once pack hardly better.
pub const PLAIN_RECORDS: usize = 256;

/// Connections that are looked at, and made into rows, at once.
pub const CHUNK_RECORDS: usize = 4096;

/// Rows of a table in the order of packets that are held unpacked while more are gathered.
pub const PLAIN_EVENTS: usize = 8192;

/// Such rows that are packed together, and unpacked together of each run while runs are merged.
pub const PACKED_EVENTS: usize = 256;

// Tables.

/// Rows that one connection adds to one table. Later ones are counted, and one row of its own says so.
pub const ROWS_PER_CONNECTION: usize = 1000;

/// Bytes of a header field that the detail of a violation quotes: enough for a key or a list of subprotocols.
pub const DETAIL_BYTES: usize = 80;

/// Rows of the time series, one for each bucket and each close code that occurs: for ten codes, a year in steps of a
/// second is refused and a day is not.
pub const TIME_BUCKETS: usize = 1_000_000;
