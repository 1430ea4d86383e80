//! What a component writes while it is tried: its lines in the log, kept instead of printed.

use std::fmt::{Debug, Write as _};
use std::sync::Arc;

use parking_lot::Mutex;
use tracing::field::{Field, Visit};
use tracing::instrument::WithSubscriber;
use tracing::span;

/// Lines kept of one question; what comes then is only counted.
const MOST_LINES: usize = 100;

/// Does `work`, and gives what plugins wrote meanwhile.
pub(crate) async fn listening<T>(work: impl Future<Output = T>) -> (T, Vec<String>) {
    let lines = Lines::default();
    let done = work.with_subscriber(tracing::Dispatch::new(lines.clone())).await;
    let mut lines = lines.0.lock();
    let (mut kept, dropped) = (std::mem::take(&mut lines.kept), lines.dropped);
    if dropped > 0 {
        kept.push(format!("… and {dropped} more lines"));
    }
    (done, kept)
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    kept: Vec<String>,
    dropped: usize,
}

impl tracing::Subscriber for Lines {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.is_event() && metadata.fields().field("plugin.name").is_some()
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        let mut text = event.metadata().level().as_str().to_ascii_lowercase();
        let _ = write!(text, " {}{}", line.message, line.fields);
        let mut lines = self.0.lock();
        if lines.kept.len() < MOST_LINES {
            lines.kept.push(text);
        } else {
            lines.dropped += 1;
        }
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// The gateway prints the words of plugins with their control characters escaped; so they stay here.
#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            "plugin.name" => Ok(()),
            "plugin.fields" => match format!("{value:?}").as_str() {
                "[]" => Ok(()),
                fields => write!(self.fields, " {fields}"),
            },
            other => write!(self.fields, " {other}={value:?}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_of_plugins_are_kept_and_no_others() {
        let (answer, lines) = listening(async {
            tracing::warn!(plugin.name = %"p", plugin.fields = ?[("a", "b")], "{:?}", "hello\n");
            tracing::warn!("the gateway's own");
            7
        })
        .await;
        assert_eq!(answer, 7);
        assert_eq!(lines, [r#"warn "hello\n" [("a", "b")]"#]);
    }
}
