"""The one style of all figures: colours, fonts, words, sizes, saving, and leaving matplotlib's settings alone."""

from __future__ import annotations

import ast
import importlib.util
import itertools
import string
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from chainrule.core.errors import ConfigError, DataError
from chainrule.show import fonts
from chainrule.show.figures import history, model, save_figure
from chainrule.show.korean import KOREAN
from chainrule.show.style import MARKERS, THEMES, Style, mix

# Korean is drawn, as boxes, where no such font is installed.
pytestmark = pytest.mark.filterwarnings("ignore:no installed font has Hangul")

SHOW = Path(fonts.__file__).parent
NAMES = (
    "boxes",
    "curves",
    "heatmaps",
    "histograms",
    "landscape",
    "matrix",
    "network",
    "panels",
    "plane",
    "regions",
    "style",
)
FIGURE_FILES = [SHOW / f"{name}.py" for name in NAMES]
RUN = {"loss": [1.0, 0.5, 0.4], "val_loss": [1.1, 0.7, 0.8]}

# G. Machado et al., "A Physiologically-based Model for Simulation of Color Vision Deficiency", 2009, severity 1.0.
VISION = {
    "typical": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
}


def linear(colour: str) -> np.ndarray:
    rgb = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIE L*a*b* of linear sRGB."""
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    t = to_xyz @ np.clip(rgb, 0, 1) / [0.9505, 1.0, 1.089]
    x, y, z = np.where(t > 0.008856, np.cbrt(t), 7.787 * t + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def contrast(first: str, second: str) -> float:
    light = sorted(float(linear(c) @ [0.2126, 0.7152, 0.0722]) for c in (first, second))
    return (light[1] + 0.05) / (light[0] + 0.05)


def pixels(figure) -> np.ndarray:
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba()).copy()


# ---- colours


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize("theme", THEMES)
def test_series_differ_for_every_eye(theme: str, vision: str) -> None:
    seen = [lab(VISION[vision] @ linear(colour)) for colour in THEMES[theme].series]
    apart = [float(np.linalg.norm(a - b)) for a, b in itertools.combinations(seen, 2)]
    assert min(apart) > 14  # 2 can just be told apart side by side


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize("theme", THEMES)
def test_signs_differ_for_every_eye(theme: str, vision: str) -> None:
    t = THEMES[theme]
    seen = [lab(VISION[vision] @ linear(colour)) for colour in (t.negative, t.positive)]
    assert np.linalg.norm(seen[0] - seen[1]) > 60


def test_series_differ_without_colour() -> None:
    style = Style.of("test")
    assert len({(style.marker(i), str(style.dashes(i))) for i in range(8)}) == 8 == len(set(MARKERS))


@pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)
def test_letters_can_be_read(theme) -> None:
    assert contrast(theme.ink, theme.paper) > 12
    assert contrast(theme.soft, theme.paper) > 4.5  # WCAG AA
    assert min(contrast(colour, theme.paper) for colour in (*theme.series[:4], theme.alarm)) > 3


def test_ink_on_a_surface_is_the_one_that_can_be_read() -> None:
    style = Style.of("test")
    assert style.ink_on("#ffffff") == style.theme.ink and style.ink_on((0.1, 0.1, 0.1, 1.0)) == style.theme.paper


def test_signed_colours_are_symmetric_about_a_pale_zero() -> None:
    colours = Style.of("test").diverging()
    assert np.allclose(
        colours(0.5)[:3], [int(THEMES["light"].plate[i : i + 2], 16) / 255 for i in (1, 3, 5)], atol=0.01
    )
    assert colours(0.0)[0] > colours(0.0)[2] and colours(1.0)[2] > colours(1.0)[0]
    assert mix("#102030", "#304050", 0.5) == "#203040"


# ---- words


def said(path: Path) -> set[str]:
    """The literal texts that a file says in the figure's language."""
    calls = [n for n in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(n, ast.Call)]
    words = [c.args[0] for c in calls if isinstance(c.func, ast.Attribute) and c.func.attr == "say"]
    parts = [p for w in words for p in ([w.body, w.orelse] if isinstance(w, ast.IfExp) else [w])]
    return {p.value for p in parts if isinstance(p, ast.Constant)}


def test_everything_that_is_said_has_korean() -> None:
    spoken = set().union(*map(said, FIGURE_FILES))
    assert len(spoken) > 30
    assert not spoken - set(KOREAN)


def test_korean_is_complete_and_used() -> None:
    literals = {
        n.value
        for path in FIGURE_FILES
        for n in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(n, ast.Constant) and isinstance(n.value, str)
    }
    assert not set(KOREAN) - literals
    for english, korean in KOREAN.items():
        names = [{name for _, name, _, _ in string.Formatter().parse(text) if name} for text in (english, korean)]
        assert names[0] == names[1], english
        assert any("가" <= letter <= "힣" for letter in korean), english


def test_figures_speak_korean() -> None:
    figure = history(RUN, lang="ko")
    assert figure.axes[0].get_title(loc="left") == "손실" and figure.axes[0].get_xlabel() == "에폭"
    assert [t.get_text() for t in figure.axes[0].get_legend().get_texts()] == ["훈련", "검증: 최고 0.7, 에폭 2"]


# ---- fonts


