"""Many runs as one program: members of a sweep side by side, over lanes and devices."""

from __future__ import annotations

import dataclasses
import functools
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent import futures
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from sandwich_jax.types import SettingError
from sandwich_jax.words import MemberMode

MEMORY_SHARE = 0.8
"""Of a device's memory, for the members that it runs at a time."""


def default_mode() -> MemberMode:
    """What suits this machine."""
    return "loop" if jax.default_backend() == "cpu" else "vmap"


# --- layout -------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Layout:
    """How members lie on the devices of this process; static."""

    mode: MemberMode
    devices: tuple[Any, ...]
    group: int = 1
    """Members of one device in one call."""
    workers: int = 1
    """Calls at a time, a thread each: how one CPU device keeps all cores busy."""

    @property
    def together(self) -> int:
        """Members of one call."""
        return self.group * len(self.devices)

    @property
    def width(self) -> int:
        """Members at work at the same time."""
        return self.together * self.workers


def layout(
    mode: MemberMode | None = None, devices: int | None = None, group: int | None = None
) -> Layout:
    """A layout over this process's devices.

    Args:
        mode: what suits the machine if None.
        devices: how many to use; all if None.
        group: members of one device at a time; 1 if None.

    Raises:
        SettingError: the numbers do not fit this machine or one another.
    """
    local = jax.local_devices()
    if devices is not None and not 1 <= devices <= len(local):
        raise SettingError(
            f"devices is {devices}, but this process has {len(local)}: choose 1"
            + (f" to {len(local)}." if len(local) > 1 else ".")
        )
    mode = mode or default_mode()
    if group is not None and group < 1:
        raise SettingError(f"group is {group}: it must be at least 1.")
    if mode == "loop" and group not in (None, 1):
        raise SettingError(
            f"group is {group}, but mode 'loop' runs one member of a device at a time: leave group"
            " out, or choose mode 'map' or 'vmap'."
        )
    chosen = tuple(local[:devices])
    workers = cores() if _one_call_a_core(mode, chosen) else 1
    return Layout(mode, chosen, group or 1, workers)


def _one_call_a_core(mode: MemberMode, devices: Sequence[Any]) -> bool:
    """On one CPU device, whose operators are too small for all cores.

    Each call is the very program that would run alone, on as many threads: its bits are the same.
    """
    return jax.default_backend() == "cpu" and len(devices) == 1 and mode != "vmap"


def cores() -> int:
    """Processors that this process may use, or NPROC where it is set, as XLA counts them."""
    named = os.environ.get("NPROC", "")
    return int(named) if named.isdigit() and int(named) else len(os.sched_getaffinity(0))


