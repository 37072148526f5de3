//! Files of citizens at the sandbox's own address, honest and in every way in which a careful reader must not be caught.

use std::time::{Duration, Instant};

use lienthong_sandbox::{FileContent, FileHabit, OutgoingFile, ProvinceSettings, Sandbox};
use reqwest::redirect::Policy;
use reqwest::{Client, Response};

use crate::province::{NATIONAL, Province, new_dossier, portal_and_province};

const SIZE: usize = 10_000;

struct Attached {
    sandbox: Sandbox,
    url: String,
    _province: Province,
}

async fn attached(habit: FileHabit) -> Attached {
    let (sandbox, province) = portal_and_province([]).await;
    let file = OutgoingFile {
        name: "Tờ khai.pdf".into(),
        content_type: "application/pdf".into(),
        content: FileContent::Pdf(SIZE),
        habit,
    };
    let id = sandbox.send(new_dossier(NATIONAL).with_file(file)).unwrap();
    sandbox.settled(id).await.unwrap();
    let data = &province.bodies()[0]["data"];
    assert_eq!(data["TenTepDangKy"], "Tờ khai.pdf");
    let url = data["URLTepDangKy"].as_str().unwrap().to_owned();
    Attached { sandbox, url, _province: province }
}

async fn fetch(url: &str) -> Response {
    let client = Client::builder().no_proxy().redirect(Policy::none()).timeout(Duration::from_secs(10));
    client.build().unwrap().get(url).send().await.unwrap()
}

/// Reads at most this many bytes.
async fn read_some(response: &mut Response, most: usize) -> usize {
    let mut read = 0;
    while read < most {
        let Ok(Some(chunk)) = response.chunk().await else { break };
        read += chunk.len();
    }
    read
}

#[tokio::test]
async fn an_attached_file_is_served_at_the_address_in_the_message_and_each_fetch_is_counted() {
    let file = attached(FileHabit::Honest).await;
    assert!(file.url.starts_with(&format!("{}/_files/", file.sandbox.url())));
    for _ in 0..2 {
        let response = fetch(&file.url).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "application/pdf");
        assert_eq!(response.content_length(), Some(SIZE as u64));
        let bytes = response.bytes().await.unwrap();
        assert_eq!(bytes.len(), SIZE);
        assert!(bytes.starts_with(b"%PDF-") && bytes.ends_with(b"%%EOF\n"));
    }
    let shown = &file.sandbox.outgoing()[0].files[0];
    assert_eq!((shown.url.as_str(), shown.fetches), (file.url.as_str(), 2));
    file.sandbox.reset();
    assert_eq!(fetch(&file.url).await.status(), 404);
}

#[tokio::test]
async fn the_address_can_begin_as_the_province_sees_the_portal() {
    let (sandbox, province) = portal_and_province([]).await;
    let files_url = Some("http://portal.example:8080/".to_owned());
    sandbox.set_province(Some(ProvinceSettings { files_url, ..province.settings() }));
    let content = FileContent::Bytes(vec![1, 2, 3]);
    let file = OutgoingFile { name: "x".into(), content_type: "image/png".into(), content, habit: FileHabit::Honest };
    let id = sandbox.send(new_dossier(NATIONAL).with_file(file)).unwrap();
    let sent = sandbox.settled(id).await.unwrap();
    let here = sent.files[0].url.replace("http://portal.example:8080", &sandbox.url());
    assert_ne!(here, sent.files[0].url);
    assert_eq!(fetch(&here).await.bytes().await.unwrap().as_ref(), [1, 2, 3]);
}

#[tokio::test]
async fn a_wrong_type_has_the_name_of_the_file_and_the_bytes_of_a_program() {
    let file = attached(FileHabit::WrongType).await;
    let response = fetch(&file.url).await;
    assert_eq!(response.headers()["content-type"], "application/pdf");
    assert!(response.bytes().await.unwrap().starts_with(b"MZ"));
}

#[tokio::test]
async fn an_endless_file_has_no_length_and_begins_like_the_true_one() {
    let file = attached(FileHabit::Endless).await;
    let mut response = fetch(&file.url).await;
    assert_eq!(response.content_length(), None);
    assert!(response.chunk().await.unwrap().unwrap().starts_with(b"%PDF-"));
    let most = 50 * 1024 * 1024;
    assert!(read_some(&mut response, most).await >= most);
}

#[tokio::test]
async fn an_oversize_file_says_its_size_and_has_it() {
    let bytes = 30 * 1024 * 1024 + 7;
    let file = attached(FileHabit::Oversize { bytes }).await;
    let mut response = fetch(&file.url).await;
    assert_eq!(response.content_length(), Some(bytes));
    assert_eq!(read_some(&mut response, usize::MAX).await as u64, bytes);
}

#[tokio::test]
async fn a_slow_file_is_whole_in_the_end() {
    let file = attached(FileHabit::SlowDrip { over_ms: 400 }).await;
    let start = Instant::now();
    assert_eq!(fetch(&file.url).await.bytes().await.unwrap().len(), SIZE);
    assert!(start.elapsed() >= Duration::from_millis(300));
}

#[tokio::test]
async fn a_redirect_points_where_the_test_has_said_and_a_lost_file_is_not_found() {
    let to = "http://169.254.169.254/latest";
    let file = attached(FileHabit::Redirect { to: to.into() }).await;
    let response = fetch(&file.url).await;
    assert_eq!((response.status().as_u16(), response.headers()["location"].to_str().unwrap()), (302, to));
    let file = attached(FileHabit::NotFound).await;
    assert_eq!(fetch(&file.url).await.status(), 404);
    assert_eq!(file.sandbox.outgoing()[0].files[0].fetches, 1);
}

#[tokio::test]
async fn a_wrong_length_promises_too_much_or_cuts_the_file() {
    let file = attached(FileHabit::WrongLength { bytes: SIZE as u64 + 500 }).await;
    let response = fetch(&file.url).await;
    assert_eq!(response.content_length(), Some(SIZE as u64 + 500));
    assert!(response.bytes().await.is_err(), "the connection ends before the promised length");
    let file = attached(FileHabit::WrongLength { bytes: 100 }).await;
    let bytes = fetch(&file.url).await.bytes().await.unwrap();
    assert_eq!(bytes.len(), 100);
    assert!(!bytes.ends_with(b"%%EOF\n"));
}
