"""Statements for many rows: PostgreSQL reads the text of an array as the values that were meant."""

import random

import asyncpg

from scheduler_svc.store.sql import array

_PIECES = [*map(chr, range(1, 256)), '\\"', "\\n", "\\u0041", "{", "}", ",", "NULL", "null", "\u2028", "\U0001f514", "  "]


async def test_the_text_of_an_array_holds_any_text_and_number(postgres_url: str) -> None:
    """Whatever stands in a text, alone and beside others: quotes, escapes, control characters, and what looks like no text."""
    draw = random.Random(7)
    texts = ["", *_PIECES, *("".join(draw.choices(_PIECES, k=draw.randrange(1, 9))) for _ in range(2000))]
    plain = [text for text in texts if text.isprintable() and "\\" not in text]
    connection = await asyncpg.connect(postgres_url)
    try:
        for meant in ([], [None], ["", None, "null"], plain, texts, [*texts, None], *([text] for text in _PIECES)):
            assert await connection.fetchval("SELECT $1::text::text[]", array(meant)) == meant
        numbers = [0, -1, None, 2**63 - 1, -(2**63)]
        assert await connection.fetchval("SELECT $1::text::bigint[]", array(numbers)) == numbers
    finally:
        await connection.close()
