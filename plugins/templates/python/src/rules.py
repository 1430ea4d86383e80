"""What is decided: plain functions, which `make test` runs in Python."""
%% if guard

import json
%% end


def matches(pattern, text):
    """Whether the pattern matches the whole of the text; * stands for any run of characters.

    Stepping back to the last * is enough, so no pattern takes more than pattern × text steps.
    """
    p, t, star, reach = 0, 0, -1, 0
    while t < len(text):
        if p < len(pattern) and pattern[p] == "*":
            star, reach = p, t
            p += 1
        elif p < len(pattern) and pattern[p] == text[t]:
            p += 1
            t += 1
        elif star >= 0:
            reach += 1
            p, t = star + 1, reach
        else:
            return False
    return set(pattern[p:]) <= {"*"}


def canonical_name(item):
    """The name under which clients know an item, as in github__search."""
    return f"{item.server}__{item.name}"
%% if authorizer tool-filter


def first_match(patterns, name):
    """The first pattern that matches."""
    return next((pattern for pattern in patterns if matches(pattern, name)), None)
%% end
%% if authenticator


def find_token(name, headers):
    """The token in the one header of this name.

    None where there are several: one program on the way might look at the first, the next at the last.
    """
    values = [header.value for header in headers if header.name == name.lower()]
    if len(values) != 1:
        return None
    return values[0].decode("utf-8", "replace").strip() or None
%% end
%% if authorizer


def deny(patterns, item):
    """Code and reason why nobody may use this item; None if nothing is said against it."""
    name = canonical_name(item)
    pattern = first_match(patterns, name)
    return None if pattern is None else ("denied-by-name", f"`{pattern}` denies `{name}`")
%% end
%% if tool-filter


def leave_out(patterns, group, item):
    """Code and reason why this item belongs to no group; None if nothing is said against it."""
    name = canonical_name(item)
    pattern = first_match(patterns, name)
    return None if pattern is None else ("left-out", f"`{pattern}` leaves `{name}` out of `{group}`")
%% end
%% if header-injector


def headers(name, principal):
    """The headers that tell an upstream server who asks."""
    return [(name, principal.name)] if principal.name else []
%% end
%% if guard


class NameTwice(ValueError):
    """A name is twice in one object."""


def without_doubles(members):
    """A JSON object as a dict.

    Of two members with the same name a dict keeps the last one, but the server gets the text and may go by the first.
    """
    value = dict(members)
    if len(value) != len(members):
        raise NameTwice
    return value


def review(texts, arguments):
    """Code and reason why a call may not have these arguments, a JSON text; None if nothing is said against them."""
    try:
        value = json.loads(arguments, object_pairs_hook=without_doubles)
    except NameTwice:
        return "name-twice", "arguments must not hold the same name twice"
    text = next((text for text in texts if contains(value, text)), None)
    return None if text is None else ("forbidden-text", f"arguments must not contain `{text}`")


def contains(value, text):
    """Whether the text is part of any text in the value."""
    if isinstance(value, str):
        return text in value
    if isinstance(value, list):
        return any(contains(part, text) for part in value)
    if isinstance(value, dict):
        return any(text in name or contains(part, text) for name, part in value.items())
    return False
%% end
