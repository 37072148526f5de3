//! The simulated portal as a caller on the wire meets it. Nothing here may reach past the public API and the HTTP address.

mod caller;

mod address;
mod catalogue;
mod control;
mod dossiers;
mod faults;
mod fields;
mod login;
mod reproducible;
mod speed;
