//! Words of a cases file, and what may be written as a word or with more to it.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

use crate::configuration::nearest;
use crate::group::ToolGroup;
use crate::names::{CanonicalName, GroupName, ServerName};
use crate::pipeline::{Endpoint, Item, ItemKind, Mode, Outcome, PrincipalKind, Stage};
use crate::workbench::question::{item_kind_word, principal_kind_word};

/// One of these words; `what` is what they are.
fn one_of<E: Error, T>(what: &str, word: &str, known: impl IntoIterator<Item = (&'static str, T)>) -> Result<T, E> {
    let known: Vec<_> = known.into_iter().collect();
    let words: Vec<&str> = known.iter().map(|(word, _)| *word).collect();
    match known.into_iter().find(|(known, _)| *known == word) {
        Some((_, found)) => Ok(found),
        None => Err(E::custom(unknown(what, word, &words))),
    }
}

/// What to say of a word that is none of those known.
pub(super) fn unknown(what: &str, word: &str, known: &[&str]) -> String {
    let all = known.join(", ");
    match nearest(word, known.iter().copied()) {
        Some(meant) => format!("there is no {what} `{word}`: did you mean `{meant}`? There are {all}"),
        None => format!("there is no {what} `{word}`: there are {all}"),
    }
}

pub(super) fn stage<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Stage>, D::Error> {
    let word = String::deserialize(deserializer)?;
    one_of("stage", &word, Stage::ALL.map(|stage| (stage.as_str(), stage))).map(Some)
}

pub(super) fn principal_kind<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PrincipalKind>, D::Error> {
    let kinds = [
        PrincipalKind::Anonymous,
        PrincipalKind::Client,
        PrincipalKind::User,
        PrincipalKind::Admin,
        PrincipalKind::Gateway,
    ];
    let word = String::deserialize(deserializer)?;
    one_of("kind of principal", &word, kinds.map(|kind| (principal_kind_word(kind), kind))).map(Some)
}

pub(super) fn mode<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Mode>, D::Error> {
    let word = String::deserialize(deserializer)?;
    one_of("mode", &word, [Mode::Development, Mode::Enterprise].map(|mode| (mode.as_str(), mode))).map(Some)
}

pub(super) fn outcome<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Outcome, D::Error> {
    let outcomes = [
        ("success", Outcome::Success),
        ("error", Outcome::Error),
        ("denied", Outcome::Denied),
        ("unavailable", Outcome::Unavailable),
    ];
    one_of("outcome", &String::deserialize(deserializer)?, outcomes)
}

/// A text, or an object with keys of its own.
pub(super) trait Written: Sized {
    type Keys<'de>: Deserialize<'de>;
    const EXPECTED: &'static str;
    fn of_text<E: Error>(text: &str) -> Result<Self, E>;
    fn of_keys<E: Error>(keys: Self::Keys<'_>) -> Result<Self, E>;
}

/// Reads what may be written in both ways.
pub(super) struct TextOrKeys<T>(pub(super) T);

impl<'de, T: Written> Deserialize<'de> for TextOrKeys<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WrittenVisitor(PhantomData)).map(Self)
    }
}

struct WrittenVisitor<T>(PhantomData<T>);

impl<'de, T: Written> Visitor<'de> for WrittenVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        T::of_text(text)
    }

    // The keys are read by who knows them, so that a wrong one is told with its own place.
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::of_keys(T::Keys::deserialize(MapAccessDeserializer::new(map))?)
    }
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ItemKeys {
    #[serde(default)]
    kind: Option<String>,
    server: String,
    name: String,
    #[serde(default)]
    uri: Option<String>,
}

impl Written for Item {
    type Keys<'de> = ItemKeys;
    const EXPECTED: &'static str =
        "an item, such as `tool github__search` or {kind: resource, server: …, name: …, uri: …}";

    fn of_text<E: Error>(text: &str) -> Result<Self, E> {
        let (kind, name) = match text.split_once(' ') {
            Some((kind, name)) => (item_kind(kind)?, name.trim()),
            None => (ItemKind::Tool, text),
        };
        Ok(Self { kind, name: CanonicalName::parse(name).map_err(E::custom)?, uri: None })
    }

    fn of_keys<E: Error>(keys: ItemKeys) -> Result<Self, E> {
        let kind = keys.kind.as_deref().map_or(Ok(ItemKind::Tool), item_kind)?;
        let server = ServerName::parse(&keys.server).map_err(E::custom)?;
        let name = CanonicalName { server, name: keys.name.into() };
        Ok(Self { kind, name, uri: keys.uri.map(Into::into) })
    }
}

fn item_kind<E: Error>(word: &str) -> Result<ItemKind, E> {
    one_of("kind of item", word, ItemKind::ALL.map(|kind| (item_kind_word(kind), kind)))
}

pub(super) fn item<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Item>, D::Error> {
    TextOrKeys::<Item>::deserialize(deserializer).map(|item| Some(item.0))
}

pub(super) fn items<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<Item>>, D::Error> {
    let items = Vec::<TextOrKeys<Item>>::deserialize(deserializer)?;
    Ok(Some(items.into_iter().map(|item| item.0).collect()))
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EndpointKeys {
    group: Option<String>,
    server: Option<String>,
}

impl Written for Endpoint {
    type Keys<'de> = EndpointKeys;
    const EXPECTED: &'static str = "an endpoint: `main`, `api`, {group: NAME} or {server: NAME}";

    fn of_text<E: Error>(text: &str) -> Result<Self, E> {
        one_of("endpoint", text, [("main", Self::Main), ("api", Self::Api)])
    }

    fn of_keys<E: Error>(keys: EndpointKeys) -> Result<Self, E> {
        match (keys.group, keys.server) {
            (Some(group), None) => GroupName::parse(&group).map(Self::Group).map_err(E::custom),
            (None, Some(server)) => ServerName::parse(&server).map(Self::Server).map_err(E::custom),
            _ => Err(E::custom("an endpoint is of one group or of one server")),
        }
    }
}

pub(super) fn endpoint<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Endpoint>, D::Error> {
    TextOrKeys::<Endpoint>::deserialize(deserializer).map(|endpoint| Some(endpoint.0))
}

/// The stored form of a group, but strict about its keys.
#[derive(Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
struct GroupKeys {
    name: String,
    description: String,
    included_tools: Vec<String>,
    included_servers: Vec<String>,
    excluded_tools: Vec<String>,
    included_prompts: Vec<String>,
    excluded_prompts: Vec<String>,
    included_resources: Vec<String>,
    excluded_resources: Vec<String>,
    allowed_clients: Option<Vec<String>>,
}

pub(super) fn groups<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ToolGroup>, D::Error> {
    let read = |keys: GroupKeys| {
        Ok(ToolGroup {
            name: GroupName::parse(&keys.name).map_err(D::Error::custom)?,
            description: keys.description,
            included_tools: keys.included_tools,
            included_servers: keys.included_servers,
            excluded_tools: keys.excluded_tools,
            included_prompts: keys.included_prompts,
            excluded_prompts: keys.excluded_prompts,
            included_resources: keys.included_resources,
            excluded_resources: keys.excluded_resources,
            allowed_clients: keys.allowed_clients,
        })
    };
    Vec::<GroupKeys>::deserialize(deserializer)?.into_iter().map(read).collect()
}
