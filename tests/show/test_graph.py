"""The computational graph as a picture: every value and gradient of the slides' circuits stands where it belongs."""

from __future__ import annotations

import base64
import itertools
import json
import re
import subprocess
import sys
import webbrowser
import xml.etree.ElementTree as ElementTree
import zlib
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.core.errors import ConfigError, GradientError, GraphError
from chainrule.show.circuit import Circuit
from chainrule.show.graph import GraphDrawing
from chainrule.show.scene import Level, Scene, Unit

SVG = "{http://www.w3.org/2000/svg}"


def units(drawing: GraphDrawing) -> list[tuple[str, list[str], list[str], list[str]]]:
    """What is drawn: (kind, words in the shape, values, gradients) of each."""
    found = []
    for group in ElementTree.fromstring(drawing.svg).iter(f"{SVG}g"):
        if "cr-unit" in group.get("class", ""):
            texts = [(t.get("class", ""), t.text or "") for t in group.iter(f"{SVG}text")]
            values = [words for class_, words in texts if "cr-value" in class_]
            gradients = [words for class_, words in texts if "cr-gradient" in class_]
            shape = [words for class_, words in texts if "cr-value" not in class_ and "cr-gradient" not in class_]
            found.append((group.get("class", "").split()[0].removeprefix("cr-"), shape, values, gradients))
    return found


def numbers(drawing: GraphDrawing) -> dict[str, tuple[str, str]]:
    """Value and gradient by name, for a circuit of numbers; operations go by sign, or by sign and name."""
    out = {}
    for _, shape, values, gradients in units(drawing):
        out[" ".join(shape)] = (" ".join(values), " ".join(gradients))
    return out


def scalars(**values: float) -> dict[str, cr.Tensor]:
    return {name: cr.tensor(np.float64(v), requires_grad=True) for name, v in values.items()}


# ---- the circuits of the slides


def test_add_and_multiply() -> None:
    v = scalars(x=-2, y=5, z=-4)
    x, y, z = v.values()
    q = x + y
    f = q * z
    assert numbers(cr.show.graph(f)) == {
        "x": ("−2", "−4"), "y": ("5", "−4"), "z": ("−4", "3"), "+ q": ("3", "−4"), "× f": ("−12", "1"),
    }  # fmt: skip


def test_the_sigmoid_circuit() -> None:
    v = scalars(w0=2, w1=-3, w2=-3, x0=-1, x1=-2)
    w0, w1, w2, x0, x1 = v.values()
    s = 1 / (1 + cr.exp(-(w0 * x0 + w1 * x1 + w2)))
    drawn = numbers(cr.show.graph(s, digits=2))
    assert drawn["1/x s"] == ("0.73", "1")
    assert drawn["w0"] == ("2", "−0.20") and drawn["w1"] == ("−3", "−0.39") and drawn["w2"] == ("−3", "0.20")
    assert drawn["x0"] == ("−1", "0.39") and drawn["x1"] == ("−2", "−0.59")
    assert drawn["exp"] == ("0.37", "−0.53") and drawn["+ 1"] == ("1.4", "−0.53") and drawn["× −1"] == ("−1", "−0.20")
    signs = [" ".join(shape) for kind, shape, _, _ in units(cr.show.graph(s)) if kind in ("operation", "loss")]
    assert sorted(signs) == sorted(["×", "×", "+", "+", "× −1", "exp", "+ 1", "1/x s"])
    # The two sums: 4, then 1 with the gradient 0.1966 that the slide gives.
    sums = [(values, gradients) for _, shape, values, gradients in units(cr.show.graph(s, digits=4)) if shape == ["+"]]
    assert sorted(sums) == sorted([(["4"], ["0.1966"]), (["1"], ["0.1966"])])


def test_apples_and_oranges() -> None:
    v = scalars(apple=100, apples=2, orange=150, oranges=3, tax=1.1)
    apple, apples, orange, oranges, tax = v.values()
    price = (apple * apples + orange * oranges) * tax
    drawn = numbers(cr.show.graph(price))
    assert drawn["× price"] == ("715", "1")
    gradients = {name: drawn[name][1] for name in v}
    assert gradients == {"apple": "2.2", "apples": "110", "orange": "3.3", "oranges": "165", "tax": "650"}


