"""DataLoader: batches, collation, and an order that a checkpoint continues to the bit."""

from __future__ import annotations

import json
from collections import namedtuple

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.errors import CheckpointError, ConfigError, DataError, ShapeError
from chainrule.core.philox import Generator, default_generator, manual_seed
from chainrule.data.dataset import Dataset, Subset, TensorDataset
from chainrule.data.loader import DataLoader, default_collate

NUMBERS = TensorDataset(np.arange(10))


def batches(iterable) -> list[list[int]]:
    return [batch[0].numpy().tolist() for batch in iterable]


def flat(iterable) -> list[int]:
    return [number for batch in batches(iterable) for number in batch]


class Xor(Dataset):
    """A data set as the slides write it."""

    def __init__(self):
        self.x = [[0, 0], [0, 1], [1, 0], [1, 1]]
        self.y = [[0], [1], [1], [0]]

    def __len__(self):
        return len(self.x)

    def __getitem__(self, index):
        return cr.tensor(np.array(self.x[index], np.float32)), cr.tensor(np.array(self.y[index], np.float32))


@pytest.mark.parametrize(
    ("size", "drop", "expected"),
    [
        (4, False, [4, 4, 2]),
        (4, True, [4, 4]),
        (5, True, [5, 5]),
        (10, False, [10]),
        (99, False, [10]),
        (1, False, [1] * 10),
    ],
)
def test_batch_sizes_and_length(size, drop, expected):
    loader = DataLoader(NUMBERS, batch_size=size, drop_last=drop)
    assert [len(batch) for batch in batches(loader)] == expected
    assert len(loader) == len(expected)


def test_slides_data_set_is_stacked():
    ((x, y),) = DataLoader(Xor(), batch_size=4, shuffle=False)
    assert x.numpy().tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]] and y.numpy().tolist() == [
        [0],
        [1],
        [1],
        [0],
    ]
    assert x.dtype == y.dtype == np.float32


def test_gathered_and_stacked_batches_are_equal():
    x, y = np.random.default_rng(0).normal(size=(23, 3, 2)).astype(np.float32), np.arange(23) % 4
    gathered = TensorDataset(x, y)
    stacked = [(x[i], y[i]) for i in range(23)]
    for ours, theirs in zip(
        DataLoader(Subset(gathered, range(23)), 5, True, generator=3),
        DataLoader(stacked, 5, True, generator=3),
        strict=True,
    ):
        for a, b in zip(ours, theirs, strict=True):
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_shuffle_visits_every_row_once_in_a_new_order_each_epoch():
    loader = DataLoader(NUMBERS, 3, shuffle=True, generator=0)
    first, second = flat(loader), flat(loader)
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second and first != list(range(10))


def test_same_seed_same_order_and_generator_draws_it():
    expected = Generator(5).permutation(10).tolist()
    assert flat(DataLoader(NUMBERS, 4, shuffle=True, generator=5)) == expected
    assert flat(DataLoader(NUMBERS, 4, shuffle=True, generator=Generator(5))) == expected
    manual_seed(5)
    assert flat(DataLoader(NUMBERS, 4, shuffle=True)) == expected


def test_without_shuffle_no_random_number_is_used():
    manual_seed(1)
    before = default_generator().state()
    batches(DataLoader(NUMBERS, 4))
    assert default_generator().state() == before


def test_two_iterators_side_by_side_do_not_disturb_each_other():
    loader = DataLoader(NUMBERS, 4, shuffle=True, generator=2)
    expected = [batches(loader), batches(loader)]
    again = DataLoader(NUMBERS, 4, shuffle=True, generator=2)
    pairs = list(zip(again, again, strict=True))
    assert [batches(a for a, _ in pairs), batches(b for _, b in pairs)] == expected


@pytest.mark.parametrize("own_generator", [True, False])
@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("done", [0, 1, 2, 3])
def test_restored_loader_yields_the_remaining_batches_then_the_next_epochs(done, shuffle, own_generator):
    manual_seed(11)
    loader = DataLoader(NUMBERS, 4, shuffle=shuffle, generator=7 if own_generator else None)
    batches(loader)  # an epoch before the one that is interrupted
    epoch = iter(loader)
    for _ in range(done):
        next(epoch)
        default_generator().uniform((5,))  # dropout draws from the default generator between batches
    state = json.loads(json.dumps(loader.state_dict()))
    interrupted = default_generator().state()
    expected = [batches(epoch), batches(loader), batches(loader), default_generator().uniform((3,)).tolist()]

    manual_seed(999)
    restored = DataLoader(NUMBERS, 4, shuffle=shuffle, generator=123 if own_generator else None)
    default_generator().set_state(interrupted)
    restored.load_state_dict(state)
    assert restored.state_dict() == state  # before it is used, it saves what it loaded
    assert [batches(restored), batches(restored), batches(restored)] == expected[:3]
    assert len(expected[0]) == 3 - done
    assert default_generator().uniform((3,)).tolist() == expected[3]


