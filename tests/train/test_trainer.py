"""The Trainer gives what the loop written by hand gives, and accepts data, losses and settings in every form."""

import io
import itertools

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.core.errors import ConfigError, DataError, GradientError, ShapeError
from chainrule.data.dataset import Dataset, TensorDataset
from chainrule.data.examples import Examples
from chainrule.data.loader import DataLoader
from chainrule.train import ProgressBar, Trainer

ROWS = 60


def classes():
    generator = cr.Generator(3)
    x = generator.normal((ROWS, 4))
    return x, (x[:, 0] + x[:, 1] > 0).astype(np.int64) + (x[:, 2] > 1)


def amounts():
    x = cr.Generator(4).normal((ROWS, 3))
    return x, (x @ np.array([[1.0], [-2.0], [0.5]], np.float32) + 0.25).astype(np.float32)


def network(*sizes, last=()):
    cr.manual_seed(1)
    layers = []
    for a, b in itertools.pairwise(sizes):
        layers += [nn.Linear(a, b), nn.Tanh()]
    return nn.Sequential(*layers[:-1], *last)


def weights(model):
    return np.concatenate([p.numpy().ravel() for p in model.parameters()])


# ---- fit


def test_fit_is_the_loop_written_by_hand():
    x, y = classes()
    by_hand, by_trainer = network(4, 8, 3), network(4, 8, 3)
    loss_function, optimizer = nn.CrossEntropyLoss(), optim.Adam(by_hand.parameters(), lr=0.01)
    cr.manual_seed(0)
    losses = []
    loader = DataLoader(TensorDataset(x, y), batch_size=16, shuffle=True)
    for _ in range(3):
        total = 0.0
        for batch, targets in loader:
            optimizer.zero_grad()
            loss = loss_function(by_hand(batch), targets)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(targets)
        losses.append(total / ROWS)
    trainer = Trainer(by_trainer, "cross_entropy", "adam", lr=0.01, metrics=["accuracy"])
    history = trainer.fit((x, y), epochs=3, batch_size=16)
    np.testing.assert_array_equal(weights(by_trainer), weights(by_hand))
    assert history["loss"] == losses
    assert history["epoch"] == [1, 2, 3] and history["lr"] == [0.01] * 3
    assert list(history[0]) == ["epoch", "loss", "accuracy", "lr", "seconds"]
    assert trainer.history is history and trainer.epoch == 3 and trainer.step == 12


def test_a_seed_repeats_a_run_to_the_bit_and_another_does_not():
    x, y = classes()

    def run(seed):
        model = network(4, 16, 3, last=[nn.Dropout(0.1)])
        Trainer(model, optimizer="sgd", lr=0.1).fit((x, y), epochs=2, batch_size=7, seed=seed)
        return weights(model)

    np.testing.assert_array_equal(run(0), run(0))
    assert (run(0) != run(1)).any()


def test_seed_none_leaves_the_generator_alone():
    x, y = classes()
    cr.manual_seed(11)
    Trainer(nn.Linear(4, 3)).fit((x, y), epochs=1, shuffle=False, seed=None)
    after = cr.rand(1).item()
    cr.manual_seed(11)
    nn.Linear(4, 3)
    assert cr.rand(1).item() == after


def test_training_accuracy_is_over_the_predictions_of_the_steps():
    x, y = classes()
    model = network(4, 3)
    expected = float((model(cr.tensor(x)).numpy().argmax(1) == y).mean())
    history = Trainer(model, optimizer="sgd", lr=0.0, metrics=["accuracy"]).fit((x, y), epochs=1, batch_size=7)
    assert history["accuracy"] == [expected]


def test_many_small_batches_pass_through_the_meter_in_portions(monkeypatch):
    monkeypatch.setattr("chainrule.train.meter._MOST_WAITING", 20)
    test_training_accuracy_is_over_the_predictions_of_the_steps()


