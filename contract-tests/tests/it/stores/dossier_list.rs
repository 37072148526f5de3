//! The list of dossiers in the order of their changes: whoever follows it by its cursor gets every change, once.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use lienthong::dossiers::store::{DossierRow, PageQuery};
use lienthong::storage::migrations::MIGRATIONS;
use lienthong::storage::postgres::Settings;
use lienthong_domain::dossier::DossierState;
use lienthong_domain::time::Timestamp;
use tokio::task::JoinSet;

use super::writes::{put, steps};
use super::{Place, Stores, eventually, on_both_engines, only_on_postgres};

const ALL: PageQuery = PageQuery { after: None, state: None, updated_since: None, limit: 100 };

type Cursor = Option<(Timestamp, String)>;

fn cursor(row: &DossierRow) -> Cursor {
    Some((row.updated_at, row.code.clone()))
}

fn codes(rows: &[DossierRow]) -> Vec<&str> {
    rows.iter().map(|row| row.code.as_str()).collect()
}

async fn change(stores: &Stores, code: &str, state: DossierState) {
    let expected = stores.dossiers.find(code).await.unwrap().map(|row| row.revision);
    let mut write = put(stores, code, expected);
    write.row.state = state;
    stores.dossiers.put(write).await.unwrap();
}

async fn the_list_is_in_the_order_of_the_last_changes_full_states_and_steps_alike(stores: Stores) {
    for code in ["c", "a", "b", "d"] {
        change(&stores, code, DossierState::Received).await;
    }
    change(&stores, "a", DossierState::Processing).await;
    stores.dossiers.append_steps(steps(&stores, "c", 0, 1, "key")).await.unwrap();
    let page = stores.dossiers.page(ALL).await.unwrap();
    assert_eq!(codes(&page), ["b", "d", "a", "c"]);
    assert!(page.is_sorted_by(|one, next| one.updated_at < next.updated_at));
    assert_eq!((page[2].revision, page[3].steps), (2, 1));
}

async fn a_page_begins_after_its_cursor_and_is_no_longer_than_was_asked_for(stores: Stores) {
    for code in ["a", "b", "c", "d", "e"] {
        change(&stores, code, DossierState::Received).await;
    }
    let first = stores.dossiers.page(PageQuery { limit: 2, ..ALL }).await.unwrap();
    assert_eq!(codes(&first), ["a", "b"]);
    let rest = stores.dossiers.page(PageQuery { after: cursor(&first[1]), ..ALL }).await.unwrap();
    assert_eq!(codes(&rest), ["c", "d", "e"]);
    let end = PageQuery { after: cursor(&rest[2]), ..ALL };
    assert_eq!(stores.dossiers.page(end.clone()).await.unwrap(), []);
    change(&stores, "b", DossierState::Processing).await;
    assert_eq!(codes(&stores.dossiers.page(end).await.unwrap()), ["b"]);
}

async fn a_list_can_be_of_one_state_and_of_changes_since_a_time(stores: Stores) {
    for (code, state) in [("a", DossierState::Received), ("b", DossierState::Finished), ("c", DossierState::Finished)] {
        change(&stores, code, state).await;
    }
    let finished = PageQuery { state: Some(DossierState::Finished), ..ALL };
    assert_eq!(codes(&stores.dossiers.page(finished.clone()).await.unwrap()), ["b", "c"]);
    let of_c = stores.dossiers.find("c").await.unwrap().unwrap().updated_at;
    let since = PageQuery { updated_since: Some(of_c), ..finished.clone() };
    assert_eq!(codes(&stores.dossiers.page(since).await.unwrap()), ["c"]);
    let later = PageQuery { updated_since: Some(of_c.plus_millis(60_000)), ..ALL };
    assert_eq!(stores.dossiers.page(later).await.unwrap(), []);
    change(&stores, "b", DossierState::ResultReturned).await;
    assert_eq!(codes(&stores.dossiers.page(finished).await.unwrap()), ["c"]);
}

const WRITERS: usize = 8;
const DOSSIERS_EACH: usize = 40;

/// Each writer makes dossiers of its own, and now and then changes one that it made.
async fn write_many(stores: Stores, writer: usize) {
    for n in 0..DOSSIERS_EACH {
        change(&stores, &format!("{writer}-{n}"), DossierState::Received).await;
        let earlier = format!("{writer}-{}", fastrand::usize(0..=n));
        if n % 3 == 0 {
            change(&stores, &earlier, DossierState::Processing).await;
        } else if n % 3 == 1 {
            let row = stores.dossiers.find(&earlier).await.unwrap().unwrap();
            let write = steps(&stores, &earlier, row.steps, 1, &format!("{writer}-{n}"));
            stores.dossiers.append_steps(write).await.unwrap();
        }
    }
}

