// What is decided: plain functions, which `node --test` tests.

// Fills in what the settings leave out.
export function prepare({ roles, assign = [], role_attribute = null, otherwise = "deny", exempt = ["admin"] }) {
  return { roles: new Map(Object.entries(roles)), assign, role_attribute, otherwise, exempt };
}

// A sentence that says what is wrong with the settings, or null.
export function findProblem(table) {
  for (const [place, { principal, attribute, value, roles }] of table.assign.entries()) {
    if (principal == null && attribute == null) {
      return `assign[${place}] fits nobody: give it a \`principal\` or an \`attribute\``;
    }
    if (value != null && attribute == null) {
      return `assign[${place}] has a \`value\` but no \`attribute\` that it is of`;
    }
    const unknown = roles.find((role) => !table.roles.has(role));
    if (unknown !== undefined) {
      return `assign[${place}] gives the role \`${unknown}\`, which \`roles\` does not have`;
    }
  }
  return null;
}

// Why the principal may not use the item, or null if it may.
export function deny(table, principal, item) {
  // The gateway itself asks what its upstreams offer; nobody's role may stop that.
  if (principal.kind === "gateway" || table.exempt.includes(principal.kind)) {
    return null;
  }
  const names = rolesOf(table, principal);
  const name = `${item.server}__${item.name}`;
  const isMatched = (pattern) => matches(pattern, item.server) || matches(pattern, name);
  for (const role of names) {
    const pattern = (table.roles.get(role).deny ?? []).find(isMatched);
    if (pattern !== undefined) {
      return { code: "denied-by-role", reason: `the role \`${role}\` denies \`${name}\` by \`${pattern}\`` };
    }
  }
  const isAllowed = names.some((role) => (table.roles.get(role).allow ?? []).some(isMatched));
  if (isAllowed || table.otherwise === "allow") {
    return null;
  }
  if (names.length === 0) {
    return { code: "no-role", reason: `\`${principal.name}\` has no role` };
  }
  return { code: "not-in-role", reason: `no role of \`${principal.name}\` allows \`${name}\`: ${names.join(", ")}` };
}

// Sorted, so that reasons are the same each time.
function rolesOf(table, principal) {
  const names = new Set(table.assign.filter((one) => fits(one, principal)).flatMap((one) => one.roles));
  const named = principal.attributes.filter(({ name }) => name === table.role_attribute);
  for (const word of named.flatMap(({ value }) => value.split(/[ ,]/))) {
    if (table.roles.has(word)) {
      names.add(word);
    }
  }
  return [...names].sort();
}

function fits(assignment, principal) {
  const { principal: pattern, attribute, value } = assignment;
  const fitsName = pattern == null || matches(pattern, principal.name);
  const hasValue = (one) => one.name === attribute && matches(value ?? "*", one.value);
  return fitsName && (attribute == null || principal.attributes.some(hasValue));
}

// Whether `pattern` matches the whole text; `*` stands for any run of characters. Taken apart at its stars rather than
// made a regular expression, which some patterns would keep busy for ever.
export function matches(pattern, text) {
  const [first, ...rest] = pattern.split("*");
  if (rest.length === 0) {
    return pattern === text;
  }
  const last = rest.pop();
  if (!text.startsWith(first) || !text.endsWith(last) || text.length < first.length + last.length) {
    return false;
  }
  let at = first.length;
  for (const part of rest) {
    const found = text.indexOf(part, at);
    if (found < 0) {
      return false;
    }
    at = found + part.length;
  }
  return at <= text.length - last.length;
}
