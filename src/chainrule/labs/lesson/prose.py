"""The little markup of the lessons' text, as HTML and as plain words.

Paragraphs are parted by blank lines; lines that begin with ``-`` are a list; a paragraph in ``$$`` is a formula on a
line of its own. In the line: ```code```, ``$formula$`` (the LaTeX of ``show.notation``), ``**bold**``, ``*emphasis*``.
"""

from __future__ import annotations

import inspect
import re
from html import escape

from chainrule.show.notation import to_mathml, to_text

__all__ = ["inline_html", "plain", "to_html"]

_INLINE = re.compile(r"`([^`]+)`|\$([^$]+)\$|\*\*(.+?)\*\*|\*([^*\s][^*]*)\*", re.DOTALL)


def to_html(text: str) -> str:
    """All paragraphs.

    >>> print(to_html("Add gates *pass*:\\n\\n- `x`\\n- **y**"))
    <p>Add gates <em>pass</em>:</p>
    <ul><li><code>x</code></li><li><strong>y</strong></li></ul>
    """
    return "\n".join(_block(block) for block in re.split(r"\n\s*\n", inspect.cleandoc(text)) if block.strip())


def _block(block: str) -> str:
    if block.startswith("$$") and block.endswith("$$"):
        return f'<div class="formula">{to_mathml(block[2:-2])}</div>'
    if block.startswith("- "):
        items = re.split(r"^- ", block, flags=re.MULTILINE)[1:]
        return "<ul>" + "".join(f"<li>{inline_html(item)}</li>" for item in items) + "</ul>"
    return f"<p>{inline_html(block)}</p>"


def inline_html(text: str) -> str:
    """One paragraph's text."""
    parts, place = [], 0
    text = " ".join(text.split())
    for match in _INLINE.finditer(text):
        code, formula, bold, emphasis = match.groups()
        parts.append(escape(text[place : match.start()], quote=False))
        if code is not None:
            parts.append(f"<code>{escape(code, quote=False)}</code>")
        elif formula is not None:
            parts.append(to_mathml(formula))
        elif bold is not None:
            parts.append(f"<strong>{inline_html(bold)}</strong>")
        else:
            parts.append(f"<em>{inline_html(emphasis)}</em>")
        place = match.end()
    return "".join([*parts, escape(text[place:], quote=False)])


def plain(text: str) -> str:
    """The words on one line, for a terminal.

    >>> plain("the slope $x^2$ of **one** `Add` gate")
    'the slope x² of one Add gate'
    """

    def words(match: re.Match[str]) -> str:
        code, formula, bold, emphasis = match.groups()
        return to_text(formula) if formula is not None else code or plain(bold or emphasis)

    return _INLINE.sub(words, " ".join(text.split()))
