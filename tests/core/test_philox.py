"""Random numbers: the authors' known answers, moments, and a stream that is a function of key and counter."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

import chainrule as cr
from chainrule.core import philox
from chainrule.core.errors import ConfigError
from chainrule.core.philox import Generator, permutation, philox4x32, random_bits

# Random123's kat_vectors file, lines "philox4x32 10": counter, key, answer.
KNOWN_ANSWERS = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]


def words(text: str) -> list[int]:
    return [int(word, 16) for word in text.split()]


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN_ANSWERS)
def test_known_answers(counter: str, key: str, answer: str) -> None:
    low, high = words(key)
    assert philox4x32(np.array([words(counter)], np.uint32), (low, high))[0].tolist() == words(answer)


def test_bits_are_a_function_of_key_and_counter() -> None:
    """The stream from counter 5 on is the stream from 0 on, five blocks later; 64-bit counters carry over."""
    assert random_bits(9, 5, 40).tolist() == random_bits(9, 0, 60)[20:].tolist()
    assert random_bits(9, 2**32 - 1, 8).tolist()[4:] == random_bits(9, 2**32, 4).tolist()
    assert random_bits(2**40 + 9, 0, 4).tolist() != random_bits(9, 0, 4).tolist()
    many = 4 * philox._AT_ONCE + 12
    assert random_bits(9, 3, many).tolist()[-20:] == random_bits(9, 3 + many // 4 - 5, 20).tolist()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_uniform_moments(dtype: type) -> None:
    n = 200_000
    x = Generator(1).uniform((n,), dtype)
    assert x.dtype == dtype and x.min() >= 0 and x.max() < 1
    assert abs(x.mean(dtype=np.float64) - 1 / 2) < 5 * math.sqrt(1 / 12 / n)
    assert abs(x.var(dtype=np.float64) - 1 / 12) < 5 * math.sqrt(1 / 180 / n)
    counts = np.histogram(x, 100, (0, 1))[0]
    assert ((counts - n / 100) ** 2 / (n / 100)).sum() < 160  # chi-square, 99 degrees: 1 in 10,000 lies above


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_normal_moments(dtype: type) -> None:
    n = 200_000
    x = Generator(2).normal((n,), dtype).astype(np.float64)
    assert np.isfinite(x).all()
    for power, moment, variance in [(1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)]:
        assert abs((x**power).mean() - moment) < 5 * math.sqrt(variance / n), power
    assert abs((x[0::2] * x[1::2]).mean()) < 5 / math.sqrt(n / 2)  # the two of a Box-Muller pair
    assert abs((np.abs(x) > 2).mean() - 0.04550) < 0.0025


@pytest.mark.parametrize("n", [2, 3, 4])
def test_permutations_are_uniform(n: int) -> None:
    """Chi-square over all orders of n things: 99.99 % of true ones lie below the limit."""
    draws, limit = 6000, {2: 15.2, 3: 25.8, 4: 58.7}[n]
    orders = dict.fromkeys(itertools.permutations(range(n)), 0)
    for counter in range(draws):
        orders[tuple(permutation(5, counter * 2, n).tolist())] += 1
    expected = draws / len(orders)
    assert sum((count - expected) ** 2 / expected for count in orders.values()) < limit


def test_permutation_holds_each_number_once() -> None:
    assert sorted(Generator(3).permutation(1000).tolist()) == list(range(1000))
    assert Generator(3).permutation(0).tolist() == []


@pytest.mark.parametrize("n", [1, 2, 5, 100, 4097, 300_000])
@pytest.mark.parametrize(("key", "counter"), [(0, 0), (2**64 - 1, 2**32 - 7)])
def test_permutation_is_the_stable_order_of_uniform_numbers(n: int, key: int, counter: int) -> None:
    """Of 300,000 numbers, some ten pairs agree in their first 32 bits."""
    expected = np.argsort(philox.uniform(key, counter, (n,), np.float64), kind="stable")
    order = permutation(key, counter, n)
    assert order.dtype == np.int64 and np.array_equal(order, expected)


@pytest.mark.parametrize("values", [1, 3, 1000])
def test_permutation_settles_ties_by_all_bits_and_then_by_place(values: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def few_words(key: int, counter: int, count: int) -> np.ndarray:
        """The first word one of few, the second one of three that differ in the bits that count."""
        rng = np.random.default_rng(key)
        pairs = np.stack([rng.integers(0, values, count // 2) * 2**20, rng.integers(0, 3, count // 2) << 11], axis=1)
        return pairs.astype(np.uint32).reshape(-1)

    monkeypatch.setattr(philox, "random_bits", few_words)
    expected = np.argsort(philox.uniform(4, 0, (2000,), np.float64), kind="stable")
    assert np.array_equal(permutation(4, 0, 2000), expected)


def test_bernoulli_and_integers() -> None:
    n = 100_000
    assert abs(Generator(4).bernoulli(0.3, (n,)).mean() - 0.3) < 5 * math.sqrt(0.21 / n)
    whole = Generator(5).integers(-2, 3, (n,))
    assert whole.dtype == np.int64 and set(whole.tolist()) == {-2, -1, 0, 1, 2}
    assert np.abs(np.bincount(whole + 2) - n / 5).max() < 5 * math.sqrt(n * 0.16)


def test_state_is_two_integers_that_continue_the_stream() -> None:
    generator = Generator(7)
    generator.normal((3,))
    state = generator.state()
    assert set(state) == {"key", "counter"} and all(type(v) is int for v in state.values())
    first = generator.uniform((5,)).tolist()
    other = Generator(99)
    other.set_state(state)
    assert other.uniform((5,)).tolist() == first


def test_draws_do_not_overlap() -> None:
    generator = Generator(8)
    drawn = np.concatenate([generator.uniform((n,)) for n in (1, 2, 3, 4, 5, 1000)])
    assert len(set(drawn.tolist())) > 1010  # 24 bits: a pair of 1015 may be equal by chance


@pytest.mark.parametrize("seed", [0, 1, -1, 2**63, 2**64 - 1])
def test_any_whole_number_is_a_seed(seed: int) -> None:
    a, b = (cr.randn(4, generator=Generator(seed)) for _ in range(2))
    assert a.tolist() == b.tolist()
    assert a.tolist() != cr.randn(4, generator=Generator(seed + 1)).tolist()


def test_functions_draw_what_the_generator_draws() -> None:
    """The op and the generator's method give the same bits, and move on as far."""
    mine, theirs = Generator(11), Generator(11)
    assert cr.uniform((3, 2), generator=mine).numpy().tolist() == theirs.uniform((3, 2)).tolist()
    assert cr.normal((5,), dtype="float64", generator=mine).tolist() == theirs.normal((5,), np.float64).tolist()
    assert cr.permutation(6, mine).tolist() == theirs.permutation(6).tolist()
    assert mine.state() == theirs.state()


def test_manual_seed_repeats_the_default_stream() -> None:
    cr.manual_seed(5)
    a, b = cr.rand(3).tolist(), cr.rand(3).tolist()
    cr.manual_seed(5)
    assert [cr.rand(3).tolist(), cr.rand(3).tolist()] == [a, b] and a != b


@pytest.mark.parametrize(
    "call", [lambda: cr.bernoulli(1.5, 3), lambda: cr.randint(3, 3), lambda: cr.rand(2, generator=1)]
)
def test_wrong_arguments_are_refused(call: object) -> None:
    with pytest.raises(ConfigError):
        call()  # type: ignore[operator]
