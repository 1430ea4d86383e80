//! Resource URIs as the gateway lists them, and back.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use crate::names::ServerName;

const RESOURCE_PREFIX: &str = "mcpj://res/";
const TEMPLATE_PREFIX: &str = "mcpj://tpl/";

/// `mcpj://res/<server>/<unpadded standard base64 of the upstream's URI>`.
pub fn resource_uri(server: &ServerName, uri: &str) -> String {
    format!("{RESOURCE_PREFIX}{server}/{}", STANDARD_NO_PAD.encode(uri))
}

/// `mcpj://tpl/<server>/` followed by the upstream's template, so that expanding
/// it gives the same prefix and the upstream's own expansion.
pub fn template_uri(server: &ServerName, template: &str) -> String {
    format!("{TEMPLATE_PREFIX}{server}/{template}")
}

/// Where a URI that a client asks for points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResourceAddress {
    /// One of the gateway's: the server, and the URI there.
    OfServer(ServerName, String),
    /// An upstream's own, as results link to it.
    Foreign,
}

impl ResourceAddress {
    /// Reads a URI; `None` if it starts like one of the gateway's and is none.
    pub fn parse(uri: &str) -> Option<Self> {
        let (rest, is_template) = match (uri.strip_prefix(RESOURCE_PREFIX), uri.strip_prefix(TEMPLATE_PREFIX)) {
            (Some(rest), _) => (rest, false),
            (None, Some(rest)) => (rest, true),
            (None, None) => return Some(Self::Foreign),
        };
        let (server, rest) = rest.split_once('/')?;
        let server = ServerName::parse(server).ok()?;
        let original =
            if is_template { rest.to_owned() } else { String::from_utf8(STANDARD_NO_PAD.decode(rest).ok()?).ok()? };
        Some(Self::OfServer(server, original))
    }
}

/// Whether `uri` can be an expansion of `template`: its literal parts stand in
/// it in order, the first at the start, the last at the end. An expression may
/// expand to nothing.
pub(super) fn template_matches(template: &str, uri: &str) -> bool {
    let mut rest = uri;
    let mut literals = Vec::new();
    let mut remaining = template;
    while let Some(open) = remaining.find('{') {
        let Some(length) = remaining[open..].find('}') else { return false };
        literals.push(&remaining[..open]);
        remaining = &remaining[open + length + 1..];
    }
    let last = remaining;
    for (at, literal) in literals.iter().enumerate() {
        let found = if at == 0 { rest.starts_with(literal).then_some(0) } else { rest.find(literal) };
        let Some(found) = found else { return false };
        rest = &rest[found + literal.len()..];
    }
    if literals.is_empty() { rest == last } else { rest.ends_with(last) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_uri_leads_back_to_its_server() {
        let server = ServerName::parse("docs").unwrap();
        for original in ["file:///a b?ü", "x", ""] {
            let address = ResourceAddress::parse(&resource_uri(&server, original));
            assert_eq!(address, Some(ResourceAddress::OfServer(server.clone(), original.to_owned())));
        }
        let expanded = template_uri(&server, "test://{id}/data").replace("{id}", "7");
        let address = ResourceAddress::parse(&expanded);
        assert_eq!(address, Some(ResourceAddress::OfServer(server, "test://7/data".to_owned())));
        assert_eq!(ResourceAddress::parse("file:///x"), Some(ResourceAddress::Foreign));
        for bad in ["mcpj://res/docs", "mcpj://res/a__b/eA", "mcpj://res/docs/*", "mcpj://res/docs/eA=="] {
            assert_eq!(ResourceAddress::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn expansions_are_recognised_by_their_literal_parts() {
        for (template, uri, matches) in [
            ("test://{id}/data", "test://7/data", true),
            ("test://{id}/data", "test:///data", true),
            ("test://{id}/data", "test://7/other", false),
            ("{+path}", "anything", true),
            ("a{x}b{y}c", "a1b2c", true),
            ("a{x}b{y}c", "a1c", false),
            ("plain", "plain", true),
            ("plain", "plain2", false),
            ("broken{", "broken", false),
        ] {
            assert_eq!(template_matches(template, uri), matches, "{template} {uri}");
        }
    }
}
