"""Weights files of Leela Chess Zero: `.pb` and `.pb.gz`.

A file is one protobuf message, mostly in gzip. Of its fields this reads 1, the magic number; 4, the
format; and 10, the weights: layers of 16-bit numbers between a least and a greatest value. Source:
`proto/net.proto` of LeelaChessZero/lczero-common. Read are networks like the Maias': residual
blocks of convolutions with squeeze-and-excitation, the classical input of 112 planes, a policy of
80 planes, and a value of win, draw and loss.
"""

from __future__ import annotations

import pathlib
import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from sandwich_jax.types import SettingError

MAGIC = 0x1C0
INPUT_PLANES = 112
POLICY_PLANES = 80
EPSILON = 1e-5
"""Added to variances, as by lc0."""
LARGEST = 1 << 29
"""Bytes of an unpacked file: three times the largest published network of this kind."""
MOST_FIELDS = 10_000
"""Fields of one message; networks have a few dozen."""


class Convolution(NamedTuple):
    """A convolution with its norm folded in."""

    kernel: Float[np.ndarray, "O I R F"]
    """Taps by rank, then by file."""
    bias: Float[np.ndarray, "O"]


class Dense(NamedTuple):
    """A dense layer."""

    kernel: Float[np.ndarray, "O I"]
    bias: Float[np.ndarray, "O"]


class Block(NamedTuple):
    """Two convolutions and squeeze-and-excitation."""

    first: Convolution
    second: Convolution
    squeeze: Dense
    excite: Dense
    """First the gates of all channels, then the shifts."""


class Weights(NamedTuple):
    """What a file holds, in float32 and in lc0's order of axes."""

    stem: Convolution
    blocks: tuple[Block, ...]
    policy_hidden: Convolution
    policy: Convolution
    value_squeeze: Convolution
    """Of 1 x 1."""
    value_hidden: Dense
    """From channels, each rank by rank."""
    value_out: Dense
    """To win, draw and loss of the mover."""


def read(path: pathlib.Path) -> Weights:
    """The weights in a file.

    Raises:
        SettingError: the file is missing, cut, damaged or none of lc0's, or its network is of
            another kind than the Maias'.
    """
    data = _unpacked(path)
    if _is_text(data):
        raise SettingError(
            f"{path}: Leela Chess Zero's old text format, and a .pb or .pb.gz file is needed."
        )
    try:
        net = _message(data)
        if _number(net, 1) != MAGIC:
            raise SettingError(f"{path}: not a weights file of Leela Chess Zero (.pb or .pb.gz).")
        _check_format(path, _part(net, 4) if 4 in net else {})
        return _weights(_part(net, 10))
    except _DamagedError as error:
        raise SettingError(f"{path}: the file is damaged or cut short ({error}).") from error


# --- the file -----------------------------------------------------------------------------------


def _unpacked(path: pathlib.Path) -> bytes:
    """The message's bytes, at most `LARGEST` of them."""
    if path.suffix == ".onnx":
        raise SettingError(
            f"{path}: an ONNX network, and Leela Chess Zero's own .pb or .pb.gz is needed."
        )
    try:
        with open(path, "rb") as file:
            packed = file.read(LARGEST + 1)
    except OSError as error:
        raise SettingError(f"{path}: cannot be read ({error.strerror or error}).") from error
    if packed[:2] == b"\x1f\x8b":
        stream = zlib.decompressobj(wbits=31)
        try:
            data = stream.decompress(packed, LARGEST + 1)
        except zlib.error as error:
            raise SettingError(f"{path}: the gzip stream is damaged ({error}).") from error
        if len(data) <= LARGEST and not stream.eof:
            raise SettingError(f"{path}: the gzip stream is cut short.")
    else:
        data = packed
    if len(data) > LARGEST:
        raise SettingError(f"{path}: it holds more than {LARGEST >> 20} MiB, as no network does.")
    return data


def _is_text(data: bytes) -> bool:
    """Whether the first line is a version number, alone."""
    line = data[:8].split(b"\n")[0].strip()
    return b"\n" in data[:8] and line.isdigit()


