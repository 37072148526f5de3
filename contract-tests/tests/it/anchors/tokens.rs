//! Time stamps of OpenSSL's authority: those that are right are believed, the others are not.

use std::process::Command;

use lienthong::audit::cms::{NotSigned, NotStamped, Query, Roots, Stamp, verify_timestamp};
use lienthong_contract_tests::timestamp_authority::{Signer, TimestampAuthority, changed, openssl, with_policy};
use lienthong_domain::time::{Clock, SystemClock, Timestamp};

const HEAD: &[u8] = b"gateway.h15.example/audit/2026h2\n3\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";

fn roots(authority: &TimestampAuthority) -> Roots {
    Roots::read(&authority.roots()).unwrap()
}

fn around_now() -> (Timestamp, Timestamp) {
    let now = SystemClock.now();
    (now.plus_millis(-60_000), now.plus_millis(60_000))
}

fn read(query: &Query, answer: &[u8], roots: &Roots) -> Result<Stamp, NotStamped> {
    let (from, to) = around_now();
    query.read(answer, roots, from, to)
}

#[test]
fn what_openssl_stamps_is_believed_with_its_time_and_its_authority() {
    for signer in [Signer::Rsa, Signer::Ecdsa] {
        let authority = TimestampAuthority::new(signer).unwrap();
        let query = Query::new(HEAD);
        let answer = authority.answer(&query.to_der()).unwrap();
        let stamp = read(&query, &answer, &roots(&authority)).unwrap();
        assert_eq!(stamp.by, "Tổ chức cấp dấu thời gian thử", "{signer:?}");
        assert!(stamp.at.micros() % 1_000_000 != 0 || stamp.at.micros() % 1000 == 0, "parts of a second are read");
        assert_eq!(verify_timestamp(&answer, HEAD, &roots(&authority)).unwrap(), stamp);
        // OpenSSL reads our query as it was meant, and believes the same answer.
        let (data, reply) = (authority.file("head"), authority.file("kept.tsr"));
        std::fs::write(&data, HEAD).unwrap();
        std::fs::write(&reply, &answer).unwrap();
        let said =
            openssl(Command::new("openssl").args(["ts", "-query", "-text", "-in"]).arg(authority.file("query.tsq")));
        let said = said.unwrap();
        assert!(said.contains("sha256") && said.contains("Certificate required: yes"), "{said}");
        let mut judge = Command::new("openssl");
        judge.args(["ts", "-verify", "-data"]).arg(&data).arg("-in").arg(&reply);
        openssl(judge.arg("-CAfile").arg(authority.roots())).unwrap();
    }
}

#[test]
fn an_answer_to_another_question_about_other_bytes_or_at_another_time_is_no_stamp_of_this_head() {
    let authority = TimestampAuthority::new(Signer::Ecdsa).unwrap();
    let (roots, query) = (roots(&authority), Query::new(HEAD));
    let asked = query.to_der();
    let answer = |asked: &[u8]| authority.answer(asked).unwrap();
    let other_nonce = answer(&changed(&asked, asked.len() - 5));
    assert_eq!(read(&query, &other_nonce, &roots), Err(NotStamped::OtherNonce));
    let other_bytes = answer(&changed(&asked, 30));
    assert_eq!(read(&query, &other_bytes, &roots), Err(NotStamped::OtherImprint));
    assert_eq!(verify_timestamp(&answer(&asked), b"other bytes", &roots), Err(NotStamped::OtherImprint));
    assert_eq!(read(&query, &answer(&with_policy(&asked)), &roots), Err(NotStamped::Refused(2)));
    let (from, to) = around_now();
    for (from, to) in [(from.plus_millis(-7_200_000), from), (to, to.plus_millis(7_200_000))] {
        let found = query.read(&answer(&asked), &roots, from, to);
        assert!(matches!(found, Err(NotStamped::OtherTime { .. })), "{found:?}");
    }
}

#[test]
fn a_stamp_of_nobody_who_is_trusted_or_of_a_certificate_that_had_ended_is_not_believed() {
    let (authority, other) =
        (TimestampAuthority::new(Signer::Ecdsa).unwrap(), TimestampAuthority::new(Signer::Ecdsa).unwrap());
    let query = Query::new(HEAD);
    let answer = authority.answer(&query.to_der()).unwrap();
    let untrusted = |found: Result<Stamp, NotStamped>| match found {
        Err(NotStamped::NotSigned(NotSigned::Untrusted { why, .. })) => why,
        other => panic!("{other:?}"),
    };
    let why = untrusted(read(&query, &answer, &roots(&other)));
    // The other root has the same name, and another key.
    assert!(why.contains("InvalidSignature"), "{why}");
    let expired = TimestampAuthority::new(Signer::Expired).unwrap();
    let answer = expired.answer(&query.to_der()).unwrap();
    let why = untrusted(read(&query, &answer, &roots(&expired)));
    assert!(why.contains("Expired"), "{why}");
}

/// The signed content of a stamp, signed anew as OpenSSL signs messages.
fn signed_anew(authority: &TimestampAuthority, answer: &[u8], more: &[&str]) -> Vec<u8> {
    let file = |name: &str| authority.file(name);
    std::fs::write(file("reply.tsr"), answer).unwrap();
    let mut token = Command::new("openssl");
    token.args(["ts", "-reply", "-token_out", "-in"]).arg(file("reply.tsr")).arg("-out").arg(file("token.der"));
    openssl(&mut token).unwrap();
    let mut content = Command::new("openssl");
    content.args(["cms", "-verify", "-noverify", "-inform", "DER", "-in"]).arg(file("token.der"));
    openssl(content.arg("-out").arg(file("content.der"))).unwrap();
    let mut sign = Command::new("openssl");
    sign.args(["cms", "-sign", "-binary", "-nodetach", "-outform", "DER", "-md", "sha256"]).args(more);
    sign.args(["-econtent_type", "1.2.840.113549.1.9.16.1.4", "-nosmimecap", "-in"]).arg(file("content.der"));
    sign.arg("-certfile").arg(file("between.pem")).arg("-out").arg(file("anew.der"));
    openssl(&mut sign).unwrap();
    let token = std::fs::read(file("anew.der")).unwrap();
    encoded(0x30, &[&[0x30, 3, 2, 1, 0], token.as_slice()].concat())
}