def test_xor_is_learned():
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    y = np.array([[0], [1], [1], [0]])
    trainer = Trainer(network(2, 8, 1), "bce_with_logits", "adam", metrics=["accuracy"], lr=0.05)
    history = trainer.fit((x, y), epochs=200, batch_size=4)
    assert history["accuracy"][-1] == 1.0 and history["loss"][-1] < 0.05
    assert trainer.evaluate((x, y))["accuracy"] == 1.0


def test_regression_recovers_the_line():
    x, y = amounts()
    model = nn.Linear(3, 1)
    history = Trainer(model, "mse", "sgd", lr=0.1, metrics=["mae", "r2"]).fit((x, y), epochs=60, batch_size=20)
    np.testing.assert_allclose(model.weight.numpy(), [[1, -2, 0.5]], atol=1e-3)
    assert history["r2"][-1] > 0.9999 and history["mae"][-1] < 1e-3


# ---- data in every form

KINDS = {
    "pair": lambda x, y: (x, y),
    "list": lambda x, y: [x, y],
    "tensors": lambda x, y: (cr.tensor(x), cr.tensor(y)),
    "float64": lambda x, y: (x.astype(np.float64), y.astype(np.int32)),
    "dataset": lambda x, y: TensorDataset(x, y),
    "examples": lambda x, y: Examples(x, y, class_names=("a", "b", "c")),
}


@pytest.mark.parametrize("kind", KINDS)
def test_all_kinds_of_data_train_alike(kind):
    x, y = classes()
    model, other = network(4, 3), network(4, 3)
    Trainer(model, lr=0.1).fit((x, y), epochs=2, batch_size=20)
    trainer = Trainer(other, lr=0.1)
    trainer.fit(KINDS[kind](x, y), epochs=2, batch_size=20)
    np.testing.assert_array_equal(weights(other), weights(model))
    assert set(trainer.evaluate(KINDS[kind](x, y))) == {"loss"}


def test_frames():
    pandas = pytest.importorskip("pandas")
    x, y = classes()
    frame = pandas.DataFrame(x, columns=list("abcd"))
    trainer = Trainer(network(4, 3))
    trainer.fit((frame, pandas.Series(y)), epochs=1)
    np.testing.assert_array_equal(trainer.predict(frame), trainer.predict(x))


def test_a_loader_keeps_its_own_settings():
    x, y = classes()
    loader = DataLoader(TensorDataset(x, y), batch_size=25, drop_last=True)
    trainer = Trainer(network(4, 3))
    trainer.fit(loader, epochs=2, batch_size=3)
    assert trainer.step == 4


def test_a_users_dataset_with_two_inputs():
    class Pairs(Dataset):
        def __len__(self):
            return 10

        def __getitem__(self, index):
            return np.float32([index]), np.float32([1]), np.float32([2 * index])

    class Product(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(1, 1)

        def forward(self, a, b):
            return self.layer(a * b)

    trainer = Trainer(Product(), "mse", "sgd", lr=0.01)
    history = trainer.fit(Pairs(), epochs=30, batch_size=5)
    assert history["loss"][-1] < 0.1 * history["loss"][0]
    assert trainer.predict(Pairs()).shape == (10, 1)


def test_bytes_become_floats_and_index_numbers_stay():
    images = (cr.Generator(0).uniform((12, 2, 2)) * 255).astype(np.uint8)
    seen = []

    class Look(nn.Module):
        def __init__(self, inside):
            super().__init__()
            self.inside = inside

        def forward(self, x):
            seen.append((x.dtype, float(x.numpy().max())))
            return self.inside(x)

    Trainer(Look(nn.Sequential(nn.Flatten(), nn.Linear(4, 2)))).fit(
        (images, np.arange(12) % 2), epochs=1, batch_size=12
    )
    assert seen == [(np.float32, float(images.max()))]
    words = np.arange(12) % 5
    model = Look(nn.Sequential(nn.Embedding(5, 3), nn.Linear(3, 2)))
    Trainer(model).fit((words, words % 2), epochs=1, batch_size=12)
    assert seen[-1] == (np.int64, 4.0)


def test_a_double_model_is_trained_in_double():
    x, y = amounts()
    model = nn.Linear(3, 1).double()
    Trainer(model, "mse").fit((x, y), epochs=1)
    assert model.weight.dtype == np.float64
    assert Trainer(model, "mse").predict(x).dtype == np.float64


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (np.zeros((3, 2)), ConfigError, r"fit\(\(x, y\)\)"),
        (7, ConfigError, "a int"),
        ((np.zeros((3, 2)), np.zeros(2)), ShapeError, "same number of rows"),
        ((np.zeros((0, 2)), np.zeros(0)), DataError, "without items"),
        (TensorDataset(np.zeros((3, 2))), DataError, r"let the data set's items be \(inputs, targets\)"),
    ],
)
def test_data_that_does_not_fit(data, error, message):
    with pytest.raises(error, match=message):
        Trainer(nn.Linear(2, 2)).fit(data)


