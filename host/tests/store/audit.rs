//! The audit log: it arrives whole and in order, shows what was done to it, and goes with age.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mcpjungle_host::audit::{
    Audit, AuditSettings, Decision, Event, Index, Kind, Report, Retention, ShipError, WhenFull,
};
use mcpjungle_host::names::ServerName;
use mcpjungle_host::pipeline::{Principal, PrincipalKind};
use mcpjungle_host::store::{AuditQuery, KeyError, Store, StoreError};

use crate::home::{Home, key};

const HOUR_MS: i64 = 3_600_000;
const FOR_EVER: Retention = Retention { max_age_ms: None, max_bytes: None };

fn settings(home: &Home) -> AuditSettings {
    AuditSettings {
        folder: home.path("journal"),
        max_journal_bytes: 64 << 20,
        when_full: WhenFull::Drop,
        sync: false,
        retention: FOR_EVER,
    }
}

async fn start(store: &Store, settings: AuditSettings) -> Audit {
    Audit::start(settings, store.audit_key().await.unwrap()).unwrap()
}

fn event(number: usize) -> Event {
    Event::new(Kind::Call, format!("method-{number}"), "success")
}

fn record(audit: &Audit, numbers: impl Iterator<Item = usize>) {
    for number in numbers {
        audit.record(event(number));
    }
}

/// A writer of its own, with twelve records, that ends in order.
async fn run(home: &Home, store: &Store) {
    let audit = start(store, settings(home)).await;
    record(&audit, 1..=12);
    audit.close(store).await.unwrap();
}

async fn all(store: &Store) -> Vec<String> {
    let query = AuditQuery { oldest_first: true, limit: 100_000, ..AuditQuery::default() };
    store.find_audit(&query).await.unwrap().0.into_iter().map(|row| row.text).collect()
}

/// Each problem, by the ordinal of its writer and the number of its record.
async fn problems(store: &Store, report: &Report) -> Vec<(i64, i64, String)> {
    let writers = store.audit_writers(0).await.unwrap();
    let ordinal = |name: &str| writers.iter().find(|writer| writer.name == name).map_or(0, |writer| writer.ordinal);
    let told = report.problems.iter().map(|problem| {
        let writer = problem.writer.as_deref().map_or(0, ordinal);
        (writer, problem.record.unwrap_or(0), problem.problem.clone())
    });
    told.collect()
}

fn expected(problems: &[(i64, i64, &str)]) -> Vec<(i64, i64, String)> {
    problems.iter().map(|(writer, record, problem)| (*writer, *record, (*problem).to_owned())).collect()
}

on_both! {
    async fn records_arrive_whole_and_in_order_and_leave_the_disk(home: Home) {
        let store = home.open().await;
        let audit = start(&store, settings(&home)).await;
        record(&audit, 0..2_500);
        audit.flush(&store).await.unwrap();
        let texts = all(&store).await;
        assert_eq!(texts.len(), 2_500);
        for (number, text) in texts.iter().enumerate() {
            assert!(text.contains(&format!("\"method-{number}\"")), "{number}: {text}");
        }
        audit.flush(&store).await.unwrap();
        assert_eq!(all(&store).await.len(), 2_500, "what has arrived does not come again");
        let report = audit.verify(&store).await.unwrap();
        let whole = Report { verified: true, writers: 1, records: 2_500, ..Report::default() };
        assert_eq!(report, whole);
        audit.close(&store).await.unwrap();
        assert_eq!(fs::read_dir(home.path("journal")).unwrap().count(), 0);
    }
}

