//! The tutorial, executed as it is written: every command in its order, in one shell, by somebody
//! who has nothing but the binary, Rust and Node.

use std::fmt::Write as _;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::harness::gateway::BINARY;
use crate::harness::programs::node;

/// Before a block, what is special about it.
const OWN_TERMINAL: &str = "<!-- in a terminal of its own -->";
const FAILS: &str = "<!-- fails -->";
const FILE: &str = "<!-- file: ";

/// A block of the page.
#[derive(Debug)]
enum Step {
    /// A file that the reader writes.
    Write { name: String, content: String },
    /// Commands that succeed, and lines that they print.
    Run { script: String, expected: Vec<String> },
    /// A command that fails, and lines that it prints: a program that crashes fails as well.
    Fail { script: String, expected: Vec<String> },
    /// A command that goes on running.
    Background { script: String },
}

#[test]
fn the_tutorial_does_what_it_says() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a member lies in its workspace");
    let page = fs::read_to_string(workspace.join("docs/plugins/tutorial.md")).expect("the tutorial is there");
    let steps = read_steps(&page);
    assert!(steps.len() >= 15, "the page has lost its steps: {}", steps.len());

    let reader = Reader::new(workspace);
    let script = script_of(&steps, reader.port);
    let (succeeded, output) = reader.run(&script);
    if let Some(problem) = find_problem(&steps, succeeded, &output) {
        panic!("{problem}");
    }

    // The tool is called before the policy is there, while it is, and after it; the server is asked twice.
    let asked = fs::read_to_string(reader.home.path().join("asked")).expect("what the server was asked is kept");
    let writes = asked.lines().filter(|line| line.contains("tools/call") && line.contains("write_file")).count();
    assert_eq!(writes, 2, "{asked}");
}

/// Who follows the page: a home, a path, a port.
struct Reader {
    home: tempfile::TempDir,
    port: u16,
    workspace: PathBuf,
}

impl Reader {
    fn new(workspace: &Path) -> Self {
        let home = tempfile::tempdir().expect("there is room");
        let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port is free").port();
        let bin = home.path().join("bin");
        fs::create_dir(&bin).expect("the home is writable");
        symlink(BINARY, bin.join("mcpjungle")).expect("the home is writable");
        // Installed already, so that npx need not fetch them; and what the server is asked is kept.
        let modules = workspace.join("target/e2e/npm/node_modules");
        assert!(modules.exists(), "{} is missing: run `cargo xtask test`, which installs it", modules.display());
        let npx = format!(
            "#!/bin/sh\nshift\ncase \"$1\" in\n\
             @modelcontextprotocol/server-filesystem) shift; tee -a '{home}/asked' | '{node}' '{modules}/.bin/mcp-server-filesystem' \"$@\" ;;\n\
             @modelcontextprotocol/inspector) shift; exec '{node}' '{modules}/.bin/mcp-inspector' \"$@\" ;;\n\
             *) echo \"npx: $1 is not installed\" >&2; exit 1 ;;\nesac\n",
            home = home.path().display(),
            node = node().display(),
            modules = modules.display(),
        );
        let path = bin.join("npx");
        fs::write(&path, npx).expect("the home is writable");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("the file is ours");
        let conf = format!("registry_url: http://127.0.0.1:{port}\n");
        fs::write(home.path().join(".mcpjungle.conf"), conf).expect("the home is writable");
        Self { home, port, workspace: workspace.to_owned() }
    }

    /// Whether the script came to its end, and what was printed.
    fn run(&self, script: &str) -> (bool, String) {
        let path = std::env::var("PATH").unwrap_or_default();
        let real_home = std::env::home_dir().expect("there is a home");
        let variable = |name: &str, default: &str| {
            std::env::var_os(name).unwrap_or_else(|| real_home.join(default).into_os_string())
        };
        let folder = self.home.path().join("work");
        fs::create_dir(&folder).expect("the home is writable");
        let mut shell = Command::new("bash");
        shell
            .args(["-c", script])
            .current_dir(&folder)
            .env("HOME", self.home.path())
            .env("PATH", format!("{}:{path}", self.home.path().join("bin").display()))
            .env("PORT", self.port.to_string())
            .env("CARGO_HOME", variable("CARGO_HOME", ".cargo"))
            .env("RUSTUP_HOME", variable("RUSTUP_HOME", ".rustup"))
            // What is fetched and compiled once is there the next time.
            .env("CARGO_BUILD_BUILD_DIR", self.workspace.join("target/e2e-projects/tutorial"))
            .env_remove("CARGO_TARGET_DIR")
            .stdin(Stdio::null())
            .process_group(0);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CARGO_PKG") || name == "RUSTFLAGS") {
            shell.env_remove(name);
        }
        let log = self.home.path().join("printed");
        let file = fs::File::create(&log).expect("the home is writable");
        shell.stderr(file.try_clone().expect("the file is open")).stdout(file);
        let mut child = shell.spawn().expect("bash runs");
        let group = Pid::from_child(&child);
        let status = child.wait().expect("bash ends");
        // The gateway is still there.
        let _gone = kill_process_group(group, Signal::TERM);
        (status.success(), fs::read_to_string(log).expect("it was written"))
    }
}

