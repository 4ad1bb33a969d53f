"""Reading .npz files: the one place that knows what a damaged one looks like."""

from __future__ import annotations

import io
import pathlib
import struct
import zipfile
import zlib
from collections.abc import Collection

import numpy as np
from numpy.lib import format as npy

from sandwich_jax.types import SettingError

MADE_OF_DAMAGE = (
    OSError,
    EOFError,
    ValueError,  # and of it, text that is no text
    NotImplementedError,  # a way of packing that there is not
    RuntimeError,  # a password is wanted
    OverflowError,
    MemoryError,  # a header that wishes for more than there is
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
"""What `zipfile` and numpy raise for a file that is not as it was written."""


FREE = 1 << 30
"""Bytes that an archive may unpack to in any case."""
MOST_RATIO = 200
"""How many times its own size it may unpack to beyond; what is stored here shrinks to a twentieth
at best."""


def read(
    path: pathlib.Path,
    remedy: str = "",
    fault: str = "missing or damaged",
    only: Collection[str] | None = None,
) -> dict[str, np.ndarray]:
    """The arrays of a .npz file, by name.

    Every array is held against its checksum before numpy looks at it, so that a damaged header
    is damage, and not a wish for memory.

    Args:
        path: the file.
        remedy: what to do about a damaged one; ends the sentence.
        fault: what is wrong with such a file, in words.
        only: names of those that are wanted, where they are there; all by default.

    Raises:
        SettingError: the file is missing, damaged or none.
    """
    found = {}
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
            if size > max(FREE, MOST_RATIO * path.stat().st_size):
                raise ValueError(f"unpacks to {size:,} bytes, as nothing does that is stored here")
            for member in archive.namelist():
                name = member.removesuffix(".npy")
                if only is None or name in only:
                    data = io.BytesIO(archive.read(member))
                    found[name] = npy.read_array(data, allow_pickle=False)
    except MADE_OF_DAMAGE as error:
        says = getattr(error, "strerror", None) or str(error).partition("\n")[0]
        tail = f"; {remedy}" if remedy else ""
        raise SettingError(f"{path}: {fault} ({says or type(error).__name__}){tail}.") from error
    return found
