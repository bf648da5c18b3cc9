"""One style for every figure: colours, line styles and markers, fonts with Hangul, sizes, light and dark.

Colours are chosen to differ under the common kinds of colour blindness (the idea and the main hues: M. Okabe and K. Ito,
"Color Universal Design", 2008), and never stand alone: lines differ in style and marker too, so that a figure can be
read in grey print. matplotlib is an extra, loaded when the first figure is drawn; its global settings and pyplot are
left alone.
"""

from __future__ import annotations

import difflib
import importlib.util
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack

import numpy as np

from chainrule.core.errors import ConfigError, DataError
from chainrule.core.files import atomic_write
from chainrule.show.korean import KOREAN

if TYPE_CHECKING:
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

__all__ = ["THEMES", "Look", "Style", "Theme", "mix", "save_figure"]

Array = np.ndarray[Any, Any]


class Look(TypedDict, total=False):
    """What every figure accepts.

    ``lang``: the figure's own words in English or Korean. ``theme``: dark ink on a light page, or the reverse.
    ``size``: letters of 9 points for a page, of 16 for a slide; everything else grows with them. ``background``: the
    theme's paper, or none. ``title``: a heading above the figure.
    """

    lang: Literal["en", "ko"]
    theme: Literal["light", "dark"]
    size: Literal["page", "slide"]
    background: Literal["paper", "transparent"]
    title: str


_CHOICES: dict[str, tuple[str, ...]] = {
    "lang": ("en", "ko"),
    "theme": ("light", "dark"),
    "size": ("page", "slide"),
    "background": ("paper", "transparent"),
}


@dataclass(frozen=True)
class Theme:
    """Colours with names; the same as in the HTML report where both have them."""

    paper: str
    ink: str
    soft: str
    line: str
    plate: str
    #: Curves, classes, optimizers, in this order.
    series: tuple[str, ...]
    #: Ends of the scale of signed numbers, whose zero is ``plate``.
    negative: str
    positive: str
    #: Ends of the scale of a loss.
    low: str
    high: str
    alarm: str


THEMES = {
    "light": Theme(
        paper="#fcfcfb",
        ink="#1b1f24",
        soft="#5b636d",
        line="#dcdfe3",
        plate="#f2f3f4",
        series=("#0072b2", "#d55e00", "#00845e", "#a8558a", "#56b4e9", "#d9a400", "#1b1f24", "#7a5230"),
        negative="#b44a00",
        positive="#005f99",
        low="#fcfcfb",
        high="#67778f",
        alarm="#d55e00",
    ),
    "dark": Theme(
        paper="#14171a",
        ink="#e6e8ea",
        soft="#9aa3ad",
        line="#333940",
        plate="#1f2429",
        series=("#56b4e9", "#f0963c", "#35c497", "#d89ac0", "#f0e442", "#0091d5", "#e6e8ea", "#b08968"),
        negative="#ff9d45",
        positive="#5cbdf5",
        low="#14171a",
        high="#75849c",
        alarm="#f0963c",
    ),
}

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
_DASHES: tuple[Any, ...] = (
    "-",
    (0, (5, 1.6)),
    (0, (1.2, 1.3)),
    (0, (6, 1.5, 1.2, 1.5)),
    (0, (3, 1.2)),
    (0, (8, 2, 1, 2, 1, 2)),
    (0, (1, 2.6)),
    (0, (9, 3)),
)

#: Points of a letter; lengths of figures are counted in letters (em).
_POINTS = {"page": 9.0, "slide": 16.0}

#: Dots an inch: sharp on a screen and in print at a page's size, and in a notebook.
_SAVED_DPI, _NOTEBOOK_DPI = 220, 144

_FORMATS = ("png", "svg", "pdf")


