//! The components that come with the gateway. They are loaded like any other.

/// A component that comes with the gateway: `builtin:<name>` in a policies file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stock {
    /// Who is calling: client, user and admin tokens.
    Auth,
    /// A client's allow-list.
    Acl,
    /// What belongs to a tool group.
    Groups,
    /// Bearer token and custom headers of an upstream.
    Headers,
}

impl Stock {
    /// All of them, in the order of the default pipeline.
    pub const ALL: [Self; 4] = [Self::Auth, Self::Groups, Self::Acl, Self::Headers];

    /// The word after `builtin:`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Acl => "acl",
            Self::Groups => "groups",
            Self::Headers => "headers",
        }
    }

    /// The one of this name.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stock| stock.as_str() == name)
    }

    pub(crate) fn component(self) -> &'static [u8] {
        match self {
            Self::Auth => include_bytes!("../../../plugins/dist/builtin-auth.wasm"),
            Self::Acl => include_bytes!("../../../plugins/dist/builtin-acl.wasm"),
            Self::Groups => include_bytes!("../../../plugins/dist/builtin-groups.wasm"),
            Self::Headers => include_bytes!("../../../plugins/dist/builtin-headers.wasm"),
        }
    }
}
