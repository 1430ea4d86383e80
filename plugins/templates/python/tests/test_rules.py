import unittest
from types import SimpleNamespace

import rules


def item(server, name):
    return SimpleNamespace(server=server, name=name, uri=None)


class RulesTest(unittest.TestCase):
    def test_a_star_stands_for_any_run_of_characters_and_everything_else_for_itself(self):
        for pattern, text, expected in [
            ("*", "", True),
            ("github__delete_*", "github__delete_repo", True),
            ("github__delete_*", "github__list_issues", False),
            ("*__search", "github__search", True),
            ("*ab", "aab", True),
            ("a.c", "abc", False),
            ("", "a", False),
        ]:
            self.assertEqual(rules.matches(pattern, text), expected, f"{pattern} and {text}")

    def test_a_canonical_name_begins_with_the_server(self):
        self.assertEqual(rules.canonical_name(item("github", "search")), "github__search")
%% if authenticator

    def test_a_token_is_in_the_one_header_of_the_name(self):
        def find(*headers):
            made = [SimpleNamespace(name=name, value=value) for name, value in headers]
            return rules.find_token("X-Api-Key", made)

        self.assertEqual(find(("x-api-key", b"t0ken")), "t0ken")
        self.assertIsNone(find(("x-other", b"t0ken")))
        self.assertIsNone(find(("x-api-key", b"a"), ("x-api-key", b"b")))
%% end
%% if authorizer

    def test_what_a_pattern_matches_is_denied_and_nothing_else(self):
        code, reason = rules.deny(["github__delete_*"], item("github", "delete_repo"))
        self.assertEqual(code, "denied-by-name")
        self.assertIn("github__delete_repo", reason)
        self.assertIsNone(rules.deny(["github__delete_*"], item("github", "list_issues")))
        self.assertIsNone(rules.deny(["github__delete_*"], item("other", "delete_repo")))
%% end
%% if tool-filter

    def test_what_a_pattern_matches_belongs_to_no_group(self):
        self.assertEqual(rules.leave_out(["*__delete_*"], "agents", item("github", "delete_repo"))[0], "left-out")
        self.assertIsNone(rules.leave_out(["*__delete_*"], "agents", item("github", "list_issues")))
%% end
%% if header-injector

    def test_upstreams_are_told_who_asks_where_that_is_known(self):
        self.assertEqual(rules.headers("x-principal", SimpleNamespace(name="cursor")), [("x-principal", "cursor")])
        self.assertEqual(rules.headers("x-principal", SimpleNamespace(name="")), [])
%% end
%% if guard

    def test_a_forbidden_text_is_found_wherever_and_however_it_is_written(self):
        for arguments, expected in [
            ('{"path": "/tmp/a", "n": null}', None),
            ('{"path": "/etc/passwd"}', "forbidden-text"),
            ('{"paths": [{"p": "\\u002fetc/passwd"}]}', "forbidden-text"),
        ]:
            self.assertEqual(self.code_of(arguments), expected, arguments)

    def test_a_name_that_is_there_twice_is_refused_however_deep_and_however_it_is_written(self):
        for arguments, expected in [
            ('{"path": "/etc/passwd", "path": "/tmp/a"}', "name-twice"),
            ('{"files": [{"a": {"path": "/etc/passwd", "p\\u0061th": "/tmp/a"}}]}', "name-twice"),
            ('{"path": "/tmp/a", "files": [{"path": "b"}, {"path": "c"}]}', None),
        ]:
            self.assertEqual(self.code_of(arguments), expected, arguments)

    def code_of(self, arguments):
        found = rules.review(["/etc/"], arguments)
        return None if found is None else found[0]
%% end


if __name__ == "__main__":
    unittest.main()
