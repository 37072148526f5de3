//! The simulated portal as a caller on the wire meets it. Nothing here may reach past the public API and the HTTP address.

mod caller;
mod province;

mod address;
mod attached_files;
mod catalogue;
mod control;
mod dossiers;
mod faults;
mod fields;
mod login;
mod outgoing;
mod outgoing_control;
mod outgoing_kinds;
mod portal_born;
mod reproducible;
mod sending_faults;
mod speed;
