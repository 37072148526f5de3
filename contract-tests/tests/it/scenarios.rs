//! The scenarios of `cargo xtask prove`, small.

use std::time::Duration;

use lienthong_contract_tests::scenarios::{
    agreement, ambiguity, catalogue, database, hostile, kills, overload, poison, power_cut, replicas, rotation, slow,
    tampering,
};

#[tokio::test(flavor = "multi_thread")]
async fn after_ten_kills_every_acknowledged_message_has_taken_effect_once_and_in_order() {
    let report = kills::run(10, 7).await.unwrap();
    assert!(report.verdict.is_exact(), "{report:?}");
    assert!(report.verdict.messages >= 10 * 60 * 8);
    assert!(report.slowest_start <= Duration::from_secs(3), "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_take_effect_and_then_time_out_neither_lose_nor_double_anything() {
    let report = ambiguity::exact(800, 7).await.unwrap();
    assert!(report.verdict.is_exact(), "{report:?}");
    assert!(report.ambiguous > 100, "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_repeated_steps_are_kept_each_ambiguous_step_stands_parked_and_no_other() {
    let report = ambiguity::parked(400, 7).await.unwrap();
    assert!(report.verdict.is_exact(), "{report:?}");
    assert!(report.ambiguous > 20, "{report:?}");
    assert_eq!(report.parked, report.ambiguous, "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poison_dossier_parks_its_own_lane_and_its_dead_letter_names_field_and_reason() {
    let report = poison::run(300, 100).await.unwrap();
    assert_eq!(report.poisoned, 3);
    assert!(report.verdict.is_exact(), "{report:?}");
    let sync = report.dead_letter.unwrap();
    assert_eq!(sync["status"], "dead");
    assert_eq!(sync["problem"]["kind"], "rejected");
    assert!(sync["problem"]["reason"]["vi"].as_str().unwrap().contains("GhiChu"), "{sync}");
    assert!(sync["problem"]["reason"]["vi"].as_str().unwrap().contains("vượt quá 2000 ký tự"), "{sync}");
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_are_killed_and_paused_lose_and_double_nothing_and_keep_one_log() {
    let report = replicas::run(400, 8, 7).await.unwrap();
    report.check().unwrap_or_else(|error| panic!("{error}\n{report:?}"));
    assert_eq!(report.kills + report.pauses, 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_database_is_away_requests_are_given_back_and_nothing_acknowledged_is_lost() {
    let report = database::run(200, 3, 7).await.unwrap();
    report.check().unwrap_or_else(|error| panic!("{error}\n{report:?}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn five_times_too_much_loses_nothing_and_most_of_what_can_be_done_is_done() {
    let volume = overload::Volume { places: 16, rounds: 1, lasting: Duration::from_secs(3) };
    let found = overload::overload(&volume).await.unwrap();
    assert_eq!(found.lost, 0, "{found:?}");
    assert!(found.acknowledged > 500 && found.most_memory_mib < 512, "{found:?}");
    // How much is for `cargo xtask prove overload`: without the wait for a place it was a twentieth.
    assert!(found.ratio() > 0.25, "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_and_certificates_change_every_second_and_no_request_fails() {
    let lasting = Duration::from_secs(8);
    let report = rotation::run(4, lasting).await.unwrap();
    report.check(lasting).unwrap_or_else(|error| panic!("{error}"));
    assert!(report.requests > 50 && report.tokens > 10, "{} requests prove nothing", report.requests);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_honest_client_goes_on_beside_many_slow_connections() {
    if std::process::Command::new("slowhttptest").arg("-h").output().is_err() {
        println!("skipped: slowhttptest is not installed (Debian: apt-get install slowhttptest)");
        return;
    }
    let volume = slow::Volume {
        connections: 300,
        header_ms: 1000,
        body_ms: 1500,
        write_ms: 1500,
        before: Duration::from_secs(1),
    };
    let report = slow::run(volume).await.unwrap();
    report.found.iter().for_each(|found| println!("{found}"));
    report.check().unwrap();
    assert!(report.found.iter().all(|found| found.most_held >= 50), "there were not many");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_tampered_with_is_found_out_and_the_first_wrong_record_is_named() {
    let report = tampering::run(2).await.unwrap();
    report.check().unwrap_or_else(|error| panic!("{error}\n{report:?}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_power_cut_leaves_every_acknowledged_dossier_is_in_it_and_the_log_verifies() {
    let volume = power_cut::Volume { sessions: 2, accepts: 160, cuts: 80, starts: 2, seed: 7 };
    let report = power_cut::run(&volume).await.unwrap();
    report.check().unwrap_or_else(|error| panic!("{error}\n{report:?}"));
    assert!(report.acknowledged == 320 && report.cuts == 80 && report.starts >= 2, "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn exactly_the_differences_that_were_put_in_are_found_although_the_gateway_is_killed() {
    let report = agreement::run(3_000, 7).await.unwrap();
    report.check().unwrap_or_else(|error| panic!("{error}\n{report:?}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_stranger_puts_into_a_message_is_refused_and_costs_no_memory() {
    let report = hostile::run(hostile::Volume { rounds: 2, file_bytes: 2_000_000 }).await.unwrap();
    report.check().unwrap_or_else(|error| panic!("{error}\n{report:?}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_catalogue_is_copied_with_few_calls_and_what_is_there_is_not_asked_for_again_after_a_kill() {
    let report = catalogue::run(400, 7).await.unwrap();
    report.check().unwrap();
}
