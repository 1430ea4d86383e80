//! `jwt-auth`: tokens of an identity provider whose keys are served over HTTP and change.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::routing::get;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer, SigningKey};
use serde_json::{Value, json};

use super::{example, write_policies};
use crate::harness::client::{Client, INITIALIZE};
use crate::harness::enterprise::{client, home, start_in};
use crate::harness::gateway::{Gateway, new_home};
use crate::harness::raw_server::RawServer;
use crate::harness::until_true;

/// An identity provider with one key, which can change.
struct Provider {
    key: Arc<AtomicU8>,
    asked: Arc<AtomicUsize>,
    port: u16,
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

fn private(number: u8) -> SigningKey {
    SigningKey::from_bytes(&[number; 32])
}

impl Provider {
    async fn start() -> Self {
        let (key, asked) = (Arc::new(AtomicU8::new(1)), Arc::new(AtomicUsize::new(0)));
        let (served, counted) = (Arc::clone(&key), Arc::clone(&asked));
        let keys = move || async move {
            counted.fetch_add(1, Ordering::SeqCst);
            let number = served.load(Ordering::SeqCst);
            let x = encode(private(number).verifying_key().as_bytes());
            json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "kid": format!("key-{number}"), "x": x }] }).to_string()
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let port = listener.local_addr().expect("it is bound").port();
        tokio::spawn(async move { axum::serve(listener, Router::new().route("/keys", get(keys))).await });
        Self { key, asked, port }
    }

    /// A token of `name` for so many seconds from now.
    fn token(name: &str, key: u8, seconds: i64) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970").as_secs();
        let expires = i64::try_from(now).expect("it is before long") + seconds;
        let header = json!({ "alg": "EdDSA", "kid": format!("key-{key}") }).to_string();
        let claims = json!({ "iss": "https://id.example.com", "aud": "mcpjungle", "sub": name, "exp": expires,
            "tools": ["raw__numbers"] });
        let signed = format!("{}.{}", encode(header), encode(claims.to_string()));
        let signature = private(key).sign(signed.as_bytes());
        format!("{signed}.{}", encode(signature.to_bytes()))
    }
}

/// The status that opening a session with this token gets.
async fn status(url: &str, token: &str) -> u16 {
    Client::new(url).with_token(token).post(INITIALIZE).await.status.as_u16()
}

#[tokio::test]
async fn tokens_let_in_and_limit_and_a_new_key_of_the_provider_is_found() {
    let provider = Provider::start().await;
    let home = home(&[client("stored", "token-of-a-stored-client", &["*"])]).await;
    let settings = json!({
        "issuer": "https://id.example.com", "audience": ["mcpjungle"], "allow_claim": "tools",
        "keys_url": format!("http://localhost:{}/keys", provider.port), "keys_min_refresh_seconds": 1,
    });
    let file = write_policies(&home, &[example("jwt-auth", &settings, &["http:localhost"])]);
    let gateway = start_in(home, &["--policies", &file]);
    let upstream = RawServer::http(&[]);
    gateway.register(&upstream.registration("raw"));
    let url = gateway.url("/mcp");

    let client = Client::new(&url).with_token(&Provider::token("ann", 1, 600)).introduced("{}").await;
    let listed = client.list("tools/list", "tools").await;
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert!(client.call("raw__numbers", "{}").await.contains("structuredContent"));
    let refused: Value = serde_json::from_str(&client.call("raw__echo", "{}").await).expect("JSON");
    assert_eq!(refused["error"]["code"], -32602, "{refused}");

    assert_eq!(status(&url, &Provider::token("ann", 1, -600)).await, 401, "an expired one");
    assert_eq!(status(&url, &Provider::token("ann", 2, 600)).await, 401, "of a key that there is not yet");
    assert_eq!(status(&url, "token-of-a-stored-client").await, 200, "the next authenticator is asked");
    assert_eq!(status(&url, "no-token-of-anybody").await, 401);

    provider.key.store(2, Ordering::SeqCst);
    let renewed = Provider::token("ann", 2, 600);
    until_true("the new key to be found", async || status(&url, &renewed).await == 200).await;
    let asked = provider.asked.load(Ordering::SeqCst);
    for _ in 0..20 {
        assert_eq!(status(&url, &renewed).await, 200);
    }
    let more = provider.asked.load(Ordering::SeqCst) - asked;
    assert!(more <= 15, "keys are kept, and not fetched for each request: {more}");
}

#[tokio::test]
async fn in_development_mode_who_shows_no_token_is_not_let_in_as_everybody() {
    let provider = Provider::start().await;
    let home = new_home();
    let settings = json!({
        "issuer": "https://id.example.com", "audience": ["mcpjungle"],
        "keys_url": format!("http://localhost:{}/keys", provider.port),
    });
    let file = write_policies(&home, &[example("jwt-auth", &settings, &["http:localhost"])]);
    let gateway = Gateway::start_in(home, &["--policies", &file]);
    let url = gateway.url("/mcp");
    assert_eq!(Client::new(&url).post(INITIALIZE).await.status.as_u16(), 401);
    assert_eq!(status(&url, "no-token-of-anybody").await, 401);
    assert_eq!(status(&url, &Provider::token("ann", 1, 600)).await, 200);
}
