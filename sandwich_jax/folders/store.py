"""Files of run folders: JSON, networks, manifests. Each is written aside, then renamed."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import os
import pathlib
import platform
import shutil
import subprocess
from importlib import metadata
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sandwich_jax import arrays
from sandwich_jax.nets import SIZES, Lc0Config, NetConfig
from sandwich_jax.nets.transformer import TextConfig
from sandwich_jax.types import Params, SettingError

VERSIONS_OF = ("sandwich_jax", "jax", "jaxlib", "pgx", "flax", "optax", "orbax-checkpoint", "numpy")


def write_text(path: pathlib.Path, text: str) -> None:
    """Writes a file so that a reader sees the old text or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)


def write_json(path: pathlib.Path, value: Any) -> None:
    """`write_text` of indented JSON."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def parse(text: str) -> Any:
    """The value of a JSON text; raises ValueError for any text that is none."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def read_json(path: pathlib.Path) -> Any:
    """The JSON value in a file.

    Raises:
        SettingError: it is missing or not JSON.
    """
    try:
        return parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingError(f"{path}: missing or not a whole JSON file ({error}).") from error


def read_object(path: pathlib.Path, part: str = "") -> dict[str, Any]:
    """The JSON object in a file, or that of its key `part`; empty where there is no such key.

    Raises:
        SettingError: the file is missing or not JSON, or what is there is no object.
    """
    found = read_json(path)
    if isinstance(found, dict) and part:
        found = found.get(part, {})
    if not isinstance(found, dict):
        where = f", {part}" if part else ""
        raise SettingError(f"{path}{where}: a JSON object is needed, and there is {found!r:.40}.")
    return found


def digest(path: pathlib.Path) -> str:
    """SHA-256 of a file's content, in hexadecimal; read again only if the file has changed.

    Raises:
        OSError: it cannot be read.
    """
    about = path.stat()
    return _digest(path, about.st_size, about.st_mtime_ns)


@functools.cache
def _digest(path: pathlib.Path, size: int, changed: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def free_bytes(folder: pathlib.Path) -> int:
    """Free space of the file system that holds `folder` or its nearest existing parent."""
    while not folder.exists():
        folder = folder.absolute().parent
    return shutil.disk_usage(folder).free


# --- networks on disk ---------------------------------------------------------------------------


LARGEST = 1 << 16
"""A number in a card above this is no network's."""


@dataclasses.dataclass(frozen=True)
class NetworkCard:
    """What a stored network is; `network.json` beside its parameters."""

    game: str
    network: NetConfig | Lc0Config | TextConfig
    about: dict[str, Any]
    """How it was made and how strong it is."""


def save_network(folder: pathlib.Path, card: NetworkCard, params: Params) -> None:
    """Stores a finished network: `network.json` and `params.npz`, keyed by path."""
    folder.mkdir(parents=True, exist_ok=True)
    save_arrays(folder / "params.npz", params)
    write_json(folder / "network.json", dataclasses.asdict(card))


def load_params(folder: pathlib.Path, like: Params) -> Params:
    """The parameters of a stored network, with the structure of `like`.

    Raises:
        SettingError: they are missing, damaged or of another architecture.
    """
    return load_arrays(folder / "params.npz", like)


def save_arrays(path: pathlib.Path, tree: Any) -> None:
    """Stores the leaves of a tree, keyed by their path in it."""
    flat, _ = jax.tree.flatten_with_path(jax.device_get(tree))
    temporary = path.with_name(f".{path.stem}.tmp.npz")
    with open(temporary, "wb") as file:
        np.savez(file, **{jax.tree_util.keystr(keys): leaf for keys, leaf in flat})
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def load_arrays(path: pathlib.Path, like: Any) -> Any:
    """A stored tree with the structure of `like`.

    Raises:
        SettingError: it is missing, damaged or of other shapes.
    """
    stored = arrays.read(path)
    flat, structure = jax.tree.flatten_with_path(like)
    names = [jax.tree_util.keystr(keys) for keys, _ in flat]
    shapes = {name: leaf.shape for name, (_, leaf) in zip(names, flat, strict=True)}
    if shapes != {name: array.shape for name, array in stored.items()}:
        raise SettingError(f"{path}: its arrays are of another architecture than is wanted.")
    return jax.tree.unflatten(structure, [jnp.asarray(stored[name]) for name in names])


def read_card(folder: pathlib.Path) -> NetworkCard:
    """The card of a stored network.

    Raises:
        SettingError: `folder` holds no network.
    """
    if not os.path.isfile(folder / "network.json"):  # false for a path that cannot be, too
        raise SettingError(f"{folder}: no network there (a folder with network.json is needed).")
    card = read_object(folder / "network.json")
    game, size, about = (card.get(name) for name in ("game", "network", "about"))
    try:
        network = _kind(size)(**size)  # pyright: ignore
    except TypeError as error:
        raise SettingError(f"{folder}/network.json does not describe a network.") from error
    numbers = [getattr(network, f.name) for f in dataclasses.fields(network) if f.type == "int"]
    whole = all(type(number) is int and 0 < number <= LARGEST for number in numbers)
    if not (isinstance(game, str) and isinstance(about or {}, dict) and whole):
        raise SettingError(f"{folder}/network.json does not describe a network.")
    return NetworkCard(game, network, about or {})


def _kind(size: Any) -> type:
    """The architecture that has these numbers."""
    names = size if isinstance(size, dict) else {}
    return Lc0Config if "policy_width" in names else TextConfig if "context" in names else NetConfig


def size_name(config: Any) -> str:
    """The name of an architecture, or its numbers."""
    if isinstance(config, TextConfig):
        return f"text {config.width}x{config.layers}"
    if isinstance(config, Lc0Config):
        return f"lc0 {config.width}x{config.blocks}"
    if not isinstance(config, NetConfig):
        return str(config)
    names = [name for name, size in SIZES.items() if size == config]
    return names[0] if names else f"{config.width}x{config.blocks}"


# --- manifests ----------------------------------------------------------------------------------


def manifest(config: dict[str, Any]) -> dict[str, Any]:
    """What a run was: its configuration, versions, commit and devices."""
    devices = jax.devices()
    return {
        "config": config,
        "versions": {"python": platform.python_version()}
        | {name: metadata.version(name) for name in VERSIONS_OF},
        "commit": _commit(),
        "device": f"{len(devices)} x {devices[0].device_kind}",
        "backend": jax.default_backend(),
        "cpus": os.cpu_count(),
    }


def made() -> dict[str, Any]:
    """What made a network, for its card: versions, device and commit."""
    about = manifest({})
    return {name: about[name] for name in ("versions", "device", "cpus", "commit")}


def _commit() -> str:
    here = pathlib.Path(__file__).parent
    try:
        shown = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],
            cwd=here,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return shown.stdout.strip()


def to_plain(value: Any) -> Any:
    """Numbers of numpy and jax as Python's, for JSON; NaN becomes None."""
    if isinstance(value, dict):
        return {key: to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    if isinstance(value, np.ndarray | np.generic | jax.Array):
        return to_plain(np.asarray(value).tolist())
    if isinstance(value, float) and value != value:
        return None
    return value
