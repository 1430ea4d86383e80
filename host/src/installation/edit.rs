//! Changes of an installation, each as a step from one to the next. Nothing is loaded here.

use std::sync::Arc;

use serde::Deserialize;
use thiserror::Error;

use crate::installation::{ComponentRef, Installation, InstalledPlugin, PluginVersion};
use crate::pipeline::Stage;
use crate::plugin::{Grant, Grants, Isolation, LimitChanges, SettingsTooLong, is_plugin_name};

/// Earlier versions of a plugin that are kept.
const MOST_PREVIOUS: usize = 20;
/// Names that routes of the API have taken.
const RESERVED: [&str; 5] = ["components", "history", "order", "plan", "rollback"];

/// One change.
#[derive(Debug, Clone, PartialEq)]
pub enum Edit {
    /// Installs a plugin that is not there yet.
    Add {
        /// Its name.
        name: String,
        /// What to run.
        version: Box<PluginVersion>,
        /// Where in the order.
        place: Place,
    },
    /// Gives a plugin another version.
    Update {
        /// Which one.
        name: String,
        /// What is different in it.
        changes: Box<VersionChanges>,
    },
    /// Has a plugin asked, or not.
    SetEnabled {
        /// Which one.
        name: String,
        /// Whether it is asked.
        enabled: bool,
    },
    /// Takes a plugin out.
    Remove {
        /// Which one.
        name: String,
    },
    /// Puts plugins in another order: those that are named first, in this order, where the first of them
    /// stood; a plugin that is not named keeps its place among the others.
    Order {
        /// Their names.
        names: Vec<String>,
    },
    /// Goes back to the version that a plugin had before.
    RollBackPlugin {
        /// Which one.
        name: String,
    },
}

/// Where a new plugin goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Behind all others.
    Last,
    /// In the place of this one, which is removed.
    Replace(String),
    /// Before this one.
    Before(String),
    /// After this one.
    After(String),
}

/// What is different in a new version; what is not said stays.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VersionChanges {
    /// Another component.
    pub component: Option<ComponentRef>,
    /// Other stages.
    pub stages: Option<Vec<Stage>>,
    /// Other settings, as a whole.
    pub settings: Option<serde_json::Map<String, serde_json::Value>>,
    /// Grants besides those that it has.
    pub grant: Grants,
    /// Grants that it loses.
    pub revoke: Grants,
    /// Other bounds.
    pub limits: LimitChanges,
    /// Whether its instances are used again.
    pub isolation: Option<Isolation>,
    /// Whether a call that fails counts as no objection.
    pub fail_open: Option<bool>,
}

/// Why a change cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum EditError {
    #[error("plugin `{0}` is not installed")]
    NotInstalled(String),
    #[error("plugin `{0}` is installed already: use `update` to change it")]
    AlreadyInstalled(String),
    #[error("`{0}` is no name for a plugin: letters, digits, underscores and hyphens, 64 at most")]
    BadName(String),
    #[error("`{0}` cannot be the name of a plugin: the API uses it for something else")]
    ReservedName(String),
    #[error("plugin `{0}` is named twice in the new order")]
    NamedTwice(String),
    #[error("the new order names no plugin")]
    EmptyOrder,
    #[error("plugin `{0}` has no earlier version to go back to")]
    NoPreviousVersion(String),
    #[error("plugin `{name}` does not have the grant `{grant}`")]
    NotGranted { name: String, grant: Grant },
    #[error("that changes nothing about plugin `{0}`")]
    NoChange(String),
    #[error("that changes nothing: the plugins stand in this order already")]
    SameOrder,
    #[error(transparent)]
    SettingsTooLong(#[from] SettingsTooLong),
    #[error("plugin `{name}` is {} already", if *.enabled { "enabled" } else { "disabled" })]
    SameState { name: String, enabled: bool },
}

