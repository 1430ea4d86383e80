import sys
import unittest
from collections import namedtuple
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "src"))

import roles  # noqa: E402

Item = namedtuple("Item", ["server", "name"])


class Roles(unittest.TestCase):
    def test_a_star_stands_for_any_run_of_characters_and_everything_else_for_itself(self):
        for pattern, text, expected in [
            ("*", "", True),
            ("", "a", False),
            ("github__get_*", "github__get_issue", True),
            ("*__search", "github__search", True),
            ("*ab", "aab", True),
            ("a*b*a", "aba", True),
            ("a*b*a", "abab", False),
            ("ab*ba", "aba", False),
            ("a.c", "abc", False),
        ]:
            self.assertEqual(roles.matches(pattern, text), expected, f"{pattern} and {text}")

    def test_what_one_role_denies_no_other_allows(self):
        table = roles.prepare(
            {
                "roles": {"all": {"allow": ["*"]}, "careful": {"deny": ["*__delete_*"]}},
                "assign": [{"principal": "*", "roles": ["all", "careful"]}],
            }
        )
        self.assertIsNone(roles.deny(table, "client", "ann", [], Item("github", "search")))
        self.assertEqual(roles.deny(table, "client", "ann", [], Item("github", "delete_repo"))[0], "denied-by-role")


if __name__ == "__main__":
    unittest.main()
