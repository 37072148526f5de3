//! What goes wrong with one message on the way: repeats, meetings, cuts, the wrong order.

use std::time::Duration;

use lienthong_sandbox::{Cut, Hold, ProvinceSettings, SendingFaults, SendingState};

use crate::province::{NATIONAL, Say, new_dossier, portal_and_province, supplement};

const OTHER: &str = "G22.99-261121-000002";

fn cut(cut: Cut, cut_attempts: u32) -> SendingFaults {
    SendingFaults { cut: Some(cut), cut_attempts, ..SendingFaults::default() }
}

#[tokio::test]
async fn a_message_can_be_delivered_several_times_though_it_was_acknowledged() {
    let (sandbox, province) = portal_and_province([Say::Code(0), Say::Code(1), Say::Text(502, "")]).await;
    let faults = SendingFaults { times: 3, ..SendingFaults::default() };
    let id = sandbox.send(new_dossier(NATIONAL).with_faults(faults)).unwrap();
    let sent = sandbox.settled(id).await.unwrap();
    let deliveries: Vec<u32> = sent.attempts.iter().map(|attempt| attempt.delivery).collect();
    assert_eq!(deliveries, [1, 2, 3, 3]);
    let bodies = province.bodies();
    assert!(bodies.iter().all(|body| *body == bodies[0]));
}

#[tokio::test]
async fn several_deliveries_can_begin_at_once() {
    let (sandbox, province) = portal_and_province(vec![Say::Silence; 5]).await;
    sandbox.set_province(Some(ProvinceSettings { timeout_ms: 1_000, attempts: 1, ..province.settings() }));
    let faults = SendingFaults { times: 5, at_once: true, ..SendingFaults::default() };
    let id = sandbox.send(new_dossier(NATIONAL).with_faults(faults)).unwrap();
    let sent = sandbox.settled(id).await.unwrap();
    assert_eq!((sent.state, sent.attempts.len()), (SendingState::GivenUp, 5));
    let received = province.received();
    assert_eq!(received.len(), 5, "none waited for the answer to another");
    assert!(received[4].at - received[0].at < Duration::from_millis(900));
}

#[tokio::test]
async fn two_messages_can_begin_at_the_same_moment() {
    let (sandbox, province) = portal_and_province([Say::Silence, Say::Silence]).await;
    sandbox.set_province(Some(ProvinceSettings { timeout_ms: 1_000, attempts: 1, ..province.settings() }));
    let ids = sandbox.send_together(vec![new_dossier(NATIONAL), new_dossier(OTHER)]).unwrap();
    for id in ids {
        assert_eq!(sandbox.settled(id).await.unwrap().state, SendingState::GivenUp);
    }
    let received = province.received();
    assert!(received[1].at - received[0].at < Duration::from_millis(900));
}

#[tokio::test]
async fn of_messages_sent_together_all_are_taken_or_none() {
    let (sandbox, _province) = portal_and_province([]).await;
    let mistakes = sandbox.send_together(vec![new_dossier(NATIONAL), new_dossier("")]).unwrap_err();
    assert!(mistakes.starts_with("message 2:"), "{mistakes}");
    assert!(sandbox.outgoing().is_empty() && sandbox.portal_born(NATIONAL).is_none());
    assert!(sandbox.send_together(vec![new_dossier(NATIONAL), supplement(NATIONAL)]).is_ok());
}

#[tokio::test]
async fn a_cut_before_the_answer_is_read_leaves_the_province_with_a_message_that_comes_again() {
    let (sandbox, province) = portal_and_province([Say::Code(0), Say::Code(1)]).await;
    let id = sandbox.send(new_dossier(NATIONAL).with_faults(cut(Cut::WhenAnswered, 1))).unwrap();
    let sent = sandbox.settled(id).await.unwrap();
    assert_eq!(sent.state, SendingState::Delivered);
    let told: Vec<_> = sent.attempts.iter().map(|attempt| (attempt.was_cut, attempt.answer.status)).collect();
    assert_eq!(told, [(true, None), (false, Some(200))]);
    assert!(sent.attempts[0].answer.message.contains("cut"));
    let bodies = province.bodies();
    assert_eq!(bodies.len(), 2);
    assert_eq!(bodies[0], bodies[1]);
}

