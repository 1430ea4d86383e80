//! What every author wants to do with the words that the stages share.

use crate::{Decision, Denial, Item, Principal, PrincipalKind, matches};

impl Item {
    /// The name under which clients know it: the server's, two underscores, its own, as in `github__search`.
    pub fn canonical_name(&self) -> String {
        format!("{}__{}", self.server, self.name)
    }

    /// Whether `pattern` is, or with `*` matches, its server's name or its canonical name: the rule by which
    /// allow-lists are read.
    pub fn is_matched_by(&self, pattern: &str) -> bool {
        matches(pattern, &self.server) || matches(pattern, &self.canonical_name())
    }
}

impl Principal {
    /// The first attribute of this name, such as `team`.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|attribute| attribute.name == name).map(|attribute| attribute.value.as_str())
    }
}

impl PrincipalKind {
    /// As in a cases file: `anonymous`, `client`, `user`, `admin` or `gateway`. For keys and logs: a client and a user
    /// may have the same name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Anonymous => "anonymous",
            Self::Client => "client",
            Self::User => "user",
            Self::Admin => "admin",
            Self::Gateway => "gateway",
        }
    }
}

impl Denial {
    /// `code` is a short stable word for programs, such as `rate-limited`; `reason` a sentence for the log.
    pub fn new(code: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { code: code.into(), reason: reason.into() }
    }
}

impl Decision {
    /// No, and why: see [`Denial::new`].
    pub fn deny(code: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Deny(Denial::new(code, reason))
    }
}

#[cfg(test)]
mod tests {
    use crate::PrincipalKind;
    use crate::testing::item;

    #[test]
    fn each_kind_of_principal_has_a_name_of_its_own() {
        use PrincipalKind::{Admin, Anonymous, Client, Gateway, User};
        let names = [Anonymous, Client, User, Admin, Gateway].map(PrincipalKind::name);
        assert_eq!(names, ["anonymous", "client", "user", "admin", "gateway"]);
    }

    #[test]
    fn a_pattern_is_read_as_in_an_allow_list() {
        let item = item("tool github__search");
        for (pattern, expected) in
            [("github", true), ("git*", true), ("github__search", true), ("*__search", true), ("search", false)]
        {
            assert_eq!(item.is_matched_by(pattern), expected, "{pattern}");
        }
    }
}
