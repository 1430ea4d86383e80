//! Samples, families of them, and their text.

use prometheus::proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};
use prometheus::{Histogram, HistogramOpts, TextEncoder};

/// A label's value is cut to this many bytes: what an upstream calls its tools may be long.
const MAX_LABEL_BYTES: usize = 64;

/// The value of a label: cut where a character begins, and never empty.
pub(super) fn label(text: &str) -> &str {
    match &text[..text.floor_char_boundary(MAX_LABEL_BYTES)] {
        "" => "unknown",
        cut => cut,
    }
}

/// A histogram of seconds; its name and labels are given where it is collected.
pub(super) fn histogram(bounds: &[f64]) -> Histogram {
    let options = HistogramOpts::new("latency_seconds", "Seconds.").buckets(bounds.to_vec());
    Histogram::with_opts(options).expect("the name is valid and the bounds ascend")
}

pub(super) fn family(name: &str, help: &str, kind: MetricType, samples: Vec<Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(kind);
    family.set_metric(samples);
    family
}

pub(super) fn counter(labels: &[(&str, &str)], value: f64) -> Metric {
    let mut counter = Counter::default();
    counter.set_value(value);
    let mut sample = Metric::from_label(pairs(labels));
    sample.set_counter(counter);
    sample
}

pub(super) fn gauge(labels: &[(&str, &str)], value: f64) -> Metric {
    let mut gauge = Gauge::default();
    gauge.set_value(value);
    let mut sample = Metric::from_label(pairs(labels));
    sample.set_gauge(gauge);
    sample
}

pub(super) fn seconds(labels: &[(&str, &str)], histogram: &Histogram) -> Metric {
    let mut sample = prometheus::core::Metric::metric(histogram);
    sample.set_label(pairs(labels));
    sample
}

fn pairs(labels: &[(&str, &str)]) -> Vec<LabelPair> {
    let pair = |(name, value): &(&str, &str)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value((*value).to_owned());
        pair
    };
    labels.iter().map(pair).collect()
}

/// All families that have a sample, by name.
pub(super) fn text(mut families: Vec<MetricFamily>) -> Result<String, prometheus::Error> {
    families.retain(|family| !family.get_metric().is_empty());
    families.sort_by(|one, other| one.name().cmp(other.name()));
    TextEncoder::new().encode_to_string(&families)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_values_are_cut_between_characters_and_never_empty() {
        let long = "a".repeat(65);
        let wide = format!("{}é", "a".repeat(63));
        for (text, expected) in
            [("", "unknown"), ("s__t", "s__t"), (&long, &long[..64]), (&wide, &wide[..63]), (&long[..64], &long[..64])]
        {
            assert_eq!(label(text), expected);
        }
    }

    #[test]
    fn what_an_upstream_names_its_tools_cannot_break_the_text() {
        let sample = counter(&[("tool_name", "s__a\"\n\\b")], 2.0);
        let text = text(vec![family("calls_total", "Calls.", MetricType::COUNTER, vec![sample])]).unwrap();
        assert_eq!(
            text,
            "# HELP calls_total Calls.\n# TYPE calls_total counter\ncalls_total{tool_name=\"s__a\\\"\\n\\\\b\"} 2\n"
        );
    }

    #[test]
    fn a_family_without_a_sample_is_left_out() {
        assert_eq!(text(vec![family("calls_total", "Calls.", MetricType::COUNTER, Vec::new())]).unwrap(), "");
    }
}
