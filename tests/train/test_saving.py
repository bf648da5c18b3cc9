"""A saved model comes back: architecture, weights, settings, without pickle; what would not come back is refused."""

import itertools
import json

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, ops
from chainrule.core.errors import CheckpointError
from chainrule.core.philox import default_generator
from chainrule.train import load, load_with_extra, save


class Net(nn.Module):
    """A user's class with an argument of each kind."""

    def __init__(self, sizes, activation=nn.ReLU, *, dropout=0.0, dtype=None, head=None, function=ops.tanh):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(sizes))
        self.active, self.dropout, self.function = activation(), nn.Dropout(dropout), function
        self.head = head if head is not None else nn.Identity()

    def forward(self, x):
        for layer in self.layers:
            x = self.dropout(self.active(layer(x)))
        return self.function(self.head(x))


class Tied(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.a, self.b = nn.Linear(n, n), nn.Linear(n, n)
        self.b.weight = self.a.weight

    def forward(self, x):
        return self.b(self.a(x))


def same(model, other):
    mine, theirs = model.state_dict(), other.state_dict()
    assert list(mine) == list(theirs)
    for name in mine:
        assert mine[name].dtype == theirs[name].dtype
        np.testing.assert_array_equal(mine[name].numpy(), theirs[name].numpy())
    assert repr(model) == repr(other)
    return True


def round_trip(model, tmp_path, **options):
    save(model, tmp_path / "m.safetensors")
    return load(tmp_path / "m.safetensors", **options)


X = np.linspace(-1, 1, 8, dtype=np.float32).reshape(2, 4)

LAYERS = {
    "linear": lambda: nn.Sequential(nn.Linear(4, 3)),
    "no bias": lambda: nn.Sequential(nn.Linear(4, 3, bias=False)),
    "norms": lambda: nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3, momentum=0.3), nn.LayerNorm(3)),
    "activations": lambda: nn.Sequential(nn.LeakyReLU(0.3), nn.ELU(0.5), nn.PReLU(4), nn.Softmax(dim=1), nn.SELU()),
    "dropout": lambda: nn.Sequential(nn.Dropout(0.25), nn.Linear(4, 4)),
    "own generator": lambda: nn.Sequential(nn.Dropout(0.25, generator=cr.Generator(5))),
    "names": lambda: nn.Sequential({"first": nn.Linear(4, 4), "second": nn.Tanh()}),
    "nested": lambda: nn.Sequential(nn.Sequential(nn.Linear(4, 4), nn.ReLU()), nn.Sequential(nn.Linear(4, 2))),
    "user": lambda: Net((4, 5, 3), nn.Sigmoid, dropout=0.1, head=nn.Sequential(nn.Linear(3, 2)), function=ops.sigmoid),
    "tied": lambda: Tied(4),
}


@pytest.mark.parametrize("name", LAYERS)
def test_models_come_back(name, tmp_path):
    model = LAYERS[name]().eval()
    again = round_trip(model, tmp_path)
    assert same(model, again) and type(again) is type(model)
    np.testing.assert_array_equal(again(cr.tensor(X)).numpy(), model(cr.tensor(X)).numpy())
    assert not any(module.training for module in again.modules())


def test_running_statistics_and_non_contiguous_weights_come_back(tmp_path):
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))
    model(cr.tensor(X * 3))
    model[0].weight.data = cr.tensor(np.arange(16, dtype=np.float32).reshape(4, 4)).T
    again = round_trip(model, tmp_path)
    assert same(model.eval(), again)
    assert again[0].weight.numpy()[0].tolist() == [0, 4, 8, 12]
    assert again[1].running_mean.numpy().any()


def test_what_was_done_after_the_constructor_comes_back(tmp_path):
    model = Net((4, 3), dropout=0.5)
    model.layers.append(nn.Linear(3, 6))
    model.head = nn.Sequential(nn.Linear(6, 2), nn.Tanh()).append(nn.Linear(2, 2))
    model.dropout.p = 0.125
    model.extra = nn.Linear(1, 1)
    model.note = "fine-tuned"
    again = round_trip(model.eval(), tmp_path)
    assert same(model, again)
    assert again.dropout.p == 0.125 and again.note == "fine-tuned" and len(again.head) == 3
    np.testing.assert_array_equal(again(cr.tensor(X)).numpy(), model(cr.tensor(X)).numpy())


