"""What a template would cost with values of a usual size: an estimate from its program alone, made when it is saved.

It follows the sizes of values through the program: a variable has 1,000 characters, what a loop walks over falls into parts of ten. A
template that exceeds the budget with these would never be rendered, so it is better refused at once.
"""

from collections.abc import Sequence
from typing import Final

from mailer_svc.language.program import (
    STEP_CHARS,
    Choice,
    Compare,
    Const,
    Expression,
    Filter,
    For,
    If,
    Item,
    Logic,
    Name,
    Not,
    Print,
    Program,
    Statement,
    Test,
    Text,
)

_VALUE: Final = 1000
_PART: Final = 10
_Sizes = dict[str, int]


def cost_of(program: Program) -> int:
    """Characters that the program touches, all branches taken."""
    return sum(_statements(part, {}) for part in program.parts)


def _statements(statements: Sequence[Statement], sizes: _Sizes) -> int:
    return sum(_statement(statement, sizes) for statement in statements)


def _statement(statement: Statement, sizes: _Sizes) -> int:
    match statement:
        case Text(text):
            return STEP_CHARS + len(text)
        case Print(of):
            cost, size = _expression(of, sizes)
            return STEP_CHARS + cost + size
        case If(branches, otherwise):
            tests = sum(_expression(test, sizes)[0] + _statements(body, sizes) for test, body in branches)
            return STEP_CHARS + tests + _statements(otherwise, sizes)
        case For():
            return _loop(statement, sizes)


def _loop(loop: For, sizes: _Sizes) -> int:
    cost, size = _expression(loop.over, sizes)
    inner = sizes | {loop.name: min(size, _PART), "loop": 1}
    test = _expression(loop.test, inner)[0] if loop.test else 0
    steps = -(-size // _PART)
    return cost + size + steps * (2 * STEP_CHARS + test + _statements(loop.body, inner)) + _statements(loop.otherwise, sizes)


def _expression(expression: Expression, sizes: _Sizes) -> tuple[int, int]:
    """What it costs, and the size of its value."""
    match expression:
        case Const(value):
            return 0, len(value) if isinstance(value, str) else 1
        case Name(name):
            return STEP_CHARS, sizes.get(name, _VALUE)
        case Item(of, key):
            return STEP_CHARS + _expression(of, sizes)[0] + _expression(key, sizes)[0], _VALUE
        case Filter():
            return _filter(expression, sizes)
        case Test(_, of):
            cost, size = _expression(of, sizes)
            return STEP_CHARS + cost + size, 1
        case Compare(first, further):
            found = [_expression(first, sizes), *(_expression(operand, sizes) for _, operand in further)]
            return sum(STEP_CHARS + cost + size for cost, size in found), 1
        case Logic(_, left, right):
            (one, first), (two, second) = _expression(left, sizes), _expression(right, sizes)
            return STEP_CHARS + one + two, max(first, second)
        case Not(of):
            return STEP_CHARS + _expression(of, sizes)[0], 1
        case Choice(test, then, otherwise):
            (one, first), (two, second) = _expression(then, sizes), _expression(otherwise, sizes)
            return STEP_CHARS + _expression(test, sizes)[0] + one + two, max(first, second)


def _filter(expression: Filter, sizes: _Sizes) -> tuple[int, int]:
    cost, size = _expression(expression.of, sizes)
    arguments = [_expression(argument, sizes) for argument in (*expression.arguments, *(value for _, value in expression.named))]
    cost += STEP_CHARS + sum(spent + size for spent, size in arguments)
    match expression.name:
        case "length":
            return cost + size, 1
        case "first" | "last":
            return cost + size, min(size, _PART)
        case "default":
            return cost, max([size, *(size for _, size in arguments)])
        case _:
            return cost + 2 * size, size
