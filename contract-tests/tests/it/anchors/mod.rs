//! What others say of the log's heads: nobody here can show another log later, and nothing waits for them.

mod agency;
mod timestamps;
mod tokens;
mod witness;

use super::support::World;

async fn printed(world: &World, arguments: &[&str], code: i32) -> String {
    let output = world.cli(arguments).await;
    let printed = [&output.stdout[..], &output.stderr[..]].map(String::from_utf8_lossy).concat();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {printed}");
    printed
}

/// The first key of the log.
async fn key(world: &World) -> String {
    printed(world, &["audit", "key"], 0).await.lines().next().unwrap().to_owned()
}

async fn metric(world: &World, name: &str) -> Option<f64> {
    let counts = world.get("/metrics").await.text;
    counts.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

/// Whether this one did what it was asked for last.
async fn is_up(world: &World, kind: &str, name: &str) -> Option<bool> {
    let found = metric(world, &format!("lienthong_audit_anchor_up{{kind=\"{kind}\",name=\"{name}\"}}")).await;
    found.map(|up| up > 0.0)
}