def test_replaced_and_deleted_layers_come_back(tmp_path):
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    model[2] = nn.Linear(3, 7)
    del model[1]
    assert same(model, round_trip(model, tmp_path))
    net = Net((4, 3))
    del net.dropout
    save(net, tmp_path / "n")
    assert not hasattr(load(tmp_path / "n"), "dropout")


def test_a_module_used_twice_is_one_module_again(tmp_path):
    layer = nn.Linear(4, 4)
    again = round_trip(nn.Sequential(layer, nn.Tanh(), layer), tmp_path)
    assert again[0] is again[2]
    tied = round_trip(Tied(3), tmp_path)
    assert tied.a.weight is tied.b.weight


def test_weights_tied_after_the_constructor_are_refused(tmp_path):
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    model[1].weight = model[0].weight
    with pytest.raises(CheckpointError, match="shared between layers"):
        save(model, tmp_path / "m")
    assert not list(tmp_path.iterdir())


def test_dtype_frozen_weights_and_extras_come_back(tmp_path):
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1)).double()
    model[0].requires_grad_(False)
    extra = {"labels": ["a", "b"], "mean": np.array([0.1, 0.2]), "shape": (8, 8), "scale": float("inf"), 3: None}
    save(model, tmp_path / "m", extra=extra)
    again, found = load_with_extra(tmp_path / "m")
    assert same(model, again)
    assert [p.requires_grad for p in again.parameters()] == [False, False, True, True]
    np.testing.assert_array_equal(found.pop("mean"), extra.pop("mean"))
    assert found == extra and isinstance(found["shape"], tuple)


def test_saving_and_loading_draw_no_random_numbers(tmp_path):
    before = default_generator().state()
    round_trip(Net((4, 3)), tmp_path)
    cr.nn.Linear(1, 1)
    assert before != default_generator().state()
    model = Net((4, 3))
    before = default_generator().state()
    round_trip(model, tmp_path)
    assert default_generator().state() == before


def test_other_programs_read_the_weights(tmp_path):
    from safetensors.numpy import load_file

    model = nn.Sequential(nn.Linear(2, 3))
    save(model, tmp_path / "m.safetensors")
    arrays = load_file(tmp_path / "m.safetensors")
    assert set(arrays) == {"0.weight", "0.bias"}
    np.testing.assert_array_equal(arrays["0.weight"], model[0].weight.numpy())


# ---- refusals


def test_an_argument_that_is_no_plain_value_is_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"write function down(.|\n)*a function"):
        save(Net((2, 2), function=lambda x: x), tmp_path / "m")
    assert not list(tmp_path.iterdir())


def test_a_parameter_that_the_constructor_does_not_make_is_named(tmp_path):
    model = Net((2, 2))
    model.scale = nn.Parameter([1.0])
    with pytest.raises(CheckpointError, match=r"scale is not made again"):
        save(model, tmp_path / "m")
    model = Net((2, 2))
    model.layers[0].register_parameter("bias", None)
    with pytest.raises(CheckpointError, match=r"layers.0.bias is made, but gone"):
        save(model, tmp_path / "m")


def test_a_constructor_that_fails_the_second_time(tmp_path):
    class Once(nn.Module):
        def __init__(self, values):
            super().__init__()
            self.last = values.pop()

    with pytest.raises(CheckpointError, match="IndexError"):
        save(Once([1]), tmp_path / "m")


def test_something_else_than_a_model(tmp_path):
    with pytest.raises(CheckpointError, match="pass the model first"):
        save(tmp_path / "m", nn.Linear(1, 1))
    with pytest.raises(CheckpointError, match="does not exist"):
        save(nn.Linear(1, 1), tmp_path / "no" / "m")


