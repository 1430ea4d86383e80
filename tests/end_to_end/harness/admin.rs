//! An administrator who talks to the HTTP API without the command line: quickly, and with a
//! connection that may break in the midst of a request.

use reqwest::{Method, StatusCode};
use serde_json::Value;

use super::enterprise::ADMIN_TOKEN;
use super::gateway::Gateway;

/// Somebody with a token.
#[derive(Clone)]
pub(crate) struct Admin {
    http: reqwest::Client,
    base: String,
    token: String,
}

impl Admin {
    /// The administrator of a gateway in enterprise mode.
    pub(crate) fn of(gateway: &Gateway) -> Self {
        Self::with_token(gateway, ADMIN_TOKEN)
    }

    /// Whoever has this token.
    pub(crate) fn with_token(gateway: &Gateway, token: &str) -> Self {
        let http = super::client::http_client();
        Self { http, base: gateway.url("/api/v0"), token: token.to_owned() }
    }

    /// Sends a request; the answer's body is `null` where it is empty. The error is a broken connection.
    pub(crate) async fn try_send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(StatusCode, Value), reqwest::Error> {
        let mut request = self.http.request(method, format!("{}{path}", self.base)).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.body(body.to_string());
        }
        let answer = request.send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::Null)))
    }

    /// As [`Self::try_send`], where the connection holds.
    pub(crate) async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> (StatusCode, Value) {
        self.try_send(method, path, body).await.expect("the gateway answers")
    }

    /// Reads something that is there.
    pub(crate) async fn get(&self, path: &str) -> Value {
        let (status, answer) = self.send(Method::GET, path, None).await;
        assert_eq!(status, StatusCode::OK, "{path}: {answer}");
        answer
    }
}
