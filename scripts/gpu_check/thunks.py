"""Reads XLA's list of thunks: how often a program makes the host wait for the device.

A loop whose turns are not known, or a conditional, costs the host one read of a predicate, unless
it lies within a command buffer: then the device decides by itself.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Sequence

_THUNK = re.compile(r"^( *)\d+: (k\w+)")


@dataclasses.dataclass
class Thunk:
    """A loop, a conditional, or (as the root) the whole program; others are left out."""

    kind: str
    indent: int
    in_graph: bool
    """Within a command buffer."""
    inside: list[Thunk] = dataclasses.field(default_factory=list)

    def loops(self) -> Iterator[Thunk]:
        """All loops in it, each before those within it."""
        for thunk in self.inside:
            if thunk.kind == "kWhile":
                yield thunk
            yield from thunk.loops()


def parse(text: str) -> Thunk:
    """The tree of loops and conditionals in XLA's `thunk_sequence_after_thunk_passes`."""
    root = Thunk("program", -1, False)
    path: list[Thunk] = [root]
    for line in text.splitlines():
        found = _THUNK.match(line)
        if not found:
            continue
        indent, kind = len(found[1]), found[2]
        while path[-1].indent >= indent:
            path.pop()
        graph = path[-1].in_graph or path[-1].kind == "kCommandBuffer"
        thunk = Thunk(kind, indent, graph)
        if kind in ("kWhile", "kConditional", "kCommandBuffer"):
            path[-1].inside.append(thunk)
            path.append(thunk)
    return root


def host_reads(thunk: Thunk, trips: dict[int, int | None]) -> float:
    """Reads of one run of `thunk`: of one turn if it is a loop.

    Args:
        thunk: the program or a loop.
        trips: turns of the loops by `id`, None where XLA does not know them (they count once).
    """
    if thunk.kind == "kWhile" and not thunk.in_graph and trips[id(thunk)] is None:
        return 1 + _within(thunk, trips)
    return _within(thunk, trips)


def _within(thunk: Thunk, trips: dict[int, int | None]) -> float:
    total = 0.0
    for inner in thunk.inside:
        if inner.kind == "kWhile":
            total += (trips[id(inner)] or 1) * host_reads(inner, trips)
        elif inner.kind == "kConditional":
            total += (not inner.in_graph) + _within(inner, trips)
        else:
            total += _within(inner, trips)
    return total


def trips_by_loop(root: Thunk, known: Sequence[int | None]) -> dict[int, int | None]:
    """Turns by loop, given those of the module's loops in order; none where the lists differ."""
    found = list(root.loops())
    pairs = known if len(known) == len(found) else [None] * len(found)
    return {id(loop): turns for loop, turns in zip(found, pairs, strict=True)}
