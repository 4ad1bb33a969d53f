"""Reads what XLA made of a program: kernels, bytes and products of each turn of a loop, host reads.

Works on the text of an optimised HLO module and on XLA's list of thunks, which is what the
executable runs, in order.
"""

from __future__ import annotations

import dataclasses
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
READS = {"gather", "dynamic-slice", "slice"}
"""Read no more of their first operand than they give."""
WRITES = {"dynamic-update-slice": 1, "scatter": 2}
"""Write in place: which operand holds what is written."""

_SHAPE = re.compile(r"\b([a-z]+\d*)\[([\d,]*)\]")
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
        return sum(SIZE.get(kind, 0) * count for kind, count in _arrays(self.shape))

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


def _arrays(shape: str) -> Iterator[tuple[str, int]]:
    """Element type and count of every array in a shape."""
    for kind, dims in _SHAPE.findall(shape):
        yield kind, math.prod(int(d) for d in dims.split(",") if d)


def _count(shape: str) -> int:
    """Elements of the first array in a shape."""
    return next((count for _, count in _arrays(shape)), 0)


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


# --- what a kernel moves and computes ------------------------------------------------------------


def moved(module: Module, name: str, instruction: Instruction) -> int:
    """Bytes that a kernel reads and writes at least: of slices only what is taken or put."""
    shapes = {i.name: i for i in module.computations[name]}
    given = [shapes[o] for o in instruction.operands if o in shapes]
    inner = module.computations.get(instruction.called("calls") or "", [])
    if instruction.op != "fusion" or not inner:
        return _moved_by_one(instruction, given)
    through = {i.name: i.operands[0] for i in inner if i.op == "bitcast" and i.operands}

    def source(operand: str) -> str:
        while operand in through:
            operand = through[operand]
        return operand

    by_name = {i.name: i for i in inner}
    read = 0
    for i in inner:
        if i.op == "parameter":
            users = [u for u in inner if u.op != "bitcast" and i.name in map(source, u.operands)]
            read += min(i.out, sum(_read_by(u, source(u.operands[0]) == i.name, i) for u in users))
    root = next(i for i in inner if i.root)
    outputs = [by_name[o] for o in root.operands] if root.op == "tuple" else [root]
    return read + sum(_written(o, by_name, source) for o in outputs)


def _read_by(user: Instruction, first: bool, operand: Instruction) -> int:
    """Bytes of an operand that one of its users needs."""
    if first and user.op in READS:
        return user.out
    return 0 if first and user.op in WRITES else operand.out


def _written(output: Instruction, by_name: dict[str, Instruction], source) -> int:
    if output.op == "bitcast":
        output = by_name.get(source(output.name), output)
    if output.op in WRITES:
        return by_name[output.operands[WRITES[output.op]]].out
    return output.out


def _moved_by_one(instruction: Instruction, given: list[Instruction]) -> int:
    if instruction.op in READS:
        return 2 * instruction.out
    if instruction.op in WRITES and len(given) > WRITES[instruction.op]:
        return 2 * given[WRITES[instruction.op]].out
    return instruction.out + sum(g.out for g in given)


def flops(module: Module, name: str, instruction: Instruction) -> float:
    """Floating-point operations of the matrix products and convolutions in a kernel."""
    inner = module.computations.get(instruction.called("calls") or "")
    if instruction.op == "fusion" and inner:
        called = instruction.called("calls") or ""
        return sum(flops(module, called, i) for i in inner)
    shapes = {i.name: i.shape for i in module.computations[name]}
    factors = [_count(shapes.get(o, "")) for o in instruction.operands[:2]]
    if len(factors) < 2 or not all(factors):
        return 0.0
    product = math.prod(factors) * _count(instruction.shape)
    size = re.search(r"\bwindow=\{size=([\dx]+)", instruction.rest)
    if instruction.op == "convolution" or (size and "conv" in instruction.rest):
        # Each of input, output and kernel lacks one of the lengths that are multiplied: this holds
        # of the gradients as well, where they change places.
        taps = math.prod(map(int, size[1].split("x"))) if size else 1
        groups = re.search(r"feature_group_count=(\d+)", instruction.rest)
        return 2 * math.sqrt(product * taps / int(groups[1] if groups else 1))
    if instruction.op == "dot" or "gemm" in instruction.rest:
        return 2 * math.sqrt(product / _batch(instruction, shapes[instruction.operands[0]]))
    return 0.0


def _batch(instruction: Instruction, shape: str) -> int:
    """Products that a batched matrix product is made of."""
    rest = instruction.rest
    found = re.search(r'lhs_batch_dim(?:s=\{|ensions":\[)([\d,"]*)', rest)
    dims = [int(d) for d in re.findall(r"\d+", found[1])] if found else []
    lengths = _SHAPE.search(shape)
    sizes = [int(d) for d in lengths[2].split(",") if d] if lengths else []
    return math.prod(sizes[d] for d in dims)


# --- what a turn costs ---------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Peak:
    """What a device can do at best."""

    bandwidth: float = 3.35e12
    """Bytes a second."""
    flops: float = 990e12
    """Of bfloat16 products a second."""

    def seconds(self, moved: float, flops: float) -> float:
        """The least that a kernel can take."""
        return max(moved / self.bandwidth, flops / self.flops)


@dataclasses.dataclass(frozen=True)
class Cost:
    """Of a computation, with the loops in it as often as they are known to turn, or once."""

    kernels: float = 0
    """Launched in every turn."""
    conditional: float = 0
    """Launched within conditionals: not in every turn."""
    moved: float = 0
    """Bytes."""
    flops: float = 0
    floor: float = 0
    """Seconds: every kernel at the device's peak."""

    def plus(self, other: Cost, times: float = 1) -> Cost:
        """The sum, `other` so many times."""
        pairs = zip(dataclasses.astuple(self), dataclasses.astuple(other), strict=True)
        return Cost(*(a + times * b for a, b in pairs))


def cost(module: Module, name: str, peak: Peak = Peak()) -> Cost:
    """What one run of a computation costs. Branches of conditionals count as kernels alone."""
    total = Cost()
    for i in module.computations[name]:
        if i.op in FREE:
            continue
        if i.op == "while":
            total = total.plus(cost(module, i.called("body") or "", peak), i.trips or 1)
            total = total.plus(cost(module, i.called("condition") or "", peak), i.trips or 1)
        elif i.op == "conditional":
            inside = [cost(module, branch, peak) for branch in i.branches]
            total = total.plus(Cost(conditional=sum(c.kernels + c.conditional for c in inside)))
        elif i.op == "call":
            total = total.plus(cost(module, i.called("to_apply") or "", peak))
        else:
            read, work = moved(module, name, i), flops(module, name, i)
            total = total.plus(Cost(1, 0, read, work, peak.seconds(read, work)))
    return total


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
