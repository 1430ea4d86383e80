//! `start --config-dir`: a gateway that keeps to a folder.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use serde_json::{Value, json};

use crate::running::{Running, log, raw_server, wait_until};
use crate::support::Person;

const START: [&str; 2] = ["--config-dir", "files"];

/// Servers and groups as the gateway lists them, by name.
fn names(person: &Person) -> Vec<String> {
    let mut names = Vec::new();
    for kind in ["servers", "groups"] {
        let listed: Value = serde_json::from_str(&person.stdout(&["list", kind, "--json"])).unwrap();
        names.extend(listed.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned()));
    }
    names
}

fn wait_for(person: &Person, expected: &[&str]) {
    wait_until(&format!("{expected:?} is there:\n{}", log(person)), || names(person) == expected);
}

fn stdio_server(name: &str, command: &str) -> String {
    json!({"name": name, "transport": "stdio", "command": command, "args": ["stdio"]}).to_string()
}

fn url_of(person: &Person, server: &str) -> String {
    let listed: Value = serde_json::from_str(&person.stdout(&["list", "servers", "--json"])).unwrap();
    let found = listed.as_array().unwrap().iter().find(|one| one["name"] == server).unwrap().clone();
    found["url"].as_str().unwrap().to_owned()
}

#[test]
fn files_come_and_go_and_what_was_registered_by_hand_stays() {
    let server = Running::mcp_server();
    let mut person = Person::new();
    person.set("WHERE", &server.mcp_url());
    let described = r#"{"name":"raw","transport":"streamable_http","url":"${WHERE}"}"#;
    person.write("files/servers/raw.json", described);
    person.write("files/group.yaml", "name: g\nincluded_servers: [raw]\n");
    let gateway = Running::gateway_with(&person, &START);
    wait_for(&person, &["raw", "g"]);
    person.stdout(&["register", "--name", "by-hand", "--url", &server.mcp_url()]);

    // As editors write: another file, renamed over the old one.
    let changed = described.replace("${WHERE}", "${WHERE}?x=1");
    let next = person.write("files/servers/.raw.json.tmp", &changed);
    fs::rename(next, person.directory.path().join("files/servers/raw.json")).unwrap();
    wait_until("the change is made", || url_of(&person, "raw").ends_with("?x=1"));

    fs::remove_file(person.directory.path().join("files/group.yaml")).unwrap();
    wait_for(&person, &["by-hand", "raw"]);

    // Taken away while no gateway runs: it is remembered where it came from.
    drop(gateway);
    fs::remove_file(person.directory.path().join("files/servers/raw.json")).unwrap();
    let _gateway = Running::gateway_with(&person, &START);
    wait_for(&person, &["by-hand"]);
}

#[test]
fn a_mounted_volume_is_followed_through_its_links() {
    let person = Person::new();
    let folder = person.directory.path().join("files");
    let program = raw_server();
    // As Kubernetes mounts a ConfigMap: files are links into a hidden folder, which is a link to the version.
    person.write("files/..v1/a.json", &stdio_server("a", program.to_str().unwrap()));
    person.write("files/..v2/a.json", &stdio_server("b", program.to_str().unwrap()));
    symlink("..v1", folder.join("..data")).unwrap();
    symlink("..data/a.json", folder.join("a.json")).unwrap();
    let _gateway = Running::gateway_with(&person, &START);
    wait_for(&person, &["a"]);
    symlink("..v2", folder.join("..data_tmp")).unwrap();
    fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
    wait_for(&person, &["b"]);
    // A volume that goes away says nothing; what was there stays.
    fs::rename(&folder, person.directory.path().join("unmounted")).unwrap();
    wait_until("the log says so", || log(&person).contains("the config directory cannot be read: nothing is changed"));
    assert_eq!(names(&person), ["b"]);
}

#[test]
fn a_link_to_a_folder_that_is_away_for_a_moment_removes_nothing() {
    let person = Person::new();
    let path = |name: &str| person.directory.path().join(name);
    person.write("mounted/a.json", &stdio_server("a", raw_server().to_str().unwrap()));
    fs::create_dir(path("files")).unwrap();
    symlink("../mounted", path("files/servers")).unwrap();
    let _gateway = Running::gateway_with(&person, &START);
    wait_for(&person, &["a"]);
    fs::rename(path("mounted"), path("away")).unwrap();
    wait_until("the log says so", || log(&person).contains("nothing is changed") && log(&person).contains("/servers"));
    // So too `apply`, which would remove all that it does not find.
    person.write("files/b.json", &stdio_server("b", raw_server().to_str().unwrap()));
    let applied = person.run(&["apply", "-f", "files", "--prune"]);
    assert!(applied.starts_with("exit: 1\n") && applied.contains("files/servers: No such file"), "{applied}");
    assert_eq!(names(&person), ["a"]);
    fs::rename(path("away"), path("mounted")).unwrap();
    wait_for(&person, &["a", "b"]);
    assert!(!log(&person).contains("- server a"), "{}", log(&person));
}

