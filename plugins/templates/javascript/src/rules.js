// What is decided: plain functions, which `npm test` runs in Node.

// Whether `pattern` matches the whole of `text`; `*` stands for any run of characters. Stepping back to
// the last `*` is enough, so no pattern takes more than pattern × text steps.
export function matches(pattern, text) {
  let [p, t, star, reach] = [0, 0, -1, 0];
  while (t < text.length) {
    if (pattern[p] === "*") {
      [star, reach] = [p++, t];
    } else if (p < pattern.length && pattern[p] === text[t]) {
      p += 1;
      t += 1;
    } else if (star >= 0) {
      [p, t] = [star + 1, ++reach];
    } else {
      return false;
    }
  }
  return /^\**$/.test(pattern.slice(p));
}

// The name under which clients know an item, as in github__search.
export function canonicalName(item) {
  return `${item.server}__${item.name}`;
}
%% if authenticator

// The token in the one header of this name. None where there are several: one program on the way might
// look at the first, the next at the last. A client's token does not open the admin API.
export function findToken(name, request) {
  const values = request.headers.filter((header) => header.name === name.toLowerCase());
  if (request.endpoint.tag === "api" || values.length !== 1) {
    return null;
  }
  return String.fromCharCode(...values[0].value).trim() || null;
}
%% end
%% if authorizer

// Why nobody may use this item; null if nothing is said against it.
export function deny(patterns, item) {
  const name = canonicalName(item);
  const pattern = patterns.find((pattern) => matches(pattern, name));
  return pattern === undefined ? null : { code: "denied-by-name", reason: `\`${pattern}\` denies \`${name}\`` };
}
%% end
%% if tool-filter

// Why this item belongs to no group; null if nothing is said against it.
export function leaveOut(patterns, group, item) {
  const name = canonicalName(item);
  const pattern = patterns.find((pattern) => matches(pattern, name));
  return pattern === undefined ? null : { code: "left-out", reason: `\`${pattern}\` leaves \`${name}\` out of \`${group}\`` };
}
%% end
%% if header-injector

// The headers that tell an upstream server who asks.
export function headers(name, principal) {
  return principal.name === "" ? [] : [{ name, value: { tag: "literal", val: principal.name } }];
}
%% end
%% if guard

// Why a call may not have these arguments; null if nothing is said against them.
export function forbid(texts, value) {
  const text = texts.find((text) => contains(value, text));
  return text === undefined ? null : { code: "forbidden-text", reason: `arguments must not contain \`${text}\`` };
}

// Whether `text` is part of any text in `value`.
function contains(value, text) {
  if (typeof value === "string") {
    return value.includes(text);
  }
  if (value === null || typeof value !== "object") {
    return false;
  }
  return Object.entries(value).some(([name, value]) => name.includes(text) || contains(value, text));
}

// Why a call may not have the arguments of this text, where a name is twice in one object; null if none is.
export function refuseNameTwice(text, values) {
  if (countMembers(values) === countWrittenMembers(text)) {
    return null;
  }
  return { code: "name-twice", reason: "arguments must not hold the same name twice" };
}

// How many members the objects in `value` have.
function countMembers(value) {
  if (value === null || typeof value !== "object") {
    return 0;
  }
  const own = Array.isArray(value) ? 0 : Object.keys(value).length;
  return Object.values(value).reduce((sum, value) => sum + countMembers(value), own);
}

// How many members the objects in a JSON text have: outside of strings each has a colon, and nothing else
// has. Without escapes every second part between quotes is outside.
function countWrittenMembers(text) {
  const parts = text.replaceAll("\\\\", "").replaceAll('\\"', "").split('"');
  const colons = (part) => part.split(":").length - 1;
  return parts.reduce((sum, part, index) => sum + (index % 2 === 0 ? colons(part) : 0), 0);
}
%% end