def test_targets_are_not_reshaped_and_the_fix_is_told():
    x, y = amounts()
    with pytest.raises(ShapeError, match=r"reshape\(-1, 1\)"):
        Trainer(nn.Linear(3, 1), "mse").fit((x, y[:, 0]))


# ---- validation, evaluation, prediction


def test_validation_rows_are_measured_after_each_epoch():
    x, y = classes()
    model = network(4, 3)
    trainer = Trainer(model, lr=0.1, metrics=["accuracy"])
    history = trainer.fit((x[:40], y[:40]), validation=(x[40:], y[40:]), epochs=2, batch_size=10)
    result = trainer.evaluate((x[40:], y[40:]))
    assert history[-1]["val_loss"] == result["loss"] and history[-1]["val_accuracy"] == result["accuracy"]


def test_a_fraction_is_held_out_the_same_for_the_same_seed():
    x, y = classes()
    seen = []
    for _ in range(2):
        trainer = Trainer(network(4, 3))
        seen.append(trainer.fit((x, y), validation=0.25, epochs=1, batch_size=5)["val_loss"])
        assert trainer.step == 9
    assert seen[0] == seen[1]
    with pytest.raises(ConfigError, match="between 0 and 1"):
        trainer.fit((x, y), validation=1.5)
    with pytest.raises(ConfigError, match="split the data set first"):
        trainer.fit(DataLoader(TensorDataset(x, y)), validation=0.5)


def test_evaluate_is_exact_over_uneven_batches_and_leaves_the_model_alone():
    x, y = classes()
    model = network(4, 6, 3, last=[nn.BatchNorm1d(3), nn.Dropout(0.5)])
    model[0].eval()
    trainer = Trainer(model, metrics=["accuracy"])
    before = {name: tensor.numpy().copy() for name, tensor in model.state_dict().items()}
    whole = trainer.evaluate((x, y))
    parts = trainer.evaluate((x, y), batch_size=7)
    assert parts["accuracy"] == whole["accuracy"] and parts["loss"] == pytest.approx(whole["loss"], rel=1e-6)
    for name, tensor in model.state_dict().items():
        np.testing.assert_array_equal(tensor.numpy(), before[name])
    assert model.training and model[-1].training and not model[0].training


def test_predict_gives_what_it_was_given():
    x, _ = classes()
    model = network(4, 3, last=[nn.Dropout(0.9)])
    trainer = Trainer(model)
    outputs = trainer.predict(x, batch_size=7)
    assert type(outputs) is np.ndarray and outputs.shape == (ROWS, 3) and outputs.dtype == np.float32
    np.testing.assert_allclose(outputs, model.eval()(cr.tensor(x)).numpy(), rtol=1e-5, atol=1e-6)
    tensor = trainer.predict(cr.tensor(x), batch_size=7)
    assert isinstance(tensor, cr.Tensor) and not tensor.requires_grad
    np.testing.assert_array_equal(tensor.numpy(), outputs)
    assert trainer.predict(x.tolist()).shape == (ROWS, 3)
    assert trainer.predict(np.zeros((0, 4), np.float32)).shape == (0, 3)


# ---- losses, optimizers, schedules


