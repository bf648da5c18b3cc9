"""What some labs hold of their own: the game of the pole, and how their curves are read."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule.labs import autoencoder, pretrain, reinforce


def pushed(states: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The game one step later, and which poles are down."""
    game = reinforce.CartPole(len(states), np.random.default_rng(0))
    game.state = states
    return game, game.push(right)


def random_states(count: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(1)
    return random.uniform(-1, 1, (count, 4)) * [2.4, 3.0, 0.2, 3.0], random.integers(0, 2, count)


# ---- the game


def test_the_pole_moves_as_mechanics_wants() -> None:
    """The two equations of motion, solved as a linear system for both accelerations."""
    states, right = random_states(50)
    game, _ = pushed(states, right)
    cart, pole, half, gravity, time = 1.0, 0.1, 0.5, 9.8, 0.02
    for state, push, moved in zip(states, right, game.state, strict=True):
        place, speed, angle, turning = state
        force = 10.0 if push else -10.0
        motion = [[cart + pole, pole * half * np.cos(angle)], [np.cos(angle), 4 / 3 * half]]
        causes = [force + pole * half * turning**2 * np.sin(angle), gravity * np.sin(angle)]
        pulling, falling = np.linalg.solve(motion, causes)
        wanted = place + time * speed, speed + time * pulling, angle + time * turning, turning + time * falling
        np.testing.assert_allclose(moved, wanted, rtol=1e-12, atol=1e-14)


def test_a_pole_is_down_beyond_the_limits_of_place_and_angle() -> None:
    edge = np.radians(12)
    states = np.array(
        [[2.39, 0, 0, 0], [2.41, 0, 0, 0], [-2.41, 0, 0, 0], [0, 0, edge - 1e-6, 0], [0, 0, -edge - 1e-6, 0]]
    )
    _, down = pushed(states, np.ones(5))
    assert down.tolist() == [False, True, True, False, True]


def test_it_is_gymnasiums_cart_pole_to_rounding() -> None:
    gymnasium = pytest.importorskip("gymnasium")
    theirs = gymnasium.make("CartPole-v1").unwrapped
    states, right = random_states(500)
    game, down = pushed(states, right)
    for state, push, moved, fell in zip(states, right, game.state, down, strict=True):
        theirs.reset(seed=0)
        theirs.state = state.copy()
        _, point, over, _, _ = theirs.step(int(push))
        np.testing.assert_allclose(moved, theirs.state, rtol=1e-14, atol=1e-15)
        assert (over, point) == (fell, 1.0)


def test_an_episode_ends_for_each_pole_when_it_is_down() -> None:
    states, pushes, stood = reinforce.episodes(lambda seen: 0.5, 20, np.random.default_rng(2))
    made = stood.sum(axis=0)
    assert made.min() >= 8 and made.max() < 200 and stood[0].all()
    for pole, steps in enumerate(made):
        assert stood[:steps, pole].all() and not stood[steps:, pole].any()
        last = states[steps - 1, pole] * [2.4, 2.0, 0.2, 2.0]
        assert pushed(last[None].astype(float), pushes[steps - 1, pole : pole + 1])[1].all()
        assert (np.abs(states[:steps, pole, 0]) <= 1).all()


def test_points_to_come_are_discounted_and_end_with_the_episode() -> None:
    stood = np.array([[True, True], [True, False], [True, False], [False, False]])
    ahead = reinforce.to_come(stood, discount=0.5)
    assert ahead.tolist() == [[1.75, 1.0], [1.5, 0.0], [1.0, 0.0], [0.0, 0.0]]


def test_what_is_seen_leads_to_the_two_scores_probability() -> None:
    share = reinforce.right_share(np.array([[0.0, 0.0], [1.0, 3.0]]))
    np.testing.assert_allclose(share, [0.5, np.exp(3) / (np.exp(1) + np.exp(3))])


# ---- reading results


def test_rows_needed_are_read_between_the_points_on_a_logarithmic_scale() -> None:
    counts, curve = [10, 100, 1000], np.array([50.0, 70.0, 90.0])
    assert pretrain.rows_needed(curve, counts, 70.0) == pytest.approx(100)
    assert pretrain.rows_needed(curve, counts, 80.0) == pytest.approx(10**2.5)
    assert pretrain.rows_needed(curve, counts, 90.1) == np.inf
    # A dip does not count: the accuracy has been reached before.
    assert pretrain.rows_needed(np.array([50.0, 90.0, 70.0]), counts, 70.0) == pytest.approx(10**1.5)


def test_the_vote_goes_to_the_most_frequent_digit_nearby() -> None:
    codes = np.array([[0.0, 0.0], [0.1, 0.0], [0.0, 0.1], [5.0, 5.0], [5.1, 5.0], [5.0, 5.1]])
    digits = np.array([3, 3, 8, 8, 1, 1])
    queries = np.array([[0.05, 0.05], [5.05, 5.05]])
    assert autoencoder.vote(codes, digits, queries, neighbours=3).tolist() == [3, 1]


def test_the_share_of_pairs_counts_a_tie_as_half() -> None:
    scores, odd = np.array([0.9, 0.5, 0.5, 0.1]), np.array([True, True, False, False])
    assert autoencoder.share_of_pairs(scores, odd) == pytest.approx((1 + 1 + 0.5 + 1) / 4)
