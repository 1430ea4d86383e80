//! What leads from one state to another. Values are never shown: they may be secrets.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value};

use crate::admin::describe_server;
use crate::group::ToolGroup;
use crate::names::{GroupName, ServerName};
use crate::server::Server;

/// The servers and groups that are registered, or should be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// By name.
    pub servers: BTreeMap<ServerName, Server>,
    /// By name.
    pub groups: BTreeMap<GroupName, ToolGroup>,
}

/// One step from a state to another. Shown as one line, such as `~ server x (url changed)`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Change {
    /// Registers a server, or replaces the one of that name.
    PutServer {
        old: Option<Server>,
        new: Server,
    },
    /// Creates a group, or replaces the one of that name.
    PutGroup {
        old: Option<ToolGroup>,
        new: ToolGroup,
    },
    RemoveGroup(GroupName),
    RemoveServer(ServerName),
}

/// The changes that make `desired` of `current`, in an order in which they can be made: what
/// a group includes is there before it, and goes after it. What is not in `desired` stays.
/// A difference of two records in whatever field is a change.
pub fn difference(current: &State, desired: &State) -> Vec<Change> {
    let servers = desired.servers.values().filter_map(|new| {
        let old = current.servers.get(&new.name);
        (old != Some(new)).then(|| Change::PutServer { old: old.cloned(), new: new.clone() })
    });
    let groups = desired.groups.values().filter_map(|new| {
        let old = current.groups.get(&new.name);
        (old != Some(new)).then(|| Change::PutGroup { old: old.cloned(), new: new.clone() })
    });
    servers.chain(groups).collect()
}

impl State {
    /// The changes that remove what is in `self` and not in `desired`.
    pub fn leftovers(&self, desired: &Self) -> Vec<Change> {
        let groups = self.groups.keys().filter(|name| !desired.groups.contains_key(name));
        let servers = self.servers.keys().filter(|name| !desired.servers.contains_key(name));
        groups.cloned().map(Change::RemoveGroup).chain(servers.cloned().map(Change::RemoveServer)).collect()
    }
}

impl Change {
    /// `add`, `change` or `remove`.
    pub fn action(&self) -> &'static str {
        match self {
            Self::PutServer { old: None, .. } | Self::PutGroup { old: None, .. } => "add",
            Self::PutServer { .. } | Self::PutGroup { .. } => "change",
            Self::RemoveGroup(_) | Self::RemoveServer(_) => "remove",
        }
    }

    /// `server` or `group`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::PutServer { .. } | Self::RemoveServer(_) => "server",
            Self::PutGroup { .. } | Self::RemoveGroup(_) => "group",
        }
    }

    /// The name of the server or group.
    pub fn name(&self) -> &str {
        match self {
            Self::PutServer { new, .. } => new.name.as_str(),
            Self::PutGroup { new, .. } => new.name.as_str(),
            Self::RemoveGroup(name) => name.as_str(),
            Self::RemoveServer(name) => name.as_str(),
        }
    }

    /// What is other than before, each such as `url changed` or `env.DEBUG added`; empty
    /// unless something is replaced.
    pub fn details(&self) -> Vec<String> {
        match self {
            Self::PutServer { old: Some(old), new } => fields(&describe_server(old), &describe_server(new)),
            Self::PutGroup { old: Some(old), new } => fields(&describe_group(old), &describe_group(new)),
            Self::PutServer { .. } | Self::PutGroup { .. } | Self::RemoveGroup(_) | Self::RemoveServer(_) => Vec::new(),
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.action() {
            "add" => '+',
            "change" => '~',
            _ => '-',
        };
        write!(f, "{sign} {} {}", self.kind(), self.name())?;
        match self.details() {
            details if details.is_empty() => Ok(()),
            details => write!(f, " ({})", details.join(", ")),
        }
    }
}

fn describe_group(group: &ToolGroup) -> Map<String, Value> {
    match serde_json::to_value(group) {
        Ok(Value::Object(fields)) => fields,
        // A group is names and text, which serialise into an object.
        _ => Map::new(),
    }
}

fn fields(old: &Map<String, Value>, new: &Map<String, Value>) -> Vec<String> {
    let mut found = Vec::new();
    compare(old, new, "", &mut found);
    found
}

fn compare(old: &Map<String, Value>, new: &Map<String, Value>, prefix: &str, found: &mut Vec<String>) {
    let mut names: Vec<&String> = old.keys().chain(new.keys()).collect();
    names.sort();
    names.dedup();
    for name in names {
        match (old.get(name), new.get(name)) {
            (Some(old), Some(new)) if old == new => {}
            (Some(Value::Object(old)), Some(Value::Object(new))) => {
                compare(old, new, &format!("{prefix}{name}."), found);
            }
            (Some(_), Some(_)) => found.push(format!("{prefix}{name} changed")),
            (None, _) => found.push(format!("{prefix}{name} added")),
            (_, None) => found.push(format!("{prefix}{name} removed")),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::admin::read_server;

    fn state(servers: &[Value], groups: &[Value]) -> State {
        let servers =
            servers.iter().map(|server| read_server(serde_json::from_value(server.clone()).unwrap()).unwrap());
        let groups = groups.iter().map(|group| serde_json::from_value::<ToolGroup>(group.clone()).unwrap());
        State {
            servers: servers.map(|server| (server.name.clone(), server)).collect(),
            groups: groups.map(|group| (group.name.clone(), group)).collect(),
        }
    }

    fn shown(current: &State, desired: &State) -> Vec<String> {
        let changes = difference(current, desired).into_iter().chain(current.leftovers(desired));
        changes.map(|change| change.to_string()).collect()
    }

    #[test]
    fn every_kind_of_difference_is_one_line() {
        let http = |url: &str| json!({"name": "h", "transport": "streamable_http", "url": url});
        let keyed = |key: &str| {
            json!({"name": "h", "transport": "streamable_http", "url": "http://h/", "bearer_token": key,
                   "headers": {"X-Key": key, key: "1"}})
        };
        let stdio = json!({"name": "h", "transport": "stdio", "command": "c", "session_mode": "stateful"});
        let group = |tools: &[&str]| json!({"name": "g", "description": "d", "included_tools": tools});
        let none = || state(&[], &[]);
        for (current, desired, expected) in [
            (none(), none(), vec![]),
            (none(), state(&[http("http://h")], &[group(&["h__t"])]), vec!["+ server h", "+ group g"]),
            (state(&[http("http://h")], &[group(&["h__t"])]), none(), vec!["- group g", "- server h"]),
            // Written in another way, the same.
            (state(&[http("http://h")], &[]), state(&[http("HTTP://h/")], &[]), vec![]),
            (state(&[http("http://h")], &[]), state(&[http("http://i")], &[]), vec!["~ server h (url changed)"]),
            (
                state(&[keyed("old")], &[]),
                state(&[keyed("new")], &[]),
                vec![
                    "~ server h (bearer_token changed, headers.X-Key changed, headers.new added, headers.old removed)",
                ],
            ),
            (
                state(&[http("http://h")], &[]),
                state(&[stdio], &[]),
                vec!["~ server h (command added, session_mode changed, transport changed, url removed)"],
            ),
            (
                state(&[], &[group(&["h__t"])]),
                state(&[], &[group(&["h__u"])]),
                vec!["~ group g (included_tools changed)"],
            ),
            (state(&[], &[group(&["h__t"])]), state(&[], &[group(&[])]), vec!["~ group g (included_tools removed)"]),
        ] {
            assert_eq!(shown(&current, &desired), expected);
        }
    }
}
