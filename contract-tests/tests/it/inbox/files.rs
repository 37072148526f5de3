//! Files of messages: streamed to the disk, unreadable there, and given out as they came.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lienthong_sandbox::Settings;
use reqwest::Method;
use serde_json::{Value, json};

use super::{INBOX, first, post, waiting, world};
use crate::support::World;

/// A message for the whole province that waits, with a file; its id.
pub(crate) async fn a_message_with_a_file(world: &World, code: &str) -> String {
    assert_eq!(post(world, "/addtthcKhuyenMai", promotion(code, &[&pdf(1000)]).to_string()).await.0, 0);
    let page = world.get("/v1/inbox-items?limit=500").await.is(200).json();
    let item = page["items"].as_array().unwrap().iter().find(|item| item["nationalCode"] == code).unwrap();
    item["id"].as_str().unwrap().to_owned()
}

pub(super) fn promotion(code: &str, files: &[&[u8]]) -> Value {
    let papers = files.iter().enumerate();
    let papers: Vec<_> = papers
        .map(|(n, bytes)| json!({ "TenTepDinhKem": format!("{n}.pdf"), "Base64": STANDARD.encode(bytes) }))
        .collect();
    json!({ "data": { "MaHoSo": code, "MaTTHC": "2.000033", "NgayNopHoSo": "20261121083000", "TaiLieuNop": papers } })
}

pub(super) fn pdf(length: usize) -> Vec<u8> {
    let mut bytes = b"%PDF-1.7\n".to_vec();
    bytes.extend((bytes.len()..length).map(|n| (n * 31 + n / 127) as u8));
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn files_come_out_as_they_went_in_and_are_not_readable_on_the_disk() {
    let world = world().await;
    let files = [pdf(20), pdf(70_000), pdf(3_000_000)];
    let message = promotion("KM-1", &[&files[0], &files[1], &files[2]]);
    for prefix in ["", "/XrdAdapter/RestService/forward", "/VXPAdapter/RestService/forward"] {
        let (code, words) = post(&world, &format!("{prefix}/addtthcKhuyenMai"), message.to_string()).await;
        assert_eq!(code, i64::from(!prefix.is_empty()), "{words}");
    }
    let folder = world.deployment.folder().join("data/files");
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 3, "repeats have left files");
    let id = first(&world).await;
    let item = world.get(&format!("/v1/inbox-items/{id}")).await.is(200).json();
    for (n, expected) in files.iter().enumerate() {
        let attachment = &item["attachments"][n];
        assert_eq!(
            (&attachment["mediaType"], &attachment["bytes"]),
            (&json!("application/pdf"), &json!(expected.len()))
        );
        let request = world.request(Method::GET, attachment["path"].as_str().unwrap()).bearer_auth(&world.token);
        let response = request.send().await.unwrap();
        assert_eq!(response.headers()["content-type"], "application/pdf");
        assert_eq!(response.headers()["content-disposition"], "attachment");
        assert!(response.bytes().await.unwrap() == *expected, "file {n} is another one");
    }
    for file in std::fs::read_dir(&folder).unwrap() {
        let stored = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!stored.windows(8).any(|window| window == b"%PDF-1.7"), "a file is in the clear");
    }
    for (path, code) in
        [("files/4", "inbox.file_not_found"), ("files/0", "inbox.file_not_found"), ("files/x", "inbox.file_not_found")]
    {
        world.get(&format!("/v1/inbox-items/{id}/{path}")).await.refused(404, code);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_many_scans_is_taken_whatever_their_lengths() {
    let world = world().await;
    for (n, files) in
        [vec![300_000; 12], vec![23_000; 50], vec![10, 24_576, 24_577, 400_000, 3_000_000]].iter().enumerate()
    {
        let files: Vec<Vec<u8>> = files.iter().map(|length| pdf(*length)).collect();
        let files: Vec<&[u8]> = files.iter().map(Vec::as_slice).collect();
        let code = format!("KM-{n}");
        assert_eq!(post(&world, "/addtthcKhuyenMai", promotion(&code, &files).to_string()).await.0, 0, "{code}");
    }
    assert_eq!(waiting(&world).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_room_on_the_disk_nothing_is_taken_and_nothing_is_left() {
    let more = format!("storage.least_free_bytes = 9000000000000000000\n{INBOX}");
    let world = World::with(Settings::default(), &more).await;
    for files in [vec![], vec![pdf(500_000)]] {
        let files: Vec<&[u8]> = files.iter().map(Vec::as_slice).collect();
        let request = world.request(Method::POST, "/addtthcKhuyenMai").json(&promotion("KM-1", &files));
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 503, "the portal is to send it again");
        let answer: Value = answer.json().await.unwrap();
        assert_eq!(answer["error_code"], -1);
    }
    let left = std::fs::read_dir(world.deployment.folder().join("data/files")).map_or(0, Iterator::count);
    assert_eq!((left, waiting(&world).await), (0, vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_not_in_its_folder_is_our_failure_and_not_an_answer() {
    let world = world().await;
    assert_eq!(post(&world, "/addtthcKhuyenMai", promotion("KM-1", &[&pdf(100_000)]).to_string()).await.0, 0);
    let id = first(&world).await;
    world.get(&format!("/v1/inbox-items/{id}/files/1")).await.is(200);
    std::fs::remove_dir_all(world.deployment.folder().join("data/files")).unwrap();
    let request = world.request(Method::GET, &format!("/v1/inbox-items/{id}/files/1")).bearer_auth(&world.token);
    assert_eq!(request.send().await.unwrap().status(), 500);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_longer_than_allowed_is_refused_while_it_comes() {
    let world = World::with(Settings::default(), &format!("{INBOX}\nfile_bytes = 1000000")).await;
    // Endless: it is never read to its end.
    let begin = "{\"data\": {\"MaHoSo\": \"KM-1\", \"TaiLieuNop\": [{\"Base64\": \"";
    let body = futures::stream::iter(std::iter::once(begin.to_owned()).chain(std::iter::repeat("QUFB".repeat(10_000))));
    let body = reqwest::Body::wrap_stream(futures::StreamExt::map(body, Ok::<_, std::io::Error>));
    let request = world.request(Method::POST, "/addtthcKhuyenMai").header("content-type", "application/json");
    let sent = tokio::time::timeout(Duration::from_secs(20), request.body(body).send()).await.unwrap();
    // Refused while the other end still writes: it may see the answer, or the end of the connection.
    if let Ok(response) = sent {
        let answer: Value = response.json().await.unwrap();
        assert!(answer["message"].as_str().unwrap().contains("dài hơn 1000000 byte"), "{answer}");
    }
    let left = std::fs::read_dir(world.deployment.folder().join("data/files")).unwrap().count();
    assert_eq!((left, waiting(&world).await), (0, vec![]));
}