@pytest.mark.parametrize(
    "loss",
    [
        "cross_entropy",
        nn.CrossEntropyLoss(),
        nn.functional.cross_entropy,
        lambda p, t: nn.functional.cross_entropy(p, t),
    ],
)
def test_losses_in_every_form(loss):
    x, y = classes()
    reference = Trainer(network(4, 3)).evaluate((x, y))["loss"]
    # An unknown function is given floats where the data has whole numbers, unless it says what it wants.
    data = (x, y) if getattr(loss, "__name__", "") != "<lambda>" else None
    if data is not None:
        assert Trainer(network(4, 3), loss).evaluate(data)["loss"] == reference


@pytest.mark.parametrize("name", ["mse", "l1", "mae", "huber", "smooth_l1", "bce_with_logits", "mse_loss"])
def test_losses_of_numbers_by_name(name):
    x, y = amounts()
    history = Trainer(nn.Linear(3, 1), name).fit((x, (y > 0) if "bce" in name else y), epochs=1)
    assert np.isfinite(history["loss"]).all()


OPTIMIZERS = {
    "name": lambda model: {"optimizer": "adam", "lr": 0.01},
    "capitals": lambda model: {"optimizer": "Adam", "lr": 0.01},
    "object": lambda model: {"optimizer": optim.Adam(model.parameters(), lr=0.01)},
    "class": lambda model: {"optimizer": optim.Adam, "lr": 0.01},
    "function": lambda model: {"optimizer": lambda parameters: optim.Adam(parameters, lr=0.01)},
}


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_optimizers_in_every_form(kind):
    x, y = classes()
    model = network(4, 3)
    Trainer(model, **OPTIMIZERS[kind](model)).fit((x, y), epochs=1)
    reference = network(4, 3)
    Trainer(reference, optimizer="adam", lr=0.01).fit((x, y), epochs=1)
    np.testing.assert_array_equal(weights(model), weights(reference))


@pytest.mark.parametrize("name", ["sgd", "adagrad", "adadelta", "rmsprop", "adam", "adamw", "nadam"])
def test_optimizers_by_name(name):
    x, y = amounts()
    history = Trainer(nn.Linear(3, 1), "mse", name).fit((x, y), epochs=3, batch_size=10)
    assert history["loss"][-1] < history["loss"][0]


def test_lbfgs_is_given_its_closure():
    x, y = amounts()
    model = nn.Linear(3, 1)
    optimizer = optim.LBFGS(model.parameters(), line_search_fn="strong_wolfe")
    history = Trainer(model, "mse", optimizer).fit((x, y), epochs=3, batch_size=ROWS, shuffle=False)
    assert history["loss"][-1] < 1e-8


def test_schedules_step_by_epoch_by_batch_and_by_measure():
    x, y = classes()

    def rates(schedule, epochs=3, **options):
        trainer = Trainer(network(4, 3), optimizer="sgd", lr=1.0, schedule=schedule, **options)
        return trainer.fit((x, y), epochs=epochs, batch_size=30)["lr"]

    assert rates(lambda o: optim.ExponentialLR(o, gamma=0.5)) == [1.0, 0.5, 0.25]
    one_cycle = rates(lambda o: optim.OneCycleLR(o, max_lr=1.0, total_steps=6, cycle_momentum=False))
    by_hand = optim.OneCycleLR(optim.SGD([cr.zeros(1)], lr=1.0), max_lr=1.0, total_steps=6, cycle_momentum=False)
    expected = []
    for step in range(1, 7):
        by_hand.step()
        expected += by_hand.get_last_lr() if step % 2 == 0 else []
    assert one_cycle == expected
    worse = rates(lambda o: optim.ReduceLROnPlateau(o, mode="max", patience=0, factor=0.1))
    assert worse == pytest.approx([1.0, 1.0, 0.1])
    optimizer = optim.SGD(network(4, 3).parameters(), lr=1.0)
    trainer = Trainer(network(4, 3), optimizer=optimizer, schedule=optim.StepLR(optimizer, 1, 0.5))
    assert trainer.fit((x, y), epochs=2)["lr"] == [1.0, 0.5]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loss": "cros_entropy"}, "did you mean 'cross_entropy'"),
        ({"loss": nn.MSELoss}, r"pass MSELoss\(\)"),
        ({"loss": 3}, "a name, a loss module"),
        ({"optimizer": "adamm"}, "adam, adamw"),
        ({"optimizer": "optimizer"}, "'optimizer'"),
        ({"optimizer": lambda parameters: 3}, "a int"),
        ({"optimizer": lambda parameters: 3, "lr": 0.1}, "set lr in the function"),
        ({"metrics": "accuracy"}, r"metrics=\['accuracy'\]"),
        ({"metrics": ["acuracy"]}, "did you mean 'accuracy'"),
        ({"schedule": 3}, "a schedule"),
        ({"schedule": lambda optimizer: 3}, "a schedule"),
        ({"class_weights": "even"}, "balanced"),
        ({"class_weights": [1.0, -1.0]}, "finite numbers from 0"),
    ],
)
def test_settings_that_do_not_fit(options, message):
    with pytest.raises(ConfigError, match=message):
        Trainer(nn.Linear(2, 2), **options)


