//! Records of the audit log: how many were written, found no room, and wait.

use prometheus::proto::{MetricFamily, MetricType};

use crate::audit::AuditFigures;
use crate::telemetry::exposition::{counter, family, gauge};

pub(super) fn collect(figures: AuditFigures) -> [MetricFamily; 5] {
    let count = |name, help, value: u64| family(name, help, MetricType::COUNTER, vec![counter(&[], value as f64)]);
    let level = |name, help, value: u64| family(name, help, MetricType::GAUGE, vec![gauge(&[], value as f64)]);
    [
        count("mcpjungle_audit_records_total", "Audit records written to the journal.", figures.written),
        count("mcpjungle_audit_dropped_total", "Audit records that found no room.", figures.dropped),
        count(
            "mcpjungle_audit_refused_total",
            "Requests that were refused because audit records find no room.",
            figures.refused,
        ),
        level("mcpjungle_audit_waiting", "Audit records that are not in the journal yet.", figures.waiting),
        level(
            "mcpjungle_audit_journal_bytes",
            "What the journal of the audit log takes on the disk, in bytes.",
            figures.journal_bytes,
        ),
    ]
}
