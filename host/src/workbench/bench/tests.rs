use std::path::Path;

use super::*;
use crate::plugin::{ComponentSource, Stock};

fn subject(source: ComponentSource) -> Subject {
    let mut subject = Subject::new("policy.wasm", Path::new("policy.wasm")).unwrap();
    subject.source = source;
    subject
}

#[tokio::test]
async fn every_question_of_a_stage_is_measured_in_time() {
    let started = Instant::now();
    let report = bench(&subject(ComponentSource::Stock(Stock::Acl)), None, None).await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(10));
    assert_eq!(report.stopped, None);
    let questions: Vec<_> = report.stages.iter().map(|row| row.question.as_str()).collect();
    assert_eq!(questions, ["one item", "a list of 1", "a list of 500"]);
    for row in &report.stages {
        assert!(row.calls > 0 && row.p50_us > 0.0 && row.p99_us >= row.p50_us, "{row:?}");
    }
    let instance = report.instance.unwrap();
    assert!(report.memory_peak_bytes >= instance.memory_bytes && instance.memory_bytes > 0);
}

#[tokio::test]
async fn with_a_file_its_cases_are_the_questions() {
    let text = "cases:\n  - {name: mine, item: a__b, expect: allow}\n  - {item: a__b, settings: {x: 1}, expect: {fails: settings}}\n";
    let source = Source { shown: "c.yaml", path: Path::new("c.yaml"), text };
    let report = bench(&subject(ComponentSource::Stock(Stock::Acl)), Some(source), None).await.unwrap();
    assert_eq!(report.stages.iter().map(|row| row.question.as_str()).collect::<Vec<_>>(), ["mine"]);
}
