//! The domain's words, by subject.

mod agreement;
mod codes;
mod dossiers;
mod indicators;
mod instants;
mod registers;
mod search;
mod values;
mod working_calendar;
