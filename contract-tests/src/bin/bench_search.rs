//! `cargo xtask bench search`: how long a search over the whole catalogue takes, beside going through all names once.
#![allow(clippy::print_stdout, reason = "benchmarks print what they found")]

use std::collections::HashSet;
use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use lienthong_contract_tests::catalogue::{generated, published};
use lienthong_domain::catalogue::search::{Index, Query, Searchable, words};
use lienthong_domain::scalar::Scalar;

const PROCEDURES: usize = 6_413;
const QUERIES: usize = 20_000;

fn main() -> Result<()> {
    let mut procedures = published()?.unwrap_or_default();
    let known: HashSet<String> = procedures.iter().map(|procedure| procedure.code.clone()).collect();
    let from_reference = procedures.len();
    let more = generated(2 * PROCEDURES, 1).into_iter().filter(|procedure| !known.contains(&procedure.code));
    procedures.extend(more.take(PROCEDURES - from_reference));
    println!("{} procedures, {from_reference} of them published", procedures.len());
    let started = Instant::now();
    let index = Index::new(procedures.iter().enumerate().map(|(key, procedure)| Searchable {
        key,
        code: &procedure.code,
        name: &procedure.name,
        others: vec![&procedure.field_name, &procedure.field_code],
    }));
    println!("index made in {:.1} ms", started.elapsed().as_secs_f64() * 1e3);
    let mut random = fastrand::Rng::with_seed(1);
    let queries: Vec<Query> = (0..QUERIES)
        .filter_map(|_| Query::parse(&typed(&procedures[random.usize(..procedures.len())].name, &mut random)).ok())
        .collect();
    let (mut times, mut found) = (Vec::with_capacity(queries.len()), 0);
    for query in &queries {
        let started = Instant::now();
        found += black_box(index.search(query, |_| true)).len();
        times.push(started.elapsed());
    }
    let names: Vec<String> = procedures.iter().map(|procedure| procedure.name.to_lowercase()).collect();
    let started = Instant::now();
    for query in queries.iter().take(500) {
        let text = query.to_text();
        black_box(names.iter().filter(|name| name.contains(&text)).count());
    }
    let reference = started.elapsed() / 500;
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100];
    println!(
        "{} queries: p50 {}, p99 {}, slowest {}; {} found each on average; all names gone through once: {}",
        queries.len(),
        text(at(50)),
        text(at(99)),
        text(at(100)),
        found / queries.len(),
        text(reference)
    );
    ensure!(at(99) <= Duration::from_millis(5), "p99 is over 5 ms");
    Ok(())
}

/// One to four words of a name as somebody types them: with diacritics or without, the last one perhaps not to its end.
fn typed(name: &str, random: &mut fastrand::Rng) -> String {
    let all: Vec<&str> = name.split_whitespace().collect();
    let (from, count) = (random.usize(..all.len().max(1)), random.usize(1..=4));
    let mut text = all.iter().skip(from).take(count).copied().collect::<Vec<_>>().join(" ");
    if random.bool() {
        text = words(&text).map(|word| word.folded).collect::<Vec<_>>().join(" ");
    }
    if random.bool() {
        let kept = text.chars().count().saturating_sub(random.usize(..3)).max(1);
        text = text.chars().take(kept).collect();
    }
    text
}

fn text(time: Duration) -> String {
    format!("{:.3} ms", time.as_secs_f64() * 1e3)
}
