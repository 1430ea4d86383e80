"""What is decided: plain functions, which `python -m unittest discover tests` tests."""


def prepare(settings):
    """Fills in what the settings leave out."""
    defaults = {"assign": [], "role_attribute": None, "otherwise": "deny", "exempt": ["admin"]}
    return defaults | settings


def find_problem(table):
    """A sentence that says what is wrong with the settings, or None."""
    for place, assignment in enumerate(table["assign"]):
        has_attribute = assignment.get("attribute") is not None
        if assignment.get("principal") is None and not has_attribute:
            return f"assign[{place}] fits nobody: give it a `principal` or an `attribute`"
        if assignment.get("value") is not None and not has_attribute:
            return f"assign[{place}] has a `value` but no `attribute` that it is of"
        for role in assignment["roles"]:
            if role not in table["roles"]:
                return f"assign[{place}] gives the role `{role}`, which `roles` does not have"
    return None


def deny(table, kind, principal, attributes, item):
    """Why the principal may not use the item, a code and a reason, or None if it may.

    `attributes` are pairs of name and value; `item` has a server and a name.
    """
    # The gateway itself asks what its upstreams offer; nobody's role may stop that.
    if kind == "gateway" or kind in table["exempt"]:
        return None
    names = roles_of(table, principal, attributes)
    name = f"{item.server}__{item.name}"

    def is_matched(pattern):
        return matches(pattern, item.server) or matches(pattern, name)

    for role in names:
        for pattern in table["roles"][role].get("deny", []):
            if is_matched(pattern):
                return "denied-by-role", f"the role `{role}` denies `{name}` by `{pattern}`"
    is_allowed = any(is_matched(pattern) for role in names for pattern in table["roles"][role].get("allow", []))
    if is_allowed or table["otherwise"] == "allow":
        return None
    if not names:
        return "no-role", f"`{principal}` has no role"
    return "not-in-role", f"no role of `{principal}` allows `{name}`: {', '.join(names)}"


def roles_of(table, principal, attributes):
    """Sorted, so that reasons are the same each time."""
    names = set()
    for assignment in table["assign"]:
        if fits(assignment, principal, attributes):
            names.update(assignment["roles"])
    for name, value in attributes:
        if name == table["role_attribute"]:
            names.update(word for word in value.replace(",", " ").split(" ") if word in table["roles"])
    return sorted(names)


def fits(assignment, principal, attributes):
    pattern, attribute = assignment.get("principal"), assignment.get("attribute")
    if pattern is not None and not matches(pattern, principal):
        return False
    value = assignment.get("value")
    wanted = "*" if value is None else value
    return attribute is None or any(name == attribute and matches(wanted, value) for name, value in attributes)


def matches(pattern, text):
    """Whether the pattern matches the whole text; `*` stands for any run of characters.

    Taken apart at its stars rather than made a regular expression, which some patterns would keep busy for ever.
    """
    first, *rest = pattern.split("*")
    if not rest:
        return pattern == text
    last = rest.pop()
    if not text.startswith(first) or not text.endswith(last) or len(text) < len(first) + len(last):
        return False
    at = len(first)
    for part in rest:
        found = text.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return at <= len(text) - len(last)
