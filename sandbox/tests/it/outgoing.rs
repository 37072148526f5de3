//! The portal as a sender: when a message counts as delivered, what is tried again, what is not.

use std::time::Duration;

use lienthong_sandbox::{AnswerKind, Prefix, ProvinceSettings, Sandbox, SendingState, Settings};
use serde_json::json;

use crate::province::{NATIONAL, Province, Say, new_dossier, portal_and_province, supplement};

#[tokio::test]
async fn a_new_dossier_arrives_as_the_reference_says_and_is_held_under_its_national_code() {
    let (sandbox, province) = portal_and_province([]).await;
    let id = sandbox.send(new_dossier(NATIONAL)).unwrap();
    let sent = sandbox.settled(id).await.unwrap();
    assert_eq!(sent.state, SendingState::Delivered);
    assert_eq!((sent.id, sent.code.as_str(), sent.path.as_str()), (1, NATIONAL, "/nhanhsdvcqg"));
    let answer = sent.last_answer.unwrap();
    assert_eq!((answer.kind, answer.status), (AnswerKind::Accepted, Some(200)));
    assert_eq!(answer.message, format!("{NATIONAL}| đã nhận"));

    let received = &province.received()[0];
    assert_eq!((received.method.as_str(), received.path.as_str()), ("POST", "/nhanhsdvcqg"));
    assert_eq!(received.content_type, "application/json");
    let given = json!(new_dossier(NATIONAL).data);
    assert_eq!(received.body, json!({ "service": "NhanHoSoDVCQG", "isUpdating": false, "data": given }));
    assert_eq!(json!(sandbox.portal_born(NATIONAL).unwrap().given), given);
    assert!(sandbox.dossiers().is_empty() && sandbox.ledger().is_empty(), "the ledger is of what the province did");
}

#[tokio::test]
async fn a_supplement_is_an_update_of_a_dossier_that_the_portal_holds() {
    let (sandbox, province) = portal_and_province([]).await;
    let mistake = sandbox.send(supplement(NATIONAL)).unwrap_err();
    assert!(mistake.contains("MaHoSoQG") && mistake.contains(NATIONAL), "{mistake}");
    let dossier = sandbox.send(new_dossier(NATIONAL)).unwrap();
    sandbox.settled(dossier).await.unwrap();
    let mut more = supplement(NATIONAL);
    more.is_sync = Some(true);
    let id = sandbox.send(more).unwrap();
    assert_eq!(sandbox.settled(id).await.unwrap().state, SendingState::Delivered);
    let body = &province.bodies()[1];
    assert_eq!((&body["isUpdating"], &body["isSync"]), (&json!(true), &json!(true)));
    assert_eq!(body["data"]["LyDoDieuChinh"], "Sửa tên");
    let born = sandbox.portal_born(NATIONAL).unwrap();
    assert_eq!(born.supplements, [supplement(NATIONAL).data]);
    assert_eq!(born.given, new_dossier(NATIONAL).data);
}

#[tokio::test]
async fn the_same_code_with_other_content_is_sent_and_the_portal_keeps_the_first() {
    let (sandbox, province) = portal_and_province([]).await;
    for summary in ["một", "hai"] {
        let id = sandbox.send(new_dossier(NATIONAL).with("ThongTinKhac", summary)).unwrap();
        sandbox.settled(id).await.unwrap();
    }
    assert_eq!(province.bodies()[1]["data"]["ThongTinKhac"], "hai");
    assert_eq!(sandbox.portal_born(NATIONAL).unwrap().given["ThongTinKhac"], "một");
}

#[tokio::test]
async fn a_duplicate_counts_as_delivered() {
    let (sandbox, province) = portal_and_province([Say::Code(1)]).await;
    let id = sandbox.send(new_dossier(NATIONAL)).unwrap();
    let sent = sandbox.settled(id).await.unwrap();
    assert_eq!(sent.state, SendingState::Delivered);
    assert_eq!(sent.last_answer.unwrap().kind, AnswerKind::Duplicate);
    assert_eq!(province.received().len(), 1);
}

