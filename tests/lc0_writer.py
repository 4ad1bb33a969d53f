"""Weights files in Leela Chess Zero's format, for tests: the wire format, and a random network."""

import struct

import numpy as np

FORMAT = {1: 1, 2: 2, 3: 4, 4: 2, 5: 2}
"""Classical input, WDL output, SE blocks, convolution policy, WDL value: as the Maias say."""


def varint(number: int) -> bytes:
    low, rest = number & 127, number >> 7
    return bytes([low | 128]) + varint(rest) if rest else bytes([low])


def message(*fields: tuple[int, int | bytes]) -> bytes:
    """Fields in order: whole numbers, or bytes (a message, a string)."""
    parts = []
    for number, value in fields:
        if isinstance(value, int):
            parts.append(varint(number << 3) + varint(value))
        else:
            parts.append(varint(number << 3 | 2) + varint(len(value)) + value)
    return b"".join(parts)


def fixed(number: int, value: bytes) -> bytes:
    return varint(number << 3 | 5) + value


class Writer:
    """Makes a file and keeps the numbers of each layer as the file has them, by path."""

    def __init__(self, seed: int, width: int = 8, blocks: int = 2):
        self.rng = np.random.default_rng(seed)
        self.width, self.blocks = width, blocks
        self.layers: dict[str, np.ndarray] = {}

    def layer(self, name: str, *shape: int, low: float = -1.0, high: float = 1.0) -> bytes:
        numbers = self.rng.integers(0, 65536, shape)
        low, high = (float(np.float32(side)) for side in (low, high))
        share = numbers / 65535
        self.layers[name] = low * (1 - share) + high * share
        limits = fixed(1, struct.pack("<f", low)) + fixed(2, struct.pack("<f", high))
        return limits + message((3, numbers.astype("<u2").tobytes()))

    def conv(self, name: str, cout: int, cin: int, size: int = 3) -> bytes:
        reach = 1.5 / np.sqrt(cin * size * size)
        return message(
            (1, self.layer(f"{name}.w", cout, cin, size, size, low=-reach, high=reach)),
            (2, self.layer(f"{name}.b", cout, low=-0.1, high=0.1)),
            (3, self.layer(f"{name}.mean", cout, low=-0.2, high=0.2)),
            (4, self.layer(f"{name}.var", cout, low=0.3, high=2)),
            (5, self.layer(f"{name}.gamma", cout, low=0.5, high=1.5)),
            (6, self.layer(f"{name}.beta", cout, low=-0.3, high=0.3)),
        )

    def dense(self, name: str, field: int, cout: int, cin: int) -> list[tuple[int, bytes]]:
        reach = 1.5 / np.sqrt(cin)
        kernel = self.layer(f"{name}.w", cout, cin, low=-reach, high=reach)
        return [(field, kernel), (field + 1, self.layer(f"{name}.b", cout))]

    def block(self, name: str) -> bytes:
        w = self.width
        unit = [*self.dense(f"{name}.squeeze", 1, 4, w), *self.dense(f"{name}.excite", 3, 2 * w, 4)]
        first, second = self.conv(f"{name}.first", w, w), self.conv(f"{name}.second", w, w)
        return message((1, first), (2, second), (3, message(*unit)))

    def weights(self) -> bytes:
        w = self.width
        policy = [(1, self.layer("policy.w", 80, w, 3, 3, low=-0.3, high=0.3))]
        policy += [(2, self.layer("policy.b", 80))]
        return message(
            (1, self.conv("stem", w, 112)),
            *[(2, self.block(f"block{i}")) for i in range(self.blocks)],
            (3, message(*policy)),
            (6, self.conv("value", 4, w, 1)),
            *self.dense("value_hidden", 7, 16, 64 * 4),
            *self.dense("value_out", 9, 3, 16),
            (11, self.conv("policy_hidden", w, w)),
        )

    def file(self, form: dict[int, int] | None = None) -> bytes:
        """The whole message; `form` gives other numbers of the format."""
        said = message(*sorted((FORMAT | (form or {})).items()))
        version = message((1, 0), (2, 21), (3, 0))
        head = fixed(1, struct.pack("<I", 0x1C0)) + message((3, version))
        return head + message((4, message((1, 1), (2, said))), (10, self.weights()))