#[tokio::test]
async fn when_every_attempt_is_cut_the_portal_gives_up_and_the_province_has_it() {
    let (sandbox, province) = portal_and_province([]).await;
    let id = sandbox.send(new_dossier(NATIONAL).with_faults(cut(Cut::WhenAnswered, 9))).unwrap();
    assert_eq!(sandbox.settled(id).await.unwrap().state, SendingState::GivenUp);
    assert_eq!(province.received().len(), 3);
}

#[tokio::test]
async fn a_cut_when_the_request_is_written_does_not_wait_for_the_province() {
    let (sandbox, _province) = portal_and_province([Say::Silence]).await;
    let id = sandbox.send(new_dossier(NATIONAL).with_faults(cut(Cut::WhenWritten, 1))).unwrap();
    let sent = sandbox.settled(id).await.unwrap();
    assert!(sent.attempts[0].took_ms < 1_000);
    assert!(sent.attempts[0].was_cut && sent.attempts.len() >= 2);
}

#[tokio::test]
async fn a_cut_waits_no_longer_than_the_patience_of_an_attempt() {
    let (sandbox, province) = portal_and_province([Say::Silence]).await;
    sandbox.set_province(Some(ProvinceSettings { timeout_ms: 200, ..province.settings() }));
    let id = sandbox.send(new_dossier(NATIONAL).with_faults(cut(Cut::WhenAnswered, 1))).unwrap();
    let sent = sandbox.settled(id).await.unwrap();
    assert_eq!(sent.attempts[0].answer.message, "no answer in time");
    assert_eq!(sent.state, SendingState::Delivered);
}

#[tokio::test]
async fn a_supplement_can_arrive_before_its_dossier() {
    let (sandbox, province) = portal_and_province([]).await;
    let held = SendingFaults { hold: Hold::UntilReleased, ..SendingFaults::default() };
    let first = sandbox.send(new_dossier(NATIONAL).with_faults(held)).unwrap();
    assert!(sandbox.portal_born(NATIONAL).is_some(), "the citizen has made it");
    let second = sandbox.send(supplement(NATIONAL)).unwrap();
    assert_eq!(sandbox.settled(second).await.unwrap().state, SendingState::Delivered);
    assert_eq!(sandbox.outgoing()[0].state, SendingState::Held);
    assert!(sandbox.release(&[first]));
    assert_eq!(sandbox.settled(first).await.unwrap().state, SendingState::Delivered);
    let order: Vec<bool> = province.bodies().iter().map(|body| body["isUpdating"].as_bool().unwrap()).collect();
    assert_eq!(order, [true, false]);
    assert!(!sandbox.release(&[99]), "there is no such message");
}

#[tokio::test]
async fn a_message_can_be_held_back_for_a_time() {
    let (sandbox, province) = portal_and_province([]).await;
    let held = SendingFaults { hold: Hold::ForMs(300), ..SendingFaults::default() };
    let ids = sandbox.send_together(vec![new_dossier(NATIONAL).with_faults(held), supplement(NATIONAL)]).unwrap();
    for id in ids {
        sandbox.settled(id).await.unwrap();
    }
    assert_eq!(province.bodies()[0]["isUpdating"], true);
}

#[tokio::test]
async fn stopping_the_sandbox_ends_what_is_held() {
    let (sandbox, province) = portal_and_province([]).await;
    let held = SendingFaults { hold: Hold::ForMs(300), ..SendingFaults::default() };
    sandbox.send(new_dossier(NATIONAL).with_faults(held)).unwrap();
    sandbox.stop().await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(province.received().is_empty());
}