impl Installation {
    /// The installation after a change; `id` is the one that the change will have.
    pub fn edited(&self, edit: &Edit, id: i64) -> Result<Self, EditError> {
        let mut next = self.clone();
        match edit {
            Edit::Add { name, version, place } => next.add(name, version, place, id)?,
            Edit::Update { name, changes } => next.find_mut(name)?.update(changes)?,
            Edit::SetEnabled { name, enabled } => {
                let plugin = next.find_mut(name)?;
                if plugin.enabled == *enabled {
                    return Err(EditError::SameState { name: name.clone(), enabled: *enabled });
                }
                plugin.enabled = *enabled;
            }
            Edit::Remove { name } => {
                let at = next.position(name)?;
                next.plugins.remove(at);
            }
            Edit::Order { names } => {
                next.order(names)?;
                if next == *self {
                    return Err(EditError::SameOrder);
                }
            }
            Edit::RollBackPlugin { name } => next.find_mut(name)?.roll_back()?,
        }
        Ok(next)
    }

    fn position(&self, name: &str) -> Result<usize, EditError> {
        let found = self.plugins.iter().position(|plugin| *plugin.name == *name);
        found.ok_or_else(|| EditError::NotInstalled(name.to_owned()))
    }

    fn find_mut(&mut self, name: &str) -> Result<&mut InstalledPlugin, EditError> {
        let at = self.position(name)?;
        Ok(&mut self.plugins[at])
    }

    fn add(&mut self, name: &str, version: &PluginVersion, place: &Place, id: i64) -> Result<(), EditError> {
        check_name(name)?;
        check_settings(name, &version.settings)?;
        // Under the name of the one that it replaces, too: what went before can be rolled back to.
        let replaced = match place {
            Place::Replace(replaced) => Some(self.position(replaced)?),
            Place::Last | Place::Before(_) | Place::After(_) => None,
        };
        if let Ok(taken) = self.position(name)
            && Some(taken) != replaced
        {
            return Err(EditError::AlreadyInstalled(name.to_owned()));
        }
        let new = InstalledPlugin {
            name: name.into(),
            added: id,
            enabled: true,
            version: version.clone(),
            previous: Vec::new(),
        };
        match place {
            Place::Last => self.plugins.push(new),
            Place::Replace(replaced) => {
                let at = self.position(replaced)?;
                self.plugins[at] = new;
            }
            Place::Before(other) => {
                let at = self.position(other)?;
                self.plugins.insert(at, new);
            }
            Place::After(other) => {
                let at = self.position(other)?;
                self.plugins.insert(at + 1, new);
            }
        }
        Ok(())
    }

    fn order(&mut self, names: &[String]) -> Result<(), EditError> {
        let mut slots = Vec::with_capacity(names.len());
        for name in names {
            let at = self.position(name)?;
            if slots.contains(&at) {
                return Err(EditError::NamedTwice(name.clone()));
            }
            slots.push(at);
        }
        let Some(&first) = slots.iter().min() else { return Err(EditError::EmptyOrder) };
        let moved: Vec<_> = slots.iter().map(|&at| self.plugins[at].clone()).collect();
        // All that stood before the first of them was not named, so its place is still the same.
        let mut at = 0;
        self.plugins.retain(|_| {
            at += 1;
            !slots.contains(&(at - 1))
        });
        self.plugins.splice(first..first, moved);
        Ok(())
    }
}

impl InstalledPlugin {
    fn update(&mut self, changes: &VersionChanges) -> Result<(), EditError> {
        let new = self.version.changed(&self.name, changes)?;
        if new == self.version {
            return Err(EditError::NoChange(self.name.to_string()));
        }
        self.previous.push(std::mem::replace(&mut self.version, new));
        let superfluous = self.previous.len().saturating_sub(MOST_PREVIOUS);
        self.previous.drain(..superfluous);
        Ok(())
    }

    fn roll_back(&mut self) -> Result<(), EditError> {
        let none = || EditError::NoPreviousVersion(self.name.to_string());
        self.version = self.previous.pop().ok_or_else(none)?;
        Ok(())
    }
}

