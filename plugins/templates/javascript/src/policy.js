// {{summary}}
//
// What the gateway calls. Records are objects with camelCase keys, variants are {tag, val}, enums are
// strings, and what may be missing is null. What is decided stands in rules.js.

%% if observer
import log from "mcpjungle:policy/log@0.1.0";
%% end
%% if authenticator
import directory from "mcpjungle:policy/directory@0.1.0";
%% end
import settings from "mcpjungle:policy/settings@0.1.0";
%% if authenticator authorizer tool-filter header-injector guard
import * as rules from "./rules.js";
%% end

// What an administrator may set: the gateway holds the settings against it.
const SCHEMA = {
  type: "object",
  additionalProperties: false,
  properties: {
%% if authenticator
    token_header: {
      description: "The header that may hold a client's token.",
      type: "string",
      default: "x-api-key",
    },
%% end
%% if authorizer
    deny: {
      description: "Canonical names that nobody may use. * stands for any run of characters.",
      type: "array",
      items: { type: "string" },
      default: [],
    },
%% end
%% if tool-filter
    leave_out: {
      description: "Canonical names that belong to no group. * stands for any run of characters.",
      type: "array",
      items: { type: "string" },
      default: [],
    },
%% end
%% if header-injector
    principal_header: {
      description: "The header that tells upstream servers the principal's name.",
      type: "string",
      default: "x-principal",
    },
%% end
%% if guard
    forbidden: {
      description: "Texts that no argument of a call may contain.",
      type: "array",
      items: { type: "string" },
      default: [],
    },
%% end
  },
};

export const configuration = {
  describe() {
    return { version: "0.1.0", summary: "{{summary}}", settingsSchema: JSON.stringify(SCHEMA) };
  },

  // Throw a sentence to refuse settings: the place for rules that a schema cannot say.
  accept(text) {
    JSON.parse(text);
  },
};

let read = null;

// The settings, read at the first question and kept: they do not change while an instance lives.
function current() {
  if (read === null) {
    read = JSON.parse(settings.get());
    for (const [name, { default: value }] of Object.entries(SCHEMA.properties)) {
      read[name] ??= value;
    }
  }
  return read;
}
%% if authorizer tool-filter

// What was found to be against something, as a decision.
function decision(denial) {
  return denial === null ? { tag: "allow" } : { tag: "deny", val: denial };
}
%% end
%% if authenticator

export const authenticator = {
  authenticate(request) {
    const token = rules.findToken(current().token_header, request);
    const client = token === null ? null : directory.findByToken(token);
    if (client === null || client.kind !== "client") {
      return { tag: "abstain" };
    }
    const { kind, name, allow } = client;
    return { tag: "authenticated", val: { kind, name, allow, attributes: [] } };
  },
};
%% end
%% if authorizer

export const authorizer = {
  authorize(request, principal, item) {
    return decision(rules.deny(current().deny, item));
  },

  // Must agree with `authorize`.
  authorizeItems(request, principal, items) {
    const visible = items.map((item) => rules.deny(current().deny, item) === null);
    return { visible, holds: { tag: "until-change" } };
  },
};
%% end
%% if tool-filter

export const toolFilter = {
  select(request, group, item) {
    return decision(rules.leaveOut(current().leave_out, group, item));
  },

  // Must agree with `select`.
  selectItems(request, group, items) {
    const visible = items.map((item) => rules.leaveOut(current().leave_out, group, item) === null);
    return { visible, holds: { tag: "until-change" } };
  },
};
%% end
%% if header-injector

export const headerInjector = {
  inject(request, principal, upstream) {
    return rules.headers(current().principal_header, principal);
  },
};
%% end
%% if guard

export const guard = {
  // Results are never copied here: this policy has nothing to say about them.
  reviews() {
    return { arguments: true, results: false };
  },

  reviewArguments(request, principal, item, text) {
    const values = JSON.parse(text);
    // Of two members with the same name only the last one is in `values`, but the server gets the text and
    // may go by the first.
    const denial = rules.refuseNameTwice(text, values) ?? rules.forbid(current().forbidden, values);
    return denial === null ? { tag: "pass" } : { tag: "deny", val: denial };
  },

  reviewResult(request, principal, item, outcome) {
    return { tag: "pass" };
  },
};
%% end
%% if observer

export const observer = {
  observe(observations) {
    for (const { item, principal, outcome, deniedBy } of observations) {
      if (outcome === "denied") {
        log.write("info", "refused", [
          { name: "item", value: item === null ? "" : `${item.server}__${item.name}` },
          { name: "principal", value: principal === null ? "" : principal.name },
          { name: "denied_by", value: deniedBy ?? "" },
        ]);
      }
    }
  },
};
%% end
