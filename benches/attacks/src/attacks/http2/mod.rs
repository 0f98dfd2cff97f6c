//! HTTP/2 as no browser speaks it. Unless its sentence says otherwise, a client reads and forgets what
//! the server sends.

pub mod control;
pub mod data;
pub mod heads;
pub mod silent;
pub mod streams;

use super::{Attack, Bound, Client, Setup};
use crate::hostile::Hostile;

/// An attack over eight connections, which are enough for one that floods.
const fn flood(
    name: &'static str,
    what: &'static str,
    seen: &'static str,
    client: fn(Hostile) -> Client,
) -> Attack {
    let (clients, setup, bound) = (8, Setup::DEFAULT, Bound::Tolerable);
    Attack { name, what, seen, clients, setup, bound, client }
}
