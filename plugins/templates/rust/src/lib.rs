//! {{summary}}

%% if authenticator
mod authenticator;
%% end
%% if authorizer
mod authorizer;
%% end
%% if guard
mod guard;
%% end
%% if header-injector
mod header_injector;
%% end
%% if kv http secrets
mod host_calls;
%% end
%% if observer
mod observer;
%% end
%% if tool-filter
mod tool_filter;
%% end

use mcpjungle_policy::Policy;
use schemars::JsonSchema;
use serde::Deserialize;

/// What an administrator may set. The comments become the descriptions in the schema.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
%% unless authenticator authorizer tool-filter header-injector guard
pub struct Settings {}
%% end
%% if authenticator authorizer tool-filter header-injector guard
pub struct Settings {
%% if authenticator
    /// The header that may hold a client's token.
    #[serde(default = "token_header")]
    pub token_header: String,
%% end
%% if authorizer
    /// Canonical names (`server__name`) that nobody may use. `*` stands for any run of characters.
    #[serde(default)]
    pub deny: Vec<String>,
%% end
%% if tool-filter
    /// Canonical names (`server__name`) that belong to no group. `*` stands for any run of characters.
    #[serde(default)]
    pub leave_out: Vec<String>,
%% end
%% if header-injector
    /// The header that tells upstream servers the principal's name.
    #[serde(default = "principal_header")]
    pub principal_header: String,
%% end
%% if guard
    /// Texts that no argument of a call may contain.
    #[serde(default)]
    pub forbidden: Vec<String>,
%% end
}
%% end
%% if authenticator

fn token_header() -> String {
    "x-api-key".to_owned()
}
%% end
%% if header-injector

fn principal_header() -> String {
    "x-principal".to_owned()
}
%% end

/// The policy: its settings, and whatever else is prepared once.
%% if authenticator authorizer tool-filter header-injector guard
pub struct {{type}} {
    settings: Settings,
}
%% end
%% unless authenticator authorizer tool-filter header-injector guard
pub struct {{type}} {}
%% end

impl Policy for {{type}} {
    type Settings = Settings;

    // An error here keeps the gateway from installing the policy: rules that a schema cannot say.
%% if authenticator authorizer tool-filter header-injector guard
    fn new(settings: Settings) -> Result<Self, String> {
        Ok(Self { settings })
    }
%% end
%% unless authenticator authorizer tool-filter header-injector guard
    fn new(_settings: Settings) -> Result<Self, String> {
        Ok(Self {})
    }
%% end
}

mcpjungle_policy::export!({{type}}: {{stage_idents}});

/// The policy with these settings, a JSON text.
#[cfg(test)]
fn policy(settings: &str) -> {{type}} {
    {{type}}::new(serde_json::from_str(settings).unwrap()).unwrap()
}
