"""A stored document that somebody spoiled costs its row: whoever reads one catches all that reading it may raise."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.contract.test_architecture import ROOT

CAUGHT = {"NOT_READABLE", "Exception"}
BY_CALLERS = {
    "auth_svc/store/account_mails.py:_mail_of": "take_account_mails ends what it raises for",
    "auth_svc/store/provider_rows.py:provider_of": "a row_reader tells of it",
    "auth_svc/store/provider_rows.py:_texts": "likewise",
    "mailer_svc/store/contents.py:read_actions": "its callers leave the buttons out, or end the delivery",
    "mailer_svc/store/contents.py:read_content": "likewise",
    "mailer_svc/store/notifications.py:_content": "_shown leaves it out, and claim_due ends the notification",
    "mailer_svc/store/notifications.py:_notification": "likewise",
    "scheduler_svc/store/mapping.py:_labels_of": "_read names it as damaged",
    "scheduler_svc/store/mapping.py:alarm_of": "a retry policy that cannot be read is the default",
}
"""Functions that leave it to those who call them."""


def is_reading(call: ast.Call) -> bool:
    """Whether a call reads a document: ``json.loads``, a decoder, a class that decodes itself, or a function that decodes."""
    match call.func:
        case ast.Attribute(attr="loads"):
            return True
        case ast.Attribute(value=ast.Name(id=name), attr="decode"):
            return name.strip("_")[:1].isupper() or name in ("decoder", "json")
        case ast.Attribute(value=ast.Attribute(attr="json"), attr="decode"):
            return True
        case ast.Name(id=name):
            return name.startswith("decode")
        case _:
            return False


def unguarded(node: ast.AST, function: str = "", *, guarded: bool = False) -> Iterator[str]:
    """The functions that read a document, and catch but a part of what that raises, or nothing."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        function = node.name
    if isinstance(node, ast.Call) and is_reading(node) and not guarded:
        yield function
    if isinstance(node, ast.Try):
        named = {one.id for handler in node.handlers if handler.type for one in ast.walk(handler.type) if isinstance(one, ast.Name)}
        for each in node.body:
            yield from unguarded(each, function, guarded=guarded or bool(named & CAUGHT))
    children = ast.iter_child_nodes(node) if not isinstance(node, ast.Try) else [*node.handlers, *node.orelse, *node.finalbody]
    for child in children:
        yield from unguarded(child, function, guarded=guarded)


def stores() -> list[Path]:
    """The files that read rows."""
    return sorted([*ROOT.glob("*_svc/store/*.py"), *ROOT.glob("*_svc/store.py"), ROOT / "tocsin/stored.py"])


def test_whoever_reads_a_stored_document_catches_everything() -> None:
    """By `tocsin.stored.NOT_READABLE`, or its callers do, and it stands on the list with the reason."""
    assert len(stores()) > 50
    found = {f"{path.relative_to(ROOT)}:{name}" for path in stores() for name in unguarded(ast.parse(path.read_text("utf-8")))}
    assert found == set(BY_CALLERS)
