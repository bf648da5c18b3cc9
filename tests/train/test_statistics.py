"""Statistics of the layers are what they say, the model is left as it was, and the record of a run is filled."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.core.errors import DataError
from chainrule.core.philox import default_generator
from chainrule.data.examples import Examples
from chainrule.train import RunRecord, Trainer, layer_statistics, make_record, render_report


def model():
    cr.manual_seed(0)
    return nn.Sequential(
        nn.Linear(3, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Dropout(0.5), nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 2)
    )


def sample(rows=20):
    x = cr.Generator(0).normal((rows, 3))
    return cr.tensor(x), cr.tensor((x[:, 0] > 0).astype(np.int64))


def test_numbers_are_those_of_the_layers():
    net = model()
    x, y = sample()
    found = {layer.path: layer for layer in layer_statistics(net, nn.CrossEntropyLoss(), x, y)}
    assert list(found) == ["0", "1", "2", "3", "4", "5", "6"]
    assert [layer.kind for layer in found.values()][:3] == ["Linear", "BatchNorm1d", "ReLU"]
    net.eval()
    hidden = net[2](net[1](net[0](x))).numpy()
    assert found["2"].mean == pytest.approx(hidden.mean(), rel=1e-5)
    assert found["2"].std == pytest.approx(hidden.std(), rel=1e-5)
    assert found["2"].zero_fraction == (hidden == 0).mean()
    assert found["2"].dead_units == (hidden == 0).all(axis=0).sum() and found["2"].units == 5
    assert sum(found["2"].counts) == hidden.size and len(found["2"].edges) == len(found["2"].counts) + 1
    nn.CrossEntropyLoss()(net(x), y).backward()
    first = net[0]
    gradient = np.concatenate([first.weight.grad.numpy().ravel(), first.bias.grad.numpy()])
    assert found["0"].gradient_norm == pytest.approx(np.linalg.norm(gradient), rel=1e-5)
    weight = np.concatenate([first.weight.numpy().ravel(), first.bias.numpy()])
    assert found["0"].weight_norm == pytest.approx(np.linalg.norm(weight), rel=1e-6)
    assert found["2"].weight_norm is None and found["0"].update_ratio is None
    assert found["5"].saturated_fraction is not None and found["0"].saturated_fraction is None


def test_dead_and_saturated_units_are_counted():
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2), nn.Sigmoid())
    net[0].bias.data = cr.tensor([-99.0, -99.0, 99.0, 99.0])
    net[2].bias.data = cr.tensor([9e3, 0.0])
    net[2].weight.data = cr.zeros((2, 4))
    x, _ = sample()
    found = layer_statistics(net, nn.MSELoss(), x, cr.zeros((20, 2)))
    assert found[1].dead_units == 2 and found[1].zero_fraction == 0.5
    assert found[3].saturated_fraction == 0.5


def test_the_update_is_that_of_one_step():
    net = model()
    x, y = sample()
    optimizer = optim.SGD(net.parameters(), lr=0.5)
    for layer in layer_statistics(net, nn.CrossEntropyLoss(), x, y, optimizer):
        if layer.gradient_norm is not None:
            assert layer.update_ratio == pytest.approx(0.5 * layer.gradient_norm / layer.weight_norm, rel=1e-4)


def test_nothing_is_changed():
    net = model()
    x, y = sample()
    optimizer = optim.Adam(net.parameters(), lr=0.1)
    nn.CrossEntropyLoss()(net(x), y).backward()
    optimizer.step()
    net[4].eval()

    def everything():
        state = [tensor.numpy().tobytes() for tensor in net.state_dict().values()]
        memory = [t.numpy().tobytes() for m in optimizer.state_dict()["state"].values() for t in m.values()]
        gradients = [p.grad.numpy().tobytes() for p in net.parameters()]
        flags = [module.training for module in net.modules()]
        hooks = [len(module._hooks) for module in net.modules()]
        return state, memory, gradients, flags, hooks, default_generator().state()

    before = everything()
    layer_statistics(net, nn.CrossEntropyLoss(), x, y, optimizer)
    assert everything() == before
    with pytest.raises(Exception, match="target"):
        layer_statistics(net, nn.CrossEntropyLoss(), x, cr.zeros((3, 3, 3)))
    assert everything() == before


def test_a_layer_that_is_called_twice_and_one_that_is_not():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.unused = nn.Linear(3, 3), nn.Linear(3, 3)

        def forward(self, x):
            return self.a(self.a(x))

    x, _ = sample()
    found = layer_statistics(Twice(), nn.MSELoss(), x, cr.zeros((20, 3)))
    assert [layer.path for layer in found] == ["a"] and found[0].units == 6


def test_refusals():
    with pytest.raises(DataError, match="at least one row"):
        layer_statistics(nn.Linear(3, 2), nn.MSELoss(), cr.zeros((0, 3)), cr.zeros((0, 2)))
    found = layer_statistics(nn.Linear(3, 2), nn.MSELoss(), cr.ones((1, 3)), cr.zeros((1, 2)))
    assert [layer.path for layer in found] == ["Linear"]


# ---- the record of a run


def test_a_classification_run_is_recorded():
    x = cr.Generator(0).uniform((80, 4, 4))
    y = (x[:, :2].mean(axis=(1, 2)) > x[:, 2:].mean(axis=(1, 2))).astype(np.int64)
    about = {"class_names": ("low", "high"), "image_shape": (4, 4), "name": "halves"}
    train, test = Examples(x[:60], y[:60], **about), Examples(x[60:], y[60:], **about)
    trainer = Trainer(nn.Sequential(nn.Flatten(), nn.Linear(16, 3), nn.ReLU(), nn.Linear(3, 2)), metrics=["accuracy"])
    history = trainer.fit(train, validation=0.2, epochs=2, batch_size=10)
    shown = (x[60:] * 255).astype(np.uint8)
    record = make_record(
        trainer, history, train, test, shown=shown, rows_validation=12, settings={"lr": 1e-3}, outcome="two epochs"
    )
    assert record.task == "classification" and record.parameters == 16 * 3 + 3 + 3 * 2 + 2
    assert record.loss == "CrossEntropyLoss" and record.seed == 0 and record.settings == {"lr": 1e-3}
    assert record.data.class_counts == np.bincount(y[:60]).tolist() and record.data.features == 16
    assert record.test == trainer.evaluate(test)
    guess = trainer.predict(test).argmax(axis=1)
    assert record.confusion.sum() == 20 and np.trace(record.confusion) == (guess == y[60:]).sum()
    wrong = np.flatnonzero(guess != y[60:])
    assert len(record.wrong) == len(wrong)
    chances = [example.probability for example in record.wrong]
    assert chances == sorted(chances, reverse=True) and all(0.5 <= chance <= 1 for chance in chances)
    assert {example.image.tobytes() for example in record.wrong} == {shown[row].tobytes() for row in wrong}
    assert record.first_layer.shape == (3, 4, 4)
    assert [layer.kind for layer in record.layers] == ["Flatten", "Linear", "ReLU", "Linear"]
    assert record.layers[1].update_ratio is not None
    assert RunRecord.from_json(record.to_json()) == record
    assert "halves" in render_report(record)


def test_a_regression_run_is_recorded_in_the_targets_unit():
    x = cr.Generator(0).normal((50, 3))
    train = Examples(x, x[:, 0], name="numbers")
    trainer = Trainer(nn.Linear(3, 1), "mse", metrics=["mae"])
    record = make_record(trainer, trainer.fit(train), train, train, decode=lambda values: values * 10 + 5)
    np.testing.assert_allclose(record.regression.true, x[:, 0] * 10 + 5, rtol=1e-6)
    assert record.confusion is None and record.first_layer is None and record.wrong == []
    assert "numbers" in render_report(record)


def test_two_classes_with_one_output_are_recorded():
    x = cr.Generator(0).normal((30, 3))
    about = {"class_names": ("no", "yes"), "feature_names": ("a", "b", "c")}
    y = (x[:, 0] > 0).astype(np.int64)
    trainer = Trainer(nn.Sequential(nn.Linear(3, 1), nn.Flatten(0)), "bce_with_logits", metrics=["accuracy"], lr=1.0)
    examples = Examples(x, y, **about)
    record = make_record(trainer, trainer.fit(examples, epochs=1), examples, examples)
    assert np.trace(record.confusion) / 30 == pytest.approx(record.test["accuracy"])
    assert all(example.text.startswith("a ") for example in record.wrong)


def test_a_run_without_test_rows_is_recorded():
    x = cr.Generator(0).normal((10, 3))
    examples = Examples(x, x[:, 0])
    trainer = Trainer(nn.Linear(3, 1), "mse")
    record = make_record(trainer, trainer.fit(examples, epochs=1), examples)
    assert record.test == {} and record.data.rows_test == 0
