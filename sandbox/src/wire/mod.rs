//! The way to the portal and back: sockets that can be cut, addresses of the exchange, answers that go wrong on the road.
//! It must never decide what the portal says.

mod address;
mod deliver;
mod listener;

pub(crate) use address::{AdapterError, LOGIN_PATH, door_of};
pub(crate) use deliver::{Road, adapter_error, broken_off, deliver, drips};
pub(crate) use listener::{CuttableListener, Cutter};
