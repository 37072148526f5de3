//! What may be found in each 256 records: when the first and the last was made, and a Bloom filter of the identifiers in
//! them. Whoever looks for one reads the zones, and then only the records that may have it: nothing that may match is left
//! out. Made from the records, off the write path.

use aws_lc_rs::digest::{SHA256, digest};
use lienthong_domain::time::Timestamp;
use serde::Deserialize;

use super::log::TILE_HASHES;

/// Records of one zone, as many as the tile of their hashes has.
pub const ZONE_RECORDS: u64 = TILE_HASHES as u64;
/// Four bytes a record: with three or four terms each, one zone in a hundred is read in vain.
const FILTER_BYTES: usize = 1024;
const PROBES: usize = 4;

/// What a record is found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Term<'a> {
    Id(&'a str),
    Client(&'a str),
    /// A pseudonym.
    Subject(&'a str),
    /// A pseudonym.
    Person(&'a str),
}

impl Term<'_> {
    /// Where its bits are.
    fn bits(self) -> [usize; PROBES] {
        let (kind, text) = match self {
            Self::Id(text) => (b"i", text),
            Self::Client(text) => (b"c", text),
            Self::Subject(text) => (b"s", text),
            Self::Person(text) => (b"p", text),
        };
        let hash = digest(&SHA256, &[kind, text.as_bytes()].concat());
        let mut bits = [0; PROBES];
        for (bit, pair) in bits.iter_mut().zip(hash.as_ref().chunks_exact(2)) {
            *bit = usize::from(u16::from_be_bytes([pair[0], pair[1]])) % (FILTER_BYTES * 8);
        }
        bits
    }
}

/// The members of a record by which it is found.
#[derive(Deserialize)]
struct Members<'a> {
    #[serde(borrow)]
    id: &'a str,
    #[serde(borrow, default)]
    client: Option<&'a str>,
    #[serde(borrow, default)]
    subject: Option<&'a str>,
    #[serde(borrow, default)]
    person: Option<&'a str>,
}

/// One zone of a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    /// Its first record is 256 times as far.
    pub number: u64,
    pub first_at: Timestamp,
    pub last_at: Timestamp,
    pub terms: Vec<u8>,
}

impl Zone {
    /// The zone of a full tile's records. A record that cannot be read is found by its time only.
    pub fn of(number: u64, records: &[(Timestamp, Vec<u8>)]) -> Option<Self> {
        let times = || records.iter().map(|(at, _)| *at);
        let mut terms = vec![0; FILTER_BYTES];
        for (_, bytes) in records {
            let Ok(Members { id, client, subject, person }) = serde_json::from_slice(bytes) else { continue };
            let found =
                [Some(Term::Id(id)), client.map(Term::Client), subject.map(Term::Subject), person.map(Term::Person)];
            for bit in found.into_iter().flatten().flat_map(Term::bits) {
                terms[bit / 8] |= 1 << (bit % 8);
            }
        }
        Some(Self { number, first_at: times().min()?, last_at: times().max()?, terms })
    }

    /// Whether a record of it may have this term; `false` is certain.
    pub fn may_have(&self, term: Term<'_>) -> bool {
        term.bits().into_iter().all(|bit| self.terms.get(bit / 8).is_none_or(|byte| byte & (1 << (bit % 8)) != 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_has_what_its_records_have_and_seldom_what_they_have_not() {
        let record =
            |n: u64| format!(r#"{{"client":"c{}","id":"id{n}","op":"x","subject":"s{n}"}}"#, n % 7).into_bytes();
        let records: Vec<_> = (0..256).map(|n| (Timestamp::from_micros(1000 - n as i64), record(n))).collect();
        let zone = Zone::of(3, &records).unwrap();
        assert_eq!((zone.first_at, zone.last_at), (Timestamp::from_micros(745), Timestamp::from_micros(1000)));
        for n in 0..256 {
            let (id, client, subject) = (format!("id{n}"), format!("c{}", n % 7), format!("s{n}"));
            for term in [Term::Id(&id), Term::Client(&client), Term::Subject(&subject)] {
                assert!(zone.may_have(term), "{term:?}");
            }
        }
        let in_vain = (1000..11_000).filter(|n| zone.may_have(Term::Id(&format!("id{n}")))).count();
        assert!(in_vain < 300, "{in_vain} of 10,000 would be read in vain");
        // A term of one kind is not one of another.
        assert!((0..256).filter(|n| zone.may_have(Term::Id(&format!("s{n}")))).count() < 30);
    }
}
