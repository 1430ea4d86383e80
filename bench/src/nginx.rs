//! nginx as a plain reverse proxy: connections to the upstream kept alive,
//! buffering off, the upstream's own Host.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::process::{Directory, Family, end, free_port};

/// A running nginx. Killed and reaped when dropped.
pub(crate) struct Nginx {
    child: Child,
    port: u16,
    _prefix: Directory,
}

impl Nginx {
    /// In front of an upstream on this port.
    pub(crate) fn start(upstream_port: u16) -> Result<Self> {
        let prefix = Directory::new()?;
        let port = free_port()?;
        let file = prefix.path().join("nginx.conf");
        fs::write(&file, configuration(port, upstream_port))?;
        let child = Command::new("nginx")
            .env("PATH", std::env::var("PATH").unwrap_or_default() + ":/usr/sbin")
            .arg("-p")
            .arg(prefix.path())
            .arg("-c")
            .arg(&file)
            .args(["-e", "error.log"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot run nginx: install nginx-light")?;
        let mut nginx = Self { child, port, _prefix: prefix };
        nginx.await_readiness()?;
        Ok(nginx)
    }

    /// The upstream's endpoint, through it.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/mcp", self.port)
    }

    /// The master and its workers.
    pub(crate) fn family(&self) -> Family {
        Family(self.child.id())
    }

    fn await_readiness(&mut self) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(10);
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            if self.child.try_wait()?.is_some() || Instant::now() > deadline {
                bail!("nginx did not start");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // The master takes its workers along only if it is asked.
        let asked = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        if asked.is_ok_and(|status| status.success()) {
            let _reaped = self.child.wait();
        } else {
            end(&mut self.child);
        }
    }
}

fn configuration(port: u16, upstream_port: u16) -> String {
    format!(
        "daemon off;
worker_processes auto;
pid nginx.pid;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    keepalive_requests 1000000000;
    upstream mcp {{
        server 127.0.0.1:{upstream_port};
        keepalive 64;
        keepalive_requests 1000000000;
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://mcp;
            proxy_http_version 1.1;
            proxy_set_header Connection \"\";
            proxy_set_header Host 127.0.0.1:{upstream_port};
            proxy_buffering off;
            proxy_request_buffering off;
        }}
    }}
}}
"
    )
}
