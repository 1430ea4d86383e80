"""{{summary}}

What the gateway calls. Records are data classes, variants are a class for each case, and what may be
missing is None. What is decided stands in rules.py. `componentize-py -d wit -w plugin bindings out` writes
the classes to look at.
"""

import json

import rules
from componentize_py_types import Err
from wit_world import exports
%% if authenticator guard header-injector
from wit_world.exports import {{python_exports}}
%% end
from wit_world.exports.configuration import Description
from wit_world.imports import {{python_imports}}

# What an administrator may set: the gateway holds the settings against it.
SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
%% if authenticator
        "token_header": {
            "description": "The header that may hold a client's token.",
            "type": "string",
            "default": "x-api-key",
        },
%% end
%% if authorizer
        "deny": {
            "description": "Canonical names that nobody may use. * stands for any run of characters.",
            "type": "array",
            "items": {"type": "string"},
            "default": [],
        },
%% end
%% if tool-filter
        "leave_out": {
            "description": "Canonical names that belong to no group. * stands for any run of characters.",
            "type": "array",
            "items": {"type": "string"},
            "default": [],
        },
%% end
%% if header-injector
        "principal_header": {
            "description": "The header that tells upstream servers the principal's name.",
            "type": "string",
            "default": "x-principal",
        },
%% end
%% if guard
        "forbidden": {
            "description": "Texts that no argument of a call may contain.",
            "type": "array",
            "items": {"type": "string"},
            "default": [],
        },
%% end
    },
}


class Configuration(exports.Configuration):
    def describe(self):
        return Description("0.1.0", "{{summary}}", json.dumps(SCHEMA))

    def accept(self, text):
        """The place for rules that a schema cannot say: Err(sentence) refuses the settings."""
        try:
            json.loads(text)
        except ValueError as error:
            raise Err(f"the settings are not JSON: {error}")


_read = None


def setting(name):
    """One setting. They are read at the first question and kept: they do not change while an instance lives."""
    global _read
    if _read is None:
        _read = json.loads(settings.get())
    return _read.get(name, SCHEMA["properties"][name]["default"])
%% if authorizer tool-filter guard


def denial(found):
    """A code and a reason, as the gateway wants them."""
    code, reason = found
    return types.Denial(code, reason)
%% end
%% if authorizer tool-filter


def decision(found):
    """What was found to be against something, as a decision."""
    return types.Decision_Allow() if found is None else types.Decision_Deny(denial(found))
%% end
%% if authenticator


class Authenticator(exports.Authenticator):
    def authenticate(self, request):
        for_api = isinstance(request.endpoint, types.Endpoint_Api)
        token = None if for_api else rules.find_token(setting("token_header"), request.headers)
        client = None if token is None else directory.find_by_token(token)
        if client is None or client.kind != types.PrincipalKind.CLIENT:
            return authenticator.Authentication_Abstain()
        principal = types.Principal(client.kind, client.name, client.allow, [])
        return authenticator.Authentication_Authenticated(principal)
%% end
%% if authorizer


class Authorizer(exports.Authorizer):
    def authorize(self, request, principal, item):
        return decision(rules.deny(setting("deny"), item))

    def authorize_items(self, request, principal, items):
        """Must agree with `authorize`."""
        patterns = setting("deny")
        visible = [rules.deny(patterns, item) is None for item in items]
        return types.Listing(visible, types.Validity_UntilChange())
%% end
%% if tool-filter


class ToolFilter(exports.ToolFilter):
    def select(self, request, group, item):
        return decision(rules.leave_out(setting("leave_out"), group, item))

    def select_items(self, request, group, items):
        """Must agree with `select`."""
        patterns = setting("leave_out")
        visible = [rules.leave_out(patterns, group, item) is None for item in items]
        return types.Listing(visible, types.Validity_UntilChange())
%% end
%% if header-injector


class HeaderInjector(exports.HeaderInjector):
    def inject(self, request, principal, upstream):
        return [
            header_injector.Header(name, header_injector.HeaderValue_Literal(value))
            for name, value in rules.headers(setting("principal_header"), principal)
        ]
%% end
%% if guard


class Guard(exports.Guard):
    def reviews(self):
        """Results are never copied here: this policy has nothing to say about them."""
        return guard.Parts.ARGUMENTS

    def review_arguments(self, request, principal, item, arguments):
        found = rules.review(setting("forbidden"), arguments)
        return guard.Review_Pass() if found is None else guard.Review_Deny(denial(found))

    def review_result(self, request, principal, item, outcome):
        return guard.Review_Pass()
%% end
%% if observer


class Observer(exports.Observer):
    def observe(self, observations):
        for observation in observations:
            if observation.outcome.name == "DENIED":
                item, principal = observation.item, observation.principal
                fields = {
                    "item": "" if item is None else rules.canonical_name(item),
                    "principal": "" if principal is None else principal.name,
                    "denied_by": observation.denied_by or "",
                }
                log.write(log.Level.INFO, "refused", [log.Field(*field) for field in fields.items()])
%% end
