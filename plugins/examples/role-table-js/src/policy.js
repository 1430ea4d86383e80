// An authorizer: roles are tables of patterns, and principals have roles by name or by attribute.
//
// The same policy stands in `role-table` and `role-table-python`; one `cases.yaml` holds for all three.

import settings from "mcpjungle:policy/settings@0.1.0";
import * as roles from "./roles.js";

const PATTERNS = { type: "array", items: { type: "string" } };
const OPTIONAL_TEXT = { type: ["string", "null"] };

// What an administrator may set: the gateway holds the settings against it.
const SCHEMA = {
  type: "object",
  additionalProperties: false,
  required: ["roles"],
  properties: {
    roles: {
      description: "What each role may use, by the role's name.",
      type: "object",
      additionalProperties: {
        type: "object",
        additionalProperties: false,
        properties: {
          allow: { ...PATTERNS, description: "What it may use." },
          deny: { ...PATTERNS, description: "What whoever has it may not use, whatever other roles say." },
        },
      },
    },
    assign: {
      description: "Who has which roles. All entries that fit count.",
      type: "array",
      items: {
        type: "object",
        additionalProperties: false,
        required: ["roles"],
        properties: {
          principal: { ...OPTIONAL_TEXT, description: "A pattern for the principal's name." },
          attribute: { ...OPTIONAL_TEXT, description: "The name of an attribute that the principal must have." },
          value: { ...OPTIONAL_TEXT, description: "A pattern for that attribute's value; any value without it." },
          roles: { ...PATTERNS, description: "The roles." },
        },
      },
    },
    role_attribute: {
      ...OPTIONAL_TEXT,
      description: "An attribute of principals that holds names of roles, separated by spaces or commas.",
    },
    otherwise: {
      description: "What becomes of items that no role of the principal says anything about.",
      enum: ["deny", "allow"],
      default: "deny",
    },
    exempt: {
      description: "Kinds of principals that the table does not bind, besides the gateway itself.",
      type: "array",
      items: { enum: ["anonymous", "client", "user", "admin"] },
      default: ["admin"],
    },
  },
};

export const configuration = {
  describe() {
    const summary = "Says by role which tools a principal may use.";
    return { version: "0.1.0", summary, settingsSchema: JSON.stringify(SCHEMA) };
  },

  accept(text) {
    const problem = roles.findProblem(roles.prepare(JSON.parse(text)));
    if (problem !== null) {
      throw problem;
    }
  },
};

let read = null;

// The settings, read at the first question and kept: they do not change while an instance lives.
function current() {
  read ??= roles.prepare(JSON.parse(settings.get()));
  return read;
}

export const authorizer = {
  authorize(request, principal, item) {
    const denial = roles.deny(current(), principal, item);
    return denial === null ? { tag: "allow" } : { tag: "deny", val: denial };
  },

  // Must agree with `authorize`.
  authorizeItems(request, principal, items) {
    const visible = items.map((item) => roles.deny(current(), principal, item) === null);
    return { visible, holds: { tag: "until-change" } };
  },
};