#[test]
fn a_pipe_in_the_folder_is_refused_and_does_not_hold_the_gateway_up() {
    let person = Person::new();
    person.write("files/a.json", &stdio_server("a", raw_server().to_str().unwrap()));
    let pipe = person.directory.path().join("files/b.json");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let mut gateway = Running::gateway_with(&person, &START);
    wait_until("the log says so", || log(&person).contains("b.json: it is neither a file nor a folder"));
    fs::remove_file(&pipe).unwrap();
    wait_for(&person, &["a"]);
    let process = rustix::process::Pid::from_child(&gateway.child);
    rustix::process::kill_process(process, rustix::process::Signal::TERM).unwrap();
    assert!(gateway.child.wait().unwrap().success());
}

#[test]
fn a_bad_file_is_refused_and_the_old_state_stays_until_it_is_mended() {
    let person = Person::new();
    let program = raw_server();
    person.write("files/a.json", &stdio_server("a", program.to_str().unwrap()));
    let _gateway = Running::gateway_with(&person, &START);
    wait_for(&person, &["a"]);
    fs::remove_file(person.directory.path().join("files/a.json")).unwrap();
    person.write("files/b.json", &stdio_server("b", program.to_str().unwrap()).replace("command", "comand"));
    wait_until("the log names the bad file", || log(&person).contains("unknown key `comand`: did you mean `command`?"));
    assert_eq!(names(&person), ["a"], "nothing of the folder is done while a file in it is bad");
    person.write("files/b.json", &stdio_server("b", program.to_str().unwrap()));
    wait_for(&person, &["b"]);
}

#[test]
fn a_server_that_cannot_be_reached_stops_nothing_and_is_tried_again() {
    let person = Person::new();
    let late = person.directory.path().join("late");
    person.write("files/late.json", &stdio_server("late", late.to_str().unwrap()));
    person.write("files/there.json", &stdio_server("there", raw_server().to_str().unwrap()));
    person.write("files/group.json", r#"{"name":"g","included_servers":["late"]}"#);
    let _gateway = Running::gateway_with(&person, &START);
    wait_for(&person, &["there"]);
    wait_until("the failures are logged", || {
        let log = log(&person);
        log.contains("is tried again: + server late") && log.contains("is tried again: + group g")
    });
    symlink(raw_server(), &late).unwrap();
    wait_for(&person, &["late", "there", "g"]);
    assert_eq!(log(&person).matches("is tried again: + server late").count(), 1, "each failure is told once");
}

#[test]
fn a_file_does_not_take_over_what_was_registered_otherwise() {
    let server = Running::mcp_server();
    let person = Person::new();
    person.write("files/x.yaml", &format!("name: x\ntransport: streamable_http\nurl: {}?x=1\n", server.mcp_url()));
    let by_hand = Running::gateway(&person);
    person.stdout(&["register", "--name", "x", "--url", &server.mcp_url()]);
    drop(by_hand);
    let _gateway = Running::gateway_with(&person, &START);
    let told = "not changed, though its file says otherwise: ~ server x";
    wait_until("the log says so", || log(&person).contains(told));
    assert_eq!(url_of(&person, "x"), server.mcp_url());
    // Made the same, it is the folder's from the next look on.
    person.stdout(&["apply", "-f", "files"]);
    person.write("files/y.json", &stdio_server("y", raw_server().to_str().unwrap()));
    wait_for(&person, &["x", "y"]);
    fs::remove_file(person.directory.path().join("files/x.yaml")).unwrap();
    wait_for(&person, &["y"]);

    // Deregistered, its name is free for the folder, though no file changes.
    person.stdout(&["register", "--name", "z", "--url", &server.mcp_url()]);
    let z = format!("name: z\ntransport: streamable_http\nurl: {}?x=2\n", server.mcp_url());
    person.write("files/z.yaml", &z);
    wait_until("the log says so", || log(&person).contains(&told.replace(" x", " z")));
    person.stdout(&["deregister", "z"]);
    wait_for(&person, &["y", "z"]);
    assert!(url_of(&person, "z").ends_with("?x=2"));
}

#[test]
fn a_folder_that_is_not_there_stops_the_start() {
    insta::assert_snapshot!(Person::new().run(&["start", "--config-dir", "nowhere"]), @"
    exit: 1
    --- stderr
    failed to read the config directory nowhere: No such file or directory (os error 2)
    ");
}
