"""Damage to bytes: flipped, cut, doubled, spliced, sprinkled with words."""

from __future__ import annotations

import bz2
import gzip
import lzma
import random
from collections.abc import Sequence

import zstandard

PACK = (zstandard.compress, gzip.compress, bz2.compress, lzma.compress)
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-be", "latin-1")


def damaged(
    rng: random.Random, data: bytes, others: Sequence[bytes], words: Sequence[str], most: int
) -> bytes:
    """`data` after one to `most` accidents; `others` are spliced into it, `words` put into it."""
    for _ in range(rng.randint(1, most)):
        first, last = sorted(rng.randint(0, len(data)) for _ in range(2))
        last = min(last, first + rng.choice((1, 8, 200)))
        part, other = data[first:last], rng.choice(others)
        kind = rng.randrange(8)
        if kind == 0:
            part = bytes(byte ^ 1 << rng.randrange(8) for byte in part[:8]) + part[8:]
        elif kind == 1:
            data, part = data[:last], part[: len(part) // 2]
        elif kind == 2:
            part = b""
        elif kind == 3:
            part *= rng.choice((2, 2, 50))
        elif kind == 4:
            start = rng.randint(0, len(other))
            part += other[start : start + rng.choice((5, 100, 1000))]
        elif kind == 5:
            part = rng.randbytes(len(part))
        else:
            part = f" {rng.choice(words)} ".encode() + part
        data = data[:first] + part + data[last:]
    return data


def encoded(rng: random.Random, data: bytes) -> bytes:
    """Most often as it is; otherwise with other line ends, in another encoding, or packed."""
    if rng.random() < 0.3:
        data = data.replace(b"\n", rng.choice((b"\r\n", b"\r", b"\n\n", b"\x00")))
    if rng.random() < 0.2:
        data = data.decode("utf-8", "replace").encode(rng.choice(ENCODINGS), "replace")
    if rng.random() < 0.3:
        data = rng.choice(PACK)(data)
        if rng.random() < 0.5:
            data = damaged(rng, data, [data], ["x"], most=4)
    return data
