//! What plugins write: lines in the gateway's log, at a bounded rate.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};

use crate::line_rate::LineRate;

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
    rate: LineRate,
}

impl PluginLog {
    pub(crate) fn new(plugin: Arc<str>) -> Self {
        Self { plugin, rate: LineRate::new(LINES_PER_SECOND) }
    }

    /// Writes one line, or drops it if the plugin has written too many.
    pub(crate) fn write(&self, level: tracing::Level, message: &str, fields: &[(String, String)]) {
        let Some(dropped) = self.rate.take_line(Instant::now()) else {
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
    use super::*;

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