@pytest.mark.parametrize("x", [0.5, -2.0])
def test_powers_by_the_chain_rule(x: float) -> None:
    v = scalars(x=x)
    y = 5 * v["x"] + 3
    z = 4 * y**2
    drawn = numbers(cr.show.graph(z, names={**v, "y": y, "z": z}, digits=6))
    assert drawn["x"][1] == f"{40 * (5 * x + 3):g}".replace("-", "−")
    assert drawn["× 4 z"][0] == f"{4 * (5 * x + 3) ** 2:g}" and "x²" in drawn


def test_squared_norm_of_a_product() -> None:
    W = cr.tensor([[0.1, 0.5], [-0.3, 0.8]], requires_grad=True)
    x = cr.tensor([0.2, 0.4], requires_grad=True)
    q = W @ x
    f = (q * q).sum()
    drawn = {" ".join(shape): (values, gradients) for _, shape, values, gradients in units(cr.show.graph(f))}
    assert drawn["W"] == (["0.1", "−0.3", "0.5", "0.8"], ["0.088", "0.104", "0.176", "0.208"])
    assert drawn["x"] == (["0.2", "0.4"], ["−0.112", "0.636"])
    assert drawn["reshape q"] == (["0.22", "0.26"], ["0.44", "0.52"]) and drawn["Σ f"] == (["0.116"], ["1"])


def test_softmax_with_cross_entropy_gives_p_minus_y() -> None:
    scores = cr.tensor([[3.2, 5.1, -1.7]], requires_grad=True)
    loss = nn.CrossEntropyLoss()(scores, cr.tensor([0]))
    drawn = {" ".join(shape): (values, gradients) for _, shape, values, gradients in units(cr.show.graph(loss))}
    assert drawn["scores"] == (["3.2", "5.1", "−1.7"], ["−0.870", "0.869", "9.68e−4"])
    assert drawn["mean loss"] == (["2.04"], ["1"])


def test_the_tooltips_hold_all_digits_and_the_line_of_code() -> None:
    v = scalars(x=-2, y=5, z=-4)
    f = (v["x"] + v["y"]) * v["z"]
    titles = [t.text or "" for t in ElementTree.fromstring(cr.show.graph(f, names=v).svg).iter(f"{SVG}title")]
    product = next(t for t in titles if t.startswith("multiply"))
    assert (
        "value -12.0" in product and "gradient 1.0" in product and "test_graph.py" in product and '* v["z"]' in product
    )


# ---- networks


