//! Why connections closed: told when all of them are known, because they explain each other.
//!
//! In come records with what each end did, twice, in any order: all of them for what they have in common, which is little
//! beside them, and then each for its [`Cause`], where the capture shows it. A cause is claimed on evidence only, and never
//! where a hole in the capture could overturn it.
//!
//! ```text
//!   records ──▶ Gathering ──▶ Common: habits, moments, idle ages ───────┐
//!      └──────▶ each by its close code ──▶ a family of causes ◀────────┘
//! ```
//!
//! | family | close codes |
//! | --- | --- |
//! | `normal` | 1000 |
//! | `departure` | 1001, 1012, 1013, 1014 |
//! | `offence` | 1002, 1003, 1007, 1009, 1010: what the peer sent, or did not agree to |
//! | `policy` | 1008, 3000, 3003 |
//! | `failure` | 1011, 3008, and those that say nothing by themselves: 1005, 4000 to 4999 |
//! | `abnormal` | 1006 |

mod abnormal;
mod departure;
mod failure;
mod idle;
mod normal;
mod offence;
mod policy;
mod reason;
mod service;
mod together;

use crate::close_code::CloseCode;
use crate::connection::{
    Activity, Cause, CauseKind, CloseFrame, CloseReply, ClosedBy, Conduct, ConnectionRecord, Position, SeenPing,
};
use crate::flow::{PacketId, Role, Timestamp};

use service::Services;

/// What connections have in common, while it is gathered.
#[derive(Debug, Default)]
pub struct Gathering {
    services: Services,
    moments: together::Closes,
    ages: idle::Silences,
}

impl Gathering {
    /// Takes in a connection, which has its evidence. In which order does not matter.
    pub fn add(&mut self, record: &ConnectionRecord) {
        let service = self.services.add(record);
        self.moments.add(record);
        self.ages.add(record, service);
    }

    /// All were taken in.
    #[must_use]
    pub fn finish(self) -> Common {
        let ages = self.ages.ages(&self.services);
        Common { services: self.services, moments: self.moments.moments(), ages }
    }
}

/// What connections have in common.
#[derive(Debug)]
pub struct Common {
    services: Services,
    moments: together::Moments,
    ages: idle::Ages,
}

impl Common {
    /// Tells the cause of `record`, and lets go of the evidence.
    pub fn tell(&self, record: &mut ConnectionRecord) {
        let cause = Case::of(record).and_then(|case| case.cause(self));
        // That of a failed TLS handshake is told by the handshake alone.
        record.cause = cause.or(record.cause);
        record.activity = None;
    }
}

/// One closed connection and the evidence about it.
struct Case<'a> {
    record: &'a ConnectionRecord,
    activity: &'a Activity,
    code: CloseCode,
    /// Who sent the first Close frame, or without one the first FIN or RST.
    closer: Role,
    /// The packet of that, and when it was captured.
    packet: PacketId,
    at: Timestamp,
    /// The first Close frame; `None` for 1006.
    close: Option<&'a CloseFrame>,
}

impl<'a> Case<'a> {
    /// `None` for a connection that is open, and for one whose end is not in the capture as a whole.
    fn of(record: &'a ConnectionRecord) -> Option<Self> {
        let activity = record.activity.as_deref()?;
        let code = record.verdict.close_code?;
        let close = record.close_frames.iter().find(|frame| frame.position == Some(Position::First));
        let (closer, packet, at) = match (close, record.verdict.closed_by?) {
            (Some(close), _) => (close.sender, close.packet, close.time),
            (None, ClosedBy::One(role)) if code == CloseCode::ABNORMAL && record.close_frames.is_empty() => {
                (role, activity.end_packet?, record.ended_at?)
            }
            (None, _) => return None,
        };
        Some(Self { record, activity, code, closer, packet, at, close })
    }

    fn cause(&self, common: &Common) -> Option<Cause> {
        // An unseen Close frame of the other end may have been the first.
        if self.close.is_some() && self.peer().unsure && self.record.verdict.reply_code.is_none() {
            return None;
        }
        match self.code.0 {
            1000 => normal::cause(self, &common.services),
            1001 | 1012 | 1013 | 1014 => departure::cause(self, &common.moments),
            1002 | 1003 | 1007 | 1009 | 1010 => offence::cause(self),
            1006 if self.close.is_none() => abnormal::cause(self, &common.ages),
            1008 | 3000 | 3003 => policy::cause(self),
            1011 | 3008 => failure::cause(self),
            // They say nothing by themselves, or only to the two ends.
            1005 | 4000..=4999 => failure::cause_of_silence(self),
            // The others must not be sent, or nobody has said what they mean.
            _ => None,
        }
    }

    /// What the other end of the closer did.
    const fn peer(&self) -> &Conduct {
        self.activity.ends.get(self.closer.peer())
    }

    /// What the closer did.
    const fn own(&self) -> &Conduct {
        self.activity.ends.get(self.closer)
    }

    /// Milliseconds from `earlier` to the close.
    fn millis_since(&self, earlier: Timestamp) -> f64 {
        self.at.millis_since(earlier)
    }

    /// `kind`, shown by the Close frame, FIN or RST itself.
    const fn shown_by_close(&self, kind: CauseKind) -> Cause {
        Cause { kind, packet: self.packet }
    }

    /// The reason of the first Close frame.
    fn reason(&self) -> reason::Reason {
        reason::Reason::of(self.close.map_or(&[], |close| &close.reason))
    }

    /// The Ping of the closer to which no Pong had come, and how long ago it was, in milliseconds. `None` if a Pong may have
    /// gone by unseen.
    fn unanswered_ping(&self) -> Option<(PacketId, f64)> {
        let ping = self.own().unanswered_ping.filter(|_| !self.peer().lost)?;
        Some((ping.packet, self.millis_since(ping.time)))
    }

    /// The Ping of the closer after which it heard nothing at all, if that is so many milliseconds ago.
    fn ping_into_silence(&self, millis: f64) -> Option<PacketId> {
        let silent = |ping: &SeenPing| self.peer().last_byte.is_none_or(|last| last < ping.time);
        let ping = self.own().unanswered_ping.filter(|ping| silent(ping) && !self.peer().lost)?;
        (self.millis_since(ping.time) >= millis).then_some(ping.packet)
    }

    /// Whether the other end answered the Close frame as it should.
    fn is_answered(&self) -> bool {
        let reply = self.record.verdict.reply_code;
        self.record.verdict.reply == Some(CloseReply::Matching) || reply == Some(CloseCode::NO_STATUS)
    }
}
