//! The routes of enterprise mode: who there is.

use anyhow::Context;
use reqwest::Method;
use serde_json::{Map, Value};

use super::answers::{Initialized, McpClient, User};
use super::{Answer, Api};

impl Api {
    /// Makes the gateway's first administrator.
    pub(crate) async fn init_server(&self, body: &Map<String, Value>) -> anyhow::Result<Answer<Initialized>> {
        self.fetch(self.request_at(Method::POST, &["init"], &[]).json(body)).await
    }

    /// Whose token this is sent with.
    pub(crate) async fn whoami(&self) -> anyhow::Result<Answer<User>> {
        self.fetch(self.request(Method::GET, &["users", "whoami"], &[])).await.context("failed to get user")
    }

    pub(crate) async fn list_clients(&self) -> anyhow::Result<Answer<Vec<McpClient>>> {
        let request = self.request(Method::GET, &["clients"], &[]);
        self.fetch(request).await.context("failed to list MCP clients")
    }

    pub(crate) async fn create_client(&self, client: &Map<String, Value>) -> anyhow::Result<Answer<McpClient>> {
        let request = self.request(Method::POST, &["clients"], &[]).json(client);
        self.fetch(request).await.context("failed to create MCP client")
    }

    pub(crate) async fn update_client(
        &self,
        name: &str,
        change: &Map<String, Value>,
    ) -> anyhow::Result<Answer<McpClient>> {
        let request = self.request(Method::PUT, &["clients", name], &[]).json(change);
        self.fetch(request).await.context("failed to update MCP client")
    }

    pub(crate) async fn delete_client(&self, name: &str) -> anyhow::Result<()> {
        let request = self.request(Method::DELETE, &["clients", name], &[]);
        self.send(request).await.map(drop).context("failed to delete the client")
    }

    pub(crate) async fn list_users(&self) -> anyhow::Result<Answer<Vec<User>>> {
        self.fetch(self.request(Method::GET, &["users"], &[])).await.context("failed to list users")
    }

    pub(crate) async fn create_user(&self, user: &Map<String, Value>) -> anyhow::Result<Answer<User>> {
        let request = self.request(Method::POST, &["users"], &[]).json(user);
        self.fetch(request).await.context("failed to create user")
    }

    pub(crate) async fn update_user(&self, name: &str, change: &Map<String, Value>) -> anyhow::Result<Answer<User>> {
        let request = self.request(Method::PUT, &["users", name], &[]).json(change);
        self.fetch(request).await.context("failed to update user")
    }

    pub(crate) async fn delete_user(&self, name: &str) -> anyhow::Result<()> {
        let request = self.request(Method::DELETE, &["users", name], &[]);
        self.send(request).await.map(drop).context("failed to delete the user")
    }
}
