"""`tocsin pii`, `tocsin security` and `tocsin template` against a stack that runs, for one who has nothing yet."""

import asyncio
import json
from pathlib import Path

from tests.e2e.test_people import Command, tocsin

__all__ = ["tocsin"]

CARD = "4532 0151 1283 0366"


async def test_a_policy_is_set_tried_shown_and_deleted(tocsin: Command, tmp_path: Path) -> None:
    """What it does about a text is what a record gets; what is not right is told before anything is sent, or with its field."""
    text = tmp_path / "text.txt"
    text.write_text(f"pay {CARD}, ask ann@example.com")

    def commands() -> None:
        assert "No policies" in tocsin("pii", "policies")
        assert "REDACT card kinds in records area of order-*" in tocsin(
            "pii", "set", "cards", "--measure", "redact", "--area", "records", "--subject", "order-*", "--kind", "card"
        ).replace("CARD", "card").replace("RECORDS", "records")
        tried = json.loads(tocsin("pii", "try", "cards", str(text), "--json"))
        assert (tried["outcome"], tried["text"], len(tried["findings"])) == ("REDACT", "pay [card], ask ann@example.com", 1)
        assert CARD not in tocsin("pii", "try", "pii/policies/cards", str(text))
        for measure, words in (("allow", "not even looked at"), ("flag", "Passes as it is"), ("block", "Is refused")):
            tocsin("pii", "set", "cards", "--measure", measure)
            assert words in tocsin("pii", "try", "cards", str(text))
        text.write_text("nothing of anybody")
        assert "nothing of what the policy is about" in tocsin("pii", "try", "cards", str(text))
        assert json.loads(tocsin("pii", "show", "cards", "--json"))["measure"] == "BLOCK"
        assert "cards" in tocsin("pii", "policies")
        assert "0 findings" in tocsin("pii", "scan", str(text))
        for wrong in (("--measure", "hide"), ("--measure", "flag", "--area", "sky"), ("--measure", "flag", "--kind", "name")):
            tocsin("pii", "set", "cards", *wrong, code=2)
        tocsin("pii", "set", "cards", "--measure", "flag", "--subject", "a*b", code=1)
        tocsin("pii", "set", "a b/c", "--measure", "flag", code=1)
        assert "pii/policies/cards deleted" in tocsin("pii", "delete", "cards")
        for word in ("show", "delete"):
            tocsin("pii", word, "cards", code=1)
        tocsin("pii", "try", "cards", str(text), code=1)
        assert "No security alerts" in tocsin("security", "alerts", "--filter", 'kind="API_KEY_INVALID"')
        tocsin("security", "alerts", "--filter", "kind=", code=1)

    await asyncio.to_thread(commands)


async def test_a_template_is_kept_as_files(tocsin: Command, tmp_path: Path) -> None:
    """Put, rendered, tested, changed for later, promoted, exported, imported without a change, and deleted."""
    source = tmp_path / "hello.json"

    def commands() -> None:
        assert "tocsin.alarm" in tocsin("template", "list", "--built-in")
        source.write_text(json.dumps({"name": "templates/hello", "subject": "Hello {{ who }}", "text": "Hello {{ who }}, one."}))
        tocsin("template", "put", str(source))
        assert "Hello Ann, one." in tocsin("template", "render", "hello", "--var", "who=Ann")
        source.write_text(source.read_text().replace("one", "two"))
        tocsin("template", "put", str(source), "--later")
        assert "one." in tocsin("template", "render", "hello", "--var", "who=Ann")
        assert "two." in tocsin("template", "render", "hello", "--var", "who=Ann", "--version", "2")
        tocsin("template", "promote", "hello", "2")
        assert "two." in tocsin("template", "render", "hello", "--var", "who=Ann")
        assert "deliveries/" in tocsin("template", "test", "hello", "--to", "ann@example.com", "--channel", "inbox", "--var", "who=Ann")
        tocsin("template", "render", "hello", code=1)
        tocsin("template", "promote", "hello", "9", code=1)
        folder = tmp_path / "kept"
        tocsin("template", "export", str(folder))
        assert (folder / "hello" / "any.txt").read_text().strip() == "Hello {{ who }}, two."
        assert "unchanged" in tocsin("template", "import", str(folder))
        assert "2" in tocsin("template", "get", "hello", "--versions")
        tocsin("template", "delete", "hello")
        tocsin("template", "get", "hello", code=1)

    await asyncio.to_thread(commands)
