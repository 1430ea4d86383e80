"""An authorizer: roles are tables of patterns, and principals have roles by name or by attribute.

The same policy stands in `role-table` and `role-table-js`; one `cases.yaml` holds for all three.
"""

import json

import roles
from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.configuration import Description
from wit_world.imports import settings, types

PATTERNS = {"type": "array", "items": {"type": "string"}}
OPTIONAL_TEXT = {"type": ["string", "null"]}

# What an administrator may set: the gateway holds the settings against it.
SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["roles"],
    "properties": {
        "roles": {
            "description": "What each role may use, by the role's name.",
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    "allow": PATTERNS | {"description": "What it may use."},
                    "deny": PATTERNS | {"description": "What whoever has it may not use, whatever other roles say."},
                },
            },
        },
        "assign": {
            "description": "Who has which roles. All entries that fit count.",
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["roles"],
                "properties": {
                    "principal": OPTIONAL_TEXT | {"description": "A pattern for the principal's name."},
                    "attribute": OPTIONAL_TEXT | {"description": "The name of an attribute that the principal must have."},
                    "value": OPTIONAL_TEXT | {"description": "A pattern for that attribute's value; any value without it."},
                    "roles": PATTERNS | {"description": "The roles."},
                },
            },
        },
        "role_attribute": OPTIONAL_TEXT
        | {"description": "An attribute of principals that holds names of roles, separated by spaces or commas."},
        "otherwise": {
            "description": "What becomes of items that no role of the principal says anything about.",
            "enum": ["deny", "allow"],
            "default": "deny",
        },
        "exempt": {
            "description": "Kinds of principals that the table does not bind, besides the gateway itself.",
            "type": "array",
            "items": {"enum": ["anonymous", "client", "user", "admin"]},
            "default": ["admin"],
        },
    },
}


class Configuration(exports.Configuration):
    def describe(self):
        return Description("0.1.0", "Says by role which tools a principal may use.", json.dumps(SCHEMA))

    def accept(self, text):
        problem = roles.find_problem(roles.prepare(json.loads(text)))
        if problem is not None:
            raise Err(problem)


_table = None


def table():
    """The settings, read at the first question and kept: they do not change while an instance lives."""
    global _table
    if _table is None:
        _table = roles.prepare(json.loads(settings.get()))
    return _table


def deny(principal, item):
    attributes = [(attribute.name, attribute.value) for attribute in principal.attributes]
    return roles.deny(table(), principal.kind.name.lower(), principal.name, attributes, item)


class Authorizer(exports.Authorizer):
    def authorize(self, request, principal, item):
        denial = deny(principal, item)
        return types.Decision_Allow() if denial is None else types.Decision_Deny(types.Denial(*denial))

    def authorize_items(self, request, principal, items):
        """Must agree with `authorize`."""
        visible = [deny(principal, item) is None for item in items]
        return types.Listing(visible, types.Validity_UntilChange())