# --- the wire format ----------------------------------------------------------------------------


class _DamagedError(Exception):
    """What is wrong in the message."""


_Value = int | memoryview
_Message = dict[int, list[_Value]]


def _message(data: bytes | memoryview) -> _Message:
    """The fields of a message by number: whole numbers, or bytes."""
    found: _Message = {}
    for count, (number, value) in enumerate(_fields(memoryview(data))):
        if count == MOST_FIELDS:
            raise _DamagedError("a message of too many fields")
        found.setdefault(number, []).append(value)
    return found


def _fields(data: memoryview) -> Iterator[tuple[int, _Value]]:
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        wire = tag & 7
        if wire == 0:
            value, at = _varint(data, at)
            yield tag >> 3, value
            continue
        if wire not in (1, 2, 5):
            raise _DamagedError(f"a field of unknown kind {wire}")
        size, at = _varint(data, at) if wire == 2 else (8 if wire == 1 else 4, at)
        if size > len(data) - at:
            raise _DamagedError("a field that goes on beyond the end")
        yield tag >> 3, data[at : at + size]
        at += size


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for i, byte in enumerate(data[at : at + 10]):
        value |= (byte & 127) << (7 * i)
        if byte < 128:
            return value, at + i + 1
    raise _DamagedError("a number that does not end")


def _number(message: _Message, field: int, default: int = 0) -> int:
    value = message.get(field, [default])[-1]
    if isinstance(value, int):
        return value
    if len(value) != 4:
        raise _DamagedError(f"field {field} is no number")
    return int.from_bytes(value, "little")


def _part(message: _Message, field: int) -> _Message:
    return _parts(message, field)[-1]


def _parts(message: _Message, field: int) -> list[_Message]:
    values = message.get(field, [])
    if not values:
        raise _DamagedError(f"field {field} is missing")
    if any(isinstance(value, int) for value in values):
        raise _DamagedError(f"field {field} is a number")
    return [_message(value) for value in values if not isinstance(value, int)]


# --- the format ---------------------------------------------------------------------------------


class _Allowed(NamedTuple):
    """A field of the format: the one number that can be read, and what others mean."""

    field: int
    number: int
    name: str
    others: dict[int, str]


_FORMAT = (
    _Allowed(
        3,
        4,
        "structure",
        {
            1: "no squeeze-and-excitation (no SE)",
            2: "SE with heads of the old kind",
            3: "no squeeze-and-excitation (no SE)",
            5: "an ONNX network inside",
            6: "an attention body",
            7: "an attention body with several heads",
            134: "an attention body with several heads",
        },
    ),
    _Allowed(4, 2, "policy", {1: "a dense policy", 3: "an attention policy"}),
    _Allowed(5, 2, "value", {1: "a scalar value", 3: "a parametric value"}),
    _Allowed(2, 2, "output", {1: "a scalar value"}),
    _Allowed(
        1,
        1,
        "input",
        {2: "input with planes of castling", 3: "canonical input", 4: "canonical input"}
        | {number: "canonical input" for number in (5, 132, 133)},
    ),
    _Allowed(6, 0, "moves-left head", {1: "a moves-left head"}),
    _Allowed(7, 0, "activation", {1: "Mish for an activation"}),
)


def _check_format(path: pathlib.Path, form: _Message) -> None:
    """Raises SettingError where the network is of another kind than can be read."""
    # Where nothing is said, the network is of the first kind that there was.
    first: _Message = {3: [1]}
    network = _part(form, 2) if 2 in form else first
    for allowed in _FORMAT:
        number = _number(network, allowed.field)
        if number != allowed.number:
            what = allowed.others.get(number, f"{allowed.name} of unknown kind {number}")
            raise SettingError(
                f"{path}: a network with {what}, and only networks like the Maias' can be read "
                "(SE blocks, classical input, convolution policy, WDL value, no moves-left head)."
            )
    if (encoding := _number(form, 1, 1)) != 1:
        raise SettingError(
            f"{path}: weights of encoding {encoding}, and only LINEAR16 can be read."
        )


