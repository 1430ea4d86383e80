//! What plugins write: lines in the gateway's log, at a bounded rate.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use parking_lot::Mutex;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};

/// Lines that a plugin may write at once, and regains every second.
const LINES_PER_SECOND: u32 = 50;
/// Longer messages are cut.
const LONGEST_MESSAGE: usize = 4_096;
/// Further fields of a line are left out; longer names and values are cut.
const MOST_FIELDS: usize = 32;
const LONGEST_FIELD_NAME: usize = 64;
const LONGEST_FIELD_VALUE: usize = 512;

/// The log of one plugin, shared by all of its instances.
pub(crate) struct PluginLog {
    plugin: Arc<str>,
    rate: Mutex<Rate>,
}

struct Rate {
    lines_left: u32,
    since: Instant,
    /// Lines not written since the last one that was.
    dropped: u64,
}

impl PluginLog {
    pub(crate) fn new(plugin: Arc<str>) -> Self {
        Self { plugin, rate: Mutex::new(Rate { lines_left: LINES_PER_SECOND, since: Instant::now(), dropped: 0 }) }
    }

    /// Writes one line, or drops it if the plugin has written too many.
    pub(crate) fn write(&self, level: tracing::Level, message: &str, fields: &[(String, String)]) {
        let Some(dropped) = self.rate.lock().take_line(Instant::now()) else {
            return;
        };
        if dropped > 0 {
            tracing::warn!(plugin.name = %self.plugin, dropped, "lines of a plugin were dropped: it writes too many");
        }
        // Printed as a quoted text: a plugin must not be able to forge lines of the gateway.
        let message = cut(message, LONGEST_MESSAGE);
        let fields = bounded(fields);
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(plugin.name = %self.plugin, plugin.fields = ?fields, "{message:?}")
            };
        }
        match level {
            tracing::Level::TRACE | tracing::Level::DEBUG => line!(debug),
            tracing::Level::INFO => line!(info),
            tracing::Level::WARN => line!(warn),
            tracing::Level::ERROR => line!(error),
        }
    }
}

impl Rate {
    /// How many lines were dropped before this one; `None` if this one is to be dropped.
    fn take_line(&mut self, now: Instant) -> Option<u64> {
        if now.duration_since(self.since).as_secs() >= 1 {
            self.lines_left = LINES_PER_SECOND;
            self.since = now;
        }
        match self.lines_left.checked_sub(1) {
            Some(left) => {
                self.lines_left = left;
                Some(std::mem::take(&mut self.dropped))
            }
            None => {
                self.dropped += 1;
                None
            }
        }
    }
}

fn bounded(fields: &[(String, String)]) -> Vec<(&str, &str)> {
    fields
        .iter()
        .take(MOST_FIELDS)
        .map(|(name, value)| (cut(name, LONGEST_FIELD_NAME), cut(value, LONGEST_FIELD_VALUE)))
        .collect()
}

fn cut(text: &str, longest: usize) -> &str {
    &text[..text.floor_char_boundary(longest)]
}

/// Standard output and standard error of a component: each line goes to the plugin's log.
#[derive(Clone)]
pub(crate) struct StandardOutput {
    pub(crate) log: Arc<PluginLog>,
    pub(crate) level: tracing::Level,
}

impl IsTerminal for StandardOutput {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for StandardOutput {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(Lines { output: self.clone(), unfinished: Vec::new() })
    }
}

struct Lines {
    output: StandardOutput,
    unfinished: Vec<u8>,
}

impl Lines {
    fn write_line(&mut self) {
        let line = String::from_utf8_lossy(&self.unfinished);
        if !line.trim().is_empty() {
            self.output.log.write(self.output.level, line.trim_end(), &[]);
        }
        self.unfinished.clear();
    }
}

impl AsyncWrite for Lines {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        for &byte in bytes {
            if byte == b'\n' || self.unfinished.len() >= LONGEST_MESSAGE {
                self.write_line();
            }
            if byte != b'\n' {
                self.unfinished.push(byte);
            }
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.write_line();
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn lines_beyond_the_rate_are_dropped_and_counted() {
        let start = Instant::now();
        let mut rate = Rate { lines_left: LINES_PER_SECOND, since: start, dropped: 0 };
        let written = (0..LINES_PER_SECOND + 7).filter(|_| rate.take_line(start) == Some(0)).count();
        assert_eq!(written, LINES_PER_SECOND as usize);
        assert_eq!(rate.take_line(start + Duration::from_secs(1)), Some(7));
        assert_eq!(rate.take_line(start + Duration::from_secs(1)), Some(0));
    }

    #[test]
    fn long_messages_are_cut_between_characters() {
        let message = "ä".repeat(LONGEST_MESSAGE);
        assert_eq!(cut(&message, LONGEST_MESSAGE).len(), LONGEST_MESSAGE);
        assert_eq!(cut("short", LONGEST_MESSAGE), "short");
        let uneven = format!("x{message}");
        assert_eq!(cut(&uneven, LONGEST_MESSAGE).len(), LONGEST_MESSAGE - 1);
    }

    #[test]
    fn fields_are_few_and_short() {
        let fields = vec![("n".repeat(100_000), "v".repeat(100_000)); 1_000];
        let bounded = bounded(&fields);
        assert_eq!(bounded.len(), MOST_FIELDS);
        assert!(bounded.iter().all(|(name, value)| (name.len(), value.len()) == (64, 512)));
    }
}
