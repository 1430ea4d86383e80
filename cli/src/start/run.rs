//! From settings to a running gateway: the one place in the command line that builds the host.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use mcpjungle_host::downstream::{AllowedHosts, EdgePolicy};
use mcpjungle_host::gateway::{Gateway, GatewaySettings};
use mcpjungle_host::pipeline::Mode;
use mcpjungle_host::store::KeySource;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::lifecycle::Signals;
use super::settings::StartSettings;
use crate::banner;

/// The bits of a mode that let group and others write.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Opens the store, loads the policies and reads the catalog.
pub(super) async fn open(settings: StartSettings) -> anyhow::Result<Arc<Gateway>> {
    let keys = KeySource { configured: settings.secret_key, key_file: settings.database.default_key_file() };
    let gateway = Gateway::open(GatewaySettings {
        mode: settings.mode,
        version: banner::version().to_owned(),
        database: settings.database,
        keys,
        policies: settings.policies,
        admin_authentication: settings.admin_authentication,
        plugin_cache: settings.plugin_cache.and_then(usable_directory),
        upstreams: settings.upstream,
        edge: EdgePolicy {
            hosts: match settings.mode {
                Mode::Development => AllowedHosts::LoopbackAnd(settings.allowed_hosts),
                Mode::Enterprise if settings.allowed_hosts.is_empty() => AllowedHosts::Any,
                Mode::Enterprise => AllowedHosts::Only(settings.allowed_hosts),
            },
            origins: settings.allowed_origins,
        },
        metrics: settings.metrics,
        bootstrap_token: settings.bootstrap_token,
        audit: settings.audit,
    });
    gateway.await.context("failed to start the gateway")
}

/// Serves until the first signal and then ends in order; a second signal cuts that short.
pub(super) async fn serve(
    listener: TcpListener,
    gateway: Arc<Gateway>,
    mut signals: Signals,
) -> anyhow::Result<ExitCode> {
    let (stop, stopped) = oneshot::channel::<()>();
    let shutdown = async move {
        // Dropped or sent: either way it is time to end.
        let _ = stopped.await;
    };
    let mut serving = std::pin::pin!(mcpjungle_host::serve::serve(listener, gateway, shutdown));
    let signal = tokio::select! {
        ended = &mut serving => return ended.map(|()| ExitCode::SUCCESS).context("failed to serve"),
        signal = signals.next() => signal,
    };
    tracing::info!(signal, "shutting down");
    drop(stop);
    tokio::select! {
        ended = &mut serving => ended.map(|()| ExitCode::SUCCESS).context("failed to shut down"),
        signal = signals.next() => anyhow::bail!("stopped at once by a second {signal}"),
    }
}

/// Without a place for compiled policies they are compiled at each start: slower, but no reason not to start.
pub(super) fn usable_directory(path: PathBuf) -> Option<PathBuf> {
    match create_private(&path) {
        Ok(()) => Some(path),
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "compiled policies cannot be kept");
            None
        }
    }
}

/// What is in there is run as code, so it is nobody else's to write, also if it was there before.
fn create_private(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    let found = fs::metadata(path)?;
    let problem = if found.uid() != rustix::process::geteuid().as_raw() {
        "the directory belongs to another user"
    } else if found.mode() & WRITABLE_BY_OTHERS != 0 {
        "other users may write to the directory: `chmod go-w` takes that from them"
    } else {
        return Ok(());
    };
    Err(io::Error::new(io::ErrorKind::PermissionDenied, problem))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn compiled_policies_are_kept_only_where_nobody_else_may_write() {
        let folder = tempfile::tempdir().unwrap();
        let new = folder.path().join("cache").join("policies");
        assert_eq!(usable_directory(new.clone()), Some(new.clone()));
        assert_eq!(fs::metadata(&new).unwrap().mode() & 0o777, 0o700);
        for (mode, is_usable) in [(0o755, true), (0o770, false), (0o707, false), (0o1777, false), (0o700, true)] {
            fs::set_permissions(&new, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(usable_directory(new.clone()).is_some(), is_usable, "{mode:o}");
        }
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        assert_eq!(usable_directory(file), None);
    }

    #[test]
    fn a_directory_of_another_user_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let path = if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(folder.path(), Some(1), None).unwrap();
            folder.path()
        } else {
            Path::new("/")
        };
        assert_eq!(create_private(path).unwrap_err().to_string(), "the directory belongs to another user");
    }
}
