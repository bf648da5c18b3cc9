"""The table of a model: its text, its totals, and that looking changes nothing."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn


class Net(nn.Module):
    """Nested, with a shared layer, a layer that is never called, and random numbers in evaluation."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Dropout())
        self.spare = nn.Linear(1, 1)
        self.head = nn.Linear(3, 3)
        self.again = self.head
        self.scale = nn.Parameter(cr.ones(3))

    def forward(self, x):
        h = self.again(self.head(self.encoder(x))) * self.scale
        return h + cr.rand(3), h[0]


def test_the_table():
    model = Net()
    model.encoder[0].requires_grad_(False)
    assert str(nn.summary(model, (2, 4))) == (
        "layer      kind         output shape  parameters\n"
        "------------------------------------------------\n"
        "(model)    Net          (2, 3), (3,)           3\n"
        "encoder    Sequential   (2, 3)                 0\n"
        "encoder.0  Linear       (2, 3)                15\n"
        "encoder.1  BatchNorm1d  (2, 3)                 6\n"
        "encoder.2  Dropout      (2, 3)                 0\n"
        "spare      Linear       not called             2\n"
        "head       Linear       (2, 3)                12\n"
        "------------------------------------------------\n"
        "parameters  38, of which 23 learn\n"
        f"memory      {38 * 4 + 6 * 4 + 8} bytes"
    )


def test_without_an_input_the_shapes_are_left_out():
    found = nn.summary(nn.Linear(784, 50))
    assert found.parameters == found.trainable == 39_250 and found.memory == 157_000
    assert found.rows[0] == nn.SummaryRow("", "Linear", "-", 39_250)
    assert "39,250" in repr(found)


def test_looking_changes_nothing():
    model = Net()
    model.encoder[2].eval()
    before = {name: value.tolist() for name, value in model.state_dict().items()}
    mean = model.encoder[1].running_mean
    cr.manual_seed(5)
    expected = cr.rand(3).tolist()
    cr.manual_seed(5)
    nn.summary(model, cr.ones(1, 4))
    assert cr.rand(3).tolist() == expected
    assert {name: value.tolist() for name, value in model.state_dict().items()} == before
    assert model.encoder[1].running_mean is mean and not model._hooks
    assert [m.training for m in model.modules()] == [True, True, True, True, False, True, True]


def test_buffers_changed_in_evaluation_are_put_back():
    class Counter(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("count", cr.tensor(0))
            self.register_buffer("last", None)

        def forward(self, x):
            self.count.data = self.count + 1
            self.last = x
            return x

    model = Counter()
    nn.summary(model, (1,))
    assert model.count.item() == 0 and model.last is None and list(model.state_dict()) == ["count"]


def test_a_failing_forward_leaves_everything_as_it_was():
    model = Net()
    with pytest.raises(cr.ShapeError, match="in_features=4"):
        nn.summary(model, (2, 5))
    assert model.training and not any(m._hooks for m in model.modules()) and cr.is_grad_enabled()


@pytest.mark.parametrize(
    "example", [np.ones((2, 4)), cr.ones(2, 4), cr.ones(2, 4, dtype="float64"), [[1.0] * 4] * 2, (np.int64(2), 4)]
)
def test_any_input_is_taken_in_the_models_dtype(example):
    for model in (nn.Linear(4, 3), nn.Linear(4, 3).double()):
        assert nn.summary(model, example).rows[0].output_shape == "(2, 3)"


def test_several_inputs_and_other_outputs():
    class Add(nn.Module):
        def forward(self, x, y):
            return {"sum": x + y, "count": 2}

    assert nn.summary(Add(), [cr.ones(2, 3), np.ones((2, 1))]).rows[0].output_shape == "sum: (2, 3), count: int"


def test_whole_number_inputs_stay_whole():
    model = nn.Sequential(nn.Embedding(10, 3), nn.Flatten(), nn.Linear(12, 2))
    assert [r.output_shape for r in nn.summary(model, cr.tensor([[1, 2, 3, 4]])).rows] == [
        "(1, 2)", "(1, 4, 3)", "(1, 12)", "(1, 2)",
    ]  # fmt: skip


def test_only_models_have_a_summary():
    with pytest.raises(cr.ConfigError, match="a type"):
        nn.summary(nn.Linear)
