//! The table at the end.

use std::time::Duration;

use lienthong_sandbox::{Operation, Sandbox};

use super::compare::Comparison;
use super::play::Played;

pub(super) fn print(
    played: &Played,
    comparison: &Comparison,
    sandbox: &Sandbox,
    accepted_in: Duration,
    delivered_in: Duration,
) {
    println!("\nHồ sơ trong ngày / The day's dossiers");
    for (life, count) in &played.lives {
        println!("  {count:>7}  {}", life.vietnamese());
    }
    println!("\nTiếp nhận / Accepted");
    println!("  {:>7}  hồ sơ / dossiers", played.accepted.len());
    println!("  {:>7}  thông điệp / messages, {:.1} s", comparison.effects, accepted_in.as_secs_f64());
    println!("\nTừ chối / Refused");
    for (why, (count, words)) in &played.refused {
        println!("  {count:>7}  {why}\n           {words}");
    }
    print_portal(sandbox);
    println!("\nCổng giữ gì so với những gì đã tiếp nhận / What the portal holds beside what was accepted");
    println!(
        "  {:>7}  hồ sơ / dossiers, {} trường / fields, {} bước / steps, {:.1} s",
        comparison.dossiers,
        comparison.fields,
        comparison.steps,
        delivered_in.as_secs_f64()
    );
    println!("  {:>7}  mất / lost", comparison.lost);
    println!("  {:>7}  trùng / doubled", comparison.doubled);
    println!("  {:>7}  sai thứ tự / out of order", comparison.out_of_order);
    println!(
        "  {:>7}  gửi lại không đổi gì / repeats of a full state that changed nothing",
        comparison.harmless_repeats
    );
    for (field, count) in &comparison.filled_in {
        println!("  {count:>7}  {field}: lấy từ Cổng / looked up at the portal");
    }
    for (what, codes) in &comparison.different {
        let shown: Vec<&str> = codes.iter().take(3).map(String::as_str).collect();
        println!("  {:>7}  KHÁC / DIFFERENT {what}: {}", codes.len(), shown.join(", "));
    }
    for surprise in played.surprises.iter().take(5) {
        println!("  bất ngờ / unexpected answer: {surprise}");
    }
    let verdict = if comparison.is_equal() && played.is_as_expected() {
        "BẰNG NHAU từng trường / EQUAL field by field"
    } else {
        "KHÔNG BẰNG NHAU / NOT EQUAL"
    };
    println!("\n{verdict}");
}

fn print_portal(sandbox: &Sandbox) {
    let counters = sandbox.counters();
    println!("\nGọi lên Cổng / Calls to the portal");
    println!("  {:>14} {:>9} {:>9} {:>9} {:>11}", "", "gọi", "lỗi gây ra", "bị từ chối", "chưa rõ");
    println!("  {:>14} {:>9} {:>9} {:>9} {:>11}", "", "calls", "faults", "refused", "ambiguous");
    for operation in Operation::ALL {
        let Some(row) = counters.operations.get(operation.name()) else { continue };
        let faults: u64 = row.faults.values().sum();
        let refused: u64 = row.refused.values().sum();
        println!("  {:>14} {:>9} {faults:>9} {refused:>9} {:>11}", operation.name(), row.calls, row.ambiguous);
    }
}
