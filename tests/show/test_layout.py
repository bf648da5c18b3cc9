"""The layout: columns follow the flow, nothing overlaps, wires end where they should, rows keep within the page."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.show.layout import COLUMNS, Box, End, Wire, arrange, isotonic
from chainrule.show.svg import curve


def box(length: float = 30.0, half: float = 15.0, place: str = "", pull: float = 1.0) -> Box:
    return Box(length, half, half, place, pull)


def wire(source: Box, *targets: Box) -> Wire:
    return Wire(source, [End(target, position=i) for i, target in enumerate(targets)])


def overlap(a: Box, b: Box) -> bool:
    along = a.along < b.along + b.length and b.along < a.along + a.length
    across = a.across - a.before < b.across + b.after and b.across - b.before < a.across + a.after
    return along and across


def check(boxes: list[Box], wires: list[Wire], limit: float = float("inf")) -> None:
    """What holds for every drawing."""
    arranged = arrange(boxes, wires, limit)
    for a, b in itertools.combinations(boxes, 2):
        assert not overlap(a, b)
    for b in boxes:
        assert b.along >= -0.01 and b.along + b.length <= arranged.length + 0.01
        assert b.across - b.before >= arranged.top - 0.01 and b.across + b.after <= arranged.bottom + 0.01
    for w in wires:
        for end in w.ends:
            start, finish = end.route[0][0], end.route[-1][-1]
            assert start == pytest.approx((w.source.along + w.source.length, w.source.across + w.port))
            assert finish == pytest.approx((end.box.along, end.box.across + end.port))
            if limit == float("inf"):
                assert w.source.along + w.source.length < end.box.along, "wires run forward"


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[Box], list[Wire]]:
    count = draw(st.integers(1, 18))
    boxes = [box(draw(st.sampled_from([0.0, 20.0, 60.0, 140.0])), draw(st.floats(3, 50))) for _ in range(count)]
    wires = []
    for i, source in enumerate(boxes[:-1]):
        users = draw(st.lists(st.integers(i + 1, count - 1), max_size=4))
        if users:
            wires.append(wire(source, *(boxes[u] for u in users)))
        elif draw(st.booleans()):
            source.place = "late"
    return boxes, wires


@given(graphs())
def test_any_graph_is_drawn_without_overlap(graph: tuple[list[Box], list[Wire]]) -> None:
    check(*graph)


@given(graphs(), st.floats(100, 600))
def test_rows_keep_everything_apart_too(graph: tuple[list[Box], list[Wire]], limit: float) -> None:
    check(*graph, limit)


def test_a_tree_has_no_crossings_and_each_node_stands_between_its_inputs() -> None:
    leaves = [box() for _ in range(8)]
    level, wires, boxes = leaves, [], list(leaves)
    while len(level) > 1:
        above = []
        for a, b in zip(level[::2], level[1::2], strict=True):
            parent = box()
            wires += [Wire(a, [End(parent, -5.0, 0)]), Wire(b, [End(parent, 5.0, 1)])]
            above.append(parent)
        boxes += above
        level = above
    assert arrange(boxes, wires).crossings == 0
    check(boxes, wires)
    assert [b.across for b in leaves] == sorted(b.across for b in leaves)
    assert level[0].across == pytest.approx(np.mean([b.across for b in leaves]))


def test_a_chain_is_straight() -> None:
    boxes = [box(half=float(5 + i % 3 * 10)) for i in range(40)]
    arrange(boxes, [wire(a, b) for a, b in itertools.pairwise(boxes)])
    assert len({round(b.across, 6) for b in boxes}) == 1


def test_side_inputs_do_not_bend_the_main_line() -> None:
    main = [box() for _ in range(6)]
    wires, boxes = [wire(a, b) for a, b in itertools.pairwise(main)], list(main)
    for user in main[1:]:
        parameter = box(60.0, 12.0, "late", 0.004)
        boxes.append(parameter)
        wires.append(Wire(parameter, [End(user, 8.0, 1)]))
    check(boxes, wires)
    assert max(b.across for b in main) - min(b.across for b in main) < 1.0


def test_late_boxes_stand_just_before_their_user() -> None:
    a, b, c, late = box(), box(), box(), box(place="late")
    arrange([a, b, c, late], [wire(a, b), wire(b, c), wire(late, c)])
    assert late.along == b.along
    early = box()
    arrange([a, b, c, early], [wire(a, b), wire(b, c), wire(early, c)])
    assert early.along == a.along


def test_ports_stand_at_the_ends() -> None:
    first, last = box(0.0, 2.0, "first"), box(0.0, 2.0, "last")
    a, b, early = box(), box(), box(place="late")
    boxes = [first, a, b, early, last]
    check(boxes, [wire(first, a), wire(a, b), wire(early, a), wire(a, last)])
    assert first.along == min(x.along for x in boxes) and last.along == max(x.along + x.length for x in boxes)
    # A port is never a row by itself.
    wide = [box(400.0) for _ in range(3)]
    first, last = box(0.0, 2.0, "first"), box(0.0, 2.0, "last")
    arrange([first, *wide, last], [wire(x, y) for x, y in itertools.pairwise([first, *wide, last])], 500.0)
    assert abs(first.across - wide[0].across) < 30 and abs(last.across - wide[2].across) < 30
    assert wide[1].across > wide[0].across + 30


def test_crossings_are_reduced() -> None:
    """Two columns that are drawn crosswise at first: sorting finds the order without crossings."""
    left, right, ends = [box() for _ in range(5)], [box() for _ in range(5)], box()
    wires = [wire(a, b) for a, b in zip(left, reversed(right), strict=True)]
    wires += [Wire(b, [End(ends, position=i)]) for i, b in enumerate(right)]
    assert arrange([*left, *right, ends], wires).crossings == 0
    # K(3,3) cannot be drawn without: its least number between two columns is 9.
    a, b = [box() for _ in range(3)], [box() for _ in range(3)]
    assert arrange([*a, *b], [wire(x, *b) for x in a]).crossings == 9


def test_long_chains_break_into_rows_of_about_one_length() -> None:
    boxes = [box(100.0) for _ in range(23)]
    arranged = arrange(boxes, [wire(a, b) for a, b in itertools.pairwise(boxes)], 700.0)
    rows = [list(group) for _, group in itertools.groupby(boxes, key=lambda b: round(b.across))]
    assert [len(row) for row in rows] == sorted((len(row) for row in rows), reverse=True) and len(rows) == 5
    assert max(map(len, rows)) - min(map(len, rows[:-1])) <= 1
    assert arranged.length < 700 + 60
    # The wire that turns goes round outside: right of the row, then left, then in.
    turning = arrange(boxes, wires := [wire(a, b) for a, b in itertools.pairwise(boxes)], 700.0)
    bend = wires[len(rows[0]) - 1].ends[0].route[-1]
    assert max(x for x, _ in bend) > rows[0][-1].along + 100 and min(x for x, _ in bend) < rows[1][0].along
    assert turning.crossings == 0


def test_a_break_is_where_few_wires_cross_it() -> None:
    """A wire that spans columns 3 to 5 keeps them in one row."""
    boxes = [box(100.0) for _ in range(8)]
    wires = [wire(a, b) for a, b in itertools.pairwise(boxes)]
    wires += [wire(boxes[3], boxes[5]) for _ in range(3)]
    arrange(boxes, wires, 5 * 100 + 6 * COLUMNS)
    lines = [round(b.across / 40) for b in boxes[3:6]]
    assert len(set(lines)) == 1 or max(lines) - min(lines) <= 1


@given(
    st.lists(st.tuples(st.floats(-100, 100), st.floats(0.1, 10), st.floats(0, 30)), min_size=1, max_size=8),
)
def test_isotonic_is_the_best_under_the_gaps(rows: list[tuple[float, float, float]]) -> None:
    wanted, weights, gaps = [r[0] for r in rows], [r[1] for r in rows], [r[2] for r in rows[1:]]
    found = isotonic(wanted, weights, gaps)
    assert all(b - a >= gap - 1e-6 for (a, b), gap in zip(itertools.pairwise(found), gaps, strict=True))

    def cost(places: list[float]) -> float:
        return sum(w * (p - x) ** 2 for p, x, w in zip(places, wanted, weights, strict=True))

    best = cost(found)
    # No single block can be moved for the better.
    for i, j in itertools.combinations_with_replacement(range(len(found)), 2):
        for step in (-0.01, 0.01):
            moved = [p + step if i <= k <= j else p for k, p in enumerate(found)]
            if all(b - a >= gap - 1e-9 for (a, b), gap in zip(itertools.pairwise(moved), gaps, strict=True)):
                assert cost(moved) >= best - 1e-6


def test_a_long_graph_takes_linear_time_and_does_not_recurse() -> None:
    boxes = [box() for _ in range(3000)]
    arranged = arrange(boxes, [wire(a, b) for a, b in itertools.pairwise(boxes)], 1000.0)
    assert arranged.crossings == 0 and arranged.bottom - arranged.top > 1000


def test_curves_leave_and_arrive_along_the_flow() -> None:
    assert curve([[(0, 0), (10, 0)], [(30, 20)]]) == "M0.0 0.0L10.0 0.0C20.0 0.0 20.0 20.0 30.0 20.0"
    assert curve([[(0, 0), (0, 10)], [(20, 30)]], down=True) == "M0.0 0.0L0.0 10.0C0.0 20.0 20.0 20.0 20.0 30.0"
    assert curve([[(0, 0), (10, 0)], [(30, 0)]]) == "M0.0 0.0L10.0 0.0L30.0 0.0"
    assert "Q20.0 0.0" in curve([[(0, 0), (20, 0), (20, 40)]]), "corners are round"
