//! Outcomes as JUnit XML, which CI systems read.

use std::fmt::Write as _;

use crate::workbench::cases::{CaseReport, TestReport, shown};

/// The report as one XML document.
pub fn junit(report: &TestReport) -> String {
    let all = report.cases.len();
    let seconds = |microseconds: u64| format!("{}.{:06}", microseconds / 1_000_000, microseconds % 1_000_000);
    let time = seconds(report.cases.iter().map(|case| case.duration_us).sum());
    let counts = format!(r#"tests="{all}" failures="{}" errors="0" time="{time}""#, report.failed);
    let suite = escape(&report.component);
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"mcpjungle plugin test\" {counts}>\n  \
         <testsuite name=\"{suite}\" {counts}>\n"
    );
    for case in &report.cases {
        let (name, stage, time) = (escape(&case.name), case.stage, seconds(case.duration_us));
        let class = format!("{suite}.{stage}");
        let line = case.place.map(|place| format!(" line=\"{}\"", place.line)).unwrap_or_default();
        let file = escape(&report.file);
        let _ =
            writeln!(xml, "    <testcase name=\"{name}\" classname=\"{class}\" file=\"{file}\"{line} time=\"{time}\">");
        if !case.passed {
            let message = escape(&format!("expected {}, got {}", shown(&case.expected), shown(&case.got)));
            let _ = writeln!(xml, "      <failure message=\"{message}\">{}</failure>", escape(&details(case)));
        }
        if !case.log.is_empty() {
            let _ = writeln!(xml, "      <system-out>{}</system-out>", escape(&case.log.join("\n")));
        }
        xml.push_str("    </testcase>\n");
    }
    xml.push_str("  </testsuite>\n</testsuites>\n");
    xml
}

fn details(case: &CaseReport) -> String {
    let side = |value: &Option<serde_json::Value>| value.as_ref().map_or("nothing".to_owned(), shown);
    let lines = case.differences.iter().map(|difference| {
        let at = if difference.at.is_empty() { String::new() } else { format!("{}: ", difference.at) };
        format!("{at}expected {}, got {}", side(&difference.expected), side(&difference.got))
    });
    lines.chain(case.remarks.iter().cloned()).collect::<Vec<_>>().join("\n")
}

/// For texts and attributes alike. What XML 1.0 has no way to write becomes a replacement character.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => {
                let _ = write!(escaped, "&#{};", u32::from(character));
            }
            character if character.is_control() || matches!(character, '\u{fffe}' | '\u{ffff}') => {
                escaped.push('\u{fffd}')
            }
            character => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_case_is_called_the_document_stays_one() {
        assert_eq!(escape("a<b> & \"c\"\n\u{1b}[31m"), "a&lt;b&gt; &amp; &quot;c&quot;&#10;\u{fffd}[31m");
    }
}
