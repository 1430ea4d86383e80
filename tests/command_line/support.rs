//! A recording HTTP server that answers as the gateway's API does, and the binary run against it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Response, Uri};
use tempfile::TempDir;

/// What the API answers, by `METHOD /path?query`.
type Answers = BTreeMap<String, (u16, String)>;

struct Shared {
    answers: Answers,
    requests: Mutex<Vec<String>>,
    /// The first request is answered only once this has ended.
    held: tokio::sync::Mutex<Option<tokio::sync::oneshot::Receiver<()>>>,
}

/// A running API with canned answers.
pub struct Api {
    pub url: String,
    shared: Arc<Shared>,
}

impl Api {
    /// Serves these answers, each given as `METHOD /path?query` (below `/api/v0`), status and body.
    pub fn answering(answers: &[(&str, u16, &str)]) -> Self {
        Self::serving(answers, None)
    }

    /// The same, but the first request is answered only when what is returned beside is dropped.
    pub fn holding(answers: &[(&str, u16, &str)]) -> (Self, tokio::sync::oneshot::Sender<()>) {
        let (release, held) = tokio::sync::oneshot::channel();
        (Self::serving(answers, Some(held)), release)
    }

    fn serving(answers: &[(&str, u16, &str)], held: Option<tokio::sync::oneshot::Receiver<()>>) -> Self {
        let answers = answers
            .iter()
            .map(|(request, status, body)| ((*request).to_owned(), (*status, (*body).to_owned())))
            .collect();
        let shared = Arc::new(Shared { answers, requests: Mutex::default(), held: held.into() });
        let router = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        // Ends with the test's process.
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                axum::serve(listener, router).await.unwrap();
            });
        });
        Self { url, shared }
    }

    /// What was asked so far: `METHOD /path?query body`, in order.
    pub fn requests(&self) -> Vec<String> {
        self.shared.requests.lock().unwrap().clone()
    }
}

async fn answer(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let path = uri.to_string();
    let request = format!("{method} {}", path.strip_prefix("/api/v0").unwrap_or(&path));
    let mut recorded = request.clone();
    if let Some(token) = headers.get("authorization") {
        recorded.push_str(&format!(" [{}]", token.to_str().unwrap()));
    }
    if !body.is_empty() {
        recorded.push_str(&format!(" {}", String::from_utf8_lossy(&body)));
    }
    shared.requests.lock().unwrap().push(recorded);
    if let Some(held) = shared.held.lock().await.take() {
        let _released = held.await;
    }
    let unknown = (404, format!("no canned answer for {request}"));
    let (status, body) = shared.answers.get(&request).cloned().unwrap_or(unknown);
    Response::builder().status(status).body(Body::from(body)).unwrap()
}

/// A user with a home and a working directory of their own, and nothing in the environment.
pub struct Person {
    pub home: TempDir,
    pub directory: TempDir,
    variables: Vec<(String, String)>,
    /// Made short in snapshots.
    replaced: Vec<(String, &'static str)>,
}

impl Person {
    pub fn new() -> Self {
        let (home, directory) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let replaced = vec![
            (home.path().display().to_string(), "[home]"),
            (directory.path().display().to_string(), "[directory]"),
        ];
        Self { home, directory, variables: Vec::new(), replaced }
    }

    /// A user whose `~/.mcpjungle.conf` names this API.
    pub fn of(api: &Api) -> Self {
        let mut person = Self::new();
        person.replaced.push((api.url.clone(), "[api]"));
        person.write_conf(&format!("registry_url: {}\n", api.url));
        person
    }

    pub fn write_conf(&self, text: &str) {
        std::fs::write(self.home.path().join(".mcpjungle.conf"), text).unwrap();
    }

    /// Writes a file into the working directory, with the folders on its way.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    pub fn set(&mut self, name: &str, value: &str) {
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// Sets the variables for a new database, with the password in a file.
    #[cfg(feature = "e2e")]
    pub fn uses_postgres(&mut self, cluster: &crate::postgres::Cluster) {
        self.set("POSTGRES_HOST", cluster.socket());
        self.set("POSTGRES_DB", &cluster.create_database());
        self.write("password", &format!("{}\n", crate::postgres::PASSWORD));
        self.set("POSTGRES_PASSWORD_FILE", "password");
    }

    /// The binary with these arguments, not yet started.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(Path::new(env!("CARGO_BIN_EXE_mcpjungle")));
        command.args(arguments).env_clear().current_dir(self.directory.path()).env("HOME", self.home.path());
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs a command and shows what it did.
    pub fn run(&self, arguments: &[&str]) -> String {
        let Output { status, stdout, stderr } = self.command(arguments).output().unwrap();
        let mut shown = format!("exit: {}\n", status.code().map_or("signal".to_owned(), |code| code.to_string()));
        for (stream, bytes) in [("stdout", stdout), ("stderr", stderr)] {
            let text = String::from_utf8(bytes).unwrap();
            if !text.is_empty() {
                shown.push_str(&format!("--- {stream}\n{text}"));
            }
        }
        self.shorten(shown)
    }

    /// Runs a command that must succeed in silence on standard error; its standard output.
    pub fn stdout(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && stderr.is_empty(), "{arguments:?}: {}\n{stderr}", output.status);
        self.shorten(String::from_utf8(output.stdout).unwrap())
    }

    fn shorten(&self, mut text: String) -> String {
        for (long, short) in &self.replaced {
            text = text.replace(long, short);
        }
        text
    }
}