on_both! {
    async fn whatever_was_done_to_the_log_is_found_and_told_by_writer_and_number(home: Home) {
        let store = home.open().await;
        for _ in 0..6 {
            run(&home, &store).await;
        }
        let audit = start(&store, settings(&home)).await;
        assert!(audit.verify(&store).await.unwrap().verified);
        for statement in [
            "UPDATE audit_records SET record = REPLACE(record, 'method-3', 'method-X') WHERE writer = 1 AND seq = 3",
            "UPDATE audit_records SET server = 'other' WHERE writer = 1 AND seq = 5",
            "DELETE FROM audit_records WHERE writer = 1 AND seq = 7",
            "UPDATE audit_records SET seq = 1009 WHERE writer = 1 AND seq = 9",
            "UPDATE audit_records SET seq = 9 WHERE writer = 1 AND seq = 10",
            "UPDATE audit_records SET seq = 10 WHERE writer = 1 AND seq = 1009",
            "DELETE FROM audit_records WHERE writer = 2 AND seq > 10",
            "DELETE FROM audit_records WHERE writer = 3",
            "DELETE FROM audit_writers WHERE ordinal = 3",
            "UPDATE audit_writers SET head_seq = 10, head_mac = (SELECT mac FROM audit_records \
             WHERE writer = 4 AND seq = 10) WHERE ordinal = 4",
            "DELETE FROM audit_records WHERE writer = 4 AND seq > 10",
            "UPDATE audit_records SET seq = 99 WHERE writer = 5 AND seq = 12",
            "UPDATE audit_writers SET cut_seq = 2, cut_mac = (SELECT mac FROM audit_records \
             WHERE writer = 6 AND seq = 2) WHERE ordinal = 6",
            "DELETE FROM audit_records WHERE writer = 6 AND seq <= 2",
        ] {
            home.damage(statement).await;
        }
        let report = audit.verify(&store).await.unwrap();
        assert!(!report.verified);
        assert_eq!(problems(&store, &report).await, expected(&[
            (1, 3, "it, or its place, was changed"),
            (1, 5, "what it is found by was changed"),
            (1, 8, "the record before it is missing"),
            (1, 9, "it, or its place, was changed"),
            (1, 10, "it, or its place, was changed"),
            (1, 10, "the order in which it arrived was changed"),
            (1, 11, "it, or its place, was changed"),
            (2, 11, "the records from here up to 12 are missing"),
            (0, 0, "writer number 3 is missing"),
            (4, 0, "the signature of its last record is wrong"),
            (5, 99, "it stands behind the last one that was signed: it was put in"),
            (5, 12, "the records from here up to 12 are missing"),
            (6, 0, "the signature of its checkpoint is wrong"),
        ]));
    }
}

on_both! {
    async fn the_last_writer_cannot_be_removed_nor_the_running_one_set_back(home: Home) {
        let store = home.open().await;
        run(&home, &store).await;
        run(&home, &store).await;
        let audit = start(&store, settings(&home)).await;
        home.execute("CREATE TABLE earlier_log AS SELECT * FROM audit_log").await;
        home.damage("DELETE FROM audit_records WHERE writer = 2").await;
        home.damage("DELETE FROM audit_writers WHERE ordinal = 2").await;
        let report = audit.verify(&store).await.unwrap();
        assert_eq!(problems(&store, &report).await, expected(&[(0, 0, "writer number 2 is missing")]));
        // A count that says otherwise is not signed, and a writer that comes then does not wipe that out.
        home.damage("UPDATE audit_log SET writers = 1, writers_mac = (SELECT mac FROM audit_writers WHERE ordinal = 1)")
            .await;
        let told = problems(&store, &audit.verify(&store).await.unwrap()).await;
        assert!(told[0].2.contains("not signed as it is"), "{told:?}");
        audit.record(event(1));
        let told = problems(&store, &audit.verify(&store).await.unwrap()).await;
        assert_eq!(told, expected(&[(0, 0, "the list of writers was found changed 1 times before")]));

        // With what was signed before, as from a backup.
        home.execute("CREATE TABLE earlier AS SELECT * FROM audit_writers").await;
        audit.record(event(2));
        audit.flush(&store).await.unwrap();
        home.damage("DELETE FROM audit_records WHERE writer = 2 AND seq = 2").await;
        home.damage("DELETE FROM audit_writers WHERE ordinal = 2").await;
        home.damage("INSERT INTO audit_writers SELECT * FROM earlier WHERE ordinal = 2").await;
        let told = problems(&store, &audit.verify(&store).await.unwrap()).await;
        assert!(told.iter().any(|(_, _, told)| told.contains("was set back: this gateway had stored records up to 2")), "{told:?}");
    }
}