#[tokio::test]
async fn a_refusal_is_told_and_not_tried_again() {
    let (sandbox, province) = portal_and_province([Say::Code(-1)]).await;
    let id = sandbox.send(new_dossier(NATIONAL)).unwrap();
    let sent = sandbox.settled(id).await.unwrap();
    assert_eq!(sent.state, SendingState::Refused);
    let answer = sent.last_answer.unwrap();
    assert_eq!((answer.kind, answer.message), (AnswerKind::Refused, format!("{NATIONAL}| đã nhận")));
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(province.received().len(), 1);
    assert!(sandbox.portal_born(NATIONAL).is_some(), "the citizen's dossier is still there");
}

#[tokio::test]
async fn what_is_no_clear_answer_is_tried_again_with_the_same_body() {
    let unclear = [
        Say::Text(500, "{\"error_code\":0,\"message\":\"\"}"),
        Say::Text(500, "{\"error_code\":-1,\"message\":\"\"}"),
        Say::Text(202, "{\"error_code\":0,\"message\":\"\"}"),
        Say::Text(200, "<html></html>"),
        Say::Text(200, "{\"error_code\":\"0\",\"message\":\"\"}"),
        Say::Text(200, "{\"error_code\":7,\"message\":\"\"}"),
        Say::Text(200, "{\"message\":\"thành công\"}"),
        Say::Text(200, "[]"),
    ];
    for say in unclear {
        let (sandbox, province) = portal_and_province([say.clone(), Say::Code(0)]).await;
        let id = sandbox.send(new_dossier(NATIONAL)).unwrap();
        let sent = sandbox.settled(id).await.unwrap();
        assert_eq!(sent.state, SendingState::Delivered, "{say:?}");
        let kinds: Vec<AnswerKind> = sent.attempts.iter().map(|attempt| attempt.answer.kind).collect();
        assert_eq!(kinds, [AnswerKind::Unreadable, AnswerKind::Accepted], "{say:?}");
        let bodies = province.bodies();
        assert_eq!(bodies[0], bodies[1]);
    }
}

#[tokio::test]
async fn attempts_end_and_their_pause_is_kept() {
    let (sandbox, province) = portal_and_province(vec![Say::Text(503, ""); 9]).await;
    sandbox.set_province(Some(ProvinceSettings { pause_ms: 100, ..province.settings() }));
    let id = sandbox.send(new_dossier(NATIONAL)).unwrap();
    let sent = sandbox.settled(id).await.unwrap();
    assert_eq!(sent.state, SendingState::GivenUp);
    let numbers: Vec<u32> = sent.attempts.iter().map(|attempt| attempt.number).collect();
    assert_eq!(numbers, [1, 2, 3]);
    let received = province.received();
    assert_eq!(received.len(), 3);
    assert!(received.windows(2).all(|two| two[1].at - two[0].at >= Duration::from_millis(100)));
}

#[tokio::test]
async fn silence_and_a_closed_door_are_no_answer() {
    let (sandbox, province) = portal_and_province([Say::Silence]).await;
    sandbox.set_province(Some(ProvinceSettings { timeout_ms: 200, ..province.settings() }));
    let id = sandbox.send(new_dossier(NATIONAL)).unwrap();
    let sent = sandbox.settled(id).await.unwrap();
    assert_eq!(sent.state, SendingState::Delivered);
    let first = &sent.attempts[0].answer;
    assert_eq!((first.kind, first.status, first.message.as_str()), (AnswerKind::NoAnswer, None, "no answer in time"));

    // Bound and not listening: nobody else can take the port meanwhile.
    let closed = tokio::net::TcpSocket::new_v4().unwrap();
    closed.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}", closed.local_addr().unwrap());
    sandbox.set_province(Some(ProvinceSettings { url, ..province.settings() }));
    let id = sandbox.send(supplement(NATIONAL)).unwrap();
    let sent = sandbox.settled(id).await.unwrap();
    assert_eq!(sent.state, SendingState::GivenUp);
    assert_eq!(sent.last_answer.unwrap().message, "no connection");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Province::start([]).await;
    let (sandbox, province) = portal_and_province([Say::RedirectTo(format!("{}/nhanhsdvcqg", elsewhere.url))]).await;
    let id = sandbox.send(new_dossier(NATIONAL)).unwrap();
    let sent = sandbox.settled(id).await.unwrap();
    assert_eq!(sent.attempts[0].answer.status, Some(307));
    assert!(elsewhere.received().is_empty());
    assert_eq!(province.received().len(), 2);
}

