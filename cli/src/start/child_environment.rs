//! What child processes (stdio servers) inherit: enough to run, nothing that is ours to keep.

use std::collections::BTreeMap;

use crate::environment::Environment;

/// Who and where the user is, and how programs find each other, proxies and certificates.
const INHERITED: [&str; 22] = [
    "ALL_PROXY",
    "CURL_CA_BUNDLE",
    "HOME",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "LANG",
    "LOGNAME",
    "NODE_EXTRA_CA_CERTS",
    "NO_PROXY",
    "PATH",
    "REQUESTS_CA_BUNDLE",
    "SHELL",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TERM",
    "TMPDIR",
    "TZ",
    "USER",
    "all_proxy",
    "http_proxy",
    "https_proxy",
    "no_proxy",
];

/// Chooses from the gateway's own variables.
pub(super) fn choose(environment: &Environment) -> BTreeMap<String, String> {
    environment
        .variables()
        .filter(|(name, _)| INHERITED.contains(name) || name.starts_with("LC_"))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_inherit_what_they_need_and_no_secret_of_the_gateway() {
        let variables = [
            ("PATH", "/bin"),
            ("LC_ALL", "C.UTF-8"),
            ("https_proxy", "http://proxy"),
            ("DATABASE_URL", "postgres://"),
            ("MCPJUNGLE_SECRET_KEY", "k"),
            ("AWS_SECRET_ACCESS_KEY", "k"),
            ("LD_PRELOAD", "x.so"),
        ];
        let chosen = choose(&Environment::of(&variables, std::path::Path::new("/")));
        let names: Vec<&str> = chosen.keys().map(String::as_str).collect();
        assert_eq!(names, ["LC_ALL", "PATH", "https_proxy"]);
    }
}