async fn whoever_follows_the_list_while_others_write_misses_no_change_and_sees_none_twice(stores: Stores) {
    let beside = stores.beside().await;
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        writers.spawn(write_many(if writer % 2 == 0 { stores.clone() } else { beside.clone() }, writer));
    }
    let (mut seen, mut after) = (HashMap::new(), None);
    let deadline = Instant::now() + Duration::from_secs(60);
    // What was written last is the last to be seen.
    let mut last = None;
    while last.is_none() || after != last {
        assert!(Instant::now() < deadline, "{} of {} dossiers seen", seen.len(), WRITERS * DOSSIERS_EACH);
        let page = beside.dossiers.page(PageQuery { after: after.clone(), limit: 7, ..ALL }).await.unwrap();
        for row in &page {
            let version = (row.revision, row.steps, row.updated_at);
            let earlier = seen.insert(row.code.clone(), version);
            let is_new = earlier.is_none_or(|(revision, steps, _)| revision + steps < row.revision + row.steps);
            assert!(is_new, "{} was seen as {earlier:?} and then as {version:?}", row.code);
        }
        after = page.last().map_or(after, cursor);
        while let Some(ended) = writers.try_join_next() {
            ended.unwrap();
        }
        if writers.is_empty() && last.is_none() {
            let all = stores.dossiers.page(PageQuery { limit: 1000, ..ALL }).await.unwrap();
            assert_eq!(all.len(), WRITERS * DOSSIERS_EACH);
            last = all.last().map(cursor).unwrap();
        }
    }
    for row in stores.dossiers.page(PageQuery { limit: 1000, ..ALL }).await.unwrap() {
        let version = (row.revision, row.steps, row.updated_at);
        assert_eq!(seen.get(&row.code), Some(&version), "{} as it was left", row.code);
    }
}

async fn whoever_follows_the_list_waits_for_an_earlier_write_that_is_still_under_way(stores: Stores) {
    change(&stores, "early", DossierState::Received).await;
    let start = cursor(stores.dossiers.page(ALL).await.unwrap().last().unwrap());
    let next = PageQuery { after: start, ..ALL };
    // Someone holds the lane: the write has its time of change, and cannot commit.
    let mut outsider = stores.place.outsider().await;
    let hold = outsider.transaction().await.unwrap();
    hold.execute("SELECT 1 FROM lane WHERE lane = 'early' FOR UPDATE", &[]).await.unwrap();
    let beside = stores.beside().await;
    let early = tokio::spawn({
        let stores = stores.clone();
        async move { change(&stores, "early", DossierState::Processing).await }
    });
    wait_for_locks(&stores.place, 1).await;
    change(&beside, "late", DossierState::Received).await;
    assert!(beside.dossiers.find("late").await.unwrap().is_some(), "it is committed");
    for stores in [&stores, &beside] {
        assert_eq!(codes(&stores.dossiers.page(next.clone()).await.unwrap()), [] as [&str; 0]);
    }
    hold.commit().await.unwrap();
    early.await.unwrap();
    let page = beside.dossiers.page(next).await.unwrap();
    assert_eq!(codes(&page), ["early", "late"]);
    assert_eq!(page[0].revision, 2);
}

/// Until so many transactions of this database wait for another one.
pub(crate) async fn wait_for_locks(place: &Place, count: i64) {
    let looker = place.outsider().await;
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let waiting = async || looker.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) >= count;
    eventually("writes wait for a lock", waiting).await;
}

async fn the_list_does_not_wait_for_those_who_are_no_gateway(stores: Stores) {
    let mut outsider = stores.place.outsider().await;
    let backup = outsider.transaction().await.unwrap();
    backup.query("SELECT count(*) FROM dossier", &[]).await.unwrap();
    change(&stores, "a", DossierState::Received).await;
    assert_eq!(codes(&stores.dossiers.page(ALL).await.unwrap()), ["a"]);
    backup.commit().await.unwrap();
}

async fn a_list_that_cannot_see_what_other_replicas_are_writing_is_refused_with_the_remedy(stores: Stores) {
    let outsider = stores.place.outsider().await;
    let role = format!("r_{}", stores.replica.simple());
    let make = format!("CREATE ROLE {role} LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}");
    outsider.batch_execute(&make).await.unwrap();
    let settings = stores.place.settings().clone();
    let place = Place::Postgres(Settings { url: format!("{} user={role}", settings.url), ..settings });
    let database = place.open(MIGRATIONS, false).await.unwrap();
    let stranger = Stores::of(stores.folder.clone(), place, database, stores.replica);
    change(&stores, "a", DossierState::Received).await;
    let reason = stranger.dossiers.page(ALL).await.unwrap_err().to_string();
    assert!(reason.contains("let all replicas use one role, or GRANT pg_read_all_stats"), "{reason}");
    outsider.batch_execute(&format!("GRANT pg_read_all_stats TO {role}")).await.unwrap();
    assert_eq!(codes(&stranger.dossiers.page(ALL).await.unwrap()), ["a"]);
}

async fn the_list_is_there_while_connections_come_and_go(stores: Stores) {
    change(&stores, "a", DossierState::Received).await;
    let mut openers = JoinSet::new();
    for _ in 0..3 {
        let place = stores.place.clone();
        openers.spawn(async move {
            for _ in 0..10 {
                place.open(MIGRATIONS, false).await.unwrap();
            }
        });
    }
    while !openers.is_empty() {
        assert_eq!(codes(&stores.dossiers.page(ALL).await.unwrap()), ["a"]);
        while let Some(ended) = openers.try_join_next() {
            ended.unwrap();
        }
    }
}

on_both_engines! {
    the_list_is_in_the_order_of_the_last_changes_full_states_and_steps_alike,
    a_page_begins_after_its_cursor_and_is_no_longer_than_was_asked_for,
    a_list_can_be_of_one_state_and_of_changes_since_a_time,
    whoever_follows_the_list_while_others_write_misses_no_change_and_sees_none_twice,
}

only_on_postgres! {
    whoever_follows_the_list_waits_for_an_earlier_write_that_is_still_under_way,
    the_list_does_not_wait_for_those_who_are_no_gateway,
    a_list_that_cannot_see_what_other_replicas_are_writing_is_refused_with_the_remedy,
    the_list_is_there_while_connections_come_and_go,
}
