//! Clients and users in memory, found by name and by token. A change shares with what was
//! there before all that it does not touch, however many there are.

use std::sync::Arc;

use rpds::HashTrieMapSync;

use crate::catalog::tokens::{KnownToken, Tokens};
use crate::identity::{IdentityRecord, TokenDigest};
use crate::store::{IdentityKey, IdentityRef, StoredIdentities};

/// All clients and users.
#[derive(Debug, Clone, Default)]
pub struct Identities {
    clients: HashTrieMapSync<Arc<str>, Arc<IdentityRecord>>,
    users: HashTrieMapSync<Arc<str>, Arc<IdentityRecord>>,
    tokens: Tokens,
    /// Those with a token that lives on beside a newer one, and until when the last of these does.
    expiring: HashTrieMapSync<IdentityKey, i64>,
    generation: u64,
}

impl Identities {
    /// The client or user of this name.
    pub fn find(&self, of: IdentityRef<'_>) -> Option<&Arc<IdentityRecord>> {
        match of {
            IdentityRef::Client(name) => self.clients.get(name),
            IdentityRef::User(name) => self.users.get(name),
        }
    }

    /// Whose token this is, at a time in milliseconds since 1970.
    pub fn find_by_token(&self, presented: &str, now_ms: impl FnOnce() -> i64) -> Option<&Arc<IdentityRecord>> {
        let token = self.tokens.get(&TokenDigest::of(presented))?;
        match token.expires_at_ms {
            Some(expires_at_ms) if expires_at_ms <= now_ms() => None,
            Some(_) | None => Some(&token.owner),
        }
    }

    /// Another number whenever one that was there has changed or gone; new ones do not count.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// When the next token expires after a time, both in milliseconds since 1970.
    pub fn next_expiry(&self, now_ms: i64) -> Option<i64> {
        self.expiring.values().copied().filter(|expires_at_ms| *expires_at_ms > now_ms).min()
    }

    /// All clients, sorted by name.
    pub fn clients(&self) -> Vec<&Arc<IdentityRecord>> {
        sorted(&self.clients)
    }

    /// All users, sorted by name.
    pub fn users(&self) -> Vec<&Arc<IdentityRecord>> {
        sorted(&self.users)
    }

    /// These with what has changed.
    pub(crate) fn with(&self, changes: StoredIdentities) -> Self {
        let mut all = if changes.is_everything { Self::default() } else { self.clone() };
        let mut outdates = changes.is_everything;
        for key in &changes.removed {
            outdates |= all.remove(key);
        }
        for record in changes.changed {
            outdates |= all.put(Arc::new(record));
        }
        all.generation = self.generation + u64::from(outdates);
        all
    }

    /// `true` if there was one of that name.
    fn put(&mut self, record: Arc<IdentityRecord>) -> bool {
        let key = IdentityKey::of(&record);
        let was_there = self.remove(&key);
        if let Some(expires_at_ms) = record.tokens.iter().filter_map(|token| token.expires_at_ms).max() {
            self.expiring.insert_mut(key.clone(), expires_at_ms);
        }
        for token in &record.tokens {
            let known = KnownToken { owner: Arc::clone(&record), expires_at_ms: token.expires_at_ms };
            self.tokens.insert(token.digest, known);
        }
        let name = Arc::clone(&record.name);
        match key {
            IdentityKey::Client(_) => self.clients.insert_mut(name, record),
            IdentityKey::User(_) => self.users.insert_mut(name, record),
        };
        was_there
    }

    /// `true` if there was one of that name.
    fn remove(&mut self, key: &IdentityKey) -> bool {
        let (map, name) = match key {
            IdentityKey::Client(name) => (&mut self.clients, name),
            IdentityKey::User(name) => (&mut self.users, name),
        };
        let Some(record) = map.get(name).cloned() else { return false };
        map.remove_mut(name);
        self.expiring.remove_mut(key);
        for token in &record.tokens {
            self.tokens.remove_if_of(&token.digest, &record);
        }
        true
    }
}

