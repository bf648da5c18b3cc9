"""Docstrings as Markdown: what stands in the source is what the reference shows, to the letter."""

from __future__ import annotations

import doctest

import pytest
from generate import docstrings
from generate.docstrings import to_markdown

LINKS = {"DataError": "errors.DataError", "nn.Linear": "nn.linear.Linear"}


def test_its_own_example() -> None:
    assert doctest.testmod(docstrings) == doctest.TestResults(failed=0, attempted=1)


@pytest.mark.parametrize(
    ("text", "markdown"),
    [
        ("``x * y`` and a*b*c, x_1_ and [low, high), {k}", r"`x * y` and a\*b\*c, x\_1\_ and \[low, high), \{k\}"),
        ("*before* the choice, <b> & c", "*before* the choice, &lt;b> &amp; c"),
        ("Two lines\nof one paragraph.", "Two lines of one paragraph."),
        (
            "See ``nn.Linear`` and DataError.",
            "See [`nn.Linear`][nn.linear.Linear] and [`DataError`][errors.DataError].",
        ),
        ("Streaming :func:`~a.b.accuracy`.", "Streaming `accuracy`."),
        (
            "Update::\n\n    p = p - lr * g\n    s = 0\n\nThen more.",
            "Update:\n\n```text\np = p - lr * g\ns = 0\n```\n\nThen more.",
        ),
        (">>> f()\n1\n<BLANKLINE>\n2", "```pycon\n>>> f()\n1\n\n2\n```"),
        ("How it is written\n-----------------\n\nText.", "**How it is written**\n\nText."),
        ("- one\n  line\n- two", "- one line\n- two"),
        ("First.\n\nSource: A, 2015.", "First.\n\n**Source:** A, 2015."),
        ("Gradient: first paragraphs too.", "**Gradient:** first paragraphs too."),
    ],
)
def test_before_and_after(text: str, markdown: str) -> None:
    assert to_markdown(text, links=LINKS) == markdown


def test_arguments_on_one_line_are_told_apart() -> None:
    text = "Args:\n    x: the input; y: the rest. It is: much.\n    a, b: limits, as\n        there."
    expected = [
        "**Arguments**",
        "`x`\n:   the input",
        "`y`\n:   the rest. It is: much.",
        "`a`, `b`\n:   limits, as there.",
    ]
    assert to_markdown(text, ["x", "y", "a", "b"]) == "\n\n".join(expected)


def test_errors_lead_to_their_classes() -> None:
    text = "Raises:\n    DataError: no rows. ShapeError: two shapes."
    expected = ["**Errors**", "[`DataError`][errors.DataError]\n:   no rows.", "`ShapeError`\n:   two shapes."]
    assert to_markdown(text, links=LINKS) == "\n\n".join(expected)


def test_fields_without_a_heading_are_a_list_if_they_are_known() -> None:
    assert to_markdown("target: a column\nheader:  or not", ["target"]).count("\n:   ") == 2
    assert to_markdown("note: this is a sentence", ["target"]) == "note: this is a sentence"
