"""Python's keywords, strings, numbers and comments in colours."""

from __future__ import annotations

import io
import keyword
import token as tokens
import tokenize
from html import escape

__all__ = ["highlight"]

#: From Python 3.12 on an f-string comes in parts.
_STRINGS = {tokens.STRING} | {getattr(tokens, f"FSTRING_{part}", -1) for part in ("START", "MIDDLE", "END")}
_CLASSES = {tokens.NUMBER: "n", tokenize.COMMENT: "c", **dict.fromkeys(_STRINGS, "s")}


def highlight(source: str) -> str:
    """HTML of a piece of code.

    >>> highlight("for i in x:  # go")
    '<b class="k">for</b> i <b class="k">in</b> x:  <b class="c"># go</b>'
    """
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    parts, place, before = [], 0, ""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        kind = _CLASSES.get(token.type, "")
        if token.type == tokens.NAME:
            kind = "k" if keyword.iskeyword(token.string) else "f" if before in ("def", "class") else ""
        before = token.string
        start, end = (starts[row - 1] + column for row, column in (token.start, token.end))
        if kind and start >= place:
            parts += [escape(source[place:start], quote=False)]
            parts += [f'<b class="{kind}">{escape(source[start:end], quote=False)}</b>']
            place = end
    return "".join(parts) + escape(source[place:], quote=False)