#[tokio::test]
async fn the_adapter_prefix_and_the_security_key_are_as_set() {
    let (sandbox, province) = portal_and_province([]).await;
    for (prefix, path) in
        [(Prefix::Xrd, "/XrdAdapter/RestService/forward"), (Prefix::Vxp, "/VXPAdapter/RestService/forward")]
    {
        let security_key = Some("khóa thử nghiệm".to_owned());
        sandbox.set_province(Some(ProvinceSettings { prefix, security_key, ..province.settings() }));
        let id = sandbox.send(new_dossier(NATIONAL)).unwrap();
        sandbox.settled(id).await.unwrap();
        let received = province.received().pop().unwrap();
        assert_eq!(received.path, format!("{path}/nhanhsdvcqg"));
        assert_eq!(received.body["SecurityKey"], "khóa thử nghiệm");
    }
}

#[tokio::test]
async fn a_change_of_the_provinces_address_holds_for_the_next_attempt() {
    let (sandbox, province) = portal_and_province([Say::Text(503, "")]).await;
    sandbox.set_province(Some(ProvinceSettings { pause_ms: 300, ..province.settings() }));
    let id = sandbox.send(new_dossier(NATIONAL)).unwrap();
    while province.received().is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let moved = Province::start([]).await;
    sandbox.set_province(Some(moved.settings()));
    assert_eq!(sandbox.settled(id).await.unwrap().state, SendingState::Delivered);
    assert_eq!((province.received().len(), moved.received().len()), (1, 1));
}

#[tokio::test]
async fn without_a_province_nothing_is_sent_and_what_is_kept_is_bounded() {
    let sandbox = Sandbox::start(Settings::default()).await.unwrap();
    assert!(sandbox.send(new_dossier(NATIONAL)).unwrap_err().contains("province"));
    assert!(sandbox.portal_born(NATIONAL).is_none());

    let (sandbox, province) = portal_and_province([]).await;
    sandbox.set_province(Some(ProvinceSettings { limit: 1, ..province.settings() }));
    sandbox.send(new_dossier(NATIONAL)).unwrap();
    assert!(sandbox.send(new_dossier(NATIONAL)).unwrap_err().contains("province.limit"));
}

#[tokio::test]
async fn a_reset_forgets_messages_and_ends_their_attempts() {
    let (sandbox, province) = portal_and_province(vec![Say::Text(503, ""); 9]).await;
    sandbox.set_province(Some(ProvinceSettings { pause_ms: 200, ..province.settings() }));
    let id = sandbox.send(new_dossier(NATIONAL)).unwrap();
    while province.received().is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    sandbox.reset();
    assert!(sandbox.settled(id).await.is_none());
    assert!(sandbox.outgoing().is_empty() && sandbox.portal_born(NATIONAL).is_none());
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(province.received().len(), 1);
    let next = sandbox.send(new_dossier(NATIONAL)).unwrap();
    assert_eq!(next, 2, "a number is never given twice");
}

#[tokio::test]
async fn settings_of_the_province_that_cannot_be_are_named() {
    for (url, word) in [
        ("", "province.url"),
        ("https://127.0.0.1:1", "http://"),
        ("http://127.0.0.1:1/path", "host and port"),
        ("http://dichvucong.gov.vn", "real host"),
    ] {
        let province = ProvinceSettings { attempts: 0, timeout_ms: 0, ..ProvinceSettings::at(url) };
        let settings = Settings { province: Some(province), ..Settings::default() };
        let mistakes = Sandbox::start(settings).await.unwrap_err().to_string();
        for word in [word, "province.attempts", "province.timeout_ms"] {
            assert!(mistakes.contains(word), "{mistakes}");
        }
    }
}
