"""The tensor: how it is made, its element type, what may change in place, what it prints."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import chainrule as cr


class Frame:
    """What a column of pandas or polars looks like from here."""

    def to_numpy(self) -> np.ndarray:
        return np.array([1.0, 2.0])


# ---- made from data


@pytest.mark.parametrize(
    ("data", "dtype"),
    [
        (1.0, "float32"), (1, "int64"), (True, "bool"), ([1.0, 2], "float32"), ([1, 2], "int64"), ([], "float32"),
        ([[]], "float32"), ([True, False], "bool"), (np.ones(2), "float64"), (np.ones(2, "f4"), "float32"),
        (np.float64(1), "float64"), (np.float32(1), "float32"), (np.ones(2, "i4"), "int32"), (np.ones(2, "u1"), "uint8"),
        (np.zeros(0), "float64"), (Frame(), "float64"), (range(3), "int64"), ((1.0, 2.0), "float32"),
        (np.ones(2, ">f8"), "float64"),
    ],
)  # fmt: skip
def test_dtype_of_new_tensors(data: object, dtype: str) -> None:
    assert cr.tensor(data).dtype == dtype


def test_dtype_asked_for() -> None:
    assert cr.tensor([1, 2], dtype=cr.float64).dtype == "float64"
    assert cr.tensor([1.7, -1.7], dtype="int64").tolist() == [1, -1]
    with pytest.raises(cr.DTypeError, match="float16"):
        cr.tensor([1.0], dtype="float16")


@pytest.mark.parametrize(
    "data", [np.ones(2, np.float16), np.ones(2, np.int8), np.ones(2, complex), [None], "a", [b"a"]]
)
def test_other_elements_are_refused(data: object) -> None:
    with pytest.raises(cr.DTypeError):
        cr.tensor(data)


def test_tensors_in_lists() -> None:
    rows = [cr.tensor([1.0, 2.0]), cr.tensor([3.0, 4.0])]
    assert cr.tensor(rows).tolist() == [[1, 2], [3, 4]] and cr.tensor(rows).dtype == "float32"
    assert cr.tensor(cr.tensor([1.0], dtype="float64")).dtype == "float64"
    assert cr.tensor([1.0, cr.tensor(2.0)]).dtype == "float32"  # float64 never appears uninvited


def test_a_new_tensor_is_a_copy() -> None:
    data = np.array([1.0, 2.0])
    x = cr.tensor(data)
    data[0] = 9
    assert x.tolist() == [1.0, 2.0]


def test_what_it_is() -> None:
    x = cr.zeros(2, 3, 4)
    assert (x.shape, x.ndim, x.dim(), x.numel(), x.size(), x.size(-1), len(x)) == ((2, 3, 4), 3, 3, 24, (2, 3, 4), 4, 2)
    assert x.aval is cr.Aval.of((2, 3, 4), "float32") and x.is_leaf and not x.requires_grad
    assert [row.shape for row in x] == [(3, 4)] * 2
    assert x.T.shape == (4, 3, 2) and x.permute(2, 0, 1).shape == (4, 2, 3) and x.transpose(0, 2).shape == (4, 3, 2)
    assert x.view(-1).shape == (24,) and x.flatten(1).shape == (2, 12) and x.unsqueeze(0).shape == (1, 2, 3, 4)
    with pytest.raises(cr.ShapeError, match=r"t\.item\(\) for its number"):
        len(cr.tensor(1.0))


# ---- its numbers


def test_numpy_is_a_read_only_view() -> None:
    x = cr.tensor([1.0, 2.0])
    assert x.numpy().base is not None
    with pytest.raises(ValueError, match="read-only"):
        x.numpy()[0] = 5


def test_asarray_does_not_open_a_way_to_change_a_tensor() -> None:
    x = cr.tensor([1.0, 2.0])
    array = np.asarray(x)
    if array.flags.writeable:
        array[0] = 9.0
    assert x.tolist() == [1.0, 2.0]
    assert np.array(x).flags.writeable and np.asarray(x, "float64").dtype == "float64"


def test_python_numbers() -> None:
    assert (float(cr.tensor([2.5])), int(cr.tensor(3)), bool(cr.tensor([[0.0]])), [5, 6, 7][cr.tensor(1)]) == (
        2.5,
        3,
        False,
        6,
    )
    assert f"{cr.tensor(0.12345):.2f}" == "0.12" and f"{cr.tensor(1.0)}" == "tensor(1.)"
    assert type(cr.tensor(1).item()) is int and type(cr.tensor(True).item()) is bool
    with pytest.raises(cr.ShapeError, match="one element"):
        cr.tensor([1.0, 2.0]).item()
    with pytest.raises(cr.DTypeError, match="whole numbers"):
        [1, 2][cr.tensor(1.0)]


@pytest.mark.parametrize(
    ("tensor", "text"),
    [
        (cr.tensor([1.0, 2.5]), "tensor([1. , 2.5])"),
        (cr.tensor([[1, 2], [3, 4]]), "tensor([[1, 2],\n        [3, 4]])"),
        (cr.tensor([1.0], dtype="float64"), "tensor([1.], dtype=float64)"),
        (cr.tensor([1], dtype="uint8"), "tensor([1], dtype=uint8)"),
        (cr.tensor([True]), "tensor([ True])"),
        (cr.tensor(3.0, requires_grad=True), "tensor(3., requires_grad=True)"),
        (cr.tensor(3.0, requires_grad=True) * 2, "tensor(6., made_by=multiply)"),
        (cr.zeros(0, 3), "tensor([])"),
        (cr.Parameter([1.0]), "Parameter([1.])"),
    ],
)
def test_printing(tensor: cr.Tensor, text: str) -> None:
    assert repr(tensor).replace(", shape=(0, 3)", "") == text


def test_no_pickle() -> None:
    with pytest.raises(TypeError, match=r"cr\.save"):
        pickle.dumps(cr.tensor([1.0]))


def test_deepcopy_is_independent() -> None:
    x = cr.Parameter([1.0, 2.0])
    (x * x).sum().backward()
    y = copy.deepcopy(x)
    assert type(y) is cr.Parameter and y.requires_grad and y.grad.tolist() == [2, 4]
    y.data.fill_(0)
    y.grad.zero_()
    assert x.tolist() == [1, 2] and x.grad.tolist() == [2, 4]


def test_missing_attributes() -> None:
    with pytest.raises(AttributeError, match="'Tensor' object has no attribute 'expp'"):
        cr.tensor(1.0).expp()
    assert not hasattr(cr.tensor(1.0), "__len_hint__")


# ---- arithmetic with others


def test_numpy_leaves_mixed_expressions_to_the_tensor() -> None:
    x, a = cr.tensor([1.0, 2.0], dtype="float64"), np.array([10.0, 20.0])
    for out in (a * x, x * a, np.float64(3) * x, a @ x, x @ a):
        assert type(out) is cr.Tensor
    assert (a - x).tolist() == [9, 18] and (x - a).tolist() == [-9, -18]
    assert (np.float64(2) * cr.tensor([1.0])).dtype == "float32"


def test_operators() -> None:
    x, y = cr.tensor([4.0, 9.0]), cr.tensor([2.0, 3.0])
    assert [(x + y).tolist(), (x - y).tolist(), (x * y).tolist(), (x / y).tolist()] == [
        [6, 12],
        [2, 6],
        [8, 27],
        [2, 3],
    ]
    assert [(1 + x).tolist(), (1 - x).tolist(), (2 * x).tolist(), (36 / x).tolist()] == [
        [5, 10],
        [-3, -8],
        [8, 18],
        [9, 4],
    ]
    assert [(x**0.5).tolist(), (2**y).tolist(), (-x).tolist(), abs(-x).tolist()] == [[2, 3], [4, 8], [-4, -9], [4, 9]]
    assert [(x > 5).tolist(), (x <= 4).tolist(), (x == 4).tolist(), (x != 4).tolist(), (x < y).tolist(), (x >= y).tolist()] == [
        [False, True], [True, False], [True, False], [False, True], [False, False], [True, True]
    ]  # fmt: skip
    p, q = cr.tensor([True, True]), cr.tensor([True, False])
    assert [(p & q).tolist(), (p | q).tolist(), (p ^ q).tolist(), (~q).tolist()] == [
        [True, False], [True, True], [False, True], [False, True]
    ]  # fmt: skip
    assert (x @ y).item() == 35 and (cr.eye(2) @ x).tolist() == [4, 9]


def test_reductions_take_both_spellings() -> None:
    x = cr.tensor([[1.0, 2.0], [3.0, 5.0]])
    assert x.sum(axis=0).tolist() == x.sum(dim=0).tolist() == [4, 7]
    assert x.mean(axis=1, keepdims=True).tolist() == x.mean(dim=1, keepdim=True).tolist() == [[1.5], [4]]
    values, indices = x.max(dim=1)
    assert (values.tolist(), indices.tolist()) == ([2, 5], [1, 1]) and x.max(axis=1).tolist() == [2, 5]
    assert x.var(dim=1).tolist() == [0.5, 2] and cr.var(x, axis=1).tolist() == [0.25, 1]
    assert x.softmax(-1).sum(-1).tolist() == pytest.approx([1, 1])
    assert x.all().item() and not (x > 1).all().item() and (x > 4).any().item()


@pytest.mark.parametrize("name", ["float", "double", "long", "int", "bool"])
def test_cast_methods(name: str) -> None:
    expected = {"float": "float32", "double": "float64", "long": "int64", "int": "int32", "bool": "bool"}[name]
    assert getattr(cr.tensor([0.0, 1.5]), name)().dtype == expected


def test_devices() -> None:
    x = cr.tensor([1.0])
    assert x.to("cpu") is x and x.cpu() is x and x.to(cr.float64).dtype == "float64"
    with pytest.raises(cr.ChainruleError, match="cpu"):
        x.to("cuda:0")


# ---- changes in place


def test_in_place_methods() -> None:
    x = cr.zeros(2, 2)
    assert x.fill_(3) is x and x.tolist() == [[3, 3], [3, 3]]
    x.copy_([1.0, 2.0]), x.mul_(2), x.add_(1, alpha=3), x.sub_(1), x.div_(2), x.clamp_(max=2.5)
    assert x.tolist() == [[2, 2.5], [2, 2.5]]
    assert x.zero_().tolist() == [[0, 0], [0, 0]]
    x.uniform_(2, 3)
    assert x.numpy().min() >= 2 and x.numpy().max() < 3 and len(set(x.flatten().tolist())) == 4
    x.normal_(100, 0.01)
    assert abs(x.mean().item() - 100) < 0.1


def test_setitem() -> None:
    x = cr.zeros(2, 3)
    x[0] = 1
    x[:, 2] = cr.tensor([5.0, 6.0])
    x[x == 0] = -1
    x[cr.tensor([1]), 0] = 7
    assert x.tolist() == [[1, 1, 5], [7, -1, 6]]
    with pytest.raises(cr.ShapeError, match="index into"):
        x[5] = 1
    with pytest.raises(cr.ShapeError):
        x[0] = [1.0, 2.0]


def test_what_was_taken_before_stays() -> None:
    """A change in place makes the name point to a new value; views, copies and results keep the old one."""
    x = cr.tensor([1.0, 2.0])
    before, row, doubled = x.numpy(), x[:1], x * 2
    x[0] = 9
    x += 1
    assert x.tolist() == [10, 3]
    assert (before.tolist(), row.tolist(), doubled.tolist()) == ([1, 2], [1], [2, 4])


def test_data_changes_the_tensor_itself() -> None:
    w = cr.Parameter([1.0, 2.0])
    w.data.fill_(5)
    assert w.tolist() == [5, 5] and w.requires_grad and w.is_leaf
    w.data[0] = 1
    w.data += 1
    assert w.tolist() == [2, 6]
    w.data = cr.tensor([0.5, 0.5])
    assert w.tolist() == [0.5, 0.5] and w.requires_grad
    assert not w.data.requires_grad


def test_shape_and_dtype_stay_in_place() -> None:
    x = cr.tensor([1.0, 2.0])
    with pytest.raises(cr.ShapeError, match="a change in place"):
        x += cr.ones(3, 2)
    x.mul_(cr.tensor([2, 3]))
    assert x.dtype == "float32" and x.tolist() == [2, 6]


def test_whole_numbers_do_not_lose_a_fraction_in_place() -> None:
    counts = cr.tensor([1, 2])
    counts += 1
    assert counts.tolist() == [2, 3]
    with pytest.raises(cr.DTypeError):
        counts += 0.5


def test_leaves_that_learn_change_under_no_grad_only() -> None:
    w = cr.Parameter([1.0])
    for change in (lambda: w.add_(1), lambda: w.fill_(1), lambda: w.__setitem__(0, 1)):
        with pytest.raises(cr.GradientError, match=r"no_grad|needs none"):
            change()
    with cr.no_grad():
        w -= 0.25
        w[0] = w[0] * 2
    assert w.item() == 1.5 and w.is_leaf and w.requires_grad


def test_requires_grad_switches() -> None:
    x = cr.tensor([1.0])
    assert x.requires_grad_().requires_grad and not x.requires_grad_(False).requires_grad
    y = cr.tensor([1.0], requires_grad=True) * 2
    with pytest.raises(cr.GradientError, match="detach"):
        y.requires_grad = False
    assert not y.detach().requires_grad and y.detach().tolist() == [2]


def test_tensors_hash_by_identity() -> None:
    x, y = cr.tensor([1.0]), cr.tensor([1.0])
    assert len({x, y}) == 2 and {x: "a"}[x] == "a"


@pytest.mark.parametrize("make", [cr.zeros, cr.ones, cr.rand, cr.randn])
def test_made_from_nothing(make: object) -> None:
    assert make(2, 3).shape == make((2, 3)).shape == make([2, 3]).shape == (2, 3)  # type: ignore[operator]
    assert make(2, dtype=cr.float64).dtype == "float64"  # type: ignore[operator]


def test_ranges_and_constants() -> None:
    assert cr.arange(2, 8, 3).tolist() == [2, 5] and cr.arange(3).dtype == "int64"
    assert cr.arange(0, 1, 0.25).dtype == "float32" and cr.linspace(0, 1, 5).tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert cr.full((2,), 3).dtype == "int64" and cr.full((2,), 3.0).dtype == "float32" and cr.eye(3).sum().item() == 3
    assert cr.zeros_like(cr.ones(2, dtype="int32")).dtype == "int32"
    shared = np.ones(2)
    assert np.shares_memory(cr.from_numpy(shared).numpy(), shared)