# --- the weights --------------------------------------------------------------------------------


def _weights(parts: _Message) -> Weights:
    stem = _normed(_part(parts, 1), INPUT_PLANES, 3)
    width = len(stem.bias)
    blocks = tuple(_block(block, width) for block in _parts(parts, 2))
    hidden = _normed(_part(parts, 11), width, 3)
    last = _part(parts, 3)
    bias = _layer(last, 2)
    if len(bias) != POLICY_PLANES:
        raise _DamagedError(f"a policy of {len(bias)} planes instead of {POLICY_PLANES}")
    policy = Convolution(_shaped(_layer(last, 1), POLICY_PLANES, len(hidden.bias), 3, 3), bias)
    value = _normed(_part(parts, 6), width, 1)
    first = _dense(parts, 7, 64 * len(value.bias))
    out = _dense(parts, 9, len(first.bias))
    if len(out.bias) != 3:
        raise _DamagedError(f"a value of {len(out.bias)} numbers instead of 3")
    return Weights(stem, blocks, hidden, policy, value, first, out)


def _block(parts: _Message, width: int) -> Block:
    first = _normed(_part(parts, 1), width, 3)
    second = _normed(_part(parts, 2), len(first.bias), 3)
    unit = _part(parts, 3)
    squeeze = _dense(unit, 1, width)
    excite = _dense(unit, 3, len(squeeze.bias))
    if len(second.bias) != width or len(excite.bias) != 2 * width:
        raise _DamagedError("a block that changes the number of channels")
    return Block(first, second, squeeze, excite)


def _normed(parts: _Message, channels: int, size: int) -> Convolution:
    """A convolution with its norm: gamma (w x + bias - mean) / sqrt(variance + eps) + beta."""
    beta, mean, variance = (_layer(parts, field) for field in (6, 3, 4))
    gamma = _layer(parts, 5) if 5 in parts else np.ones_like(beta)
    bias = _layer(parts, 2) if 2 in parts else np.zeros_like(beta)
    if len({len(x) for x in (beta, mean, variance, gamma, bias)}) != 1 or variance.min() < 0:
        raise _DamagedError("a norm that fits no convolution")
    kernel = _shaped(_layer(parts, 1), len(beta), channels, size, size)
    scale = gamma / np.sqrt(variance + EPSILON)
    folded = kernel * scale[:, None, None, None], beta + (bias - mean) * scale
    return Convolution(*(x.astype(np.float32) for x in folded))


def _dense(parts: _Message, field: int, inputs: int) -> Dense:
    """Fields `field` and the next: a kernel and its bias."""
    bias = _layer(parts, field + 1)
    kernel = _shaped(_layer(parts, field), len(bias), inputs)
    return Dense(kernel.astype(np.float32), bias.astype(np.float32))


def _shaped(numbers: np.ndarray, *shape: int) -> np.ndarray:
    if numbers.size != np.prod(shape):
        raise _DamagedError(f"a layer of {numbers.size} numbers instead of {shape}")
    return numbers.reshape(shape)


def _layer(message: _Message, field: int) -> Float[np.ndarray, "N"]:
    """A layer's numbers in float64: least (1 - u / 65535) + greatest u / 65535."""
    parts = _part(message, field)
    numbers = parts.get(3, [b""])[-1]
    if isinstance(numbers, int) or not len(numbers) or len(numbers) % 2:
        raise _DamagedError("a layer of no 16-bit numbers")
    least, greatest = (_float(parts, field) for field in (1, 2))
    if not np.isfinite([least, greatest]).all():
        raise _DamagedError("a layer with a limit that is not finite")
    share = np.frombuffer(numbers, "<u2") / 65535
    return least * (1 - share) + greatest * share


def _float(message: _Message, field: int) -> float:
    value = message.get(field, [memoryview(bytes(4))])[-1]
    if isinstance(value, int) or len(value) != 4:
        raise _DamagedError(f"field {field} is no number of 32 bits")
    return struct.unpack("<f", value)[0]
