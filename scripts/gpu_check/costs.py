"""What a turn of a program costs at least: kernels, bytes, products, seconds at a device's peak."""

from __future__ import annotations

import dataclasses
import math
import re

from scripts.gpu_check import hlo

READS = {"gather", "dynamic-slice", "slice"}
"""Read no more of their first operand than they give."""
WRITES = {"dynamic-update-slice": 1, "scatter": 2}
"""Write in place: which operand holds what is written."""


# --- what a kernel moves and computes ------------------------------------------------------------


def moved(module: hlo.Module, name: str, instruction: hlo.Instruction) -> int:
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


def _read_by(user: hlo.Instruction, first: bool, operand: hlo.Instruction) -> int:
    """Bytes of an operand that one of its users needs."""
    if first and user.op in READS:
        return user.out
    return 0 if first and user.op in WRITES else operand.out


def _written(output: hlo.Instruction, by_name: dict[str, hlo.Instruction], source) -> int:
    if output.op == "bitcast":
        output = by_name.get(source(output.name), output)
    if output.op in WRITES:
        return by_name[output.operands[WRITES[output.op]]].out
    return output.out


def _moved_by_one(instruction: hlo.Instruction, given: list[hlo.Instruction]) -> int:
    if instruction.op in READS:
        return 2 * instruction.out
    if instruction.op in WRITES and len(given) > WRITES[instruction.op]:
        return 2 * given[WRITES[instruction.op]].out
    return instruction.out + sum(g.out for g in given)


def flops(module: hlo.Module, name: str, instruction: hlo.Instruction) -> float:
    """Floating-point operations of the matrix products and convolutions in a kernel."""
    inner = module.computations.get(instruction.called("calls") or "")
    if instruction.op == "fusion" and inner:
        called = instruction.called("calls") or ""
        return sum(flops(module, called, i) for i in inner)
    shapes = {i.name: i.shape for i in module.computations[name]}
    factors = [hlo.count(shapes.get(o, "")) for o in instruction.operands[:2]]
    if len(factors) < 2 or not all(factors):
        return 0.0
    product = math.prod(factors) * hlo.count(instruction.shape)
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


def _batch(instruction: hlo.Instruction, shape: str) -> int:
    """Products that a batched matrix product is made of."""
    rest = instruction.rest
    found = re.search(r'lhs_batch_dim(?:s=\{|ensions":\[)([\d,"]*)', rest)
    dims = [int(d) for d in re.findall(r"\d+", found[1])] if found else []
    lengths = hlo.SHAPE.search(shape)
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


def cost(module: hlo.Module, name: str, peak: Peak = Peak()) -> Cost:
    """What one run of a computation costs. Branches of conditionals count as kernels alone."""
    total = Cost()
    for i in module.computations[name]:
        if i.op in hlo.FREE:
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
