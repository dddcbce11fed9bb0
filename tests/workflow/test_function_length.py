"""A function of the library that takes more than a page says why."""

import ast
import io
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

LIBRARY = Path(__file__).parents[2] / "workflow/metalyra"

LONGEST = 60
"""Lines of code of a function; docstring, comments and blank lines are none."""

REASON = "# long: "
"""Begins the comment, above a function or at its first line, that says why it is longer."""

NO_CODE = {
    *(tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE),
    *(tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER),
}


def list_long_functions(source: str, longest: int = LONGEST) -> Iterator[str]:
    """Give the functions that are too long for no reason, and their lines of code."""
    lines = source.splitlines()
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    code = {
        line
        for token in tokens
        if token.type not in NO_CODE
        for line in range(token.start[0], token.end[0] + 1)
    }
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        own = code & {*range(node.lineno, node.end_lineno + 1)}
        if ast.get_docstring(node) is not None:
            own -= {*range(node.body[0].lineno, node.body[0].end_lineno + 1)}
        first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
        above = lines[first - 2] if first > 1 else ""
        explained = above.strip().startswith(REASON) or REASON in lines[node.lineno - 1]
        if len(own) > longest and not explained:
            yield f"{node.name}: {len(own)}"


@pytest.mark.parametrize(
    "module",
    [pytest.param(path, id=str(path.relative_to(LIBRARY))) for path in LIBRARY.rglob("*.py")],
)
def test_functions_are_no_longer_than_a_page(module):
    assert list(list_long_functions(module.read_text())) == []


LONG = '''
@decorated
def work(numbers):
    """Say what it does.

    At length.
    """
    # a comment

    total = sum(
        numbers
    )
    return total
'''


def test_only_lines_of_code_count():
    assert list(list_long_functions(LONG, longest=4)) == ["work: 5"]
    assert list(list_long_functions(LONG, longest=5)) == []


def test_a_reason_allows_a_long_function():
    above = LONG.replace("@decorated", "# long: one table\n@decorated")
    beside = LONG.replace("(numbers):", "(numbers):  # long: one table")
    unsaid = LONG.replace("@decorated", "# long\n@decorated")
    assert list(list_long_functions(above, longest=4)) == []
    assert list(list_long_functions(beside, longest=4)) == []
    assert list(list_long_functions(unsaid, longest=4)) == ["work: 5"]
