//! The terminal: results go to standard output, everything else to standard error.

use std::fmt::Display;
use std::io::{self, BufWriter, Stdout, Write};
use std::process::ExitCode;

use crate::json_text;

/// The only one who writes to the terminal. As a [`Write`] it is standard output.
pub(crate) struct Printer {
    out: BufWriter<Stdout>,
    json: bool,
}

impl Printer {
    /// Prints text until told otherwise.
    pub(crate) fn new() -> Self {
        Self { out: BufWriter::new(io::stdout()), json: false }
    }

    /// Whether commands print JSON in place of text.
    pub(crate) fn set_json(&mut self, json: bool) {
        self.json = json;
    }

    /// Whether commands print JSON in place of text.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Prints JSON text as a result, indented.
    pub(crate) fn json(&mut self, text: &str) -> io::Result<()> {
        writeln!(self, "{}", json_text::pretty(text))
    }

    /// Says something that is not a result: a tip, a warning, an error.
    pub(crate) fn note(&mut self, message: impl Display) -> io::Result<()> {
        // In the order in which it was said, where both streams are one terminal.
        self.flush()?;
        writeln!(io::stderr(), "{message}")
    }

    /// Prints what is left to print and turns the outcome into an exit status.
    pub(crate) fn finish(mut self, outcome: anyhow::Result<ExitCode>) -> ExitCode {
        match outcome.and_then(|status| self.flush().map(|()| status).map_err(anyhow::Error::from)) {
            Ok(status) => status,
            // Whoever read our output, `head` for one, has seen enough.
            Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
            Err(error) => {
                // Nobody is left to tell if standard error is closed too.
                let _ = self.note(format_args!("{error:#}"));
                ExitCode::FAILURE
            }
        }
    }
}

impl Write for Printer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