def test_arguments_of_fit_that_do_not_fit():
    trainer = Trainer(nn.Linear(4, 3))
    for options, message in (
        ({"epochs": 0}, "epochs"),
        ({"epochs": 2.0}, "epochs"),
        ({"batch_size": 0}, "batch_size"),
        ({"callbacks": [print]}, "LambdaCallback"),
        ({"resume": True}, "pass checkpoint="),
    ):
        with pytest.raises(ConfigError, match=message):
            trainer.fit(classes(), **options)
    with pytest.raises(ConfigError, match="pass the model first"):
        Trainer("model")


# ---- weights and clipping


def test_fit_within_no_grad_names_it_and_within_enable_grad_trains():
    trainer = Trainer(network(3, 1), "mse", "sgd", lr=0.1)
    before = weights(trainer.model)
    with cr.no_grad():
        with pytest.raises(GradientError, match=r"^fit\(.*\n.*within no_grad\(\)") as error:
            trainer.fit(amounts(), epochs=1)
        assert "cr.enable_grad()" in error.value.fix and np.array_equal(weights(trainer.model), before)
        with cr.enable_grad():
            trainer.fit(amounts(), epochs=1)
    assert not np.array_equal(weights(trainer.model), before)


def test_class_weights_are_those_of_the_loss():
    x, y = classes()
    model, other = network(4, 3), network(4, 3)
    table = [0.5, 2.0, 4.0]
    Trainer(model, class_weights=table, optimizer="sgd", lr=0.1).fit((x, y), epochs=2, batch_size=12)
    Trainer(other, nn.CrossEntropyLoss(weight=table), "sgd", lr=0.1).fit((x, y), epochs=2, batch_size=12)
    np.testing.assert_allclose(weights(model), weights(other), rtol=1e-5, atol=1e-6)


def test_class_weights_as_dict_and_balanced():
    x, y = classes()
    counts = np.bincount(y)
    by_hand = {k: ROWS / (3 * count) for k, count in enumerate(counts.tolist())}
    models = [network(4, 3), network(4, 3), network(4, 3)]
    for model, given in zip(models, (by_hand, "balanced", None), strict=True):
        Trainer(model, class_weights=given).fit((x, y), epochs=1, batch_size=12)
    np.testing.assert_array_equal(weights(models[0]), weights(models[1]))
    assert (weights(models[0]) != weights(models[2])).any()
    with pytest.raises(DataError, match="a row of class 2"):
        Trainer(network(4, 3), class_weights=[1.0, 1.0]).fit((x, y))


def test_class_weights_for_two_classes_with_one_output():
    x, y = classes()
    y = (y > 0).astype(np.float32)[:, None]
    expected = nn.functional.binary_cross_entropy_with_logits(
        network(4, 1)(cr.tensor(x)), cr.tensor(y), weight=cr.tensor(1 + 2 * y)
    ).item()
    trainer = Trainer(network(4, 1), "bce_with_logits", class_weights={1: 3.0})
    assert trainer.evaluate((x, y))["loss"] == pytest.approx(expected * ROWS / (1 + 2 * y).sum(), rel=1e-6)


