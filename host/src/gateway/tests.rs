//! A gateway for tests inside of the crate, and what only shows there.

use std::io::{self, Write};
use std::path::Path;

use tracing_subscriber::fmt::MakeWriter;

use super::*;
use crate::downstream::AllowedHosts;
use crate::upstream::ProxySettings;

/// In enterprise mode, with its database in this folder.
pub(crate) async fn open_in(folder: &Path) -> Arc<Gateway> {
    let database = Database::Sqlite(folder.join("mcpjungle.db"));
    let keys = KeySource { configured: None, key_file: database.default_key_file() };
    let settings = GatewaySettings {
        mode: Mode::Enterprise,
        version: "0.1.0".into(),
        database,
        keys,
        policies: PolicySource::default(),
        admin_authentication: AdminAuthentication::default(),
        plugin_cache: None,
        upstreams: UpstreamSettings {
            init_timeout: Duration::from_secs(10),
            session_idle_timeout: None,
            supervisor: ("no-such-supervisor".into(), Vec::new()),
            child_environment: Default::default(),
            proxies: ProxySettings::default(),
            gateway_version: "0.1.0".into(),
        },
        edge: EdgePolicy { hosts: AllowedHosts::Any, origins: Vec::new() },
        metrics: None,
        bootstrap_token: None,
        audit: None,
    };
    Gateway::open(settings).await.unwrap()
}

/// What this thread logs.
#[derive(Clone, Default)]
struct Log(Arc<parking_lot::Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn nobody_takes_a_clean_end_for_a_database_that_is_away() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = open_in(folder.path()).await;
    let log = Log::default();
    let _logged =
        tracing::subscriber::set_default(tracing_subscriber::fmt().with_ansi(false).with_writer(log.clone()).finish());
    let following = tokio::spawn(follow_store(Arc::downgrade(&gateway)));
    gateway.shutdown(Duration::from_secs(60)).await;
    let ended = tokio::time::timeout(Duration::from_secs(60), following).await;
    ended.expect("it stops following").expect("it does not panic");
    let logged = String::from_utf8(log.0.lock().clone()).unwrap();
    assert!(!logged.contains("WARN") && !logged.contains("ERROR"), "{logged}");
}
