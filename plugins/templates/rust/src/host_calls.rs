//! What has to be granted. A component needs a grant as soon as a stage uses one of these.

use mcpjungle_policy::Host;
%% if kv
use mcpjungle_policy::Principal;
use mcpjungle_policy::host::StoreError;
%% end
%% if http
use mcpjungle_policy::host::{HttpError, HttpRequest};
%% end

use crate::{{type}};

impl {{type}} {
%% if kv
    /// Counts one more request of this principal, and says how many it made this minute.
    pub fn count(&self, host: &impl Host, principal: &Principal) -> Result<i64, StoreError> {
        let minute = host.now() / 60_000;
        let key = format!("requests/{minute}/{}", principal.name);
        host.increment(&key, 1, Some(std::time::Duration::from_secs(60)))
    }
%% end
%% if http
    /// What a host says; its name has to be granted.
    pub fn ask(&self, host: &impl Host, url: &str) -> Result<Vec<u8>, HttpError> {
        host.send(&HttpRequest::get(url)).map(|response| response.body)
    }
%% end
%% if secrets
    /// A secret; its name has to be granted.
    pub fn signing_key(&self, host: &impl Host) -> Result<String, String> {
        host.secret("SIGNING_KEY").ok_or_else(|| "the secret SIGNING_KEY is not set".to_owned())
    }
%% end
}

#[cfg(test)]
mod tests {
    use mcpjungle_policy::testing::FakeHost;
%% if kv
    use mcpjungle_policy::testing::client;
%% end

    use crate::policy;
%% if kv

    #[test]
    fn requests_are_counted_by_principal_and_minute() {
        let (host, policy) = (FakeHost::new(), policy("{}"));
        assert_eq!(policy.count(&host, &client("cursor")), Ok(1));
        assert_eq!(policy.count(&host, &client("cursor")), Ok(2));
        assert_eq!(policy.count(&host, &client("other")), Ok(1));
        host.advance(std::time::Duration::from_secs(60));
        assert_eq!(policy.count(&host, &client("cursor")), Ok(1));
    }
%% end
%% if http

    #[test]
    fn a_host_is_asked() {
        let host = FakeHost::new().answering("https://rules.example.com/", 200, "yes");
        assert_eq!(policy("{}").ask(&host, "https://rules.example.com/"), Ok(b"yes".to_vec()));
        assert!(policy("{}").ask(&host, "https://elsewhere.example.com/").is_err());
    }
%% end
%% if secrets

    #[test]
    fn the_key_is_there_or_the_error_names_it() {
        let host = FakeHost::new().with_secret("SIGNING_KEY", "s3cret");
        assert_eq!(policy("{}").signing_key(&host).as_deref(), Ok("s3cret"));
        assert!(policy("{}").signing_key(&FakeHost::new()).unwrap_err().contains("SIGNING_KEY"));
    }
%% end
}
