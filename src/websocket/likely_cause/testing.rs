//! For the tests of every family.

use super::LikelyCause;
use crate::websocket::TextCheck;

/// The cause of `text`, which is not UTF-8.
#[track_caller]
pub(super) fn cause(text: &[u8]) -> Option<&'static str> {
    let fault = TextCheck::whole(text, ()).expect("it is UTF-8");
    LikelyCause::of(&fault, None).map(LikelyCause::name)
}
