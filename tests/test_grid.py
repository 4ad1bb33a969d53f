"""How members are laid side by side, and which members a sweep spans."""

import dataclasses
import os
import threading

import jax
import numpy as np
import pytest
from helpers import SIX, SIXTEEN, SWEEP

from sandwich_jax import grid, lane_layout
from sandwich_jax.members import members_of
from sandwich_jax.types import SettingError

# --- layout -------------------------------------------------------------------------------------


def test_a_layout_that_does_not_fit_says_what_would():
    count = len(jax.local_devices())
    with pytest.raises(SettingError, match=f"devices is {count + 1}, but this process has {count}"):
        lane_layout.layout(devices=count + 1)
    with pytest.raises(SettingError, match="leave group out"):
        lane_layout.layout("loop", group=2)
    assert lane_layout.layout("vmap", group=3).width == 3 * count


@pytest.mark.parametrize("mode", ["map", "vmap"])
def test_groups_fill_up_and_keep_their_places(mode):
    where = lane_layout.layout(mode, devices=1, group=2)
    add = lane_layout.map_lanes(lambda lane, shared: lane["x"] + shared, where)
    lanes = [{"x": np.float32(i)} for i in range(5)]
    calls = list(add(lanes, np.float32(10)))
    assert [places for places, _ in calls] == [[0, 1], [2, 3], [4]]
    assert [float(x) for _, found in calls for x in found] == [10, 11, 12, 13, 14]


def test_calls_at_a_time_give_what_calls_by_turns_give():
    where = dataclasses.replace(lane_layout.layout("loop", devices=1), workers=3)
    lanes = [{"x": np.float32(i)} for i in range(7)]
    double, square = (
        lane_layout.map_lanes(fn, where)
        for fn in (lambda lane, y: lane["x"] * 2 + y, lambda lane, y: lane["x"] ** 2 + y)
    )
    y = np.float32(1)
    found = list(lane_layout.at_once([double.parts(lanes, y), square.parts(lanes[:2], y)], where))
    order = [(0, [k]) for k in range(7)] + [(1, [0]), (1, [1])]
    assert [(one.program, one.places) for one in found] == order
    values = [float(x) for one in found for x in one.results]
    assert values == [2 * k + 1 for k in range(7)] + [1, 2]
    assert where.width == 3 and where.together == 1


def test_a_failed_call_is_raised_and_what_has_not_begun_is_dropped():
    where = dataclasses.replace(lane_layout.layout("loop", devices=1), workers=2)
    begun, gate = [], threading.Event()

    def fail():
        raise SettingError("no")

    def late(k):
        begun.append(k)
        gate.wait()

    parts = [([0], fail), *(([k], lambda k=k: late(k)) for k in range(1, 9))]
    with pytest.raises(SettingError, match="no"):
        list(lane_layout.at_once([parts], where))
    gate.set()
    assert len(begun) <= 3


def test_one_call_a_core_of_a_cpu(monkeypatch):
    monkeypatch.setenv("NPROC", "5")
    assert lane_layout.layout("loop", devices=1).workers == 5
    monkeypatch.delenv("NPROC")
    assert lane_layout.layout("loop", devices=1).workers == len(os.sched_getaffinity(0))


def test_a_group_is_sized_from_the_compiler_s_memory_figures():
    def fn(lane, shared):
        return (lane[:, None] * shared[None]).sum(0)

    lane, shared = np.zeros(1000, np.float32), (np.zeros(1000, np.float32),)

    def fitting(memory, most):
        return lane_layout.fitting_group(lambda group: fn, lane, shared, memory, most)

    assert fitting(0, 64) == 1
    few, many = fitting(100_000, 1000), fitting(1_000_000, 1000)
    assert 1 < few < many < 1000
    assert fitting(10**9, 8) == 8


# --- the grid -----------------------------------------------------------------------------------


def test_the_grid_of_two_misalignments():
    parts = grid.parse(SIXTEEN)
    assert [p.member.name for p in parts[:2]] == ["never_ask", "never_ask"]
    assert len({part.id for part in parts}) == len(parts) == 16
    assert [(p.protocol, p.misalignment) for p in grid.programs(parts)] == [
        ("never_ask", "random_move"),
        ("always_follow", "random_move"),
        ("always_follow", "policy_noise"),
    ]
    wider = grid.parse(SIXTEEN | {"p": [0.0, 0.1, 0.3, 0.6], "every": [1, 2], "seeds": 3})
    assert {part.id for part in parts} <= {part.id for part in wider}
    assert sum(part.member.protocol == "never_ask" for part in wider) == 3


def test_traced_numbers_share_a_program():
    parts = grid.parse(SWEEP | {"learning_rate": [1e-3, 2e-3], "temperature": [0.3, 0.6]})
    assert len(grid.programs(parts)) == 2 and len(parts) == 4 * SIX


def test_knobs_of_protocols_are_axes_of_those_that_use_them():
    axes = {"protocol": ["prior_gate", "majority", "value_gate"], "tau": [0.01, 0.1],
            "samples": [3, 5], "delta": [0.1, 0.2, 0.3]}  # fmt: skip
    parts = grid.parse(SWEEP | axes)
    count = {name: 0 for name in (*axes["protocol"], "never_ask")}
    for part in parts:
        count[part.member.protocol] += 1
    assert count == {"prior_gate": 8, "majority": 8, "value_gate": 12, "never_ask": 2}
    # tau and delta are traced; a number of samples is a program of its own.
    assert len(grid.programs(parts)) == 1 + 1 + 2 + 1
    assert len(grid.cells(parts)) == 4 + 4 + 6 + 1


def test_a_misalignment_that_comes_later_joins_by_name(monkeypatch):
    from sandwich_jax.misalign import transforms

    added = {"late": transforms.TRANSFORMS["random_move"]}
    monkeypatch.setattr(transforms, "TRANSFORMS", transforms.TRANSFORMS | added)
    parts = grid.parse(SWEEP | {"misalignment": ["random_move", "late"]})
    assert {part.config.misalignment for part in parts} == {"random_move", "late"}


def test_a_member_is_a_run_of_one_member():
    for part in grid.parse(SIXTEEN):
        assert len(members_of(part.config)) == 1
