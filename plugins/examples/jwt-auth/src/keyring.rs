//! Where keys come from: the settings, or the provider, whose keys are kept in memory.
//!
//! Each instance of the component keeps its own. In the key-value store they would be shared, but each request would
//! be a trip to the database, to save a few fetches in ten minutes.

use std::cell::{Cell, Ref, RefCell};

use mcpjungle_policy::host::Level;
use mcpjungle_policy::{Denial, Host};

use crate::keys::{Key, KeySet};
use crate::settings::{Algorithm, Settings};

/// The keys, and where to get newer ones.
pub(crate) struct Keyring {
    source: Option<Source>,
    keys: RefCell<KeySet>,
    /// When the keys were fetched, in milliseconds since 1970; `None` as long as they were not.
    fetched_at: Cell<Option<u64>>,
    /// When fetching was last tried.
    tried_at: Cell<Option<u64>>,
    /// Whether that failed. It is said once, and once more when it works again.
    is_failing: Cell<bool>,
}

/// Times are in milliseconds.
struct Source {
    url: String,
    max_age: u64,
    max_stale: u64,
    min_refresh: u64,
}

impl Keyring {
    pub(crate) fn new(settings: &Settings) -> Result<Self, String> {
        let milliseconds = |seconds: u32| u64::from(seconds) * 1000;
        let source = settings.keys_url.as_ref().map(|url| Source {
            url: url.clone(),
            max_age: milliseconds(settings.keys_max_age_seconds),
            max_stale: milliseconds(settings.keys_max_stale_seconds),
            min_refresh: milliseconds(settings.keys_min_refresh_seconds),
        });
        let keys = settings.keys.as_ref().map(KeySet::read).transpose()?.unwrap_or_default();
        Ok(Self {
            source,
            keys: RefCell::new(keys),
            fetched_at: Cell::new(None),
            tried_at: Cell::new(None),
            is_failing: Cell::new(false),
        })
    }

    /// The key that a token says it is signed with. Keys that are too old are fetched anew, and so are keys among
    /// which it is not: the provider may have a new one.
    pub(crate) fn find(
        &self,
        host: &impl Host,
        id: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<Ref<'_, Key>, Denial> {
        let now = host.now();
        if self.age(now).is_none_or(|age| self.source.as_ref().is_some_and(|source| age > source.max_age)) {
            self.refresh(host, now);
        }
        if self.look_up(id, algorithm)?.is_none() {
            self.refresh(host, now);
        }
        let has_keys = match &self.source {
            Some(source) => self.age(now).is_some_and(|age| age <= source.max_age + source.max_stale),
            None => true,
        };
        if !has_keys {
            return Err(Denial::new("keys-unavailable", "the provider's keys cannot be had"));
        }
        self.look_up(id, algorithm)?
            .ok_or_else(|| Denial::new("key-unknown", "the token is signed with no key of the provider's"))
    }

    fn look_up(&self, id: Option<&str>, algorithm: Algorithm) -> Result<Option<Ref<'_, Key>>, Denial> {
        let keys = self.keys.borrow();
        keys.find(id, algorithm)?;
        Ok(Ref::filter_map(keys, |keys| keys.find(id, algorithm).ok().flatten()).ok())
    }

    fn age(&self, now: u64) -> Option<u64> {
        self.fetched_at.get().map(|at| now.saturating_sub(at))
    }

    /// Fetches the keys, unless that was tried a moment ago: anyone can send tokens that name unknown keys.
    fn refresh(&self, host: &impl Host, now: u64) {
        let Some(source) = &self.source else { return };
        if self.tried_at.get().is_some_and(|at| now.saturating_sub(at) < source.min_refresh) {
            return;
        }
        self.tried_at.set(Some(now));
        match fetch(host, &source.url) {
            Ok(keys) => {
                self.keys.replace(keys);
                self.fetched_at.set(Some(now));
                if self.is_failing.replace(false) {
                    host.log(Level::Info, "the provider's keys can be fetched again", &[]);
                }
            }
            Err(problem) => {
                if !self.is_failing.replace(true) {
                    host.log(Level::Warn, "cannot fetch the provider's keys", &[("error", &problem)]);
                }
            }
        }
    }
}

#[cfg(feature = "http")]
fn fetch(host: &impl Host, url: &str) -> Result<KeySet, String> {
    use mcpjungle_policy::host::{HttpError, HttpRequest};

    let request = HttpRequest::get(url).with_header("accept", "application/jwk-set+json, application/json");
    let answer = host.send(&request).map_err(|error| match error {
        HttpError::NotGranted(problem) | HttpError::Invalid(problem) | HttpError::Failed(problem) => problem,
        HttpError::TooLarge => "the answer is too large".to_owned(),
        HttpError::TimedOut => "no answer came in time; the deadline of the plugin may be too short".to_owned(),
    })?;
    if answer.status != 200 {
        return Err(format!("the answer has the status {}", answer.status));
    }
    let set = serde_json::from_slice(&answer.body).map_err(|error| format!("the answer is no JSON: {error}"))?;
    KeySet::read(&set)
}

#[cfg(not(feature = "http"))]
fn fetch(_host: &impl Host, _url: &str) -> Result<KeySet, String> {
    Err("this component was built without HTTP".to_owned())
}