on_both! {
    async fn what_is_old_goes_and_leaves_a_checkpoint_that_verifies(home: Home) {
        let store = home.open().await;
        let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
        let retention = Retention { max_age_ms: Some(HOUR_MS), max_bytes: None };
        let audit = start(&store, AuditSettings { retention, ..settings(&home) }).await;
        for number in 1..=12 {
            let at_ms = if number <= 6 { now - 2 * HOUR_MS } else { now };
            audit.record(Event { at_ms, ..event(number) });
        }
        audit.flush(&store).await.unwrap();
        assert_eq!(audit.retain(&store).await.unwrap(), 6);
        assert_eq!(audit.retain(&store).await.unwrap(), 0);
        let report = audit.verify(&store).await.unwrap();
        let whole = Report { verified: true, writers: 1, records: 6, checkpoints: 1, ..Report::default() };
        assert_eq!(report, whole);

        // A column that somebody changed does not make a record old.
        home.damage("UPDATE audit_records SET at = 0 WHERE seq = 9").await;
        assert_eq!(audit.retain(&store).await.unwrap(), 0);
        // Nor does a checkpoint make good what was wrong with what it removes.
        let audit = start(&store, AuditSettings { retention: Retention { max_age_ms: None, max_bytes: Some(1) }, ..settings(&home) }).await;
        assert_eq!(audit.retain(&store).await.unwrap(), 6);
        let told = problems(&store, &audit.verify(&store).await.unwrap()).await;
        assert_eq!(told, expected(&[(1, 0, "of the old records that were removed, 1 did not verify")]));
    }
}

on_both! {
    async fn what_is_too_much_goes_oldest_first(home: Home) {
        let store = home.open().await;
        run(&home, &store).await;
        run(&home, &store).await;
        let length = i64::try_from(all(&store).await[20].len()).unwrap();
        let retention = Retention { max_age_ms: None, max_bytes: Some(5 * length) };
        let audit = start(&store, AuditSettings { retention, ..settings(&home) }).await;
        audit.retain(&store).await.unwrap();
        let left = all(&store).await;
        assert!((4..=5).contains(&left.len()) && left.last().unwrap().contains("method-12"), "{left:?}");
        assert!(audit.verify(&store).await.unwrap().verified);
        run(&home, &store).await;
        assert!(audit.verify(&store).await.unwrap().verified);
    }
}

on_both! {
    async fn what_a_process_left_behind_arrives_with_the_next_one(home: Home) {
        let store = home.open().await;
        let audit = start(&store, settings(&home)).await;
        record(&audit, 1..=12);
        drop(audit);
        let left = fs::read_dir(home.path("journal")).unwrap().next().unwrap().unwrap().path();
        await_release(&left.join("lock"));
        let journal = left.join("00000001.journal");
        // As an end in the midst of a write leaves it.
        File::options().append(true).open(&journal).unwrap().write_all(b"13 abcdef").unwrap();

        let audit = start(&store, settings(&home)).await;
        assert!(audit.figures().journal_bytes > 0);
        audit.record(event(1));
        let report = audit.verify(&store).await.unwrap();
        assert_eq!(report, Report { verified: true, writers: 2, records: 13, ..Report::default() });
        assert!(!left.exists());
    }
}

on_both! {
    async fn the_journal_of_another_database_in_the_same_folder_is_left_to_its_gateways(home: Home) {
        let store = home.open().await;
        let audit = start(&store, settings(&home)).await;
        record(&audit, 1..=12);
        drop(audit);
        let left = fs::read_dir(home.path("journal")).unwrap().next().unwrap().unwrap().path();
        await_release(&left.join("lock"));

        let other_home = Home::sqlite();
        let other_store = other_home.open().await;
        let other = start(&other_store, settings(&home)).await;
        other.record(event(1));
        let report = other.verify(&other_store).await.unwrap();
        assert_eq!(report, Report { verified: true, writers: 1, records: 1, ..Report::default() });
        other.close(&other_store).await.unwrap();

        let audit = start(&store, settings(&home)).await;
        let report = audit.verify(&store).await.unwrap();
        assert_eq!(report, Report { verified: true, writers: 1, records: 12, ..Report::default() });
    }
}

on_both! {
    async fn a_name_that_a_database_cannot_hold_holds_nothing_up(home: Home) {
        let store = home.open().await;
        let audit = start(&store, settings(&home)).await;
        let nul = Principal { kind: PrincipalKind::Client, name: "a\0b".into(), allow: vec![], attributes: vec![] };
        audit.record(Event { principal: Some(std::sync::Arc::new(nul)), ..event(1) });
        let report = audit.verify(&store).await.unwrap();
        assert_eq!(report, Report { verified: true, writers: 1, records: 1, ..Report::default() });
    }
}