fn sorted(map: &HashTrieMapSync<Arc<str>, Arc<IdentityRecord>>) -> Vec<&Arc<IdentityRecord>> {
    let mut records: Vec<_> = map.values().collect();
    records.sort_by(|a, b| a.name.cmp(&b.name));
    records
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{AccessToken, IdentityKind, Role, StoredToken};

    fn record(kind: IdentityKind, name: &str, tokens: &[(&str, Option<i64>)]) -> IdentityRecord {
        let token = |(text, expires_at_ms): &(&str, Option<i64>)| StoredToken {
            digest: AccessToken::parse(text).unwrap().digest(),
            expires_at_ms: *expires_at_ms,
        };
        IdentityRecord {
            id: 1,
            kind,
            name: name.into(),
            description: String::new(),
            allow: Vec::new(),
            tokens: tokens.iter().map(token).collect(),
            created_at_ms: 0,
            updated_at_ms: 0,
        }
    }

    fn changed(records: Vec<IdentityRecord>) -> StoredIdentities {
        StoredIdentities { changed: records, ..StoredIdentities::default() }
    }

    /// Whose a token is at the time 100.
    fn owner<'a>(identities: &'a Identities, token: &str) -> Option<&'a str> {
        identities.find_by_token(token, || 100).map(|record| &*record.name)
    }

    #[test]
    fn a_token_is_its_owners_until_it_is_replaced_or_expires() {
        let (client, user) = (IdentityKind::Client, IdentityKind::User(Role::User));
        let first = Identities::default().with(changed(vec![
            record(client, "same", &[("client-one", None)]),
            record(user, "same", &[("user-one", None)]),
        ]));
        assert_eq!((owner(&first, "client-one"), owner(&first, "user-one")), (Some("same"), Some("same")));
        assert_eq!(first.find(IdentityRef::User("same")).unwrap().kind, user);
        assert_eq!(first.find(IdentityRef::Client("other")), None);

        let tokens = [("client-two", None), ("client-one", Some(101)), ("client-old", Some(100))];
        let second = first.with(changed(vec![record(client, "same", &tokens)]));
        assert_eq!(owner(&second, "client-two"), Some("same"));
        assert_eq!((owner(&second, "client-one"), owner(&second, "client-old")), (Some("same"), None));
        assert_eq!((second.next_expiry(100), second.next_expiry(101)), (Some(101), None));

        let third = second.with(changed(vec![record(client, "same", &[("client-two", None)])]));
        assert_eq!(owner(&third, "client-one"), None);
        assert_eq!(third.next_expiry(100), None);
        assert_eq!(owner(&second, "client-one"), Some("same"), "what was there before stays as it was");
    }

    #[test]
    fn what_is_removed_takes_only_its_own_tokens_along() {
        let client = IdentityKind::Client;
        let both = Identities::default().with(changed(vec![
            record(client, "old", &[("token-of-old", None), ("shared-token", Some(50))]),
            record(client, "new", &[("shared-token", None)]),
        ]));
        let removed = vec![IdentityKey::Client("old".into()), IdentityKey::User("new".into())];
        let left = both.with(StoredIdentities { removed, ..StoredIdentities::default() });
        assert_eq!((owner(&left, "token-of-old"), owner(&left, "shared-token")), (None, Some("new")));
        assert_eq!(left.clients().len(), 1);
        let more = left.with(changed(vec![record(client, "more", &[("token-of-more", None)])]));
        assert_eq!(more.generation(), left.generation(), "a new one outdates nothing");
        assert!(more.with(changed(vec![record(client, "more", &[])])).generation() > more.generation());
        assert!(left.generation() > both.generation());
        assert!(
            left.with(StoredIdentities { is_everything: true, ..StoredIdentities::default() }).clients().is_empty()
        );
    }
}
