"""Docstrings in the house's style as Markdown.

The style is plain text for people who read code: paragraphs, ``Args:`` and ``Raises:`` with indented entries, doctests, formulas
set apart by ``::``, lists of ``name:  meaning``. The reference shows the same text; nothing in it is Markdown by itself.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

__all__ = ["to_markdown"]

_CODE = re.compile(r"``(.+?)``|`([^`\s][^`]*)`")
_ROLE = re.compile(r":\w+:`~?([\w.]+)`")
_HEADINGS = {"Args": "Arguments", "Raises": "Errors", "Returns": "Returns", "Yields": "Yields"}
_SECTION = re.compile(rf"({'|'.join(_HEADINGS)}):$")
_FIELD = re.compile(r"([a-z_]\w*(?:, [a-z_]\w*)*): +(\S.*)")
_ERRORS = re.compile(r"([A-Z]\w*Error(?:, [A-Z]\w*Error)*): (.*)")
_LABEL = re.compile(r"([A-Z][\w' -]{2,24}): (?=\S)")


def to_markdown(text: str, names: Collection[str] = (), links: Mapping[str, str] | None = None) -> str:
    """A docstring as Markdown.

    Args:
        text: the docstring, without indentation.
        names: the arguments and fields that it may describe.
        links: how names are written in code, to what a link to them is called.

    >>> print(to_markdown("Sum.\\n\\nArgs:\\n    x: any. axis: over\\n        which.\\n\\nSource: a_b.", ["x", "axis"]))
    Sum.
    <BLANKLINE>
    **Arguments**
    <BLANKLINE>
    `x`
    :   any.
    <BLANKLINE>
    `axis`
    :   over which.
    <BLANKLINE>
    **Source:** a\\_b.
    """
    links = links or {}
    return "\n\n".join(part for block in _blocks(text) for part in _block(block, frozenset(names), links))


def _blocks(text: str) -> Iterator[list[str]]:
    """Runs of lines between empty ones; what stands indented after a section's heading or ``::`` goes with it."""
    block: list[str] = []
    literal = False
    for line in [*text.splitlines(), ""]:
        inside = literal and (not line or line.startswith("    "))
        if line.strip() or inside:
            if literal and not inside:
                yield block
                block, literal = [], False
            block.append(line)
        elif block and block[-1].endswith("::"):
            literal = True
            block.append(line)
        elif block:
            yield block
            block = []
    if block:
        yield block


def _block(lines: list[str], names: Collection[str], links: Mapping[str, str]) -> Iterator[str]:
    while lines and not lines[-1].strip():
        lines = lines[:-1]
    section = _SECTION.match(lines[0])
    fields = [_FIELD.match(line) for line in lines if not line.startswith("  ")]
    if len(lines) == 2 and set(lines[1]) == {"-"}:  # a heading inside a docstring
        yield f"**{_inline(lines[0], links)}**"
    elif lines[0].startswith(">>>"):
        yield "\n".join(["```pycon", *(line.replace("<BLANKLINE>", "") for line in lines), "```"])
    elif lines[0].startswith("    "):
        yield "\n".join(["```text", *(line[4:] for line in lines), "```"])
    elif section:
        yield f"**{_HEADINGS[section[1]]}**"
        for entry in _entries(lines[1:]):
            yield from _described(entry, names, links)
    elif lines[0].startswith("- "):
        yield "\n".join(f"- {_inline(item.removeprefix('- '), links)}" for item in _entries(lines))
    elif all(fields) and (len(lines) > 1 or set(fields[0][1].split(", ")) <= set(names)):  # type: ignore[index]
        for entry in _entries(lines):
            yield from _described(entry, names, links)
    elif any(line.endswith("::") for line in lines):
        cut = next(i for i, line in enumerate(lines) if line.endswith("::"))
        yield _inline(" ".join(lines[: cut + 1])[:-1], links)
        yield "\n".join(["```text", *(line[4:] for line in lines[cut + 2 :]), "```"])
    else:
        cut = next((i for i, line in enumerate(lines) if line.startswith("- ") and lines[0].endswith(":")), len(lines))
        yield _paragraph(" ".join(line.strip() for line in lines[:cut]), links)
        if cut < len(lines):
            yield from _block(lines[cut:], names, links)


def _entries(lines: list[str]) -> list[str]:
    """Each entry with its indented further lines as one line."""
    margin = len(lines[0]) - len(lines[0].lstrip())
    entries: list[str] = []
    for line in lines:
        if len(line) - len(line.lstrip()) > margin and entries:
            entries[-1] += " " + line.strip()
        else:
            entries.append(line.strip())
    return entries


def _described(entry: str, names: Collection[str], links: Mapping[str, str]) -> Iterator[str]:
    """``x: the input. y, z: the rest`` as entries of a list of definitions."""
    fields, errors = _FIELD.fullmatch(entry), _ERRORS.fullmatch(entry)
    found = errors or fields
    if found is None:
        yield _inline(entry, links)
        return
    described, rest = found[1], found[2]
    following = re.compile(
        r"(?<=[.;]) (?=(?:[A-Z]\w*Error, )*[A-Z]\w*Error: )" if errors
        else rf"(?<=[.;]) (?=(?:{'|'.join(sorted(map(re.escape, names))) or '(?!)'})(?:, \w+)*: )"
    )  # fmt: skip
    text, *more = following.split(rest, maxsplit=1)
    code = ", ".join(_link(f"`{name}`", name, links) for name in described.split(", "))
    yield f"{code}\n:   {_inline(text.removesuffix(';'), links)}"
    for other in more:
        yield from _described(other, names, links)


def _paragraph(text: str, links: Mapping[str, str]) -> str:
    """A paragraph; a word that says what it is about stands out."""
    label = _LABEL.match(text)
    if label and label[1].split()[0] in ("Gradient", "Source", "Sources", "Weights", "Formula", "Errors", "Keras"):
        return f"**{label[1]}:** {_inline(text[label.end() :], links)}"
    return _inline(text, links)


def _inline(text: str, links: Mapping[str, str]) -> str:
    """Code as code, and everything else to the letter."""
    text = _ROLE.sub(lambda role: f"``{role[1].rpartition('.')[2]}``", text)
    parts: list[str] = []
    end = 0
    for code in _CODE.finditer(text):
        parts.append(_plain(text[end : code.start()], links))
        content = code[1] or code[2]
        parts.append(_link(f"`` {content} ``" if "`" in content else f"`{content}`", content, links))
        end = code.end()
    return "".join([*parts, _plain(text[end:], links)])


def _plain(text: str, links: Mapping[str, str]) -> str:
    text = re.sub(r"[\\`_\[\]{}]|(?<!\S)[#+>-](?!\S)", r"\\\g<0>", text.replace("&", "&amp;").replace("<", "&lt;"))
    # One word between stars is stressed; other stars multiply.
    text = re.sub(r"(?<![\w*])\*(\w+)\*(?![\w*])|\*", lambda star: f"*{star[1]}*" if star[1] else r"\*", text)
    return re.sub(r"\b[A-Z]\w*Error\b", lambda error: _link(f"`{error[0]}`", error[0], links, else_=error[0]), text)


def _link(shown: str, name: str, links: Mapping[str, str], else_: str | None = None) -> str:
    return f"[{shown}][{links[name]}]" if name in links else shown if else_ is None else else_