class XOR(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(2, 3), nn.Linear(3, 1)

    def forward(self, x: cr.Tensor) -> cr.Tensor:
        return self.fc2(self.fc1(x).sigmoid()).sigmoid()


X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
T = np.array([[0], [1], [1], [0]], np.float32)


def test_the_xor_network() -> None:
    net = XOR()
    drawing = cr.show.graph(net, X, target=T, loss=nn.MSELoss())
    found = units(drawing)
    kinds = [kind for kind, *_ in found]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {"input": 2, "parameter": 4, "operation": 6, "loss": 1}
    assert re.findall(r'class="cr-title[^>]*>([^<]*)<', drawing.svg) == ["fc1: Linear", "fc2: Linear", "MSELoss"]
    parameters = {shape[0]: (values, gradients) for kind, shape, values, gradients in found if kind == "parameter"}
    assert set(parameters) == {"weight", "bias"}, "inside its frame a parameter has its short name"
    bias = net.fc2.bias
    nn.MSELoss()(net(cr.tensor(X)), cr.tensor(T)).backward()
    rounded = f"{bias.grad.item():.3g}".replace("-", "−")
    assert any(kind == "parameter" and g == [rounded] for kind, _, _, g in found)
    words = " ".join(w for _, shape, values, gradients in found for w in (*shape, *values))
    assert "4 × 3" in words and "mean" in words
    assert ">4 × 3<" not in cr.show.graph(net, X, target=T, numbers=12).svg, "12 numbers are written out if asked for"


def mnist() -> nn.Module:
    return nn.Sequential(nn.Linear(784, 50), nn.BatchNorm1d(50), nn.ReLU(), nn.Dropout(0.2), nn.Linear(50, 10))


def images(count: int = 100) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.random((count, 784), np.float32), rng.integers(0, 10, count)


def test_an_mnist_sized_network_shows_shapes_and_statistics() -> None:
    pixels, labels = images()
    drawing = cr.show.graph(mnist(), pixels, target=labels)
    svg = drawing.svg
    for words in ("100 × 784", "50 × 784", "100 × 50", "50 numbers", "100 × 10", "100 numbers"):
        assert f">{words}<" in svg
    (weight,) = [(v, g) for k, s, v, g in units(drawing) if k == "parameter" and "50 × 784" in v]
    assert len(weight[1]) == 2 and weight[1][0].startswith("mean ") and " to " in weight[1][1]
    assert svg.count('cr-bars-value"') > 8 and "data:image/png;base64," in svg, "histograms, and three of the images"
    assert ">all 1<" in svg and ">all 0<" in svg, "batch norm begins with scale 1 and shift 0"
    assert len(svg) < 120_000


def test_fifty_layers_fold_to_one_readable_box_each() -> None:
    rng = np.random.default_rng(0)
    layers = [layer for _ in range(50) for layer in (nn.Linear(32, 32), nn.Tanh())]
    model = nn.Sequential(*layers, nn.Linear(32, 10))
    drawing = cr.show.graph(model, rng.normal(size=(16, 32)), target=rng.integers(0, 10, 16))
    assert drawing.folded and len(drawing.layers) == 102 and "102 layers folded" in repr(drawing)
    boxes = [(shape, values, gradients) for kind, shape, values, gradients in units(drawing) if kind == "layer"]
    assert len(boxes) == 102
    shape, values, gradients = next(box for box in boxes if box[0][0] == "48: Linear")
    assert shape == ["48: Linear", "→ 16 × 32", "1,056 parameters"]
    assert values[0].startswith("mean ") and " to " in values[1]
    assert gradients[0].startswith("gradient norm ") and gradients[1].startswith("of parameters ")
    assert drawing.drawing.width < 1300 and 1000 < drawing.drawing.height < 4000
    assert_no_overlap(drawing)


def test_the_gradient_norm_is_the_length_of_the_gradient() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
    drawing = cr.show.graph(model, X, target=T, folded=True, digits=6)
    inputs = cr.tensor(X)
    out = model[0](inputs)
    loss = nn.MSELoss()(model[2](model[1](out)), cr.tensor(T))
    gradient = cr.grad_of(loss, out, retain_graph=True).numpy()
    loss.backward()
    learned = np.concatenate([p.grad.numpy().ravel() for p in model[0].parameters()])
    box = next(g for k, shape, _, g in units(drawing) if k == "layer" and shape[0] == "0: Linear")
    assert float(box[0].split()[-1]) == pytest.approx(np.linalg.norm(gradient), rel=1e-4)
    assert float(box[1].split()[-1]) == pytest.approx(np.linalg.norm(learned), rel=1e-4)


class Block(nn.Module):
    """Attention over the batch with a residual connection: branches, a reuse, a nested part."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.q, self.k, self.v = nn.LayerNorm(6), nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 6)
        self.mlp = nn.Sequential(nn.Linear(6, 8), nn.GELU(), nn.Linear(8, 6))

    def forward(self, x: cr.Tensor) -> cr.Tensor:
        h = self.norm(x)
        x = x + cr.softmax(self.q(h) @ self.k(h).T, -1) @ self.v(h)
        return x + self.mlp(x)


@pytest.mark.parametrize("direction", ["right", "down"])
@pytest.mark.parametrize("folded", [True, False])
def test_nothing_overlaps_and_nothing_leaves_the_picture(direction: str, folded: bool) -> None:
    x, y = np.random.default_rng(0).normal(size=(5, 6)), np.array([0, 1, 2, 1, 0])
    model = nn.Sequential(Block(), Block(), nn.Linear(6, 3))
    assert_no_overlap(cr.show.graph(model, x, target=y, folded=folded, direction=direction))


def assert_no_overlap(drawing: GraphDrawing) -> None:
    """Boxes of one level are apart, those inside a frame are inside it, everything is inside the picture."""
    folded = set(drawing.layers) if drawing.folded else set()
    scene = Scene(drawing.circuit, folded, drawing.settings)

    def walk(level: Level) -> None:
        def extent(unit: Unit) -> tuple[float, float, float, float]:
            b = unit.box
            return b.along, b.along + b.length, b.across - b.before, b.across + b.after

        solid = [u for u in level.units if u.item is not None]
        for a, b in itertools.combinations(solid, 2):
            (a0, a1, a2, a3), (b0, b1, b2, b3) = extent(a), extent(b)
            assert a1 <= b0 + 0.1 or b1 <= a0 + 0.1 or a3 <= b2 + 0.1 or b3 <= a2 + 0.1, (a.item, b.item)
        for unit in solid:
            low, high, top, bottom = extent(unit)
            assert low >= -0.1 and high <= level.length + 0.1
            assert top >= level.top - 0.1 and bottom <= level.bottom + 0.1
            if unit.inner is not None:
                assert unit.inner.length <= unit.box.length and unit.inner.bottom - unit.inner.top <= bottom - top
                walk(unit.inner)

    walk(scene.level)
    root = ElementTree.fromstring(drawing.svg)
    width, height = float(root.get("width", 0)), float(root.get("height", 0))
    for path in root.iter(f"{SVG}path"):
        if path.get("class") == "cr-wire" and path.get("data-from"):
            points = re.findall(r"(-?[\d.]+) (-?[\d.]+)", path.get("d", ""))
            assert all(-1 <= float(x) <= width + 1 and -1 <= float(y) <= height + 1 for x, y in points)


def test_every_wire_leads_from_its_source_to_its_user() -> None:
    drawing = cr.show.graph(XOR(), X, target=T, folded=False)
    circuit = drawing.circuit
    drawn = {
        (int(p.get("data-from", -1)), int(p.get("data-to", -1)))
        for p in ElementTree.fromstring(drawing.svg).iter(f"{SVG}path")
        if p.get("data-to")
    }
    assert drawn == {(s.index, q.index) for q in circuit.quantities for s in q.inputs if not s.is_number}


# ---- kinds, constants, reuse, broadcasting


def test_kinds_are_told_apart_by_shape_not_only_by_colour() -> None:
    w = nn.Parameter([[1.0, 2.0]])
    x = cr.tensor([[3.0, 4.0]])
    c = cr.tensor(2.0)
    loss = ((x * w) * c).sum()
    drawing = cr.show.graph(loss)
    outlines = {}
    for group in ElementTree.fromstring(drawing.svg).iter(f"{SVG}g"):
        kind = group.get("class", "").split(" ")[0]
        if "cr-unit" in group.get("class", ""):
            shape = next(e for e in group.iter() if e.get("class") == "cr-shape")
            corners = len(re.findall("[MLHV]", shape.get("d", "")))
            rings = sum(e.get("class") == "cr-ring" for e in group.iter())
            outlines[kind] = (shape.tag.removeprefix(SVG), corners, rings)
    assert set(outlines) == {"cr-input", "cr-parameter", "cr-constant", "cr-operation", "cr-loss"}
    assert len(set(outlines.values())) == 5
    style = drawing.svg.split("<style>")[1].split("</style>")[0]
    assert "prefers-color-scheme: dark" in style and "var(" not in style
    assert ".cr-constant .cr-shape { stroke-dasharray" in style
    for word in ("input", "parameter", "constant", "operation", "loss"):
        assert f">{word}</text>" in drawing.svg, "the legend names what is drawn"
    assert ">folded layer</text>" not in drawing.svg


def test_numbers_written_into_an_expression_stand_in_the_sign() -> None:
    x = cr.tensor(2.0, requires_grad=True)
    f = cr.clip((1 - x) / 4 + 3 / x**3, -1, 1) * cr.maximum(x, 0.5)
    signs = {shape[0] for kind, shape, _, _ in units(cr.show.graph(f)) if kind in ("operation", "loss")}
    assert {"1 − x", "÷ 4", "3/x", "x³", "clip [−1, 1]", "max(x, 0.5)"} <= signs
    assert not [kind for kind, *_ in units(cr.show.graph(f)) if kind == "constant"]


def test_constants_get_no_gradient_and_masks_are_constants() -> None:
    x = cr.tensor([-1.0, 2.0], requires_grad=True)
    c = cr.tensor(3.0)
    f = (cr.where(x > 0, x, 0.1 * x) * c).sum()
    constants = [
        (shape, values, gradients) for kind, shape, values, gradients in units(cr.show.graph(f)) if kind == "constant"
    ]
    assert sorted(constants) == sorted([(["c"], ["3"], []), (["constant"], ["false", "true"], [])])


def test_a_value_used_twice_shows_what_comes_back_along_each_path() -> None:
    x = cr.tensor(3.0, requires_grad=True)
    a = x * x
    f = a * x + cr.sin(a)
    drawing = cr.show.graph(f, digits=4)
    root = ElementTree.fromstring(drawing.svg)
    shares = sorted(
        "".join(g.itertext())
        for g in root.iter(f"{SVG}g")
        if g.get("data-user") and "cr-backward" in g.get("class", "")
    )
    cosine = float(np.cos(9.0))
    middle = f"{(3 + cosine) * 3:.4g}"
    assert shares == sorted(["3", "9", middle, middle, f"{cosine:.4f}".replace("-", "−")])
    assert numbers(drawing)["x"][1] == f"{2 * (3 + cosine) * 3 + 9:.4g}"
    forks = [c for c in root.iter(f"{SVG}circle") if c.get("class") == "cr-tip"]
    assert len(forks) == 2, "a dot where x forks, and one where a does"


def test_gradients_of_broadcast_inputs_have_the_inputs_shape() -> None:
    m = cr.tensor(np.arange(6.0).reshape(2, 3), cr.float32, requires_grad=True)
    b = cr.tensor([1.0, 2.0, 3.0], requires_grad=True)
    f = ((m + b) * 2).sum()
    drawn = {" ".join(shape): gradients for _, shape, _, gradients in units(cr.show.graph(f))}
    assert drawn["b"] == ["4", "4", "4"] and len(drawn["m"]) == 6


def test_inputs_that_swap_places_are_marked_where_order_matters() -> None:
    a, b, c = (cr.tensor(v, requires_grad=True) for v in (1.0, 2.0, 3.0))
    early = a * b
    late = b * c
    plain = cr.show.graph(early - late).svg
    assert not re.findall(r'cr-soft cr-small"[^>]*>[12]<', plain)
    q = a + b
    crossing = cr.show.graph(((c - q) * (q - c)) - (c * q)).svg
    assert re.findall(r'cr-soft cr-small"[^>]*>([12])<', crossing)


def test_nan_is_alarming() -> None:
    x = cr.tensor([1.0, -1.0, 2, 3, 4, 5, 6], requires_grad=True)
    svg = cr.show.graph(cr.log(x).sum()).svg
    assert re.search(r'cr-alarm">1 not finite<', svg) and ">NaN<" in svg


def test_double_backward_draws_the_gradient_nodes_in_calls_of_their_own() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
    x = cr.tensor(X, requires_grad=True)
    (g,) = cr.grad_of(model(x).sum(), [x], create_graph=True)
    penalty = (g * g).sum()
    drawing = cr.show.graph(penalty)
    titles = re.findall(r'class="cr-title[^>]*>([^<]*)<', drawing.svg)
    assert titles.count("1: Tanh") == 2, "forward and backward are two calls"
    assert_no_overlap(drawing)


# ---- nothing is disturbed


def test_drawing_leaves_no_trace() -> None:
    model = mnist()
    before = {name: t.numpy().copy() for name, t in model.state_dict().items()}
    state = cr.Generator(0).state()
    cr.manual_seed(3)
    expected = cr.rand(3).numpy()
    cr.manual_seed(3)
    pixels, labels = images(8)
    drawing = cr.show.graph(model, pixels, target=labels)
    _ = drawing.svg, drawing.html, drawing.dot
    np.testing.assert_array_equal(cr.rand(3).numpy(), expected)
    assert all(p.grad is None for p in model.parameters()) and model.training
    for name, tensor in model.state_dict().items():
        np.testing.assert_array_equal(tensor.numpy(), before[name])
    assert state == cr.Generator(0).state()


def test_intermediate_gradients_are_those_of_retain_grad() -> None:
    net = XOR()
    x = cr.tensor(X)
    hidden = net.fc1(x)
    h = hidden.sigmoid()
    loss = nn.MSELoss()(net.fc2(h), cr.tensor(T))
    seen = []
    net.fc1.weight.register_hook(seen.append)
    circuit = cr.show.graph(loss).circuit
    assert not seen and net.fc1.weight.grad is None, "no hook runs, no .grad changes"
    shown = {q.node: q.gradient for q in circuit.quantities}
    hidden.retain_grad()
    h.retain_grad()
    loss.backward()  # the tape is still there
    for tensor in (hidden, h, net.fc1.weight, net.fc2.bias):
        np.testing.assert_array_equal(shown[tensor.node], tensor.grad.numpy())


# ---- names, errors, files


def test_names_come_from_the_callers_variables_or_are_given() -> None:
    price, count = (cr.tensor(v, requires_grad=True) for v in (2.0, 3.0))
    _hidden = price * count
    total = _hidden + 1
    assert set(numbers(cr.show.graph(total))) == {"price", "count", "×", "+ 1 total"}
    assert set(numbers(cr.show.graph(total, names={"p": price}))) == {"p", "3", "×", "+ 1"}


def test_errors_say_what_to_do() -> None:
    x = cr.tensor(2.0, requires_grad=True)
    with pytest.raises(GradientError, match="pass requires_grad=True"):
        cr.show.graph(cr.tensor(2.0) * 3)
    with pytest.raises(GradientError, match="a tensor that was computed, or a module"):
        cr.show.graph(3.0)
    y = x * x
    y.backward()
    with pytest.raises(GraphError, match="retain_graph=True"):
        cr.show.graph(y)
    with pytest.raises(ConfigError, match=r"show\.graph\(model, x\)"):
        cr.show.graph(nn.Linear(2, 2))
    with pytest.raises(ConfigError, match="pass target="):
        cr.show.graph(nn.Linear(2, 1), X, loss=nn.MSELoss())
    with pytest.raises(ConfigError, match="a tensor alone"):
        cr.show.graph(x * x, X)
    for wrong in ({"direction": "up"}, {"digits": 0}, {"lang": "fr"}):
        with pytest.raises(ConfigError):
            cr.show.graph(x * x, **wrong)
    with pytest.raises(ConfigError, match=r"name it graph\.svg"):
        cr.show.graph(x * x).save("graph.png")


def test_without_a_single_number_at_the_end_there_are_values_alone() -> None:
    drawing = cr.show.graph(XOR(), X)
    assert all(not gradients for *_, gradients in units(drawing)) and "gradients need a single number" in drawing.svg
    seeded = cr.show.graph(XOR(), X, gradient=np.ones((4, 1)))
    assert any(gradients for *_, gradients in units(seeded))


def test_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawing = cr.show.graph(XOR(), X, target=T)
    assert drawing.save(tmp_path / "g.svg").read_text(encoding="utf-8") == drawing.svg == drawing._repr_svg_()
    assert drawing.save(tmp_path / "g.dot").read_text(encoding="utf-8") == drawing.dot
    page = drawing.save(tmp_path / "g.html").read_text(encoding="utf-8")
    assert set(re.findall(r"https?://[^\s\"'<]+", page)) == {"http://www.w3.org/2000/svg"}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["g.dot", "g.html", "g.svg"], "no draft is left"
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    file = drawing.show()
    assert opened == [file.as_uri()] and file.read_text(encoding="utf-8") == drawing.html
    file.unlink()
    frame = drawing._repr_html_()
    assert frame.startswith("<iframe srcdoc=") and frame.count("<") == 2, "the page is inside, escaped"


def states(page: str) -> dict[str, object]:
    packed = re.search(r'id="states">([^<]+)<', page)
    assert packed is not None
    return json.loads(zlib.decompress(base64.b64decode(packed[1])))


def test_the_page_holds_a_drawing_for_every_click() -> None:
    drawing = cr.show.graph(XOR(), X, target=T, loss=nn.MSELoss())
    found = states(drawing.html)
    assert found["start"] == "open" and list(found["states"]) == ["folded", "open", "f0", "f1", "f2", "u0", "u1", "u2"]
    assert states(cr.show.graph(XOR(), X, target=T, folded=True).html)["start"] == "folded"
    sizes = {}
    for name, state in found["states"].items():
        shapes = "".join(f"<g {a}>{found['shapes'][key]}</g>" for key, a, _, _ in state["shapes"])
        ElementTree.fromstring(f"<svg xmlns='http://www.w3.org/2000/svg'>{state['under']}{shapes}{state['over']}</svg>")
        sizes[name] = sum(key.startswith("c") for key, *_ in state["shapes"])
        calls = set(re.findall(r'data-call="(\d)"', state["under"] + "".join(a for _, a, _, _ in state["shapes"])))
        assert calls == {"0", "1", "2"}, "every layer can be clicked, folded or open"
    assert sizes == {"folded": 3, "open": 0, "f0": 2, "f1": 2, "f2": 2, "u0": 1, "u1": 1, "u2": 1}
    assert 'id="states"' not in cr.show.graph(cr.tensor(1.0, requires_grad=True) * 2).html, "nothing to fold"


def test_large_models_fold_whole_blocks() -> None:
    x = np.random.default_rng(0).normal(size=(3, 6))
    model = nn.Sequential(nn.Sequential(*[Block() for _ in range(20)]), nn.Linear(6, 2))
    drawing = cr.show.graph(model, x, target=np.array([0, 1, 1]))
    kinds = [call.kind for call in drawing.layers]
    assert kinds == ["Block"] * 20 + ["Linear", "CrossEntropyLoss"]
    few = cr.show.graph(nn.Sequential(Block(), nn.Linear(6, 2)), x, target=np.array([0, 1, 1]))
    assert [call.kind for call in few.layers].count("GELU") == 1, "a small one folds its innermost layers"


def test_dot() -> None:
    drawing = cr.show.graph(XOR(), X, target=T, direction="down")
    dot = drawing.dot
    assert dot.startswith("digraph ") and dot.count("{") == dot.count("}") and "rankdir=TB" in dot
    assert re.findall(r'label="(\w+: Linear|XOR|MSELoss)"', dot) == ["XOR", "fc1: Linear", "fc2: Linear", "MSELoss"]
    circuit = drawing.circuit
    edges = {(int(a), int(b)) for a, b in re.findall(r"n(\d+) -> n(\d+)", dot)}
    assert edges == {(s.index, q.index) for q in circuit.quantities for s in q.inputs if not s.is_number}
    assert "shape=hexagon" in dot and "peripheries=2" in dot and "4 × 3" in dot


@pytest.mark.parametrize("direction", ["right", "down"])
def test_korean(direction: str) -> None:
    svg = cr.show.graph(XOR(), X, target=T, folded=True, lang="ko", direction=direction).svg
    for words in ("매개변수 9개", "평균", "기울기 크기", "접힌 층", "입력"):
        assert words in svg
    assert not re.search(r">(mean|parameters|gradient norm|folded)", svg)
    assert ("선 왼쪽은 값" in svg) == (direction == "down")


def test_a_graph_of_thousands_of_nodes_is_drawn() -> None:
    y: cr.Tensor = cr.tensor(1.0, requires_grad=True)
    for _ in range(700):
        y = y * 1.01 + 0.5
    drawing = cr.show.graph(y)
    assert len(ElementTree.fromstring(drawing.svg).findall(f".//{SVG}g[@data-ids]")) == 1401


def test_an_optimizer_step_does_not_lose_the_parameters_names() -> None:
    net = XOR()
    loss = nn.MSELoss()(net(cr.tensor(X)), cr.tensor(T))
    loss.backward(retain_graph=True)
    cr.optim.SGD(net.parameters(), lr=0.1).step()
    names = {q.name for q in cr.show.graph(loss).circuit.quantities if q.kind == "parameter"}
    assert names == {"fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"}


def test_loading_the_room_loads_nothing_heavy() -> None:
    code = "import sys, chainrule.show; print(*{m.split('.')[0] for m in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not set(loaded) & {"matplotlib", "jinja2", "rich", "llvmlite", "safetensors"}


def test_circuits_without_modules_put_inputs_at_the_left() -> None:
    v = scalars(x=1, y=2, z=3)
    f = (v["x"] + v["y"]) * v["z"]
    scene = Scene(Circuit.of(f, names=v), set(), cr.show.graph(f).settings)
    inputs = [u.box.along for u in scene.level.units if getattr(u.item, "kind", "") == "input"]
    assert len(set(inputs)) == 1 and len(inputs) == 3
