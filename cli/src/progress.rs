//! What a person at a terminal sees while a gateway takes its time: what is waited for, and for how long.

use std::io::{self, Write as _};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, MissedTickBehavior};

use crate::environment::Environment;

/// What takes less is not worth a word.
const PATIENCE: Duration = Duration::from_secs(1);
const FRAME: Duration = Duration::from_millis(100);
const FRAMES: [char; 4] = ['|', '/', '-', '\\'];
/// More might not fit on one line, and only one is erased.
const MOST_CHARACTERS: usize = 64;
/// Back to the line's start, and erase it.
const CLEAR: &str = "\r\x1b[2K";

/// Draws on standard error; nothing unless a person looks at it.
pub(crate) struct Progress {
    is_shown: bool,
    /// When the command began to wait.
    started: Instant,
    /// Held by the one request that draws, of several at a time.
    line: Mutex<()>,
}

impl Progress {
    pub(crate) fn new(environment: &Environment) -> Self {
        Self { is_shown: is_wanted(environment), started: Instant::now(), line: Mutex::new(()) }
    }

    /// Waits for `work`, and says so once that takes long. The line is gone before this returns.
    pub(crate) async fn during<T>(&self, what: &str, work: impl Future<Output = T>) -> T {
        if !self.is_shown {
            return work.await;
        }
        let mut work = std::pin::pin!(work);
        let since = Instant::now();
        let mut ticks = tokio::time::interval_at(since + PATIENCE, FRAME);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let what: String = what.chars().filter(|character| !character.is_control()).take(MOST_CHARACTERS).collect();
        let mut line = None;
        for frame in FRAMES.iter().cycle() {
            tokio::select! {
                done = &mut work => {
                    if line.is_some() {
                        draw(CLEAR);
                    }
                    return done;
                }
                _ = ticks.tick() => {}
            }
            line = line.or_else(|| self.line.try_lock().ok());
            if line.is_some() {
                draw(&format!("{CLEAR}{frame} {what} ({} s)", self.started.elapsed().as_secs()));
            }
        }
        unreachable!("the frames go round for ever")
    }
}

/// A terminal that is not one, or whose user wants plain text, gets no moving line.
fn is_wanted(environment: &Environment) -> bool {
    environment.stderr_is_terminal
        && environment.setting("NO_COLOR").is_none()
        && environment.setting("TERM").is_some_and(|terminal| terminal != "dumb")
}

fn draw(text: &str) {
    let mut terminal = io::stderr();
    // Whoever closed it does not look at it.
    let _unseen = terminal.write_all(text.as_bytes()).and_then(|()| terminal.flush());
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_line_moves_only_where_a_person_wants_it() {
        for (is_terminal, variables, wanted) in [
            (true, &[("TERM", "xterm")][..], true),
            (true, &[("TERM", "xterm"), ("NO_COLOR", "")], true),
            (true, &[("TERM", "xterm"), ("NO_COLOR", "1")], false),
            (true, &[("TERM", "dumb")], false),
            (true, &[], false),
            (false, &[("TERM", "xterm")], false),
        ] {
            let environment =
                Environment { stderr_is_terminal: is_terminal, ..Environment::of(variables, Path::new("/")) };
            assert_eq!(is_wanted(&environment), wanted, "{is_terminal} {variables:?}");
        }
    }
}
