//! Keeping to a watched policies file: what it says runs as soon as it and the components that it
//! names have come to rest. A bad file is refused and told of once, and what ran goes on.

use std::path::{Path, PathBuf};
use std::sync::Weak;
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use crate::admin::with_sources;
use crate::config_dir::watch::{Fingerprint, Watch, stamp};
use crate::gateway::Gateway;
use crate::plugin::{ComponentSource, PipelinePlan};

/// How often the file is looked at. A change counts once two looks in a row saw the same.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// Keeps to the file as long as the gateway is there.
pub(in crate::gateway) async fn follow(gateway: Weak<Gateway>, path: PathBuf) {
    let mut ticks = tokio::time::interval(LOOK_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut watch = Watch::default();
    let mut components = Vec::new();
    loop {
        ticks.tick().await;
        let looked = tokio::task::spawn_blocking({
            let path = path.clone();
            move || look(&path, components)
        });
        let seen = match looked.await {
            Ok(seen) => seen,
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        };
        components = seen.components;
        if !watch.see(seen.fingerprint) {
            continue;
        }
        let Some(gateway) = gateway.upgrade() else { return };
        let file = path.display();
        match gateway.reload_policies_file(&path).await {
            Ok(true) => tracing::info!(policies.file = %file, "the policies file has changed, and what it says runs"),
            Ok(false) => {}
            Err(error) => tracing::error!(
                policies.file = %file,
                error = with_sources(&error),
                "a bad policies file is refused: the old policies stay"
            ),
        }
    }
}

struct Seen {
    fingerprint: Fingerprint,
    components: Vec<PathBuf>,
}

/// The file with the components that it names; while it cannot be read, with those that it named before.
fn look(path: &Path, known: Vec<PathBuf>) -> Seen {
    let components = match PipelinePlan::read(path) {
        Ok(plan) => plan.plugins.into_iter().filter_map(|plugin| file_of(plugin.component)).collect(),
        Err(_) => known,
    };
    let files = std::iter::once(path).chain(components.iter().map(PathBuf::as_path));
    Seen { fingerprint: files.map(|path| (path.to_owned(), stamp(path))).collect(), components }
}

fn file_of(component: ComponentSource) -> Option<PathBuf> {
    match component {
        ComponentSource::File(path) => Some(path),
        ComponentSource::Stock(_) | ComponentSource::Bytes(_) => None,
    }
}
