//! What the gateway logs at level error while it is installed.

use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Level, Metadata, Subscriber};

/// All lines, and the field `error` of the last one.
#[derive(Clone, Default)]
pub struct CapturedLog(Arc<Mutex<Lines>>);

#[derive(Default)]
struct Lines {
    count: usize,
    last_error: String,
}

impl CapturedLog {
    /// Captures what this thread logs.
    pub fn install(&self) -> DefaultGuard {
        tracing::subscriber::set_default(self.clone())
    }

    /// What the last line says went wrong.
    pub fn error(&self) -> String {
        self.lines().last_error.clone()
    }

    /// How many lines there are.
    pub fn count(&self) -> usize {
        self.lines().count
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.0.lock().unwrap()
    }
}

impl Subscriber for CapturedLog {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::ERROR
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut lines = self.lines();
        lines.count += 1;
        event.record(&mut ErrorField(&mut lines.last_error));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct ErrorField<'a>(&'a mut String);

impl Visit for ErrorField<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "error" {
            *self.0 = format!("{value:?}");
        }
    }
}
