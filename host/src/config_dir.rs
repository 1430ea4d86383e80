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
mod watch;

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
    let mut desired: Option<State> = None;
    let mut retry: Option<Retry> = None;
    loop {
        ticks.tick().await;
        if look(&mut watch, &folder).await {
            // A bad file changes nothing: what was said before still holds.
            if let Some(state) = read(&folder).await {
                desired = Some(state);
                retry = Some(Retry::now());
            }
        }
        let (Some(desired), Some(due)) = (&desired, retry.as_ref().filter(|retry| retry.at <= Instant::now())) else {
            continue;
        };
        let Some(gateway) = gateway.upgrade() else { return };
        retry = if reconciler.reconcile(&gateway, desired).await { None } else { Some(due.later()) };
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
            if watch.lose() {
                let path = folder.path.display();
                tracing::error!(config.dir = %path, %error, "the config directory cannot be read: nothing is changed");
            }
            false
        }
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}

/// What the files say; `None`, and the log has why, if any is not right.
async fn read(folder: &Arc<ConfigDir>) -> Option<State> {
    let reading = tokio::task::spawn_blocking({
        let folder = Arc::clone(folder);
        move || read_files(&folder)
    });
    match reading.await {
        Ok(Ok(state)) => Some(state),
        Ok(Err(problems)) => {
            for problem in problems {
                tracing::error!(
                    config.dir = %folder.path.display(),
                    "a bad file is refused, and with it the whole folder until it is mended: {problem}"
                );
            }
            None
        }
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}

fn read_files(folder: &ConfigDir) -> Result<State, Vec<Problem>> {
    let unreadable = |path: &Path, error: std::io::Error| {
        vec![Problem { file: path.display().to_string(), place: None, message: error.to_string() }]
    };
    let files = find_files(&folder.path).map_err(|error| unreadable(&folder.path, error))?;
    read_state(&files, &|name: &str| folder.variables.get(name).map(|value| value.expose().to_owned()))
}

/// When what failed is tried again.
struct Retry {
    at: Instant,
    /// How long after that, if it fails once more.
    wait: Duration,
}

impl Retry {
    fn now() -> Self {
        Self { at: Instant::now(), wait: RETRY.0 }
    }

    fn later(&self) -> Self {
        Self { at: Instant::now() + self.wait, wait: (self.wait * 2).min(RETRY.1) }
    }
}