fn encoded(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    [&[tag, 0x82, length[0], length[1]], content].concat()
}

#[test]
fn a_certificate_that_is_not_for_time_stamps_alone_or_is_not_named_stamps_nothing() {
    let authority = TimestampAuthority::new(Signer::Ecdsa).unwrap();
    let (roots, query) = (roots(&authority), Query::new(HEAD));
    let answer = authority.answer(&query.to_der()).unwrap();
    let text = |name: &str| authority.file(name).display().to_string();
    let right =
        signed_anew(&authority, &answer, &["-signer", &text("signer.pem"), "-inkey", &text("signer.key"), "-cades"]);
    read(&query, &right, &roots).expect("signed as a stamp is signed");
    let unnamed = signed_anew(&authority, &answer, &["-signer", &text("signer.pem"), "-inkey", &text("signer.key")]);
    assert_eq!(read(&query, &unnamed, &roots), Err(NotStamped::NotSigned(NotSigned::OtherCertificate)));
    let bare =
        signed_anew(&authority, &answer, &["-signer", &text("signer.pem"), "-inkey", &text("signer.key"), "-noattr"]);
    assert!(matches!(read(&query, &bare, &roots), Err(NotStamped::NotSigned(NotSigned::Malformed(_)))));
    // Of the same authority, for anything.
    authority.sign("other", |_| {}).unwrap();
    let other =
        signed_anew(&authority, &answer, &["-signer", &text("other.pem"), "-inkey", &text("other.key"), "-cades"]);
    assert_eq!(read(&query, &other, &roots), Err(NotStamped::NotForTimeStamps("other".into())));
}

/// The outer values of an answer in the form that only BER has: of no length that is told before.
fn of_no_length(der: &[u8], depth: usize) -> Vec<u8> {
    let (header, length) = match der[1] {
        short @ ..0x80 => (2, usize::from(short)),
        long => {
            let bytes = usize::from(long & 0x7f);
            (2 + bytes, der[2..2 + bytes].iter().fold(0, |length, byte| length << 8 | usize::from(*byte)))
        }
    };
    let (value, rest) = der[header..].split_at(length);
    let is_constructed = der[0] & 0x20 != 0;
    let value = match (is_constructed, depth) {
        (true, 1..) => {
            let mut inner = value;
            let mut written = Vec::new();
            while !inner.is_empty() {
                let one = of_no_length(inner, depth - 1);
                written.extend_from_slice(&one);
                inner = &inner[whole(inner)..];
            }
            [&[der[0], 0x80], written.as_slice(), &[0, 0]].concat()
        }
        _ => der[..header + length].to_vec(),
    };
    let _ = rest;
    value
}

/// How long the first value is.
fn whole(der: &[u8]) -> usize {
    match der[1] {
        short @ ..0x80 => 2 + usize::from(short),
        long => {
            let bytes = usize::from(long & 0x7f);
            2 + bytes + der[2..2 + bytes].iter().fold(0, |length, byte| length << 8 | usize::from(*byte))
        }
    }
}

#[test]
fn what_is_written_in_ber_is_read_too() {
    let authority = TimestampAuthority::new(Signer::Rsa).unwrap();
    let (roots, query) = (roots(&authority), Query::new(HEAD));
    let answer = authority.answer(&query.to_der()).unwrap();
    let stamp = read(&query, &answer, &roots).unwrap();
    for depth in 1..=4 {
        let ber = of_no_length(&answer, depth);
        assert_ne!(ber, answer);
        assert_eq!(read(&query, &ber, &roots).as_ref(), Ok(&stamp), "depth {depth}");
    }
}

#[test]
fn a_changed_answer_says_the_same_or_is_not_believed() {
    let authority = TimestampAuthority::new(Signer::Ecdsa).unwrap();
    let (roots, query) = (roots(&authority), Query::new(HEAD));
    let answer = authority.answer(&query.to_der()).unwrap();
    let stamp = read(&query, &answer, &roots).unwrap();
    let (mut refused, mut same) = (0, 0);
    for at in (0..answer.len()).step_by(3) {
        for bit in [1, 0x20, 0x80] {
            let mut other = answer.clone();
            other[at] ^= bit;
            match read(&query, &other, &roots) {
                Ok(found) => {
                    assert_eq!(found, stamp, "byte {at}");
                    same += 1;
                }
                Err(_) => refused += 1,
            }
        }
    }
    // What is signed is most of it; the rest is the certificate's wrapping and what nobody looks at.
    assert!(refused > same * 10, "{refused} refused, {same} the same");
    // Nor does it end anything, whatever it is.
    for length in 0..answer.len() {
        assert!(read(&query, &answer[..length], &roots).is_err());
    }
    let deep = [0x30, 0x80].repeat(30_000);
    assert!(read(&query, &deep, &roots).is_err());
    let deep = [
        &[0x30, 0x80, 0x30, 0x03, 2, 1, 0, 0x30, 0x80, 6, 9, 42, 134, 72, 134, 247, 13, 1, 7, 2, 0xa0, 0x80][..],
        &[0x24, 0x80].repeat(30_000),
    ]
    .concat();
    assert!(read(&query, &deep, &roots).is_err());
}