def fitting_group(
    fn_of: Callable[[int], Callable[..., Any]],
    lane: Any,
    shared: Sequence[Any],
    memory: int,
    most: int,
) -> int:
    """Members of a vmapped group that fit into so many bytes, from 1 to `most`.

    Measured on what the compiler says of `most` members and, where they do not fit, of a quarter
    of them; between and below, a line through both. The gradients of a large group come in small
    pieces, so that the line is that of play and of what members carry.

    Args:
        fn_of: the program of one member in a group of so many, see `sandwich.lane_round`.
        lane: a member.
        shared: what all members share.
        memory: bytes.
        most: members at most.
    """

    def needed(count: int) -> int:
        lanes = jax.tree.map(lambda x: jax.ShapeDtypeStruct((count, *x.shape), x.dtype), lane)
        program = _mapped(fn_of(count), "vmap").lower(lanes, tuple(shared)).compile()
        found = program.memory_analysis()
        return (
            found.temp_size_in_bytes
            + found.argument_size_in_bytes
            + found.output_size_in_bytes
            - found.alias_size_in_bytes
        )

    all_of_them = needed(most)
    if all_of_them <= memory or most == 1:
        return most
    few = max(1, most // 4)
    quarter = needed(few)
    each = max((all_of_them - quarter) / (most - few), 1)
    return int(np.clip(few + (memory - quarter) // each, 1, most - 1))


def free_memory(device: Any) -> int | None:
    """Bytes that members may take on a device, or None where it does not say."""
    stats = device.memory_stats()
    if not stats or "bytes_limit" not in stats:
        return None
    return int((stats["bytes_limit"] - stats.get("bytes_in_use", 0)) * MEMORY_SHARE)


# --- mapping ------------------------------------------------------------------------------------


Part = tuple[list[int], Callable[[], list[Any]]]
"""Places among the lanes, and the call that gives their results."""


@dataclasses.dataclass(frozen=True)
class Mapped:
    """One program over lanes, see `map_lanes`."""

    call: Callable[[list[Any], tuple], list[Any]]
    where: Layout

    def __call__(self, lanes: Sequence[Any], *shared: Any) -> Iterator[tuple[list[int], list[Any]]]:
        """Places and results, call by call."""
        for one in at_once([self.parts(lanes, *shared)], self.where):
            yield one.places, one.results

    def parts(self, lanes: Sequence[Any], *shared: Any) -> list[Part]:
        """The calls that these lanes take."""
        return [self._part(lanes, start, shared) for start in range(0, len(lanes), self._step)]

    @property
    def _step(self) -> int:
        return self.where.together

    def _part(self, lanes: Sequence[Any], start: int, shared: tuple) -> Part:
        places = list(range(start, min(start + self._step, len(lanes))))
        return places, lambda: self.call([lanes[i] for i in places], shared)


def map_lanes(fn: Callable[..., Any], where: Layout) -> Mapped:
    """`(lanes, *shared) -> places and results`, call by call, of `fn(lane, *shared)`.

    Every call is the same compiled program, also on one device: one of few members is filled up
    with the last one. On CPU its bits depend on the number of threads that XLA has, the larger of
    processors (or NPROC) and devices, which sums are shared out among.

    Lanes are pytrees of one shape, without typed keys; `shared` should come from `share`.
    """
    mapped, sharding = _over_devices(fn, where)
    compiling = threading.Lock()

    def call(chosen: list[Any], shared: tuple) -> list[Any]:
        count = len(chosen)
        chosen = chosen + [chosen[-1]] * (where.together - count)
        stacked = jax.tree.map(lambda *x: np.stack(x), *jax.device_get(chosen))
        with compiling:  # the first call compiles; the others find it done
            results = mapped(jax.device_put(stacked, sharding), shared)
        results = jax.device_get(results)
        return [pick(results, i) for i in range(count)]

    return Mapped(call, where)


class Called(NamedTuple):
    """A call that is over."""

    program: int
    places: list[int]
    """Among the lanes of its program."""
    results: list[Any]
    seconds: float
    """That it took, others beside it."""


def at_once(programs: Sequence[Sequence[Part]], where: Layout) -> Iterator[Called]:
    """The calls of several programs, in their order.

    As many at a time as the layout has workers; they go on while others are waited for.
    """
    every = [(i, *part) for i, parts in enumerate(programs) for part in parts]
    if where.workers == 1:
        yield from (_timed(*one) for one in every)
        return
    waiting = [_pool(where.workers).submit(_timed, *one) for one in every]
    try:
        yield from (one.result() for one in waiting)
    finally:  # stopped before the end: what has not begun never will
        for one in waiting:
            one.cancel()


def _timed(program: int, places: list[int], call: Callable[[], list[Any]]) -> Called:
    start = time.monotonic()
    return Called(program, places, call(), time.monotonic() - start)


@functools.cache
def _pool(workers: int) -> futures.ThreadPoolExecutor:
    return futures.ThreadPoolExecutor(workers, "members")


def share(tree: Any, where: Layout) -> Any:
    """`tree` on every device of the layout, once."""
    return jax.device_put(tree, NamedSharding(_mesh(where), PartitionSpec()))


def _mesh(where: Layout) -> Mesh:
    return Mesh(np.asarray(where.devices), ("member",), axis_types=(AxisType.Auto,))


def _mapped(fn: Callable[..., Any], mode: MemberMode) -> Any:
    """Jitted `(lanes [P], shared) -> results [P]` of one device."""
    return jax.jit(lambda lanes, shared: _block(fn, mode, lanes, shared))


def _block(fn: Callable[..., Any], mode: MemberMode, lanes: Any, shared: tuple) -> Any:
    def one(lane: Any) -> Any:
        return fn(lane, *shared)

    if mode == "vmap":
        return jax.vmap(one)(lanes)
    if size(lanes) > 1:
        return jax.lax.map(one, lanes)
    return jax.tree.map(lambda x: x[None], one(pick(lanes, 0)))


def _over_devices(fn: Callable[..., Any], where: Layout) -> tuple[Any, Any]:
    mesh, lanes = _mesh(where), PartitionSpec("member")
    sharded = jax.shard_map(
        lambda block, shared: _block(fn, where.mode, block, shared),
        mesh=mesh,
        in_specs=(lanes, PartitionSpec()),
        out_specs=lanes,
        check_vma=False,
    )
    return jax.jit(sharded), NamedSharding(mesh, lanes)


def size(member: Any) -> int:
    """Number of members P of a stacked tree."""
    return jax.tree.leaves(member)[0].shape[0]


def pick(member: Any, index: int) -> Any:
    """One member of a stacked tree."""
    return jax.tree.map(lambda x: x[index], member)
