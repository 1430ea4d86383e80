//! Keeping to a watched policies file: what it says runs as soon as it and the components that it
//! names have come to rest. A bad one is refused and told of once, and what ran goes on. It is tried
//! again, ever later: what was in its way may pass without a change of any file.

use std::path::PathBuf;
use std::sync::Weak;
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use crate::admin::with_sources;
use crate::config_dir::Retry;
use crate::config_dir::watch::{Fingerprint, Stamp, Watch, stamp};
use crate::gateway::Gateway;
use crate::plugin::{ComponentSource, PipelinePlan, PlanError};
use crate::slow_lane;

/// How often the file is looked at. A change counts once two looks in a row saw the same.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// Keeps to the file as long as the gateway is there.
pub(in crate::gateway) async fn follow(gateway: Weak<Gateway>, path: PathBuf) {
    let mut ticks = tokio::time::interval(LOOK_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut watch = Watch::default();
    let mut file = File::new(path.clone());
    let mut attempts = Attempts::default();
    loop {
        ticks.tick().await;
        // Disks may be slow, or far away.
        let looked = tokio::task::spawn_blocking(move || {
            let fingerprint = file.look();
            (fingerprint, file)
        });
        let fingerprint = match looked.await {
            Ok((fingerprint, looked_at)) => {
                file = looked_at;
                fingerprint
            }
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        };
        if watch.see(fingerprint) {
            attempts = Attempts { next: Some(Retry::now()), told: None };
        }
        if !watch.is_settled() {
            continue;
        }
        let Some(due) = attempts.next.take_if(|next| next.is_due()) else { continue };
        let Some(gateway) = gateway.upgrade() else { return };
        let policies_file = path.display();
        let was_refused = gateway.refused_policies_file().is_some();
        let reloading = {
            let path = path.clone();
            async move { gateway.reload_policies_file(&path).await }
        };
        match slow_lane::wait(reloading).await {
            Ok(true) => tracing::info!(
                policies.file = %policies_file,
                "the policies file has changed, and what it says runs"
            ),
            Ok(false) if was_refused => tracing::info!(
                policies.file = %policies_file,
                "the policies file is no longer refused: what it says runs"
            ),
            Ok(false) => {}
            Err(error) => {
                let error = with_sources(&error);
                if attempts.is_news(due, &error) {
                    tracing::error!(
                        policies.file = %policies_file,
                        error,
                        "a bad policies file is refused: the old policies stay, and it is tried again"
                    );
                }
            }
        }
    }
}

/// Attempts to run what a file says that has come to rest.
#[derive(Default)]
struct Attempts {
    /// `None` after one that went well.
    next: Option<Retry>,
    /// Why it was refused, as it was told last.
    told: Option<String>,
}

impl Attempts {
    /// Whether what the attempt that was due has failed for is to be told.
    fn is_news(&mut self, failed: Retry, error: &str) -> bool {
        self.next = Some(failed.later());
        self.told.replace(error.to_owned()).as_deref() != Some(error)
    }
}

/// The file, as far as it is known.
struct File {
    path: PathBuf,
    /// As it was when it was read; `None` if it could not be.
    stamp: Option<Stamp>,
    /// The components that it names, or named when it could last be understood.
    components: Vec<PathBuf>,
}

impl File {
    fn new(path: PathBuf) -> Self {
        Self { path, stamp: None, components: Vec::new() }
    }

    /// The file and the components that it names, as they are now. It is read only if it is another one than before.
    fn look(&mut self) -> Fingerprint {
        let stamp_now = stamp(&self.path);
        if stamp_now.is_none() || stamp_now != self.stamp {
            self.read(stamp_now);
        }
        let components = self.components.iter().map(|path| (path.clone(), stamp(path)));
        std::iter::once((self.path.clone(), stamp_now)).chain(components).collect()
    }

    /// `stamp` was taken before, so what is written meanwhile is read the next time.
    fn read(&mut self, stamp: Option<Stamp>) {
        match PipelinePlan::read(&self.path) {
            Ok(plan) => {
                self.components = plan.plugins.into_iter().filter_map(|plugin| file_of(plugin.component)).collect();
                self.stamp = stamp;
            }
            // It says nothing before it changes.
            Err(PlanError::Parse { .. } | PlanError::DuplicateName { .. } | PlanError::Settings { .. }) => {
                self.stamp = stamp
            }
            Err(PlanError::Read { .. }) => self.stamp = None,
        }
    }
}

fn file_of(component: ComponentSource) -> Option<PathBuf> {
    match component {
        ComponentSource::File(path) => Some(path),
        ComponentSource::Stock(_) | ComponentSource::Bytes(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(fingerprint: &Fingerprint) -> Vec<&str> {
        fingerprint.iter().filter_map(|(path, _)| path.file_name()?.to_str()).collect()
    }

    #[test]
    fn a_file_is_read_when_it_is_another_one_and_watched_with_what_it_names() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("policies.yaml");
        let write = |text: &str| std::fs::write(&path, text).unwrap();
        let naming = |component: &str| format!("policies: [{{name: a, component: {component}}}]");
        let mut file = File::new(path.clone());
        assert_eq!(names(&file.look()), ["policies.yaml"], "it is not there");

        write(&naming("one.wasm"));
        assert_eq!(names(&file.look()), ["policies.yaml", "one.wasm"]);
        // What it says is known, as long as its stamp is the same.
        file.components = vec!["two.wasm".into()];
        assert_eq!(names(&file.look()), ["policies.yaml", "two.wasm"]);
        write("policies: [");
        assert_eq!(names(&file.look()), ["policies.yaml", "two.wasm"], "those that it named before");
        write(&naming("three.wasm"));
        assert_eq!(names(&file.look()), ["policies.yaml", "three.wasm"]);

        let before = file.look();
        std::fs::write(folder.path().join("three.wasm"), "a component").unwrap();
        assert_ne!(file.look(), before);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(names(&file.look()), ["policies.yaml", "three.wasm"]);
    }

    #[tokio::test]
    async fn what_is_refused_is_tried_again_later_and_each_reason_is_told_once() {
        let mut attempts = Attempts { next: Some(Retry::now()), told: None };
        let mut told = Vec::new();
        for error in ["no directory", "no directory", "no grant", "no grant"] {
            let due = attempts.next.take().unwrap();
            told.push(attempts.is_news(due, error));
            assert!(!attempts.next.as_ref().unwrap().is_due(), "not at once");
        }
        assert_eq!(told, [true, false, true, false]);
    }
}
