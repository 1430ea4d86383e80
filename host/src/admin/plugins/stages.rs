//! At which stages a plugin is asked, before a change and after it: a new component that decides something else
//! than the old one would otherwise leave a stage without anybody noticing.

use serde::Serialize;

use crate::gateway::{Gateway, PolicySource, RunningPolicies, Wish};
use crate::installation::{Edit, Place};
use crate::pipeline::Stage;

/// The stages of what a plugin was, and of what it is.
#[derive(Debug, Serialize)]
pub(super) struct PluginStages {
    old: Vec<Stage>,
    new: Vec<Stage>,
}

/// The plugins whose stages a change may alter: whose they were, and whose they are after it.
pub(super) struct Subject {
    old: String,
    new: String,
}

impl Subject {
    /// `None` where a change puts nothing in the place of something else.
    pub(super) fn of(wish: &Wish) -> Option<Self> {
        let Wish::Edit(edit) = wish else { return None };
        let (old, new) = match edit {
            Edit::Add { name, place: Place::Replace(replaced), .. } => (replaced, name),
            Edit::Update { name, .. } | Edit::RollBackPlugin { name } => (name, name),
            Edit::Add { .. } | Edit::SetEnabled { .. } | Edit::Remove { .. } | Edit::Order { .. } => return None,
        };
        Some(Self { old: old.clone(), new: new.clone() })
    }

    /// `None` where that is not known: in safe mode the plugins do not run.
    pub(super) fn compare(
        &self,
        gateway: &Gateway,
        before: &RunningPolicies,
        after: &RunningPolicies,
    ) -> Option<PluginStages> {
        if *gateway.policy_source() == PolicySource::SafeMode {
            return None;
        }
        let of = |policies: &RunningPolicies, name: &str| {
            policies.plugins.iter().find(|plugin| *plugin.installed.name == *name).map(|plugin| plugin.stages.clone())
        };
        Some(PluginStages { old: of(before, &self.old)?, new: of(after, &self.new)? })
    }
}