@dataclass(frozen=True)
class Style:
    """A look, ready to draw with.

    >>> style = Style.of("history", lang="ko")
    >>> style.say("weights of {count} units", count=3), style.points
    ('유닛 3개의 가중치', 9.0)
    """

    lang: str
    theme: Theme
    points: float
    transparent: bool
    title: str

    @classmethod
    def of(cls, asked: str, **look: Unpack[Look]) -> Style:
        """The style that a figure function was asked for.

        Raises ConfigError where matplotlib is missing, and for names and choices that do not exist.
        """
        if importlib.util.find_spec("matplotlib") is None:
            raise ConfigError(
                f"show.{asked}",
                "no matplotlib, which draws the figures",
                "matplotlib 3.9 or later",
                'pip install "chainrule[figures]"',
            )
        for name, value in look.items():
            if name not in Look.__annotations__:
                near = difflib.get_close_matches(name, Look.__annotations__, 1)
                known = ", ".join(Look.__annotations__)
                fix = f"did you mean {near[0]}?" if near else "leave it out"
                raise ConfigError(f"show.{asked}({name}=...)", f"the setting {name!r}", known, fix)
            if name in _CHOICES and value not in _CHOICES[name]:
                choices = " or ".join(map(repr, _CHOICES[name]))
                raise ConfigError(f"show.{asked}({name}=...)", repr(value), choices, "choose one of them")
        return cls(
            look.get("lang", "en"),
            THEMES[look.get("theme", "light")],
            _POINTS[look.get("size", "page")],
            look.get("background") == "transparent",
            look.get("title", ""),
        )

    # ---- words

    def say(self, text: str, **values: Any) -> str:
        """The figure's own words in its language, with values put in."""
        return (KOREAN[text] if self.lang == "ko" else text).format(**values)

    # ---- colours, lines, sizes

    def colour(self, index: int) -> str:
        """The colour of a series or class; after the last the first comes again."""
        return self.theme.series[index % len(self.theme.series)]

    def tint(self, index: int, share: float = 0.25) -> str:
        """The colour of a series as a pale surface."""
        return mix(self.theme.paper, self.colour(index), share)

    @staticmethod
    def marker(index: int) -> str:
        """The marker of a series or class."""
        return MARKERS[index % len(MARKERS)]

    @staticmethod
    def dashes(index: int) -> Any:
        """The line style of a series."""
        return _DASHES[index % len(_DASHES)]

    def pt(self, points: float) -> float:
        """A length in points on a page, grown with the letters."""
        return points * self.points / _POINTS["page"]

    def diverging(self) -> Colormap:
        """Colours of signed numbers: zero is pale, each sign has its hue, and what is not a number is hatched grey."""
        from matplotlib.colors import LinearSegmentedColormap

        t = self.theme
        colours = [t.negative, mix(t.negative, t.plate, 0.55), t.plate, mix(t.positive, t.plate, 0.55), t.positive]
        return LinearSegmentedColormap.from_list("signed", colours, N=512).with_extremes(bad=t.soft)

    def ramp(self, low: str, high: str) -> Colormap:
        """Colours from one to another."""
        from matplotlib.colors import LinearSegmentedColormap

        return LinearSegmentedColormap.from_list("ramp", [low, high], N=512).with_extremes(bad=self.theme.line)

    def ink_on(self, colour: Any) -> str:
        """The letters' colour that can be read on ``colour``: ink or paper."""
        return max(self.theme.ink, self.theme.paper, key=lambda letter: _contrast(letter, colour))

    # ---- figures

    @contextmanager
    def drawing(self, width: float, height: float) -> Iterator[Figure]:
        """A figure of ``width`` by ``height`` em to draw into; laid out and titled at the end."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        from chainrule.show.canvas import StyledFigure

        em = self.points / 72
        with self.context():
            figure = StyledFigure(self, figsize=(width * em, height * em), layout="constrained")
            FigureCanvasAgg(figure)
            yield figure
            if self.title:
                figure.suptitle(self.title, x=0.01, ha="left", weight="bold", size=self.points * 1.2)
            figure.settle()

    def context(self) -> AbstractContextManager[None]:
        """matplotlib's settings inside: its defaults with this style, whatever the program around has set."""
        import matplotlib.style

        from chainrule.show import fonts

        t, size, pt = self.theme, self.points, self.pt
        settings: dict[str, Any] = {
            "font.family": fonts.stack(),
            "font.size": size,
            "figure.facecolor": "none" if self.transparent else t.paper,
            "figure.dpi": _NOTEBOOK_DPI,
            "savefig.facecolor": "auto",
            "savefig.dpi": _SAVED_DPI,
            "svg.hashsalt": "chainrule",
            "axes.facecolor": "none",
            "axes.edgecolor": t.soft,
            "axes.labelcolor": t.ink,
            "axes.titlecolor": t.ink,
            "axes.linewidth": pt(0.7),
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.titlesize": size,
            "axes.titleweight": "bold",
            "axes.titlelocation": "left",
            "axes.titlepad": pt(6),
            "axes.labelsize": size,
            "axes.labelpad": pt(3),
            "axes.axisbelow": True,
            "axes.grid": False,
            "grid.color": t.line,
            "grid.linewidth": pt(0.6),
            "text.color": t.ink,
            "legend.frameon": False,
            "legend.fontsize": size * 0.9,
            "legend.handlelength": 2.6,
            "lines.linewidth": pt(1.6),
            "lines.markersize": pt(4),
            "patch.linewidth": pt(0.7),
            "hatch.linewidth": pt(0.7),
            "hatch.color": t.soft,
            "figure.constrained_layout.w_pad": pt(4) / 72,
            "figure.constrained_layout.h_pad": pt(4) / 72,
        }
        for axis in ("xtick", "ytick"):
            settings |= {f"{axis}.color": t.soft, f"{axis}.labelsize": size * 0.9, f"{axis}.major.pad": pt(2.5)}
            settings |= {f"{axis}.major.size": pt(3), f"{axis}.major.width": pt(0.7)}
            settings |= {f"{axis}.minor.size": pt(1.8), f"{axis}.minor.width": pt(0.5)}
        return matplotlib.style.context(["default", settings])