on_both! {
    async fn any_number_that_somebody_puts_into_the_log_is_told_and_nothing_waits_for_it(home: Home) {
        let store = home.open().await;
        run(&home, &store).await;
        let audit = start(&store, settings(&home)).await;
        home.damage("UPDATE audit_log SET writers = 9223372036854775807").await;
        home.damage("UPDATE audit_writers SET cut_seq = -9223372036854775807 WHERE ordinal = 1").await;
        let told = problems(&store, &audit.verify(&store).await.unwrap()).await;
        assert!(told.iter().any(|(_, _, told)| told.starts_with("the writers from number 2 to ")), "{told:?}");
        assert!(told.iter().any(|(_, _, told)| told == "the signature of its checkpoint is wrong"), "{told:?}");
        assert_eq!(audit.retain(&store).await.unwrap(), 0);
    }
}

on_both! {
    async fn a_damaged_journal_is_stored_as_far_as_it_can_be_read_and_the_rest_is_kept(home: Home) {
        let store = home.open().await;
        let audit = start(&store, settings(&home)).await;
        record(&audit, 1..=12);
        drop(audit);
        let left = fs::read_dir(home.path("journal")).unwrap().next().unwrap().unwrap().path();
        await_release(&left.join("lock"));
        let journal = left.join("00000001.journal");
        let text = fs::read_to_string(&journal).unwrap();
        let garbled: Vec<String> = text.lines().enumerate().map(|(at, line)| if at == 6 { "?".to_owned() } else { line.to_owned() }).collect();
        fs::write(&journal, garbled.join("\n") + "\n").unwrap();
        let audit = start(&store, settings(&home)).await;
        audit.flush(&store).await.unwrap();
        assert_eq!(all(&store).await.len(), 6);
        let kept: Vec<String> = fs::read_dir(home.path("journal")).unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap()).filter(|name| name.ends_with(".damaged")).collect();
        assert_eq!(kept.len(), 1, "{kept:?}");
    }
}

/// Until the thread that writes has ended.
fn await_release(lock: &Path) {
    let deadline = Instant::now() + Duration::from_secs(60);
    let lock = File::options().append(true).open(lock).unwrap();
    while lock.try_lock().is_err() {
        assert!(Instant::now() < deadline, "the journal is not given up");
        std::thread::yield_now();
    }
}

on_both! {
    async fn a_full_journal_drops_and_counts_or_has_no_room_until_records_have_left_it(home: Home) {
        let store = home.open().await;
        let small = AuditSettings { max_journal_bytes: 4_096, ..settings(&home) };
        let audit = start(&store, small.clone()).await;
        for number in 0..100 {
            audit.record(event(number));
            assert!(audit.has_room());
            wait_until_idle(&audit).await;
        }
        let figures = audit.figures();
        assert!(figures.dropped > 0 && figures.written + figures.dropped == 100, "{figures:?}");
        assert!(figures.journal_bytes <= 4_096, "{figures:?}");
        let report = audit.verify(&store).await.unwrap();
        assert!(report.verified && report.records == figures.written, "{report:?}");
        drop(audit);

        let audit = start(&store, AuditSettings { when_full: WhenFull::Refuse, ..small }).await;
        let mut asked = 0;
        let deadline = Instant::now() + Duration::from_secs(60);
        while audit.has_room() {
            assert!(Instant::now() < deadline);
            asked += 1;
            audit.record(event(asked));
            wait_until_idle(&audit).await;
        }
        assert_eq!(audit.figures().refused, 1);
        let before = u64::try_from(all(&store).await.len()).unwrap();
        while !audit.has_room() {
            assert!(Instant::now() < deadline);
            let _room = tokio::time::timeout(Duration::from_millis(200), audit.flush(&store)).await;
        }
        let report = audit.verify(&store).await.unwrap();
        let arrived = report.records - before;
        assert!(report.verified && arrived == asked as u64 && audit.figures().dropped == 0, "{report:?} {asked}");
    }
}

/// Until the thread has written what was noted, or found that there is no room for it.
async fn wait_until_idle(audit: &Audit) {
    let idle = async {
        while audit.figures().waiting > 0 {
            tokio::task::yield_now().await;
        }
    };
    let _full = tokio::time::timeout(Duration::from_millis(500), idle).await;
}

