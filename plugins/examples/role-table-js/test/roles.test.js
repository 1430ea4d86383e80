import assert from "node:assert/strict";
import { test } from "node:test";
import * as roles from "../src/roles.js";

test("a star stands for any run of characters and everything else for itself", () => {
  for (const [pattern, text, expected] of [
    ["*", "", true],
    ["", "a", false],
    ["github__get_*", "github__get_issue", true],
    ["*__search", "github__search", true],
    ["*ab", "aab", true],
    ["a*b*a", "aba", true],
    ["a*b*a", "abab", false],
    ["ab*ba", "aba", false],
    ["a.c", "abc", false],
  ]) {
    assert.equal(roles.matches(pattern, text), expected, `${pattern} and ${text}`);
  }
});

test("what one role denies no other allows", () => {
  const table = roles.prepare({
    roles: { all: { allow: ["*"] }, careful: { deny: ["*__delete_*"] } },
    assign: [{ principal: "*", roles: ["all", "careful"] }],
  });
  const principal = { kind: "client", name: "ann", attributes: [] };
  assert.equal(roles.deny(table, principal, { server: "github", name: "search" }), null);
  assert.equal(roles.deny(table, principal, { server: "github", name: "delete_repo" }).code, "denied-by-role");
});