def mix(first: str, second: str, share: float) -> str:
    """The colour between two ``#rrggbb``: ``share`` of the second.

    >>> mix("#000000", "#ffffff", 0.5)
    '#808080'
    """
    pairs = zip(_channels(first), _channels(second), strict=True)
    return "#" + "".join(f"{round(255 * (a + (b - a) * share)):02x}" for a, b in pairs)


def _channels(colour: str) -> list[float]:
    return [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]


def _contrast(first: Any, second: Any) -> float:
    """How well one colour is read on another, 1 to 21: WCAG 2.2, "contrast ratio"."""
    lights = sorted(map(_luminance, (first, second)))
    return (lights[1] + 0.05) / (lights[0] + 0.05)


def _luminance(colour: Any) -> float:
    """Relative luminance of ``#rrggbb`` or of (red, green, blue, ...) from 0 to 1."""
    rgb = np.array(_channels(colour) if isinstance(colour, str) else list(colour)[:3])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def save_figure(figure: Figure, path: str | Path) -> Path:
    """Write a figure as PNG, SVG or PDF, by the path's ending, whole or not at all; returns the path.

    The same figure gives the same bytes.

    >>> import tempfile
    >>> from chainrule.show.figures import model
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_figure(model([2, 3, 1]), Path(folder, "network.svg")).name
    'network.svg'

    Raises:
        ConfigError: another ending.
        DataError: a folder that is missing or cannot be written.
    """
    target = Path(path)
    kind = target.suffix.removeprefix(".").lower()
    if kind not in _FORMATS:
        raise ConfigError(
            "save_figure(figure, path)",
            f"the ending {target.suffix!r}" if kind else "a path without an ending",
            ", ".join(f".{known}" for known in _FORMATS),
            f"name it {target.stem}.png",
        )
    # A date would make each file another one.
    dates = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
    style: Style | None = getattr(figure, "style", None)
    with atomic_write(target, DataError) as file:
        if style is None:
            figure.savefig(file, format=kind)
        else:
            with style.context():
                figure.savefig(file, format=kind, metadata=dates.get(kind))
    return target