impl PluginVersion {
    fn changed(&self, name: &Arc<str>, changes: &VersionChanges) -> Result<Self, EditError> {
        if let Some(grant) = changes.revoke.iter().find(|grant| !self.grants.contains(grant)) {
            return Err(EditError::NotGranted { name: name.to_string(), grant: grant.clone() });
        }
        if let Some(settings) = &changes.settings {
            check_settings(name, settings)?;
        }
        let kept = self.grants.iter().filter(|grant| !changes.revoke.contains(grant));
        Ok(Self {
            component: changes.component.clone().unwrap_or_else(|| self.component.clone()),
            stages: changes.stages.clone().or_else(|| self.stages.clone()),
            settings: changes.settings.clone().unwrap_or_else(|| self.settings.clone()),
            grants: Grants::new(kept.chain(changes.grant.iter()).cloned()),
            limits: changes.limits.applied_to(self.limits),
            isolation: changes.isolation.unwrap_or(self.isolation),
            fail_open: changes.fail_open.unwrap_or(self.fail_open),
        })
    }
}

impl VersionChanges {
    /// Which parts are different.
    fn summary(&self) -> String {
        let parts = [
            ("component", self.component.is_some()),
            ("stages", self.stages.is_some()),
            ("settings", self.settings.is_some()),
            ("grants", self.grant.iter().chain(self.revoke.iter()).next().is_some()),
            ("limits", self.limits != LimitChanges::default()),
            ("isolation", self.isolation.is_some()),
            ("failing open", self.fail_open.is_some()),
        ];
        let named: Vec<_> = parts.into_iter().filter(|(_, is_given)| *is_given).map(|(part, _)| part).collect();
        named.join(", ")
    }
}

impl Edit {
    /// What it does, for the history.
    pub fn summary(&self) -> String {
        match self {
            Self::Add { name, place: Place::Replace(replaced), .. } => format!("add {name} in place of {replaced}"),
            Self::Add { name, .. } => format!("add {name}"),
            Self::Update { name, changes } => format!("update {name} ({})", changes.summary()),
            Self::SetEnabled { name, enabled: true } => format!("enable {name}"),
            Self::SetEnabled { name, enabled: false } => format!("disable {name}"),
            Self::Remove { name } => format!("remove {name}"),
            Self::Order { names } => format!("order {}", names.join(" ")),
            Self::RollBackPlugin { name } => format!("roll back {name}"),
        }
    }
}

fn check_name(name: &str) -> Result<(), EditError> {
    if !is_plugin_name(name) {
        return Err(EditError::BadName(name.to_owned()));
    }
    if RESERVED.contains(&name) {
        return Err(EditError::ReservedName(name.to_owned()));
    }
    Ok(())
}

