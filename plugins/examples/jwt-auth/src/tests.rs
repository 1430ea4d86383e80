//! Tokens of every kind, signed here with keys that are made up.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ed25519_dalek::Signer;
use mcpjungle_policy::authenticator::Authentication;
use mcpjungle_policy::host::Level;
use mcpjungle_policy::testing::{FakeHost, http_request};
use mcpjungle_policy::{Authenticator, Mode, Policy, PrincipalKind};
use serde_json::{Value, json};

use crate::JwtAuth;

const URL: &str = "https://id.example.com/keys";

fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// The private key of a number.
fn private(number: u8) -> ed25519_dalek::SigningKey {
    ed25519_dalek::SigningKey::from_bytes(&[number; 32])
}

fn public(number: u8) -> Value {
    let x = encode(private(number).verifying_key().as_bytes());
    json!({ "kty": "OKP", "crv": "Ed25519", "kid": format!("key-{number}"), "use": "sig", "x": x })
}

fn claims() -> Value {
    // An hour after the time of the fake host.
    json!({ "iss": "https://id.example.com", "aud": "mcpjungle", "sub": "ann", "exp": 1_767_229_200 })
}

fn sign(header: &Value, claims: &Value, key: u8) -> String {
    let signed = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
    let signature = private(key).sign(signed.as_bytes());
    format!("{signed}.{}", encode(signature.to_bytes()))
}

/// Signed with the key of a number, which it names.
fn token(claims: &Value, key: u8) -> String {
    sign(&json!({ "alg": "EdDSA", "kid": format!("key-{key}") }), claims, key)
}

fn policy(mut changes: Value) -> JwtAuth {
    let mut settings = json!({ "issuer": "https://id.example.com", "audience": ["mcpjungle"] });
    let changes = changes.as_object_mut().unwrap();
    if !changes.contains_key("keys_url") && !changes.contains_key("keys") {
        changes.insert("keys".to_owned(), json!({ "keys": [public(1), public(2)] }));
    }
    settings.as_object_mut().unwrap().append(changes);
    JwtAuth::new(serde_json::from_value(settings).unwrap()).unwrap()
}

fn ask(policy: &JwtAuth, host: &FakeHost, token: &str) -> Authentication {
    policy.authenticate(host, &http_request(&[("authorization", &format!("Bearer {token}"))]))
}

/// `ok`, `abstain` or the code of the denial.
fn code(answer: Authentication) -> String {
    match answer {
        Authentication::Authenticated(_) => "ok".to_owned(),
        Authentication::Abstain => "abstain".to_owned(),
        Authentication::Denied(denial) => denial.code,
    }
}

#[test]
fn a_token_counts_only_if_everything_about_it_is_right() {
    let with = |name: &str, value: Value| {
        let mut claims = claims();
        claims[name] = value;
        token(&claims, 1)
    };
    let headed = |header: Value| sign(&header, &claims(), 1);
    for (what, token, expected) in [
        ("a good one", token(&claims(), 1), "ok"),
        ("of an expiry within the leeway", with("exp", json!(1_767_225_560)), "ok"),
        ("of an expiry beyond it", with("exp", json!(1_767_225_540)), "token-expired"),
        ("without an expiry", with("exp", json!("never")), "token-malformed"),
        ("of a beginning within the leeway", with("nbf", json!(1_767_225_650.5)), "ok"),
        ("of a beginning beyond it", with("nbf", json!(1_767_225_700)), "token-not-yet-valid"),
        ("of another issuer", with("iss", json!("https://id.example.com/")), "issuer-wrong"),
        ("for another service", with("aud", json!(["a", "b"])), "audience-wrong"),
        ("for us too", with("aud", json!(["a", "mcpjungle"])), "ok"),
        ("without a name", with("sub", json!("")), "claim-missing"),
        ("of a key that is not there", token(&claims(), 3), "key-unknown"),
        ("that names another key", sign(&json!({ "alg": "EdDSA", "kid": "key-2" }), &claims(), 1), "signature-wrong"),
        ("that names no key", headed(json!({ "alg": "EdDSA" })), "key-ambiguous"),
        ("without a signature", headed(json!({ "alg": "none" })), "algorithm-refused"),
        ("of another algorithm's name", headed(json!({ "alg": "HS256", "kid": "key-1" })), "algorithm-refused"),
        ("of another key type's algorithm", headed(json!({ "alg": "ES256", "kid": "key-1" })), "key-unknown"),
        ("with an extension", headed(json!({ "alg": "EdDSA", "kid": "key-1", "crit": ["b64"] })), "token-malformed"),
        ("of another type", headed(json!({ "alg": "EdDSA", "kid": "key-1", "typ": "logout+jwt" })), "token-malformed"),
        ("too long to read", with("x", json!("x".repeat(16_384))), "token-malformed"),
        ("with no claims", format!("{}.e.s", encode("{\"alg\":\"EdDSA\"}")), "token-malformed"),
        ("that is none", "some.other.token".to_owned(), "abstain"),
        ("of the gateway's own", "abcdef".to_owned(), "abstain"),
    ] {
        assert_eq!(code(ask(&policy(json!({})), &FakeHost::new(), &token)), expected, "a token {what}");
    }
}

