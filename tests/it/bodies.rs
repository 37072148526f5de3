//! Stored bodies.

use aws_lc_rs::digest::{SHA256, digest};
use proptest::prelude::*;

use crate::sealers::Sealers;

#[test]
fn a_body_comes_back_as_it_was_and_is_not_stored_in_the_clear() {
    let sealers = Sealers::new();
    let body = "Nguyễn Văn Thử 001099012345".as_bytes();
    let sealed = sealers.bodies.seal(body).unwrap();
    assert_eq!(*sealers.bodies.open(sealed.id, &sealed.wrapped_key, &sealed.sealed).unwrap(), body);
    assert!(!sealed.sealed.windows(12).any(|window| window == b"001099012345"));
}

#[test]
fn equal_bodies_have_different_commitments_so_that_nothing_can_be_guessed_from_them() {
    let sealers = Sealers::new();
    let (one, two) = (sealers.bodies.seal(b"yes").unwrap(), sealers.bodies.seal(b"yes").unwrap());
    assert_ne!(one.commitment.commit, two.commitment.commit);
    assert_ne!(one.commitment.commit.as_slice(), digest(&SHA256, b"yes").as_ref());
}

#[test]
fn a_body_does_not_open_under_another_id() {
    let sealers = Sealers::new();
    let (one, two) = (sealers.bodies.seal(b"one").unwrap(), sealers.bodies.seal(b"two").unwrap());
    assert!(sealers.bodies.open(two.id, &one.wrapped_key, &one.sealed).is_err());
    assert!(sealers.bodies.open(one.id, &two.wrapped_key, &one.sealed).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_flipped_bit_is_noticed(body in prop::collection::vec(any::<u8>(), 0..200), at in any::<prop::sample::Index>(), in_key in any::<bool>()) {
        let sealers = Sealers::new();
        let mut sealed = sealers.bodies.seal(&body).unwrap();
        let bytes = if in_key { &mut sealed.wrapped_key } else { &mut sealed.sealed };
        let bit = at.index(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(sealers.bodies.open(sealed.id, &sealed.wrapped_key, &sealed.sealed).is_err());
    }
}