def test_a_row_of_weight_two_counts_as_two_rows():
    x, y = amounts()
    weight = np.ones(ROWS)
    weight[:10] = 2
    model, other = nn.Linear(3, 1), nn.Linear(3, 1)
    other.load_state_dict(model.state_dict())
    doubled = np.concatenate([x, x[:10]]), np.concatenate([y, y[:10]])
    one = Trainer(model, "mse", "sgd", lr=0.1, metrics=["mae"]).fit((x, y), batch_size=99, sample_weight=weight)
    two = Trainer(other, "mse", "sgd", lr=0.1, metrics=["mae"]).fit(doubled, batch_size=99)
    np.testing.assert_allclose(weights(model), weights(other), rtol=1e-5)
    np.testing.assert_allclose(one["loss"], two["loss"], rtol=1e-5)
    np.testing.assert_allclose(one["mae"], two["mae"], rtol=1e-5)


def test_rows_of_weight_zero_do_not_count_even_when_they_fill_a_batch():
    x, y = amounts()
    wild = y.copy()
    wild[:20] = 1e6
    weight = np.ones(ROWS)
    weight[:20] = 0
    model = nn.Linear(3, 1)
    history = Trainer(model, "mse", "sgd", lr=0.1).fit((x, wild), sample_weight=weight, batch_size=10, shuffle=False)
    assert np.isfinite(weights(model)).all() and history["loss"][-1] < 1


@pytest.mark.parametrize(
    ("weight", "message"), [(np.ones(3), r"\(60,\)"), (-np.ones(ROWS), "0 or more"), (np.full(ROWS, np.nan), "finite")]
)
def test_sample_weights_that_do_not_fit(weight, message):
    with pytest.raises((ShapeError, DataError), match=message):
        Trainer(nn.Linear(3, 1), "mse").fit(amounts(), sample_weight=weight)


def test_a_loss_that_gives_one_number_takes_no_weights():
    with pytest.raises(ConfigError, match="reduction="):
        Trainer(nn.Linear(3, 1), lambda p, t: ((p - t) ** 2).mean()).fit(amounts(), sample_weight=np.ones(ROWS))


def test_gradients_are_clipped_before_the_step():
    x, y = amounts()
    for options, size in (({"clip_norm": 1e-3}, 1e-3), ({"clip_value": 1e-3}, 2e-3)):
        model = nn.Linear(3, 1)
        before = weights(model)
        Trainer(model, "mse", "sgd", lr=1.0, **options).fit((x, y * 100), epochs=1, batch_size=ROWS)
        assert np.linalg.norm(weights(model) - before) == pytest.approx(size, rel=1e-3)


# ---- progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_the_bar_shows_epoch_loss_and_metric():
    from chainrule.train.callbacks import CallbackList

    screen = Terminal()
    trainer = Trainer(network(4, 3), metrics=["accuracy"])
    trainer.fit(classes(), validation=0.2, epochs=3, callbacks=[ProgressBar(file=screen)], progress=False)
    text = screen.getvalue()
    assert "epoch 3/3" in text and "100 %" in text
    assert f"loss {trainer.row['loss']:.4f}" in text and f"val_accuracy {trainer.row['val_accuracy']:.4f}" in text
    assert isinstance(trainer.events, CallbackList)


def test_the_bar_is_quiet_where_nobody_looks(capsys):
    Trainer(network(4, 3)).fit(classes(), epochs=1)
    Trainer(network(4, 3)).fit(classes(), epochs=1, progress=False)
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err == ""


def test_the_bar_refreshes_at_most_ten_times_a_second(monkeypatch):
    import time

    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    shown = []
    bar = ProgressBar(file=Terminal())
    original = bar._show
    monkeypatch.setattr(bar, "_show", lambda *arguments: (shown.append(now[0]), original(*arguments)))
    from chainrule.train import LambdaCallback

    clock = LambdaCallback(on_batch_end=lambda trainer, result: now.__setitem__(0, now[0] + 0.01))
    Trainer(network(4, 3)).fit(classes(), epochs=2, batch_size=1, callbacks=[clock, bar])
    assert 10 <= len(shown) <= 14