on_both! {
    async fn records_are_found_by_who_what_and_when_page_by_page(home: Home) {
        let store = home.open().await;
        let audit = start(&store, settings(&home)).await;
        let of = |kind, name: &str| Some(std::sync::Arc::new(Principal { kind, name: name.into(), allow: vec![], attributes: vec![] }));
        let server = ServerName::parse("s").unwrap();
        for event in [
            Event { principal: of(PrincipalKind::Client, "ada"), at_ms: 1_000, ..event(1) },
            Event { principal: of(PrincipalKind::Admin, "ada"), at_ms: 2_000, ..event(2) },
            Event { principal: of(PrincipalKind::User, "ada"), server: Some(server), at_ms: 3_000, ..event(3) },
            Event { decision: Decision::Denied { by: None, code: "no".into() }, at_ms: 4_000, ..event(4) },
            Event { at_ms: 5_000, ..Event::new(Kind::Admin, "method-5", "success") },
        ] {
            audit.record(event);
        }
        audit.flush(&store).await.unwrap();
        let found = async |query: AuditQuery| {
            let rows = store.find_audit(&AuditQuery { limit: 100, ..query }).await.unwrap().0;
            rows.into_iter().map(|row| row.link.seq).collect::<Vec<_>>()
        };
        let all = AuditQuery::default;
        assert_eq!(found(all()).await, [5, 4, 3, 2, 1]);
        assert_eq!(found(AuditQuery { oldest_first: true, ..all() }).await, [1, 2, 3, 4, 5]);
        assert_eq!(found(AuditQuery { client: Some("ada".into()), ..all() }).await, [1]);
        assert_eq!(found(AuditQuery { user: Some("ada".into()), ..all() }).await, [3, 2]);
        assert_eq!(found(AuditQuery { server: Some("s".into()), ..all() }).await, [3]);
        assert_eq!(found(AuditQuery { denied: true, ..all() }).await, [4]);
        assert_eq!(found(AuditQuery { kind: Some("admin".into()), ..all() }).await, [5]);
        assert_eq!(found(AuditQuery { since_ms: Some(2_000), until_ms: Some(4_000), ..all() }).await, [3, 2]);
        let (first, latest) = store.find_audit(&AuditQuery { limit: 2, ..all() }).await.unwrap();
        assert_eq!((first[1].link.seq, latest), (4, first[0].arrival));
        assert_eq!(found(AuditQuery { cursor: Some(first[1].arrival), ..all() }).await, [3, 2, 1]);
        assert_eq!(found(AuditQuery { cursor: Some(latest), oldest_first: true, ..all() }).await, [0_i64; 0]);
        assert_eq!(first[0].index, Index::of(&first[0].text));
    }
}

on_both! {
    async fn the_log_of_a_database_belongs_to_its_secret_key(home: Home) {
        let store = home.open().await;
        run(&home, &store).await;
        let right = store.audit_key().await.unwrap();
        assert_eq!(right.expose(), store.audit_key().await.unwrap().expose());
        store.close().await;
        // Whoever keeps no log can do without its key.
        let store = home.try_open(Some(key(&"cd".repeat(32)))).await.unwrap();
        let wrong = store.audit_key().await.unwrap_err();
        assert!(matches!(wrong, StoreError::Key(KeyError::Wrong { .. })), "{wrong}");
    }
}

#[tokio::test]
async fn a_log_whose_database_is_gone_waits_on_the_disk() {
    let home = Home::sqlite();
    let store = home.open().await;
    let audit = start(&store, settings(&home)).await;
    store.close().await;
    audit.record(event(1));
    let error = audit.flush(&store).await.unwrap_err();
    assert!(matches!(error, ShipError::Store(StoreError::Unreachable(_))), "{error:?}");
    let store = home.open().await;
    audit.flush(&store).await.unwrap();
    assert_eq!(all(&store).await.len(), 1);
}

#[tokio::test]
async fn where_answers_wait_for_their_records_a_record_is_on_the_disk_by_then() {
    let home = Home::sqlite();
    let store = home.open().await;
    let audit = start(&store, AuditSettings { sync: true, ..settings(&home) }).await;
    for number in 1..=20 {
        let ticket = audit.record(event(number));
        assert!(audit.settle(ticket).await);
        assert_eq!(audit.figures().written, number as u64);
    }
}

#[tokio::test]
async fn an_answer_whose_record_found_no_room_leaves_only_where_records_may_be_dropped() {
    let home = Home::sqlite();
    let store = home.open().await;
    for (when_full, leaves) in [(WhenFull::Refuse, false), (WhenFull::Drop, true)] {
        let audit = start(&store, AuditSettings { sync: true, when_full, ..settings(&home) }).await;
        assert_eq!(audit.settle(None).await, leaves, "{when_full:?}");
    }
}