fn check_settings(plugin: &str, settings: &serde_json::Map<String, serde_json::Value>) -> Result<(), SettingsTooLong> {
    let text = serde_json::to_string(settings).expect("a map of JSON values serialises");
    SettingsTooLong::check(plugin, &text)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::plugin::{LONGEST_SETTINGS, Limits, Stock};

    fn version(digit: char) -> PluginVersion {
        PluginVersion::new(ComponentRef::Digest(digit.to_string().repeat(64).into()))
    }

    fn add(name: &str, place: Place) -> Edit {
        Edit::Add { name: name.to_owned(), version: Box::new(version('a')), place }
    }

    fn names(installation: &Installation) -> Vec<&str> {
        installation.plugins.iter().map(|plugin| &*plugin.name).collect()
    }

    fn after(edits: &[Edit]) -> Result<Installation, EditError> {
        let mut ids = 1..;
        let edited = |installation: Installation, edit| installation.edited(edit, ids.next().unwrap());
        edits.iter().try_fold(Installation::stock(), edited)
    }

    fn order(names: &[&str]) -> Edit {
        Edit::Order { names: names.iter().map(|&name| name.to_owned()).collect() }
    }

    fn component(digit: char) -> Edit {
        let changes = VersionChanges { component: Some(version(digit).component), ..VersionChanges::default() };
        Edit::Update { name: "corp".to_owned(), changes: Box::new(changes) }
    }

    #[test]
    fn a_plugin_is_added_where_it_should_go() {
        for (place, expected) in [
            (Place::Last, ["builtin-auth", "builtin-groups", "builtin-acl", "builtin-headers", "corp"].as_slice()),
            (
                Place::Before("builtin-acl".to_owned()),
                &["builtin-auth", "builtin-groups", "corp", "builtin-acl", "builtin-headers"],
            ),
            (
                Place::After("builtin-acl".to_owned()),
                &["builtin-auth", "builtin-groups", "builtin-acl", "corp", "builtin-headers"],
            ),
            (Place::Replace("builtin-acl".to_owned()), &["builtin-auth", "builtin-groups", "corp", "builtin-headers"]),
        ] {
            assert_eq!(names(&after(&[add("corp", place)]).unwrap()), expected);
        }
        let replaced = after(&[add("builtin-acl", Place::Replace("builtin-acl".to_owned()))]).unwrap();
        assert_eq!(replaced.find("builtin-acl").unwrap().version, version('a'));
    }

    #[test]
    fn what_cannot_be_done_is_refused_by_name() {
        let missing = || EditError::NotInstalled("x".to_owned());
        for (edit, expected) in [
            (add("builtin-acl", Place::Last), EditError::AlreadyInstalled("builtin-acl".to_owned())),
            (add("corp", Place::Before("x".to_owned())), missing()),
            (add("corp", Place::Replace("x".to_owned())), missing()),
            (add("a b", Place::Last), EditError::BadName("a b".to_owned())),
            (add("order", Place::Last), EditError::ReservedName("order".to_owned())),
            (Edit::Remove { name: "x".to_owned() }, missing()),
            (Edit::SetEnabled { name: "x".to_owned(), enabled: false }, missing()),
            (order(&["x"]), missing()),
            (order(&[]), EditError::EmptyOrder),
            (order(&["builtin-auth", "builtin-groups"]), EditError::SameOrder),
            (
                Edit::SetEnabled { name: "builtin-acl".to_owned(), enabled: true },
                EditError::SameState { name: "builtin-acl".to_owned(), enabled: true },
            ),
            (order(&["builtin-acl", "builtin-acl"]), EditError::NamedTwice("builtin-acl".to_owned())),
            (
                Edit::RollBackPlugin { name: "builtin-acl".to_owned() },
                EditError::NoPreviousVersion("builtin-acl".to_owned()),
            ),
            (
                Edit::Update { name: "builtin-acl".to_owned(), changes: Box::default() },
                EditError::NoChange("builtin-acl".to_owned()),
            ),
        ] {
            assert_eq!(after(&[edit]).unwrap_err(), expected);
        }
    }

    #[test]
    fn named_plugins_come_first_where_the_first_of_them_stood() {
        let moved = after(&[order(&["builtin-headers", "builtin-groups"])]).unwrap();
        assert_eq!(names(&moved), ["builtin-auth", "builtin-headers", "builtin-groups", "builtin-acl"]);
    }

    #[test]
    fn settings_have_a_bound_where_they_are_given() {
        let settings = |bytes: usize| {
            let text = "x".repeat(bytes - r#"{"t":""}"#.len());
            serde_json::Map::from_iter([("t".to_owned(), text.into())])
        };
        let add = |settings| {
            let version = PluginVersion { settings, ..version('a') };
            Edit::Add { name: "corp".to_owned(), version: Box::new(version), place: Place::Last }
        };
        let update = |changes| Edit::Update { name: "corp".to_owned(), changes: Box::new(changes) };
        let long = after(&[add(settings(LONGEST_SETTINGS))]).unwrap();
        let too_long = settings(LONGEST_SETTINGS + 1);
        let changes = VersionChanges { settings: Some(too_long.clone()), ..VersionChanges::default() };
        for error in [after(&[add(too_long.clone())]).unwrap_err(), long.edited(&update(changes), 2).unwrap_err()] {
            let expected = "the settings of plugin `corp` are 65537 bytes of JSON, and 65536 is the most";
            assert_eq!(error.to_string(), expected);
        }
        // What was stored before there was a bound can still be mended.
        let mut stored = long;
        stored.plugins.last_mut().unwrap().version.settings = too_long;
        let mended = VersionChanges { fail_open: Some(true), ..VersionChanges::default() };
        assert!(stored.edited(&update(mended), 2).is_ok());
    }

    #[test]
    fn a_plugin_goes_back_version_by_version() {
        let updated = after(&[add("corp", Place::Last), component('b'), component('c')]).unwrap();
        let back =
            |installation: &Installation| installation.edited(&Edit::RollBackPlugin { name: "corp".to_owned() }, 4);
        let once = back(&updated).unwrap();
        assert_eq!(once.find("corp").unwrap().version, version('b'));
        let twice = back(&once).unwrap();
        assert_eq!(twice.find("corp").unwrap().version, version('a'));
        assert!(back(&twice).is_err());
    }

    #[test]
    fn a_plugin_keeps_its_values_through_updates_and_another_of_its_name_has_its_own() {
        let kept_by = |edits: &[Edit]| after(edits).unwrap().find("corp").unwrap().keeps_as().to_string();
        let replace = || add("corp", Place::Replace("corp".to_owned()));
        let remove = || Edit::Remove { name: "corp".to_owned() };
        assert_eq!(kept_by(&[add("corp", Place::Last), component('b')]), "corp#1");
        let back = Edit::RollBackPlugin { name: "corp".to_owned() };
        assert_eq!(kept_by(&[add("corp", Place::Last), component('b'), back]), "corp#1");
        assert_eq!(kept_by(&[add("corp", Place::Last), replace()]), "corp#2");
        assert_eq!(kept_by(&[add("corp", Place::Last), remove(), add("corp", Place::Last)]), "corp#3");
        assert_eq!(&*Installation::stock().plugins[0].keeps_as(), "builtin-auth");
        // As it was stored before a plugin knew which change added it.
        let text = r#"{"name": "corp", "enabled": true, "component": "builtin:acl"}"#;
        assert_eq!(&*serde_json::from_str::<InstalledPlugin>(text).unwrap().keeps_as(), "corp");
    }

    #[test]
    fn grants_and_limits_change_one_by_one() {
        let grants = |texts: &[&str]| Grants::new(texts.iter().map(|text| text.parse().unwrap()));
        let update = |changes| Edit::Update { name: "corp".to_owned(), changes: Box::new(changes) };
        let granted = VersionChanges { grant: grants(&["kv", "secret:a"]), ..VersionChanges::default() };
        let limits = LimitChanges { deadline_ms: NonZeroU32::new(9), ..LimitChanges::default() };
        let changed = VersionChanges { revoke: grants(&["kv"]), limits, ..VersionChanges::default() };
        let edits = [add("corp", Place::Last), update(granted), update(changed)];
        let corp = after(&edits).unwrap().find("corp").unwrap().version.clone();
        assert_eq!(corp.grants, grants(&["secret:a"]));
        assert_eq!((corp.limits.deadline_ms.get(), corp.limits.memory_mib), (9, Limits::default().memory_mib));
        let revoked = VersionChanges { revoke: grants(&["kv"]), ..VersionChanges::default() };
        let error = after(&[add("corp", Place::Last), update(revoked)]).unwrap_err();
        assert_eq!(error.to_string(), "plugin `corp` does not have the grant `kv`");
    }

    #[test]
    fn an_installation_survives_its_text() {
        let installation = after(&[add("corp", Place::Last), component('b')]).unwrap();
        let text = serde_json::to_string(&installation).unwrap();
        assert_eq!(serde_json::from_str::<Installation>(&text).unwrap(), installation);
        assert_eq!(installation.digests().count(), 2);
        assert_eq!(Installation::stock().plugins[2].version.component, ComponentRef::Stock(Stock::Acl));
    }
}
