//! Processes: started, ended, and what they cost.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// A process and its children, as the kernel accounts for them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Family(pub(crate) u32);

impl Family {
    /// The processor time used so far by all that live.
    pub(crate) fn cpu_time(self) -> Result<Duration> {
        // The kernel counts in ticks of 10 ms for every program that asks, whatever it counts in itself.
        let ticks: u64 = self.members()?.into_iter().map(|member| member.ticks).sum();
        Ok(Duration::from_millis(ticks * 10))
    }

    /// The resident memory of all, in KiB.
    pub(crate) fn resident_kib(self) -> Result<u64> {
        let mut sum = 0;
        for member in self.members()? {
            let status = fs::read_to_string(format!("/proc/{}/status", member.pid))?;
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
            sum += line.trim().trim_end_matches(" kB").parse::<u64>()?;
        }
        Ok(sum)
    }

    fn members(self) -> Result<Vec<Member>> {
        let all = fs::read_dir("/proc")?.flatten().filter_map(|entry| Member::read(entry.file_name().to_str()?));
        let members: Vec<_> = all.filter(|member| member.pid == self.0 || member.parent == self.0).collect();
        if members.is_empty() {
            bail!("process {} has ended", self.0);
        }
        Ok(members)
    }
}

struct Member {
    pid: u32,
    parent: u32,
    ticks: u64,
}

impl Member {
    fn read(pid: &str) -> Option<Self> {
        let pid = pid.parse().ok()?;
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The second field is the program's name in parentheses and may hold anything.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
        Some(Self { pid, parent: u32::try_from(number(1)?).ok()?, ticks: number(11)? + number(12)? })
    }
}

/// Reads the port that a child prints as its first line.
pub(crate) fn read_port(child: &mut Child) -> Result<u16> {
    let mut line = String::new();
    BufReader::new(child.stdout.take().context("stdout is not piped")?).read_line(&mut line)?;
    line.trim().parse().with_context(|| format!("not a port: {line:?}"))
}

/// Ends and reaps a child.
pub(crate) fn end(child: &mut Child) {
    let _already_dead = child.kill();
    let _reaped = child.wait();
}

/// A port that was free a moment ago, for programs that cannot pick one themselves.
pub(crate) fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Runs a command that must succeed.
pub(crate) fn succeed(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("cannot run {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?}: {}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

/// A directory that is removed when dropped.
pub(crate) struct Directory(tempfile::TempDir);

impl Directory {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self(tempfile::tempdir()?))
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().to_owned()
    }
}