def test_state_between_epochs_begins_a_whole_epoch():
    loader = DataLoader(NUMBERS, 4, shuffle=True, generator=1)
    batches(loader)
    state = loader.state_dict()
    assert state["epoch"] is None
    expected = batches(loader)
    fresh = DataLoader(NUMBERS, 4, shuffle=True, generator=50)
    fresh.load_state_dict(state)
    assert batches(fresh) == expected and len(expected) == 3


def test_state_holds_the_generator_at_the_start_of_the_epoch():
    generator = Generator(4)
    loader = DataLoader(NUMBERS, 4, shuffle=True, generator=generator)
    start = generator.state()
    next(iter(loader))
    assert loader.state_dict()["epoch"] == {"generator": start, "position": 1}


def test_state_of_other_data_or_settings_is_refused():
    state = DataLoader(NUMBERS, 4, shuffle=True).state_dict()
    with pytest.raises(CheckpointError, match="batch_size 4"):
        DataLoader(NUMBERS, 5, shuffle=True).load_state_dict(state)
    with pytest.raises(CheckpointError, match="length 10"):
        DataLoader(TensorDataset(np.arange(9)), 4, shuffle=True).load_state_dict(state)
    with pytest.raises(CheckpointError, match="without epoch"):
        DataLoader(NUMBERS, 4, shuffle=True).load_state_dict({k: v for k, v in state.items() if k != "epoch"})


def test_collate_fn_gets_the_items():
    loader = DataLoader([3, 4, 5], batch_size=2, collate_fn=lambda items: sum(items))
    assert list(loader) == [7, 5]


def test_collate_numbers_and_nested_items():
    Pair = namedtuple("Pair", "x y")
    x, y = default_collate([Pair(1.5, True), Pair(2.5, False)])
    assert x.dtype == np.float32 and y.dtype == np.bool_ and x.numpy().tolist() == [1.5, 2.5]
    batch = default_collate([{"a": [1, 2], "name": "p"}, {"a": [3, 4], "name": "q"}])
    assert [part.numpy().tolist() for part in batch["a"]] == [[1, 3], [2, 4]] and batch["name"] == ["p", "q"]
    assert default_collate([np.float64(1), np.float64(2)]).dtype == np.float64
    assert default_collate([1, 2]).dtype == np.int64 and default_collate([1, 2.5]).dtype == np.float32


def test_collate_agrees_with_pytorch():
    torch_collate = pytest.importorskip("torch.utils.data").default_collate
    items = [(np.full((2, 3), i, np.float32), i, {"b": np.int32(i)}) for i in range(4)]
    ours, theirs = default_collate(items), torch_collate(items)
    pairs = [(ours[0], theirs[0]), (ours[1], theirs[1]), (ours[2]["b"], theirs[2]["b"])]
    for a, b in pairs:
        np.testing.assert_array_equal(a.numpy(), b.numpy())
        assert a.numpy().dtype == b.numpy().dtype


@pytest.mark.parametrize(
    ("items", "error", "message"),
    [
        ([np.zeros(2), np.zeros(3)], ShapeError, r"item 0 of shape \(2,\) and item 1 of shape \(3,\)"),
        ([(1, 2), (1,)], ShapeError, "different numbers of parts"),
        ([{"a": 1}, {"b": 1}], DataError, "without 'a'"),
        ([None, None], DataError, "item 0 of the batch is a NoneType"),
        ([object()], DataError, "collate_fn"),
    ],
)
def test_items_that_do_not_stack_are_refused(items, error, message):
    with pytest.raises(error, match=message):
        default_collate(items)


@pytest.mark.parametrize("size", [0, -1, 2.0, None, True, "4"])
def test_batch_size_outside_its_domain(size):
    with pytest.raises(ConfigError, match="batch_size"):
        DataLoader(NUMBERS, batch_size=size)


def test_nothing_to_load_is_refused():
    with pytest.raises(DataError, match="without items"):
        DataLoader([])
    with pytest.raises(DataError, match="no batch is left"):
        DataLoader(NUMBERS, batch_size=11, drop_last=True)
    with pytest.raises(ConfigError, match="TensorDataset"):
        DataLoader(range(3).__iter__())
    with pytest.raises(ConfigError, match="random generator"):
        DataLoader(NUMBERS, generator="seed")


def test_rows_of_a_memory_map_are_read_batch_by_batch(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(40, dtype=np.float32).reshape(10, 4))
    loader = DataLoader(TensorDataset(np.load(tmp_path / "x.npy", mmap_mode="r")), 4, shuffle=True, generator=0)
    assert sorted(value for (x,) in loader for value in x.numpy().ravel().tolist()) == list(range(40))