#[test]
fn keys_of_all_three_kinds_verify_and_only_their_own() {
    let rsa: Value = serde_json::from_str(include_str!("tests/rsa.json")).unwrap();
    let ec = p256::ecdsa::SigningKey::from_slice(&[0x11; 32]).unwrap();
    let point = ec.verifying_key().to_sec1_point(false);
    let (x, y) = (encode(&point.as_bytes()[1..33]), encode(&point.as_bytes()[33..]));
    let ec_key = json!({ "kty": "EC", "crv": "P-256", "kid": "ec", "x": x, "y": y });
    let signed = format!("{}.{}", encode(r#"{"alg":"ES256","kid":"ec"}"#), encode(claims().to_string()));
    let signature: p256::ecdsa::Signature = p256::ecdsa::signature::Signer::sign(&ec, signed.as_bytes());
    let es256 = format!("{signed}.{}", encode(signature.to_bytes()));
    let all = policy(json!({ "keys": { "keys": [rsa["key"], ec_key, public(1), { "kty": "oct", "k": "x" }] } }));
    let rs256 = rsa["token"].as_str().unwrap();
    for token in [rs256, &es256, &token(&claims(), 1)] {
        assert_eq!(code(ask(&all, &FakeHost::new(), token)), "ok", "{token}");
        let (signed, _) = token.rsplit_once('.').unwrap();
        let wrong = format!("{signed}.{}", encode([1; 64]));
        assert_eq!(code(ask(&all, &FakeHost::new(), &wrong)), "signature-wrong");
    }
    let only_rsa = policy(json!({ "algorithms": ["RS256"], "keys": { "keys": [rsa["key"], public(1)] } }));
    assert_eq!(code(ask(&only_rsa, &FakeHost::new(), &token(&claims(), 1))), "algorithm-refused");
}

#[test]
fn claims_make_the_principal() {
    let mut claims = claims();
    claims["scp"] = json!(["github__get_*"]);
    claims["realm"] = json!({ "roles": ["staff", "ops"] });
    let policy = policy(json!({
        "name_prefix": "idp:", "allow": ["time"], "allow_claim": "scp",
        "attributes": { "roles": "/realm/roles", "none": "/realm/none" },
        "kinds": { "claim": "/realm/roles", "admin": ["root"], "user": ["ops"] },
    }));
    let Authentication::Authenticated(principal) = ask(&policy, &FakeHost::new(), &token(&claims, 1)) else {
        panic!("a good token is refused");
    };
    assert_eq!((principal.kind, principal.name.as_str()), (PrincipalKind::User, "idp:ann"));
    assert_eq!(principal.allow, ["time", "github__get_*"]);
    assert_eq!(principal.attribute("roles"), Some("staff ops"));
    assert_eq!(principal.attributes.len(), 1);
}

#[test]
fn an_element_of_a_list_that_would_be_read_as_several_words_is_left_out() {
    let mut claims = claims();
    claims["groups"] = json!(["web admin", "ops", "a,b", "c\td", ""]);
    claims["teams"] = json!(["web admin"]);
    let policy = policy(json!({ "attributes": { "roles": "groups", "team": "teams" } }));
    let host = FakeHost::new();
    for _ in 0..2 {
        let Authentication::Authenticated(principal) = ask(&policy, &host, &token(&claims, 1)) else {
            panic!("a good token is refused");
        };
        assert_eq!(principal.attribute("roles"), Some("ops"));
        assert_eq!(principal.attribute("team"), None);
    }
    let told: Vec<_> = host.lines().into_iter().map(|line| line.fields[0].1.clone()).collect();
    assert_eq!(told, ["roles", "team"], "once for each attribute");
}

#[test]
fn who_shows_no_token_is_left_to_the_next_authenticator_only_where_that_does_not_let_in_everybody() {
    for (setting, mode, expected) in [
        (json!(null), Mode::Development, "token-missing"),
        (json!(null), Mode::Enterprise, "abstain"),
        (json!("abstain"), Mode::Development, "abstain"),
        (json!("deny"), Mode::Enterprise, "token-missing"),
    ] {
        let policy = policy(json!({ "without_token": setting }));
        let host = FakeHost::new().in_mode(mode);
        for headers in [&[][..], &[("authorization", "Bearer abcdef")], &[("authorization", "Basic YTpi")]] {
            let answer = code(policy.authenticate(&host, &http_request(headers)));
            assert_eq!(answer, expected, "{setting} in {mode:?}: {headers:?}");
        }
        assert_eq!(code(ask(&policy, &host, &token(&claims(), 1))), "ok");
    }
}

#[test]
fn other_issuers_may_be_left_to_the_next_authenticator() {
    let mut claims = claims();
    claims["iss"] = json!("https://other.example.com");
    let policy = policy(json!({ "other_issuers": "abstain" }));
    assert_eq!(code(ask(&policy, &FakeHost::new(), &token(&claims, 1))), "abstain");
}

#[cfg(feature = "http")]
#[test]
fn keys_are_fetched_once_and_again_for_an_unknown_one_but_not_at_once() {
    let keys = |numbers: &[u8]| json!({ "keys": numbers.iter().map(|&n| public(n)).collect::<Vec<_>>() }).to_string();
    let policy = policy(json!({ "keys_url": URL }));
    let host = FakeHost::new().answering(URL, 200, keys(&[1]));
    assert_eq!(code(ask(&policy, &host, &token(&claims(), 1))), "ok");
    assert_eq!(code(ask(&policy, &host, &token(&claims(), 2))), "key-unknown");
    assert_eq!(host.requests().len(), 1, "the keys are a moment old");

    let host = host.answering(URL, 200, keys(&[2]));
    host.advance(Duration::from_secs(31));
    assert_eq!(code(ask(&policy, &host, &token(&claims(), 2))), "ok");
    assert_eq!(code(ask(&policy, &host, &token(&claims(), 1))), "key-unknown");
    assert_eq!(host.requests().len(), 2);
}

#[cfg(feature = "http")]
#[test]
fn a_key_that_the_provider_withdrew_counts_until_the_keys_are_fetched_anew() {
    let keys = |number: u8| json!({ "keys": [public(number)] }).to_string();
    let policy = policy(json!({ "keys_url": URL, "keys_max_age_seconds": 600 }));
    let host = FakeHost::new().answering(URL, 200, keys(1));
    assert_eq!(code(ask(&policy, &host, &token(&claims(), 1))), "ok");
    let host = host.answering(URL, 200, keys(2));
    for seconds in [31, 569] {
        host.advance(Duration::from_secs(seconds));
        assert_eq!(code(ask(&policy, &host, &token(&claims(), 1))), "ok");
        assert_eq!(host.requests().len(), 1, "the keys are still young");
    }
    host.advance(Duration::from_secs(1));
    assert_eq!(code(ask(&policy, &host, &token(&claims(), 1))), "key-unknown");
    assert_eq!(host.requests().len(), 2);
}

#[cfg(feature = "http")]
#[test]
fn old_keys_bridge_a_failure_for_a_while_and_without_keys_nobody_comes_in() {
    let policy = policy(json!({ "keys_url": URL, "keys_max_age_seconds": 60, "keys_max_stale_seconds": 60 }));
    let mut claims = claims();
    claims["exp"] = json!(1_777_777_777);
    let host = FakeHost::new().answering(URL, 500, "");
    for _ in 0..3 {
        assert_eq!(code(ask(&policy, &host, &token(&claims, 1))), "keys-unavailable");
        host.advance(Duration::from_secs(31));
    }
    assert_eq!(host.requests().len(), 3);

    let host = host.answering(URL, 200, json!({ "keys": [public(1)] }).to_string());
    assert_eq!(code(ask(&policy, &host, &token(&claims, 1))), "ok");
    let host = host.answering(URL, 500, "");
    host.advance(Duration::from_secs(110));
    assert_eq!(code(ask(&policy, &host, &token(&claims, 1))), "ok");
    host.advance(Duration::from_secs(11));
    assert_eq!(code(ask(&policy, &host, &token(&claims, 1))), "keys-unavailable");
    let levels: Vec<_> = host.lines().into_iter().map(|line| line.level).collect();
    assert_eq!(levels, [Level::Warn, Level::Info, Level::Warn], "a failure is told once until fetching works again");
}

#[test]
fn settings_that_would_let_anybody_in_are_refused() {
    for (changes, word) in [
        (json!({ "audience": [], "keys": { "keys": [] } }), "audience"),
        (json!({ "audience": ["a"] }), "either"),
        (json!({ "audience": ["a"], "keys": { "keys": [{ "kty": "oct" }] } }), "no key"),
        (json!({ "audience": ["a"], "keys_url": "id.example.com" }), "keys_url"),
        (json!({ "audience": ["a"], "keys_url": "http://id.example.com/keys" }), "must begin with `https://`"),
        (json!({ "audience": ["a"], "keys_url": "http://localhost.example.com/keys" }), "must begin with `https://`"),
        (json!({ "audience": ["a"], "keys_url": "http://localhost:80@id.example.com/" }), "must begin with `https://`"),
        (json!({ "audience": ["a"], "keys_url": "http://localhost\\@id.example.com/" }), "must begin with `https://`"),
    ] {
        let mut settings = changes;
        settings["issuer"] = json!("https://id.example.com");
        let error = JwtAuth::new(serde_json::from_value(settings).unwrap()).err().unwrap();
        assert!(error.contains(word), "{error}");
    }
}

#[cfg(feature = "http")]
#[test]
fn keys_may_come_over_http_from_this_machine() {
    for url in ["https://id.example.com/keys", "http://localhost:8080/keys", "http://127.0.0.1/", "http://[::1]:1/keys"]
    {
        policy(json!({ "keys_url": url }));
    }
}
