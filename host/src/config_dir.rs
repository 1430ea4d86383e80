//! Keeping to a watched folder: servers and groups are what the files in it say.
//!
//! - `watch`: noticing that the folder has changed, and has come to rest.
//! - `reconcile`: making what is registered as the files say.
//!
//! Only what came from the folder is ever changed or removed. The store
//! remembers what that is: what the folder brought, and what was registered
//! already just as a file says. So an administrator's own work is not touched,
//! and a file taken away while no gateway ran is noticed at the next start.

mod reconcile;
pub(crate) mod watch;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior};

use crate::configuration::{Problem, State, find_files, read_state};
use crate::gateway::Gateway;
use crate::secret::Secret;
use reconcile::Reconciler;
use watch::Watch;

/// How often the folder is looked at. A change counts once two looks in a row saw the same.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// How soon what failed is tried again: at first, and at most.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// A folder to keep to.
#[derive(Debug, Clone)]
pub struct ConfigDir {
    /// An absolute path. It is also the name under which the store remembers what came from it.
    pub path: PathBuf,
    /// What `${VAR}` in the files is filled in from.
    pub variables: BTreeMap<String, Secret>,
}

/// Keeps to the folder in the background, as long as the gateway is there.
pub fn start(gateway: &Arc<Gateway>, folder: ConfigDir) {
    tokio::spawn(follow(Arc::downgrade(gateway), folder));
}

async fn follow(gateway: Weak<Gateway>, folder: ConfigDir) {
    let folder = Arc::new(folder);
    let mut ticks = tokio::time::interval(LOOK_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut watch = Watch::default();
    let mut reconciler = Reconciler::new(&folder.path);
    let mut files = Files::default();
    let mut desired: Option<State> = None;
    let mut retry: Option<Retry> = None;
    loop {
        ticks.tick().await;
        if look(&mut watch, &folder).await {
            files = Files { reading: Some(Retry::now()), told: Vec::new() };
        }
        // A bad file changes nothing: what was said before still holds.
        if let Some(state) = files.read(&folder).await {
            desired = Some(state);
            retry = Some(Retry::now());
        }
        let Some(desired) = &desired else { continue };
        let Some(gateway) = gateway.upgrade() else { return };
        if retry.is_none() && reconciler.is_foreign_settled(&gateway, desired) {
            retry = Some(Retry::now());
        }
        if let Some(due) = retry.as_ref().filter(|retry| retry.is_due()) {
            retry = if reconciler.reconcile(&gateway, desired).await { None } else { Some(due.later()) };
        }
    }
}

/// Whether the folder has changed and come to rest.
async fn look(watch: &mut Watch, folder: &Arc<ConfigDir>) -> bool {
    let path = folder.path.clone();
    // Disks may be slow, or far away.
    match tokio::task::spawn_blocking(move || watch::fingerprint(&path)).await {
        Ok(Ok(fingerprint)) => watch.see(fingerprint),
        Ok(Err(error)) => {
            // An empty folder says that nothing should be; one that is gone says nothing.
            if watch.lose(error.to_string()) {
                let path = folder.path.display();
                tracing::error!(config.dir = %path, %error, "the config directory cannot be read: nothing is changed");
            }
            false
        }
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}

/// The files of a folder that has come to rest.
#[derive(Default)]
struct Files {
    /// When they are read, unless they have been. What cannot be read now may be a
    /// moment later, though nothing in the folder shows that it can.
    reading: Option<Retry>,
    /// What was told to be wrong in them.
    told: Vec<Problem>,
}

impl Files {
    /// What they say, if it is time to read them; `None`, and the log has why, if any is not right.
    async fn read(&mut self, folder: &Arc<ConfigDir>) -> Option<State> {
        let due = self.reading.take_if(|reading| reading.is_due())?;
        let reading = tokio::task::spawn_blocking({
            let folder = Arc::clone(folder);
            move || read_files(&folder)
        });
        let problems = match reading.await {
            Ok(Ok(state)) => return Some(state),
            Ok(Err(problems)) => problems,
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        };
        self.reading = Some(due.later());
        for problem in problems.iter().filter(|problem| !self.told.contains(problem)) {
            tracing::error!(
                config.dir = %folder.path.display(),
                "a bad file is refused, and with it the whole folder until it is mended: {problem}"
            );
        }
        self.told = problems;
        None
    }
}

fn read_files(folder: &ConfigDir) -> Result<State, Vec<Problem>> {
    let unreadable = |path: &Path, error: std::io::Error| {
        vec![Problem { file: path.display().to_string(), place: None, message: error.to_string() }]
    };
    let files = find_files(&folder.path).map_err(|error| unreadable(&folder.path, error))?;
    read_state(&files, &|name: &str| folder.variables.get(name).map(|value| value.expose().to_owned()))
}

/// When what failed is tried again: ever later.
pub(crate) struct Retry {
    at: Instant,
    /// How long after that, if it fails once more.
    wait: Duration,
}

impl Retry {
    pub(crate) fn now() -> Self {
        Self { at: Instant::now(), wait: RETRY.0 }
    }

    pub(crate) fn is_due(&self) -> bool {
        self.at <= Instant::now()
    }

    pub(crate) fn later(&self) -> Self {
        Self { at: Instant::now() + self.wait, wait: (self.wait * 2).min(RETRY.1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_could_not_be_read_is_read_again_and_each_problem_is_told_once() {
        let directory = tempfile::tempdir().unwrap();
        let folder = Arc::new(ConfigDir { path: directory.path().to_owned(), variables: BTreeMap::new() });
        let write = |text: &str| std::fs::write(directory.path().join("a.json"), text).unwrap();
        write("{");
        let mut files = Files { reading: Some(Retry::now()), told: Vec::new() };
        assert!(files.read(&folder).await.is_none());
        assert_eq!(files.told.len(), 1);
        // Nobody looks at the folder here.
        write(r#"{"name":"a","transport":"stdio","command":"c"}"#);
        assert!(files.read(&folder).await.is_none(), "not before it is due");
        files.reading.as_mut().unwrap().at = Instant::now();
        assert_eq!(files.read(&folder).await.unwrap().servers.len(), 1);
        assert!(files.reading.is_none(), "and not again");
    }
}