def test_a_class_that_is_not_defined_is_named_and_may_be_given(tmp_path):
    def make():
        class Hidden(nn.Module):
            def __init__(self, n):
                super().__init__()
                self.layer = nn.Linear(n, n)

        return Hidden

    path = tmp_path / "m"
    save(make()(2), path)
    rewrite(path, lambda header: header["architecture"].update({"class": "Elsewhere", "of": "os"}))
    with pytest.raises(
        CheckpointError, match=r"define Elsewhere first, or pass cr.load\(path, classes=\[Elsewhere\]\)"
    ):
        load(path)
    given = make()
    given.__qualname__ = "Elsewhere"
    assert type(load(path, classes=[given])) is given


def test_two_classes_of_one_name_must_be_told_apart(tmp_path):
    found = []
    for home in ("first_home", "second_home"):
        cls = type("Twice", (nn.Module,), {"__module__": home, "__qualname__": "Twice"})
        found.append(cls)
    path = tmp_path / "m"
    save(found[0](), path)
    assert type(load(path)) is found[0]
    rewrite(path, lambda header: header["architecture"].update({"of": "third_home"}))
    with pytest.raises(CheckpointError, match="first_home, second_home"):
        load(path)
    assert type(load(path, classes=[found[1]])) is found[1]


def rewrite(path, change):
    """Change the chainrule header of a saved file."""
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    inner = json.loads(header["__metadata__"]["chainrule"])
    change(inner)
    header["__metadata__"]["chainrule"] = json.dumps(inner)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + length :])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda h: h.update(version=2), "newer chainrule"),
        (lambda h: h.update(version="x"), "damaged"),
        (lambda h: h.update(kind="checkpoint"), r"fit\(..., resume=path\)"),
        (lambda h: h.update(checksum="00000000"), "not those that were written"),
        (lambda h: h.pop("architecture"), "makes no model"),
        (lambda h: h["architecture"].update({"class": "system", "of": "chainrule.nn"}), "does not define"),
        (lambda h: h["architecture"].update({"class": "functional", "of": "chainrule.nn"}), "does not define"),
        (lambda h: h["architecture"]["arguments"].update(out_features=9), "other shapes"),
        (lambda h: h["architecture"]["arguments"].update(colour=9), "'colour'"),
        (lambda h: h["architecture"]["arguments"].update(in_features="two"), "TypeError"),
        (lambda h: h["changes"].append({"path": "", "attributes": {"forward": "x"}}), "forward"),
        (lambda h: h["changes"].append({"path": "nowhere"}), "nowhere"),
        (lambda h: h.update(extra={"$function": "system"}), "unknown mark"),
    ],
)
def test_headers_that_make_no_model(change, message, tmp_path):
    path = tmp_path / "m"
    save(nn.Linear(2, 3), path)
    rewrite(path, change)
    with pytest.raises(CheckpointError, match=message) as caught:
        load(path)
    assert str(path) in str(caught.value)


def test_damaged_files(tmp_path):
    path = tmp_path / "m"
    save(nn.Linear(20, 30), path)
    whole = path.read_bytes()
    for length in (0, 5, 8, 20, 200, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(CheckpointError):
            load(path)
    flipped = bytearray(whole)
    flipped[-3] ^= 1
    path.write_bytes(flipped)
    with pytest.raises(CheckpointError, match="not those that were written"):
        load(path)


def test_files_of_others(tmp_path):
    from safetensors.numpy import save_file

    save_file({"w": np.zeros(2)}, tmp_path / "other")
    with pytest.raises(CheckpointError, match=r"chainrule did not write(.|\n)*load_state_dict"):
        load(tmp_path / "other")
    np.save(tmp_path / "a.npy", np.zeros(9))
    with pytest.raises(CheckpointError, match="not safetensors"):
        load(tmp_path / "a.npy")
    with pytest.raises(CheckpointError, match="no such file"):
        load(tmp_path / "nothing")
    with pytest.raises(CheckpointError, match="directory"):
        load(tmp_path)