/// One shell script out of all steps; before each step it says which.
fn script_of(steps: &[Step], port: u16) -> String {
    let mut script = "set -e\n".to_owned();
    let mut text = |line: String| writeln!(script, "{line}").expect("a String takes everything");
    for (number, step) in steps.iter().enumerate() {
        text(format!("echo '=== step {number}'"));
        match step {
            Step::Write { name, content } => text(format!("cat > {name} <<'END OF FILE'\n{content}END OF FILE")),
            Step::Run { script, .. } => text(script.clone()),
            Step::Fail { script, .. } => {
                text(format!("if (\n{script}) ; then echo 'this should have failed'; exit 1; fi"));
            }
            Step::Background { script } => {
                // Its log would otherwise stand in the midst of what commands print.
                text(format!("{} > \"$HOME/own-terminal\" 2>&1 &", script.trim_end()));
                text(format!("until (: < /dev/tcp/127.0.0.1/{port}) 2> /dev/null; do sleep 0.1; done"));
            }
        }
    }
    script.replace("127.0.0.1:8080", &format!("127.0.0.1:{port}"))
}

/// What did not happen as the page says.
fn find_problem(steps: &[Step], succeeded: bool, output: &str) -> Option<String> {
    if !succeeded {
        return Some(format!("the tutorial stopped:\n{output}"));
    }
    for (number, step) in steps.iter().enumerate() {
        let (Step::Run { expected, script } | Step::Fail { expected, script }) = step else { continue };
        let after = output.split_once(&format!("=== step {number}\n")).map_or("", |(_, after)| after);
        let printed = after.split("=== step ").next().unwrap_or_default();
        let is_missing = |line: &&String| !printed.lines().any(|printed| fits(line, printed));
        if let Some(line) = expected.iter().find(is_missing) {
            return Some(format!("`{line}` was not printed by\n{script}\n{printed}"));
        }
    }
    None
}

/// `…` stands for anything.
fn fits(expected: &str, printed: &str) -> bool {
    let parts: Vec<_> = expected.split('…').collect();
    let [first, middle @ .., last] = &parts[..] else { return expected == printed };
    let Some(mut rest) = printed.strip_prefix(first) else { return false };
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

fn read_steps(page: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut lines = page.lines();
    let mut remark = "";
    while let Some(line) = lines.next() {
        let Some(language) = line.strip_prefix("```") else {
            remark = if line.starts_with("<!-- ") { line } else { remark };
            continue;
        };
        let content: String = lines.by_ref().take_while(|line| *line != "```").flat_map(|line| [line, "\n"]).collect();
        let remark = std::mem::take(&mut remark);
        match (language, remark.strip_prefix(FILE)) {
            (_, Some(name)) => {
                let name = name.trim_end_matches(" -->").to_owned();
                steps.push(Step::Write { name, content });
            }
            ("sh", None) if remark == OWN_TERMINAL => steps.push(Step::Background { script: content }),
            ("sh", None) if remark == FAILS => steps.push(Step::Fail { script: content, expected: Vec::new() }),
            // Bash goes on after a command that `!` turns round, whatever came of it.
            ("sh", None) if content.lines().any(|line| line.starts_with("! ")) => {
                panic!("`!` stops nothing: mark this block as one that fails\n{content}")
            }
            ("sh", None) => steps.push(Step::Run { script: content, expected: Vec::new() }),
            ("text", None) => match steps.last_mut() {
                Some(Step::Run { expected, .. } | Step::Fail { expected, .. }) => {
                    expected.extend(content.lines().map(str::to_owned))
                }
                other => panic!("an output without commands: {other:?}"),
            },
            (other, None) => panic!("a block of `{other}` that says not what it is for"),
        }
    }
    for step in &steps {
        if let Step::Fail { script, expected } = step {
            assert!(!expected.is_empty(), "the page does not say what is printed by\n{script}");
        }
    }
    steps
}

#[test]
fn what_does_not_happen_as_a_page_says_is_noticed() {
    for (page, is_right) in [
        ("```sh\necho one two\n```\n```text\none…\n```\n", true),
        ("```sh\necho one two\n```\n```text\ntwo…\n```\n", false),
        ("```sh\necho one\n```\n```sh\necho two\n```\n```text\none\n```\n", false),
        ("```sh\nfalse\n```\n", false),
        ("<!-- fails -->\n```sh\necho refused; false\n```\n```text\nrefused\n```\n", true),
        ("<!-- fails -->\n```sh\necho crashed; false\n```\n```text\nrefused\n```\n", false),
        ("<!-- fails -->\n```sh\necho refused\n```\n```text\nrefused\n```\n", false),
    ] {
        let steps = read_steps(page);
        let finished = Command::new("bash").args(["-c", &script_of(&steps, 0)]).output().expect("bash runs");
        let printed = String::from_utf8(finished.stdout).expect("it is text");
        let problem = find_problem(&steps, finished.status.success(), &printed);
        assert_eq!(problem.is_none(), is_right, "{page}{problem:?}");
    }
}

#[test]
#[should_panic(expected = "`!` stops nothing")]
fn a_command_that_must_fail_is_marked() {
    read_steps("```sh\n! true\n```\n");
}

#[test]
#[should_panic(expected = "does not say what is printed")]
fn a_command_that_fails_says_how() {
    read_steps("<!-- fails -->\n```sh\nfalse\n```\n");
}
