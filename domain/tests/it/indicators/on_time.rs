//! Indicator 2.1 by hand: each row is a dossier in a few words, when it ended and by what, the seconds subtracted for a
//! supplement, and the verdict.

use lienthong_domain::indicators::{Counting, EndedBy, Indicator, Reason};

use super::{march, told, words};

/// What is told of the dossier, then `verdict; ended by, when; seconds subtracted`.
pub(super) type Row = (&'static str, &'static str, &'static str);

/// Rows that begin with `…` were received on Monday 2 March at 08:00 and are due on Thursday 12 at 17:00.
#[rustfmt::skip]
pub(super) const ROWS: &[Row] = &[
    // Finished, against the due time, to the second.
    ("finished a minute early", "…finished 12 16:59", "met; finished 3/12 16:59:00; 0"),
    ("finished in the second it is due", "…finished 12 17:00:00", "met; finished 3/12 17:00:00; 0"),
    ("finished one second late", "…finished 12 17:00:01", "costs finished_late; finished 3/12 17:00:01; 0"),
    ("parts of a second are not on the wire", "…finished 12 17:00:00.999999", "met; finished 3/12 17:00:00; 0"),
    ("nor are those of the due time", "received 2 08:00; due 12 17:00:00.2; finished 12 17:00:00.9", "met; finished 3/12 17:00:00; 0"),
    ("finished before it was received", "…finished 1 08:00", "met; finished 3/1 08:00:00; 0"),
    ("finished after the period, but not late", "received 2 08:00; due 4/5 17:00; finished 4/2 17:00", "met; finished 4/2 17:00:00; 0"),
    ("finished after the period, and late", "received 2 08:00; due 31 17:00; finished 4/2 17:00", "costs finished_late; finished 4/2 17:00:00; 0"),
    // State 9, else 10, else the last of 8, 3 and 7.
    ("finished early, handed over late: finished counts", "…finished 12 16:00; returned 20 09:00", "met; finished 3/12 16:00:00; 0"),
    ("handed over before it was finished: finished counts", "…returned 10 09:00; finished 13 09:00", "costs finished_late; finished 3/13 09:00:00; 0"),
    ("only handed over, early", "…returned 12 17:00", "met; result_returned 3/12 17:00:00; 0"),
    ("only handed over, late", "…returned 12 17:00:01", "costs finished_late; result_returned 3/12 17:00:01; 0"),
    ("finished twice: the last counts", "…finished 10 09:00; processing 11 09:00; finished 13 09:00", "costs finished_late; finished 3/13 09:00:00; 0"),
    ("finished twice, both early", "…finished 10 09:00; finished 11 09:00", "met; finished 3/11 09:00:00; 0"),
    ("finished twice, told the other way round", "…finished 13 09:00; finished 10 09:00", "costs finished_late; finished 3/13 09:00:00; 0"),
    ("handed over twice: the last counts", "…returned 10 09:00; returned 13 09:00", "costs finished_late; result_returned 3/13 09:00:00; 0"),
    ("finished, then a duty is asked for: the end stands", "…finished 10 09:00; duty 11 09:00", "met; finished 3/10 09:00:00; 0"),
    ("stopped early", "…stopped 12 17:00", "met; stopped 3/12 17:00:00; 0"),
    ("stopped late", "…stopped 12 17:00:01", "costs finished_late; stopped 3/12 17:00:01; 0"),
    ("not accepted early", "…not_accepted 3 08:00", "met; not_accepted 3/3 08:00:00; 0"),
    ("not accepted late", "…not_accepted 13 08:00", "costs finished_late; not_accepted 3/13 08:00:00; 0"),
    ("stopped, later not accepted: the last", "…stopped 5 08:00; not_accepted 13 08:00", "costs finished_late; not_accepted 3/13 08:00:00; 0"),
    ("not accepted, later stopped: the last", "…not_accepted 5 08:00; stopped 13 08:00", "costs finished_late; stopped 3/13 08:00:00; 0"),
    ("stopped, then taken up again and never finished: the stop stands", "…stopped 5 08:00; processing 6 08:00", "met; stopped 3/5 08:00:00; 0"),
    ("stopped, then finished late: finished counts", "…stopped 5 08:00; finished 13 08:00", "costs finished_late; finished 3/13 08:00:00; 0"),
    ("handed over early, then stopped late: handed over counts", "…returned 5 08:00; stopped 13 08:00", "met; result_returned 3/5 08:00:00; 0"),
    ("withdrawn after receipt, early", "…withdrawn 3 08:00", "met; withdrawn_by_citizen 3/3 08:00:00; 0"),
    ("withdrawn after receipt, late", "…withdrawn 13 08:00", "costs finished_late; withdrawn_by_citizen 3/13 08:00:00; 0"),
    ("withdrawn in the second of receipt", "…withdrawn 2 08:00:00", "met; withdrawn_by_citizen 3/2 08:00:00; 0"),
    ("withdrawn in that second, receipt told more finely", "received 2 08:00:00.7; due 12 17:00; withdrawn 2 08:00:00.1", "met; withdrawn_by_citizen 3/2 08:00:00; 0"),
    ("withdrawn a second before receipt is no end", "…withdrawn 2 07:59:59; processing 3 08:00", "costs unfinished_after_due; period end 3/31 23:59:59; 0"),
    ("withdrawn before receipt, then finished", "…withdrawn 1 08:00; finished 10 09:00", "met; finished 3/10 09:00:00; 0"),
    ("stopped, then withdrawn late: the last", "…stopped 5 08:00; withdrawn 13 08:00", "costs finished_late; withdrawn_by_citizen 3/13 08:00:00; 0"),
    // Not ended: the last second of the period.
    ("unfinished, long due", "…processing 3 08:00", "costs unfinished_after_due; period end 3/31 23:59:59; 0"),
    ("nothing told of its states", "…", "costs unfinished_after_due; period end 3/31 23:59:59; 0"),
    ("unfinished, due in the last second", "received 2 08:00; due 31 23:59:59", "met; period end 3/31 23:59:59; 0"),
    ("unfinished, due a second before", "received 2 08:00; due 31 23:59:58", "costs unfinished_after_due; period end 3/31 23:59:59; 0"),
    ("unfinished, due next month", "received 2 08:00; due 4/1 00:00", "met; period end 3/31 23:59:59; 0"),
    ("a duty asked for is no end", "…duty 5 08:00", "costs unfinished_after_due; period end 3/31 23:59:59; 0"),
    // One request for a supplement, and nothing after it.
    ("one open request, early", "…processing 4 09:00; supplement 5 09:00", "met; supplement request 3/5 09:00:00; 0"),
    ("one open request in the second it is due", "…supplement 12 17:00", "met; supplement request 3/12 17:00:00; 0"),
    ("one open request a second late", "…supplement 12 17:00:01", "costs supplement_requested_late; supplement request 3/12 17:00:01; 0"),
    ("what has the same second is not after it", "…supplement 5 09:00; processing 5 09:00", "met; supplement request 3/5 09:00:00; 0"),
    ("nor what is half a second later", "…supplement 5 09:00:00; processing 5 09:00:00.5", "met; supplement request 3/5 09:00:00; 0"),
    // 31 23:59:59 less 1 s is after 12 17:00.
    ("a second later is after it", "…supplement 5 09:00:00; processing 5 09:00:01", "costs unfinished_after_due; period end 3/31 23:59:59; 1"),
    ("finished before the request: finished counts", "…finished 10 09:00; supplement 20 09:00", "met; finished 3/10 09:00:00; 0"),
    ("an open request whose round was completed subtracts nothing", "…supplement 13 09:00; round 13 09:00 > 15 09:00", "costs supplement_requested_late; supplement request 3/13 09:00:00; 0"),
    // More than one request is late, whatever else.
    ("two requests, finished early", "…supplement 4 09:00; processing 5 09:00; supplement 6 09:00; finished 9 09:00", "costs second_supplement_request; finished 3/9 09:00:00; 345600"), // 4→5: 1 d; 6→9: 3 d
    ("two requests one second apart", "…supplement 4 09:00:00; supplement 4 09:00:01; finished 4 09:00:02", "costs second_supplement_request; finished 3/4 09:00:02; 3"), // 2 s + 1 s
    ("two entries in one second are one request", "…supplement 4 09:00:00; supplement 4 09:00:00.4", "met; supplement request 3/4 09:00:00; 0"),
    ("the same, then finished", "…supplement 4 09:00; supplement 4 09:00; finished 10 09:00", "met; finished 3/10 09:00:00; 518400"), // 4→10: 6 d
    ("two requests, and no time limit known", "received 2 08:00; supplement 4 09:00; supplement 5 09:00", "costs second_supplement_request; period end 3/31 23:59:59; 0"),
    ("two rounds in the list are not two requests", "…round 4 09:00 > 5 09:00; round 6 09:00 > 7 09:00; finished 14 17:00", "met; finished 3/14 17:00:00; 172800"), // 1 d + 1 d; 14 − 2 d = 12
    // The supplement is subtracted: 5 → 9 March is 4 d = 345600 s.
    ("late by as much as the supplement took", "…supplement 5 09:00; processing 9 09:00; finished 16 17:00; round 5 09:00 > 9 09:00", "met; finished 3/16 17:00:00; 345600"), // 16 − 4 d = 12 17:00:00
    ("and one second more", "…supplement 5 09:00; processing 9 09:00; finished 16 17:00:01; round 5 09:00 > 9 09:00", "costs finished_late; finished 3/16 17:00:01; 345600"),
    ("where no round is told, the history tells it", "…supplement 5 09:00; processing 9 09:00; finished 16 17:00", "met; finished 3/16 17:00:00; 345600"),
    ("the next entry of another state ends it", "…supplement 5 09:00; duty 6 09:00; processing 9 09:00; finished 13 17:00", "met; finished 3/13 17:00:00; 86400"), // 13 − 1 d = 12
    ("a round tells it better than the history", "…supplement 5 09:00; processing 9 09:00; finished 16 17:00; round 5 09:00 > 8 09:00", "costs finished_late; finished 3/16 17:00:00; 259200"), // 16 − 3 d = 13
    ("a round that is awaited subtracts nothing", "…supplement 5 09:00; processing 9 09:00; finished 16 17:00; round 5 09:00 > -", "costs finished_late; finished 3/16 17:00:00; 0"),
    ("rounds are summed", "…supplement 5 09:00; finished 15 17:00; round 5 09:00 > 6 09:00; round 7 09:00 > 9 09:00", "met; finished 3/15 17:00:00; 259200"), // 1 d + 2 d; 15 − 3 d = 12
    ("completed before it was asked for adds the difference", "…supplement 9 09:00; finished 8 17:00; round 9 09:00 > 5 09:00", "met; finished 3/8 17:00:00; -345600"), // 8 + 4 d = 12 17:00:00
    ("and one second more is late", "…supplement 9 09:00; finished 8 17:00:01; round 9 09:00 > 5 09:00", "costs finished_late; finished 3/8 17:00:01; -345600"),
    ("subtracted though the due time was moved for it", "received 2 08:00; due 16 17:00; supplement 5 09:00; finished 20 17:00; round 5 09:00 > 9 09:00", "met; finished 3/20 17:00:00; 345600"), // 20 − 4 d = 16
    // 31 23:59:59 − 4 d = 27 23:59:59.
    ("unfinished with a supplement, due as late as that", "received 2 08:00; due 27 23:59:59; supplement 5 09:00; processing 9 09:00", "met; period end 3/31 23:59:59; 345600"),
    ("unfinished with a supplement, due a second before", "received 2 08:00; due 27 23:59:58; supplement 5 09:00; processing 9 09:00", "costs unfinished_after_due; period end 3/31 23:59:59; 345600"),
    // A finish time that was sent, without a state.
    ("only a finish time", "…processing 3 08:00; sent 12 17:00", "met; finish time 3/12 17:00:00; 0"),
    ("only a finish time, late", "…sent 12 17:00:01", "costs finished_late; finish time 3/12 17:00:01; 0"),
    ("the history is heard before it", "…sent 12 16:00; finished 13 09:00", "costs finished_late; finished 3/13 09:00:00; 0"),
    ("so is a stop", "…sent 13 09:00; stopped 10 09:00", "met; stopped 3/10 09:00:00; 0"),
    ("so is one open request", "…sent 20 09:00; supplement 5 09:00", "met; supplement request 3/5 09:00:00; 0"),
    // No due time: Monday 2 08:00 + 3 working days of 8 h: 7.5 h on Monday, 8 on Tuesday, 8 on Wednesday, 0.5 on Thursday.
    ("in the last second of the legal time", "received 2 08:00; limit 3 working days; finished 5 08:00", "met; finished 3/5 08:00:00; 0"),
    ("a second beyond the legal time", "received 2 08:00; limit 3 working days; finished 5 08:00:01", "costs beyond_legal_time; finished 3/5 08:00:01; 0"),
    ("finished before receipt, without a due time", "received 2 08:00; limit 1 working days; finished 1 08:00", "met; finished 3/1 08:00:00; 0"),
    // Asked on Tuesday 08:00, came on Wednesday 08:00: 7.5 h + 0.5 h of office time, so Friday 08:00.
    ("a supplement stops the legal time", "received 2 08:00; limit 3 working days; supplement 3 08:00; processing 4 08:00; finished 6 08:00", "met; finished 3/6 08:00:00; 86400"),
    ("but no longer", "received 2 08:00; limit 3 working days; supplement 3 08:00; processing 4 08:00; finished 6 08:00:01", "costs beyond_legal_time; finished 3/6 08:00:01; 86400"),
    // From Friday 6 17:30 to Monday 9 07:30 is 62 h, none of it office time. 40 h from Monday 2 08:00: 7.5 + 4 × 8 + 0.5, so Monday 9 08:00.
    ("a supplement over the week-end stops no office time", "received 2 08:00; limit 5 working days; supplement 6 17:30; processing 9 07:30; finished 9 08:00:01", "costs beyond_legal_time; finished 3/9 08:00:01; 223200"),
    // 4 h: 3.5 h until 11:30, 0.5 h from 13:30.
    ("hours of office time", "received 2 08:00; limit 4 hours; finished 2 14:00", "met; finished 3/2 14:00:00; 0"),
    ("a second beyond them", "received 2 08:00; limit 4 hours; finished 2 14:00:01", "costs beyond_legal_time; finished 3/2 14:00:01; 0"),
    // 5 days end on Saturday 7, so on Monday 9 at closing.
    ("calendar days roll to a working day", "received 2 08:00; limit 5 days; finished 9 17:30", "met; finished 3/9 17:30:00; 0"),
    ("a second after its closing", "received 2 08:00; limit 5 days; finished 9 17:30:01", "costs beyond_legal_time; finished 3/9 17:30:01; 0"),
    ("a month ends with its office day", "received 2 08:00; limit 1 months; finished 4/2 17:30", "met; finished 4/2 17:30:00; 0"),
    ("unfinished within the legal time", "received 2 08:00; limit 40 working days; processing 3 08:00", "met; period end 3/31 23:59:59; 0"),
    ("unfinished beyond the legal time", "received 2 08:00; limit 3 working days; processing 3 08:00", "costs beyond_legal_time; period end 3/31 23:59:59; 0"),
    ("one open request within the legal time", "received 2 08:00; limit 3 working days; supplement 4 09:00", "met; supplement request 3/4 09:00:00; 0"),
    ("one open request beyond it", "received 2 08:00; limit 3 working days; supplement 6 09:00", "costs beyond_legal_time; supplement request 3/6 09:00:00; 0"),
    ("completed an hour before it was asked for, without a due time", "received 2 08:00; limit 3 working days; finished 5 07:00; round 3 10:00 > 3 09:00", "met; finished 3/5 07:00:00; -3600"), // 07:00 + 1 h = 08:00
    ("and a second more", "received 2 08:00; limit 3 working days; finished 5 07:00:01; round 3 10:00 > 3 09:00", "costs beyond_legal_time; finished 3/5 07:00:01; -3600"),
    ("a due time is heard before the legal time", "…limit 1 working days; finished 12 17:00", "met; finished 3/12 17:00:00; 0"),
    ("a late one too", "received 2 08:00; due 3 17:00; limit 40 working days; finished 4 08:00", "costs finished_late; finished 3/4 08:00:00; 0"),
    ("neither is known", "received 2 08:00; finished 5 08:00", "undecided time_limit_unknown; finished 3/5 08:00:00; 0"),
    ("a legal time of nothing is none", "received 2 08:00; limit 0 working days; finished 5 08:00", "undecided time_limit_unknown; finished 3/5 08:00:00; 0"),
];

pub(super) fn dossier_of(row: &Row) -> lienthong_domain::indicators::HeldDossier {
    told(&row.1.replace('…', "received 2 08:00; due 12 17:00; "))
}

#[test]
fn each_row_is_as_computed_by_hand() {
    let mut wrong = Vec::new();
    for row in ROWS {
        let judgement = march().judge(&dossier_of(row));
        let found = judgement.punctuality().expect("it was received in March");
        let by = match found.end.by {
            EndedBy::State(state) => state.to_string(),
            EndedBy::SupplementRequest => "supplement request".into(),
            EndedBy::FinishTime => "finish time".into(),
            EndedBy::PeriodEnd => "period end".into(),
        };
        let when = found.end.at.in_vietnam().strftime("%-m/%-d %T");
        let text = format!("{}; {by} {when}; {}", words(found.verdict), found.supplement_seconds);
        if text != row.2 {
            wrong.push(format!("{}\n  expected {}\n  found    {text}", row.0, row.2));
        }
        assert_eq!(judgement.verdict(Indicator::OnTime), found.verdict, "{}", row.0);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(ROWS.len() >= 60, "{} rows", ROWS.len());
}

#[test]
fn a_dossier_is_counted_by_the_second_of_its_receipt() {
    let counting = |text: &str| march().judge(&told(text)).counting();
    for (text, expected) in [
        ("received 2/28 23:59:59.999999", Counting::OutsideOfPeriod),
        ("received 1 00:00:00", Counting::Counted),
        ("received 31 23:59:59.999999", Counting::Counted),
        ("received 4/1 00:00:00", Counting::OutsideOfPeriod),
        ("finished 5 08:00; due 6 08:00", Counting::NotReceived),
    ] {
        assert_eq!(counting(text), expected, "{text}");
    }
}

#[test]
fn a_dossier_without_a_time_of_receipt_costs_sync_rate_if_its_states_say_it_was_received_in_the_period() {
    for (text, costs) in [
        ("processing 5 08:00; finished 6 08:00", true),
        ("registered 1 08:00; received 2 08:00", true),
        ("registered 5 08:00", false),
        ("registered 5 08:00; withdrawn 6 08:00", false),
        ("not_accepted 6 08:00", false),
        ("received 2/20 08:00; finished 5 08:00", false), // received in February
        ("", false),
    ] {
        // `received` is a word for the time of receipt; here it is a state.
        let mut dossier = told(&text.replace("received", "processing"));
        dossier.received_at = None;
        let found: Vec<_> = march().judge(&dossier).costs().map(|cost| (cost.indicator, cost.reason)).collect();
        let expected = [(Indicator::SyncRate, Reason::ReceiptTimeMissing)];
        assert_eq!(found, if costs { &expected[..] } else { &[] }, "{text}");
    }
}

#[test]
fn what_is_not_counted_is_in_no_indicator() {
    for text in ["received 2/20 08:00; due 3 08:00; finished 20 08:00", "due 3 08:00; finished 4/20 08:00"] {
        let judgement = march().judge(&told(text));
        assert_eq!(judgement.punctuality(), None);
        for indicator in Indicator::JUDGED {
            assert_eq!(words(judgement.verdict(indicator)), "not concerned", "{text}: {indicator}");
        }
        assert_eq!(judgement.costs().count(), 0, "{text}");
    }
}
