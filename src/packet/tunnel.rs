//! Tunnels. So far a place for them: UDP and GRE are sound and not looked into.

use super::view::View;
use super::{Decoded, Next};

/// Generic routing encapsulation.
pub(super) fn gre(_: View<'_>) -> Option<Next<'_>> {
    Some(Next::Done(Decoded::Other))
}

/// UDP.
pub(super) fn udp(_: View<'_>) -> Option<Next<'_>> {
    Some(Next::Done(Decoded::Other))
}
