"""Reads the text of an optimised HLO module: what XLA made of a program."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import NamedTuple

SIZE = {"pred": 1, "s8": 1, "u8": 1, "bf16": 2, "f16": 2, "s16": 2, "u16": 2, "s32": 4, "u32": 4,
        "f32": 4, "s64": 8, "u64": 8, "f64": 8}  # fmt: skip
"""Bytes of an element."""
FREE = {"parameter", "constant", "get-tuple-element", "tuple", "bitcast", "after-all",
        "opt-barrier", "add-dependency", "partition-id",
        "replica-id", "copy-done", "async-done"}  # fmt: skip
"""Instructions that launch nothing."""
SHAPE = re.compile(r"\b([a-z]+\d*)\[([\d,]*)\]")
_INSTRUCTION = re.compile(r"^  (?:ROOT )?%([\w.\-]+) = (\(.*?\)|\S+) ([\w\-]+)\((.*)$")


class Instruction(NamedTuple):
    """One line of a computation."""

    name: str
    shape: str
    op: str
    rest: str
    """Operands and attributes, as they stand there."""
    root: bool

    @property
    def operands(self) -> list[str]:
        """Names, in order."""
        return re.findall(r"%([\w.\-]+)", self.rest.split("), ")[0])

    @property
    def out(self) -> int:
        """Bytes of the result."""
        return sum(SIZE.get(kind, 0) * length for kind, length in arrays(self.shape))

    def called(self, key: str) -> str | None:
        """The computation that an attribute names."""
        found = re.search(rf"\b{key}=%([\w.\-]+)", self.rest)
        return found[1] if found else None

    @property
    def trips(self) -> int | None:
        """Turns of a loop, where XLA knows them."""
        found = re.search(r'"known_trip_count":\{"n":"(\d+)"', self.rest)
        return int(found[1]) if found else None

    @property
    def branches(self) -> list[str]:
        """Computations of a conditional."""
        named = [self.called(key) for key in ("true_computation", "false_computation")]
        listed = re.search(r"branch_computations=\{(.*?)\}", self.rest)
        return [n for n in named if n] + re.findall(r"%([\w.\-]+)", listed[1] if listed else "")


def arrays(shape: str) -> Iterator[tuple[str, int]]:
    """Element type and count of every array in a shape."""
    for kind, dims in SHAPE.findall(shape):
        yield kind, math.prod(int(d) for d in dims.split(",") if d)


def count(shape: str) -> int:
    """Elements of the first array in a shape."""
    return next((length for _, length in arrays(shape)), 0)


class Module(NamedTuple):
    """A parsed HLO module."""

    computations: dict[str, list[Instruction]]
    entry: str
    text: str


def parse(text: str) -> Module:
    """Reads the text of an HLO module.

    Raises:
        ValueError: it has no entry.
    """
    found: dict[str, list[Instruction]] = {}
    entry, current = "", None
    for line in text.splitlines():
        head = re.match(r"^(ENTRY )?%([\w.\-]+) \(.*\{$", line)
        if head:
            current = found[head[2]] = []
            entry = head[2] if head[1] else entry
        elif line.startswith("}"):
            current = None
        elif current is not None and (got := _INSTRUCTION.match(line)):
            current.append(Instruction(*got.groups(), root=line.startswith("  ROOT")))  # pyright: ignore
    if not entry:
        raise ValueError("no ENTRY computation: not the text of an HLO module")
    return Module(found, entry, text)


class Loop(NamedTuple):
    """A loop of a module."""

    instruction: Instruction
    depth: int
    """0 if it is within no other loop."""
    source: tuple[str, ...]
    """The project's files that it comes from, innermost first."""


def loops(module: Module) -> list[Loop]:
    """All loops in the order in which they are come to, each before those within it."""
    files = _files_by_frame(module.text)

    def walk(name: str, depth: int) -> Iterator[Loop]:
        for i in module.computations.get(name, ()):
            if i.op == "while":
                frame = re.search(r"stack_frame_id=(\d+)", i.rest)
                yield Loop(i, depth, files(frame[1]) if frame else ())
                yield from walk(i.called("condition") or "", depth + 1)
                yield from walk(i.called("body") or "", depth + 1)
            elif i.op == "conditional":
                for branch in i.branches:
                    yield from walk(branch, depth)
            elif i.op == "call":
                yield from walk(i.called("to_apply") or "", depth)

    return list(walk(module.entry, 0))


def _files_by_frame(text: str):
    """`stack frame -> files`, by the tables at the head of a module."""

    def table(name: str) -> dict[str, str]:
        found = re.search(rf"^{name}\n((?:\d+ .*\n)*)", text, re.M)
        lines = found[1].splitlines() if found else []
        return dict(line.split(" ", 1) for line in lines)  # pyright: ignore

    names, places, frames = table("FileNames"), table("FileLocations"), table("StackFrames")

    def number(line: str, key: str) -> str | None:
        found = re.search(rf"(?:^|[ {{]){key}=(\d+)", line)
        return found[1] if found else None

    def files(frame: str | None) -> tuple[str, ...]:
        found: list[str] = []
        while frame and frame in frames:
            place = places.get(number(frames[frame], "file_location_id") or "", "")
            found.append(names.get(number(place, "file_name_id") or "", "").strip('"'))
            up = number(frames[frame], "parent_frame_id")
            frame = None if up == frame else up
        return tuple(found)

    return files
