//! Bodies that cannot be read: no JSON, no JSON by their own word, too large, or made into something else.

use lienthong_contract_tests::gateway::client;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::CODE;
use crate::support::{Answer, World, dossier, dossier_path, dossier_with};

#[tokio::test(flavor = "multi_thread")]
async fn malformed_json_is_named_by_line_and_column_and_never_repeated() {
    let world = World::start().await;
    let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
    for (what, body, line) in [
        ("an empty body", "", 1),
        ("a name without quotes", "{\n  \"owner\": Nguyễn Bí Mật\n}", 2),
        ("a body that was cut", "{\"summary\": \"Nguyễn Bí Mật", 1),
        ("text after the end", "{\"summary\": 1}\n\n  Nguyễn Bí Mật", 3),
        ("a comma too many", "{\n\n\"summary\": \"Nguyễn Bí Mật\",}", 3),
        ("a byte order mark", "\u{feff}{}", 1),
        ("half a surrogate pair", r#"{"summary": "Nguyễn Bí Mật \ud800"}"#, 1),
        ("no number", "{\"fees\": NaN}", 1),
        ("a number beyond all numbers", "{\"fees\": 1e999}", 1),
        ("arrays in arrays, 200 deep", &deep, 1),
    ] {
        let answer = world.put_bytes(CODE, body).await.refused(400, "request.malformed");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.starts_with(&format!("Dòng {line}, cột ")), "{what}: {detail}");
        assert!(!answer.text.contains("Bí Mật"), "{what}: {}", answer.text);
    }
    for body in [&b"{\"summary\": \"\xff\xfe\"}"[..], b"\x00", b"\x1f\x8b\x08\x00"] {
        world.put_bytes(CODE, body).await.refused(400, "request.malformed");
    }
    let english = world.request(Method::PUT, &dossier_path(CODE)).header("accept-language", "en-GB, vi;q=0.5");
    let english = english.header("content-type", "application/json").bearer_auth(&world.token).body("{\n\n x}");
    let detail = Answer::of(english).await.refused(400, "request.malformed").json()["detail"].clone();
    assert_eq!(detail, "Line 3, column 2: not valid JSON.");
    world.nothing_happened("malformed bodies").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_appears_twice_is_refused_wherever_it_stands() {
    let world = World::start().await;
    for body in [
        r#"{"state": "received", "state": "finished"}"#,
        r#"{"owner": {"name": "Nguyễn Bí Mật", "name": "Trần Bí Mật"}}"#,
        r#"{"papers": [{}, {"id": "1", "\u0069d": "2"}]}"#,
    ] {
        let answer = world.put_bytes(CODE, body).await.refused(400, "request.malformed");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains("một trường xuất hiện hai lần"), "{detail}");
        assert!(!answer.text.contains("Bí Mật"), "{}", answer.text);
    }
    world.nothing_happened("members twice").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_application_json_is_read() {
    let world = World::start().await;
    let body = dossier("received").to_string();
    for kind in [
        None,
        Some("text/plain"),
        Some("text/json"),
        Some("application/jsonx"),
        Some("application/x-www-form-urlencoded"),
        Some("application/xml; note=application/json"),
        Some(""),
    ] {
        let mut request = world.request(Method::PUT, &dossier_path(CODE)).bearer_auth(&world.token).body(body.clone());
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        Answer::of(request).await.refused(415, "request.media_type");
    }
    world.nothing_happened("other content types").await;
    let request = world.request(Method::PUT, &dossier_path(CODE)).bearer_auth(&world.token).body(body);
    Answer::of(request.header("content-type", "Application/JSON; charset=utf-8")).await.is(202);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_beyond_the_limit_is_answered_413() {
    const LIMIT: usize = 4 << 20;
    let world = World::start().await;
    let head = |length: &str| {
        format!(
            "PUT {} HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
             {length}\r\nconnection: close\r\n\r\n",
            dossier_path(CODE),
            world.token
        )
    };
    // Ten megabytes are promised, or pieces without end; what is one byte too many is the last that is waited for.
    let chunk = [format!("{:x}\r\n", LIMIT + 1).into_bytes(), vec![b' '; LIMIT + 1]].concat();
    for (length, body) in [("content-length: 10485760", vec![b' '; LIMIT + 1]), ("transfer-encoding: chunked", chunk)] {
        let mut connection = tokio::net::TcpStream::connect(world.deployment.address).await.unwrap();
        connection.write_all(head(length).as_bytes()).await.unwrap();
        connection.write_all(&body).await.unwrap();
        let mut answer = Vec::new();
        connection.read_to_end(&mut answer).await.unwrap();
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("application/problem+json"), "{answer}");
        assert!(answer.contains("\"code\":\"request.too_large\""), "{answer}");
    }
    // Whoever sends all ten before listening is answered too, not cut off.
    let ten_megabytes = dossier_with("/note", json!("x".repeat(10 << 20)));
    let request = world.request(Method::PUT, &dossier_path(CODE)).bearer_auth(&world.token).json(&ten_megabytes);
    assert_eq!(request.send().await.unwrap().status(), 413);
    world.nothing_happened("bodies that are too large").await;
    // As much as the limit is read, and found to be no dossier.
    world.put_bytes(CODE, vec![b' '; LIMIT]).await.refused(400, "request.malformed");
    world.put(CODE, &dossier("received")).await.is(202);
}

/// Whatever a body is made into, the answer is one of ours and repeats nobody's name.
#[tokio::test(flavor = "multi_thread")]
async fn no_mutation_of_a_body_breaks_the_gateway_or_makes_it_talk() {
    let world = World::start().await;
    let mut rng = fastrand::Rng::with_seed(20_261_121);
    let mut body = dossier("received");
    body["owner"]["name"] = json!("Lò Thị Kín Đáo");
    body["papers"] = json!([{ "id": "1", "name": "a.pdf", "link": "https://files.example.gov.vn/a" }]);
    body["localStatus"] = json!({ "status": "01" });
    let (mut refused, mut accepted) = (0, 0);
    for _ in 0..250 {
        let mut mutated = body.clone();
        for _ in 0..rng.usize(1..3) {
            mutate(&mut mutated, &mut rng);
        }
        let answer = if rng.u8(..) < 64 {
            let mut bytes = mutated.to_string().into_bytes();
            let at = rng.usize(..bytes.len());
            bytes[at] = rng.u8(..);
            world.put_bytes(CODE, bytes).await
        } else {
            world.put(CODE, &mutated).await
        };
        match answer.status {
            200 | 202 => accepted += 1,
            400 | 403 | 409 => {
                refused += 1;
                assert!(!answer.text.contains("Kín Đáo") && !answer.text.contains("001099012345"), "{}", answer.text);
            }
            other => panic!("{other}: {} to {mutated}", answer.text),
        }
    }
    assert!(refused > 50 && accepted > 5, "{refused} refused, {accepted} accepted: the mutations show nothing");
    assert_eq!(client().get(format!("{}/livez", world.deployment.url())).send().await.unwrap().status(), 204);
}

/// Replaces, removes or adds one value somewhere in the tree.
fn mutate(value: &mut Value, rng: &mut fastrand::Rng) {
    match value {
        Value::Object(members) if !members.is_empty() && rng.u8(..) < 220 => {
            let name = members.keys().nth(rng.usize(..members.len())).unwrap().clone();
            match rng.u8(..8) {
                0..=2 => drop(members.remove(&name)),
                3 => drop(members.insert(rng.char('\u{20}'..'\u{2ff}').to_string(), json!(rng.u8(..)))),
                _ => mutate(members.get_mut(&name).unwrap(), rng),
            }
        }
        Value::Array(items) if !items.is_empty() && rng.u8(..) < 200 => {
            let at = rng.usize(..items.len());
            mutate(&mut items[at], rng);
        }
        other => {
            *other = match rng.u8(..8) {
                0 => Value::Null,
                1 => json!(rng.i64(..)),
                2 => json!(rng.f64() * 1e300),
                3 => json!(""),
                4 => json!("\u{0}"),
                5 => json!("ế".repeat(rng.usize(..3000))),
                6 => json!([]),
                _ => json!({ "a": [true] }),
            };
        }
    }
}
