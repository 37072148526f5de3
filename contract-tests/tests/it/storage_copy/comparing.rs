//! What differs is found and named.

use lienthong::storage::copy::TABLES;
use lienthong_contract_tests::scenarios::copy::fill;

use super::{change, connect, filled, is_equal, is_refused, new_target, storage};

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_differs_is_found_and_named() {
    let deployment = filled(30).await;
    let database = new_target().await;
    is_equal(&storage(&deployment, "copy", &database).await);
    let target = connect(&database).await;
    let code = fill::code(7);
    for (change, back, said) in [
        (
            format!("UPDATE dossier SET state = 'finished', steps = 9 WHERE code = '{code}'"),
            format!("UPDATE dossier SET state = 'processing', steps = 0 WHERE code = '{code}'"),
            format!("dossier (code = {code}): khác ở / differs in state, steps"),
        ),
        (
            format!("UPDATE lane SET lane = lane || 'x' WHERE lane = '{code}'"),
            format!("UPDATE lane SET lane = '{code}' WHERE lane = '{code}x'"),
            format!("lane (route = dossier-portal, lane = {code}): thiếu ở đích / missing in the target"),
        ),
        (
            "INSERT INTO idempotency VALUES ('zzz', 'k', '', 1, '', 1)".to_owned(),
            "DELETE FROM idempotency WHERE client_id = 'zzz'".to_owned(),
            "idempotency (client_id = zzz, key = k): chỉ có ở đích / only in the target".to_owned(),
        ),
        (
            "UPDATE outbox SET problem = NULL WHERE status = 'dead'".to_owned(),
            r#"UPDATE outbox SET problem = '{"kind":"rejected","reason":{"en":"Refused.","vi":"Bị từ chối."}}' WHERE status = 'dead'"#.to_owned(),
            "differs in problem".to_owned(),
        ),
        (
            "UPDATE body SET sealed = sealed || '\\x00' WHERE id = (SELECT min(id::text)::uuid FROM body)".to_owned(),
            "UPDATE body SET sealed = substr(sealed, 1, length(sealed) - 1) WHERE id = (SELECT min(id::text)::uuid FROM body)"
                .to_owned(),
            "differs in sealed".to_owned(),
        ),
    ] {
        assert_eq!(target.execute(&change, &[]).await.unwrap(), 1, "{change}");
        is_refused(&storage(&deployment, "verify", &database).await, &["DIFFERENT: ", &said, "≠"]);
        assert_eq!(target.execute(&back, &[]).await.unwrap(), 1, "{back}");
    }
    is_equal(&storage(&deployment, "verify", &database).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_not_the_tree_of_its_records_is_found_even_if_both_sides_agree() {
    let deployment = filled(20).await;
    change(&deployment, "UPDATE audit_head SET frontier = zeroblob(length(frontier))");
    let database = new_target().await;
    let refused = storage(&deployment, "copy", &database).await;
    is_refused(&refused, &["DIFFERENT: audit_head (", "not the tree of the records"]);
    let sql = "SELECT count(*) FROM storage_copy WHERE copied = total";
    let target = connect(&database).await;
    assert_eq!(target.query_one(sql, &[]).await.unwrap().get::<_, i64>(0), TABLES.len() as i64, "still unfinished");
    let again = storage(&deployment, "copy", &database).await;
    assert!(again.1.contains("only the comparison is left"), "{}", again.1);
    change(&deployment, "UPDATE audit_record SET record = CAST('x' AS BLOB) WHERE idx = 3");
    let database = new_target().await;
    let refused = storage(&deployment, "copy", &database).await;
    is_refused(&refused, &[", 3): không đúng chỗ", "not what was hashed"]);
}
