"""What a bare machine lacks beside JAX, and how it is carried there."""

from __future__ import annotations

import pathlib
import sys
import tempfile
import zipfile

NAMES = ("absl-py", "chex", "etils", "flax", "jaxtyping", "mctx", "msgpack", "optax", "pgx",
         "Pygments", "PyYAML", "rich", "svgwrite", "toolz", "treescope", "typing_extensions",
         "wadler_lindig")  # fmt: skip
"""Packages that the core imports and JAX does not bring.

Neither tyro, wandb, orbax, matplotlib nor python-chess is needed. msgpack and PyYAML have compiled
parts, which are passed over where they do not fit the Python there.
"""
OTHER = {"flax": "0.12.12"}
"""Versions that differ from the tested ones: flax 0.12.8 cannot be imported with JAX 0.11, this one
works with JAX 0.10, 0.11 and 0.12."""


def unpack(folder: pathlib.Path) -> pathlib.Path:
    """Makes the wheels in a folder importable, after what the machine has itself; returns where.

    Needs no installer, and leaves the machine's own JAX as it is.
    """
    place = pathlib.Path(tempfile.mkdtemp(prefix="wheels-"))
    for wheel in sorted(folder.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(place)
    sys.path.append(str(place))
    return place


def command(root: pathlib.Path) -> str:
    """What fetches them, in the versions that the project is tested with."""
    pins = dict(
        line.split("==") for line in (root / "constraints.txt").read_text().split() if "==" in line
    )
    by_name = {name.lower().replace("_", "-"): version for name, version in pins.items()}
    by_name |= OTHER
    wanted = [f"{name}=={by_name[name.lower().replace('_', '-')]}" for name in NAMES]
    return "pip download --no-deps --only-binary :all: -d wheels " + " ".join(wanted)
