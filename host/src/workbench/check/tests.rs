use std::path::Path;

use super::*;
use crate::plugin::Stock;

async fn check_bytes(bytes: &[u8], settings: Option<&str>) -> CheckReport {
    let mut subject = Subject::new("policy.wasm", Path::new("policy.wasm")).unwrap();
    subject.source = ComponentSource::Bytes(bytes.into());
    check(&subject, settings).await.unwrap()
}

fn told(report: &CheckReport) -> String {
    report.problems.iter().map(|problem| format!("{}: {}\n", problem.place, problem.message)).collect()
}

#[tokio::test]
async fn every_stock_component_can_be_installed_as_it_is() {
    for stock in Stock::ALL {
        let report = check_bytes(stock.component(), None).await;
        assert!(report.is_installable && report.install_flags.is_empty(), "{stock:?}: {}", told(&report));
        assert_eq!(report.stages.len(), 1, "{stock:?}");
        assert!(report.trial.is_some_and(|trial| trial.memory_bytes > 0), "{stock:?}");
        assert_eq!(report.contract.as_deref(), Some(CONTRACT));
    }
}

#[tokio::test]
async fn a_component_that_is_cut_off_anywhere_is_said_to_be() {
    let whole = Stock::Acl.component();
    for length in [4, 8, 9, 100, whole.len() / 2, whole.len() - 1] {
        let report = check_bytes(&whole[..length], None).await;
        assert!(!report.is_installable, "{length}");
        if length != 8 {
            assert!(told(&report).contains("file: "), "{length}: {}", told(&report));
        }
    }
}

#[tokio::test]
async fn what_does_not_fit_the_pool_is_from_the_cache_only_if_it_was_compiled_before() {
    // The pool's slots have room for one memory.
    let component =
        wat::parse_str("(component (core module $m (memory 1) (memory 1)) (core instance (instantiate $m)))");
    let cache = tempfile::tempdir().unwrap();
    let mut subject = Subject::new("policy.wasm", Path::new("policy.wasm")).unwrap();
    subject.source = ComponentSource::Bytes(component.unwrap().into());
    subject.cache_dir = Some(cache.path().to_owned());
    let look = async || {
        let report = check(&subject, None).await.unwrap();
        (report.is_pooled, report.is_from_cache)
    };
    assert_eq!(look().await, (Some(false), false));
    assert_eq!(look().await, (Some(false), true));
}

#[tokio::test]
async fn settings_that_do_not_fit_are_a_problem_only_if_they_were_given() {
    let acl = Stock::Acl.component();
    let report = check_bytes(acl, Some(r#"{"deny": []}"#)).await;
    assert!(!report.is_installable);
    assert!(told(&report).starts_with("settings: they do not fit its schema: "), "{}", told(&report));
}

#[tokio::test]
async fn a_component_of_another_track_is_told_which_one_there_is() {
    let component = wat::parse_str(
        r#"(component (import "mcpjungle:policy/clock@0.9.0" (instance (export "now" (func (result u64))))))"#,
    );
    let report = check_bytes(&component.unwrap(), None).await;
    let expected = "imports: `mcpjungle:policy/clock@0.9.0` is of track 0.9.0 of the contract, \
                    and this gateway speaks mcpjungle:policy@0.1.0\n";
    assert_eq!(told(&report), expected);
}

#[tokio::test]
async fn an_interface_that_is_not_what_its_name_says_is_a_problem() {
    let component = wat::parse_str(
        r#"(component (import "mcpjungle:policy/clock@0.1.0" (instance (export "later" (func (result u64))))))"#,
    );
    let report = check_bytes(&component.unwrap(), None).await;
    assert!(told(&report).contains("exports: it exports nothing"), "{}", told(&report));
}
