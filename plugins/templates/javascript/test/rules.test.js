import assert from "node:assert/strict";
import { test } from "node:test";
import * as rules from "../src/rules.js";

test("a star stands for any run of characters and everything else for itself", () => {
  for (const [pattern, text, expected] of [
    ["*", "", true],
    ["github__delete_*", "github__delete_repo", true],
    ["github__delete_*", "github__list_issues", false],
    ["*__search", "github__search", true],
    ["*ab", "aab", true],
    ["a.c", "abc", false],
    ["", "a", false],
  ]) {
    assert.equal(rules.matches(pattern, text), expected, `${pattern} and ${text}`);
  }
});
%% if authenticator

test("a token is in the one header of the name", () => {
  const header = (name, text) => ({ name, value: new TextEncoder().encode(text) });
  const find = (...headers) => rules.findToken("X-Api-Key", { endpoint: { tag: "main" }, headers });
  assert.equal(find(header("x-api-key", "t0ken")), "t0ken");
  assert.equal(find(header("x-other", "t0ken")), null);
  assert.equal(find(header("x-api-key", "a"), header("x-api-key", "b")), null);
  assert.equal(rules.findToken("x-api-key", { endpoint: { tag: "api" }, headers: [header("x-api-key", "a")] }), null);
});
%% end
%% if authorizer

test("what a pattern matches is denied and nothing else", () => {
  const deny = (server, name) => rules.deny(["github__delete_*"], { kind: "tool", server, name, uri: null });
  assert.equal(deny("github", "delete_repo").code, "denied-by-name");
  assert.equal(deny("github", "list_issues"), null);
  assert.equal(deny("other", "delete_repo"), null);
});
%% end
%% if tool-filter

test("what a pattern matches belongs to no group", () => {
  const leaveOut = (name) => rules.leaveOut(["*__delete_*"], "agents", { kind: "tool", server: "github", name, uri: null });
  assert.equal(leaveOut("delete_repo").code, "left-out");
  assert.equal(leaveOut("list_issues"), null);
});
%% end
%% if header-injector

test("upstreams are told who asks where that is known", () => {
  const [header] = rules.headers("x-principal", { name: "cursor" });
  assert.deepEqual(header, { name: "x-principal", value: { tag: "literal", val: "cursor" } });
  assert.deepEqual(rules.headers("x-principal", { name: "" }), []);
});
%% end
%% if guard

test("a forbidden text is found wherever and however it is written", () => {
  const forbid = (text) => rules.forbid(["/etc/"], JSON.parse(text));
  assert.equal(forbid('{"path": "/tmp/a", "n": null}'), null);
  assert.equal(forbid('{"path": "/etc/passwd"}').code, "forbidden-text");
  assert.equal(forbid('{"paths": [{"p": "\\u002fetc/passwd"}]}').code, "forbidden-text");
});

test("a name that is there twice is refused, however deep and however it is written", () => {
  const refuse = (text) => rules.refuseNameTwice(text, JSON.parse(text));
  assert.equal(refuse('{"path": "/etc/passwd", "path": "/tmp/a"}').code, "name-twice");
  assert.equal(refuse('{"files": [{"a": {"path": "/etc/passwd", "p\\u0061th": "/tmp/a"}}]}').code, "name-twice");
  assert.equal(refuse('{"path": "/tmp/a", "files": [{"path": "a: \\"b\\": \\\\"}, {"path": "b"}], "n": {"a:b": null}}'), null);
});
%% end
