"""Draw the figures of README and guides: python docs/figures.py [FOLDER] (docs/figures).

What a guide shows is drawn from the guide's own code: its blocks are run, and what they leave is shown. Figures that
matplotlib draws come for light and for dark pages; the drawings of graphs hold both.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent


@cache
def left_by(page: str) -> dict[str, Any]:
    """Run the Python of a guide in an empty folder; the names that it leaves."""
    text = (DOCS / page).read_text(encoding="utf-8")
    names: dict[str, Any] = {"__name__": "__main__"}
    before = os.getcwd()
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        os.chdir(folder)
        try:
            for block in re.findall(r"^```python\n(?!>>>)(.*?)^```", text, re.MULTILINE | re.DOTALL):
                exec(compile(block, page, "exec"), names)
        finally:
            os.chdir(before)
    return names


def graph(lang: str = "en") -> Any:
    """f = (x + y) z with its values and gradients."""
    import chainrule as cr

    x, y, z = (cr.tensor(value, requires_grad=True) for value in (-2.0, 5.0, -4.0))
    f = (x + y) * z
    return cr.show.graph(f, lang=lang)


@cache
def xor_network() -> tuple[Any, Any, Any]:
    """2-3-1, trained on exclusive or; and the four rows."""
    import chainrule as cr
    from chainrule import nn, optim

    cr.manual_seed(0)
    x = cr.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    y = cr.tensor([[0.0], [1.0], [1.0], [0.0]])
    net = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
    optimizer, loss_function = optim.Adam(net.parameters(), lr=0.05), nn.BCEWithLogitsLoss()
    for _ in range(300):
        optimizer.zero_grad()
        loss_function(net(x), y).backward()
        optimizer.step()
    return net, x, y


@cache
def digits_network() -> Any:
    """64-32-10, trained on the embedded digits."""
    import chainrule as cr
    from chainrule import data, nn, optim

    cr.manual_seed(0)
    digits = data.digits()
    inputs = (digits.inputs / 16).astype("float32")
    x_train, _, y_train, _ = data.train_test_split(inputs, digits.targets, test_size=0.2, seed=0)
    model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    trainer = cr.Trainer(model, loss="cross_entropy", optimizer=optim.Adam(model.parameters(), lr=0.003))
    trainer.fit((x_train, y_train), epochs=10, batch_size=32, seed=0)
    return model


def figures() -> dict[str, Callable[..., Any]]:
    """By name: a function that draws, given how it is to look."""
    import chainrule as cr

    return {
        "xor": lambda **look: cr.show.boundary(*xor_network(), **look),
        "digits": lambda **look: cr.show.weights(digits_network(), image_shape=(8, 8), limit=16, columns=8, **look),
        "history": lambda **look: cr.show.history(left_by("guides/table.md")["history"], **look),
        "units": lambda **look: cr.show.weights(
            left_by("guides/images.md")["model"], image_shape=(16, 16), limit=12, columns=6, **look
        ),
        "rings": lambda **look: cr.show.boundary(
            left_by("guides/layer.md")["trainer"].predict,
            left_by("guides/layer.md")["rings"].inputs,
            left_by("guides/layer.md")["rings"].targets,
            **look,
        ),
    }


#: Figures that stand on Korean pages too.
KOREAN = ("xor", "digits")


def draw(folder: Path) -> list[Path]:
    """Draw all into ``folder``; the paths."""
    import chainrule as cr

    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for lang, ending in (("en", ""), ("ko", ".ko")):
        paths.append(folder / f"graph{ending}.svg")
        graph(lang).save(paths[-1])
        for name, function in figures().items():
            if lang == "en" or name in KOREAN:
                for theme, tone in (("light", ""), ("dark", "-dark")):
                    paths.append(folder / f"{name}{tone}{ending}.svg")
                    cr.show.save_figure(function(lang=lang, theme=theme, background="transparent"), paths[-1])
    return paths


if __name__ == "__main__":
    for path in draw(Path(sys.argv[1]) if len(sys.argv) > 1 else DOCS / "figures"):
        print(path)
