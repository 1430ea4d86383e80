//! All that a server offers, read on a session of its own, page by page.

use std::borrow::Cow;
use std::collections::HashSet;

use bytes::Bytes;
use http::HeaderMap;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::names::ServerName;
use crate::pipeline::ItemKind;
use crate::protocol::ProtocolVersion;
use crate::server::Server;
use crate::upstream::handshake::error_message;
use crate::upstream::session::{Connector, Purpose, Session};
use crate::upstream::{ClientDeclaration, Offer, Refetched, UpstreamError};
use crate::wire;

// A server that pages on for ever must not keep the gateway busy, or fill it up,
// for ever. Real servers have one page and tens of items.
const PAGE_LIMIT: usize = 1000;
const ITEM_LIMIT: usize = 100_000;
const LIST_LIMIT_BYTES: usize = 64 << 20;

/// One kind of list.
struct List {
    method: &'static str,
    /// The member of the result that holds the items.
    member: &'static str,
}

const TOOLS: List = List { method: "tools/list", member: "tools" };
const PROMPTS: List = List { method: "prompts/list", member: "prompts" };
const RESOURCES: List = List { method: "resources/list", member: "resources" };
const RESOURCE_TEMPLATES: List = List { method: "resources/templates/list", member: "resourceTemplates" };

/// What the gateway declares when it reads lists: all that some client may be able to,
/// because servers keep back what the client before them cannot use. Nobody is there
/// to ask, though: requests are refused.
const CAPABILITIES: Bytes = Bytes::from_static(br#"{"roots":{},"sampling":{},"elicitation":{"form":{},"url":{}}}"#);

/// Whom the gateway declares to be when it looks after the catalog.
pub(super) fn catalog_client() -> ClientDeclaration {
    ClientDeclaration { protocol_version: ProtocolVersion::LATEST, capabilities: CAPABILITIES }
}

/// Connects, lists what the server declares to have, and closes the session. Without
/// its tools a server is of no use; other lists may fail. `opened` is told how
/// opening the session went.
pub(super) async fn fetch(
    connector: &Connector,
    server: &Server,
    headers: &HeaderMap,
    opened: impl FnOnce(Option<&UpstreamError>),
) -> Result<Refetched, UpstreamError> {
    let client = catalog_client();
    let background = connector.background.for_server();
    let purpose = Purpose { headers, client: &client, paired_with: None, hints: None, listening: None, health: None };
    let session = connector.open(server, purpose, &background, background.expect_work(None)).await;
    opened(session.as_ref().err());
    let (session, handshake) = session?;
    let reader = ListReader { connector, server: &server.name, session: &session };
    let [has_tools, has_prompts, has_resources] =
        ["tools", "prompts", "resources"].map(|capability| handshake.declares(capability));
    let tools = if has_tools { reader.read(&TOOLS).await? } else { Vec::new() };
    let mut offer = Offer { initialize: handshake.result, tools, ..Offer::default() };
    let mut unread = Vec::new();
    for (list, kind, is_declared, items) in [
        (&PROMPTS, ItemKind::Prompt, has_prompts, &mut offer.prompts),
        (&RESOURCES, ItemKind::Resource, has_resources, &mut offer.resources),
        (&RESOURCE_TEMPLATES, ItemKind::ResourceTemplate, has_resources, &mut offer.resource_templates),
    ] {
        if !is_declared {
            continue;
        }
        match reader.read(list).await {
            Ok(read) => *items = read,
            Err(error) => unread.push((kind, error)),
        }
    }
    Ok(Refetched { offer, unread })
}

struct ListReader<'a> {
    connector: &'a Connector,
    server: &'a ServerName,
    session: &'a Session,
}

/// One page, taken apart.
struct Page<'a> {
    items: Vec<&'a str>,
    /// The JSON text of the cursor to the next one.
    next_cursor: Option<&'a str>,
}

impl ListReader<'_> {
    async fn read(&self, list: &List) -> Result<Vec<Bytes>, UpstreamError> {
        let mut items = Vec::new();
        let mut size_bytes = 0;
        let mut seen_cursors: HashSet<Box<str>> = HashSet::new();
        let mut cursor: Option<Box<str>> = None;
        for _ in 0..PAGE_LIMIT {
            let response = self.request(list, cursor.as_deref()).await?;
            let page = self.parse(list, response.outcome())?;
            size_bytes += page.items.iter().map(|item| item.len()).sum::<usize>();
            items.extend(page.items.iter().map(|item| Bytes::copy_from_slice(item.as_bytes())));
            if items.len() > ITEM_LIMIT || size_bytes > LIST_LIMIT_BYTES {
                return Err(
                    self.invalid(list, format!("it has more than {ITEM_LIMIT} items or {LIST_LIMIT_BYTES} bytes"))
                );
            }
            let Some(next_cursor) = page.next_cursor else { return Ok(items) };
            if !seen_cursors.insert(next_cursor.into()) {
                return Err(self.invalid(list, "it comes back to a page that was read already".to_owned()));
            }
            cursor = Some(next_cursor.into());
        }
        Err(self.invalid(list, format!("it has more than {PAGE_LIMIT} pages")))
    }

    async fn request(&self, list: &List, cursor: Option<&str>) -> Result<wire::Response, UpstreamError> {
        #[derive(Serialize)]
        struct Params<'a> {
            cursor: &'a RawValue,
        }
        // As the server spelled it: an empty string is a cursor like any other.
        let cursor =
            cursor.map(|text| serde_json::from_str(text).expect("a cursor is a slice of a message that parsed"));
        let params = cursor.map(|cursor| Params { cursor });
        let request = wire::Request::author(list.method, params.as_ref()).expect("a cursor is JSON already");
        let limit = self.connector.settings.init_timeout;
        match tokio::time::timeout(limit, self.session.ask(&request)).await {
            Ok(answer) => answer.map_err(|failure| failure.error),
            Err(_) => Err(UpstreamError::ListTimedOut { server: self.server.clone(), method: list.method, limit }),
        }
    }

    fn parse<'r>(&self, list: &List, outcome: Result<&'r str, &str>) -> Result<Page<'r>, UpstreamError> {
        let result = outcome.map_err(|error| self.invalid(list, error_message(error)))?;
        let nonsense = || self.invalid(list, format!("its result is not an object with an array `{}`", list.member));
        let [items, next_cursor] = wire::object_members(result, [list.member, "nextCursor"]).map_err(|_| nonsense())?;
        let items = items.and_then(wire::array_elements).ok_or_else(nonsense)?;
        let next_cursor = next_cursor.filter(|cursor| *cursor != "null");
        if next_cursor.is_some_and(|cursor| serde_json::from_str::<Cow<'_, str>>(cursor).is_err()) {
            return Err(self.invalid(list, "its cursor is not a string".to_owned()));
        }
        Ok(Page { items, next_cursor })
    }

    fn invalid(&self, list: &List, problem: String) -> UpstreamError {
        UpstreamError::InvalidList { server: self.server.clone(), method: list.method, problem }
    }
}