@pytest.mark.skipif(fonts.hangul_font() is None, reason="no font with Hangul is installed")
def test_hangul_has_its_letters() -> None:
    from matplotlib import font_manager

    family = fonts.hangul_font()
    found = font_manager.findfont(font_manager.FontProperties(family=[str(family)]), fallback_to_default=False)
    assert font_manager.get_font(found).get_char_index(ord("가")) > 0
    assert fonts.stack() == ["DejaVu Sans", family]
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a missing glyph is a warning
        pixels(model([2, 1], lang="ko", title="한글"))


@pytest.mark.skipif(fonts.hangul_font() is None, reason="no font with Hangul is installed")
def test_a_font_installed_after_matplotlib_made_its_list_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    from matplotlib import font_manager

    manager = font_manager.fontManager
    old = [entry for entry in manager.ttflist if entry.name.startswith("DejaVu")]
    monkeypatch.setattr(manager, "ttflist", old)
    assert fonts.hangul_font.__wrapped__() is not None


def test_without_such_a_font_it_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "hangul_font", lambda: None)
    fonts.warn_without_hangul.cache_clear()
    with pytest.warns(UserWarning, match="no installed font has Hangul") as caught:
        model([2, 1], title="둘")
        pixels(model([2, 1], title="셋"))
    assert len(caught) == 1
    fonts.warn_without_hangul.cache_clear()


def test_no_warning_where_there_is_no_hangul(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "hangul_font", lambda: None)
    fonts.warn_without_hangul.cache_clear()
    model([2, 1], title="two")
    assert fonts.warn_without_hangul.cache_info().misses == 0


# ---- matplotlib's own settings


def test_a_users_settings_change_nothing_and_are_not_changed() -> None:
    import matplotlib

    plain = pixels(history({"loss": [-1.0, -0.5]}))
    wild = {
        "axes.facecolor": "red",
        "font.size": 30,
        "axes.unicode_minus": False,
        "lines.linewidth": 9,
        "axes.grid": True,
        "text.hinting": "none",
    }
    with matplotlib.rc_context(wild):
        before = dict(matplotlib.rcParams)
        figure = history({"loss": [-1.0, -0.5]})
        assert np.array_equal(pixels(figure), plain)
        # Ticks are made while drawing: a figure that grows later keeps its style too.
        figure.axes[0].set_ylim(-50, 50)
        labels = pixels(figure)
        assert dict(matplotlib.rcParams) == before
    assert np.array_equal(labels, pixels(figure))
    assert any(label.get_text().startswith("−") for label in figure.axes[0].get_yticklabels())


def test_figures_load_neither_matplotlib_before_one_is_drawn_nor_pyplot_after() -> None:
    code = (
        "import sys, chainrule.show.figures, chainrule.show.landscape as l; print('matplotlib' in sys.modules);"
        "l.surface(lambda x, y: x * x + y * y); print('matplotlib.pyplot' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_without_matplotlib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r'pip install "chainrule\[figures\]"'):
        model([2, 1])


# ---- looks


def test_looks_that_do_not_exist_are_named() -> None:
    with pytest.raises(ConfigError, match="did you mean theme"):
        model([2, 1], themes="dark")
    with pytest.raises(ConfigError, match="'light' or 'dark'"):
        model([2, 1], theme="black")


def test_a_slide_is_a_page_in_larger_letters() -> None:
    page, slide = model([2, 1]), model([2, 1], size="slide")
    assert np.allclose(slide.get_size_inches() / page.get_size_inches(), 16 / 9)
    assert slide.axes[0].texts[0].get_size() == 16 and page.axes[0].texts[0].get_size() == 9


def test_themes_and_backgrounds() -> None:
    light, dark, clear = (
        pixels(model([2, 1], **look))[0, 0] for look in ({}, {"theme": "dark"}, {"background": "transparent"})
    )
    assert light[:3].min() > 240 and dark[:3].max() < 40 and clear[3] == 0 and light[3] == dark[3] == 255


def test_a_notebook_shows_a_figure_without_pyplot() -> None:
    assert model([2, 1])._repr_png_().startswith(b"\x89PNG")


def test_a_title_stands_above() -> None:
    assert model([2, 1], title="Two").get_suptitle() == "Two"


# ---- saving


@pytest.mark.parametrize(("name", "start"), [("a.png", b"\x89PNG"), ("a.svg", b"<?xml"), ("a.PDF", b"%PDF")])
def test_the_same_figure_gives_the_same_bytes(tmp_path: Path, name: str, start: bytes) -> None:
    paths = [
        save_figure(history(RUN, lang="ko"), tmp_path / part / name)
        for part in ("b", "c")
        if not (tmp_path / part).mkdir()
    ]
    first, second = (path.read_bytes() for path in paths)
    assert first.startswith(start) and first == second


def test_a_figure_that_is_not_ours_is_saved_too(tmp_path: Path) -> None:
    from matplotlib.figure import Figure

    assert save_figure(Figure(), tmp_path / "plain.png").stat().st_size > 100


def test_saving_refuses_other_endings_and_missing_folders(tmp_path: Path) -> None:
    figure = model([2, 1])
    with pytest.raises(ConfigError, match=r"\.png, \.svg, \.pdf"):
        save_figure(figure, tmp_path / "a.bmp")
    with pytest.raises(ConfigError, match="a path without an ending"):
        save_figure(figure, tmp_path / "a")
    with pytest.raises(DataError, match="does not exist"):
        save_figure(figure, tmp_path / "none" / "a.png")
    assert not list(tmp_path.iterdir())
