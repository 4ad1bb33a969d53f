"""Run folders, checkpoints (orbax) and manifests. Every file is written aside, then renamed."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import pathlib
import platform
import shutil
import subprocess
import zipfile
import zlib
from concurrent import futures
from importlib import metadata
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sandwich_jax.nets import SIZES, NetConfig
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


def read_json(path: pathlib.Path) -> Any:
    """The JSON value in a file.

    Raises:
        SettingError: it is missing or not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingError(f"{path}: missing or not a whole JSON file ({error}).") from error


CHECKPOINT_MARGIN = 1 << 20
"""Bytes left free beside a checkpoint, for its metadata and what else is written meanwhile."""

# --- checkpoints --------------------------------------------------------------------------------


def save(folder: pathlib.Path, step: int, tree: Any, keep: int = 2) -> None:
    """Saves `tree` as checkpoint `step` of `folder`, then removes all but the last `keep`.

    All processes of a cluster must call it with the same; the first one writes.

    Raises:
        SettingError: there is no space left; earlier checkpoints are untouched.
    """
    from orbax.checkpoint import v1 as ocp  # here: what needs no checkpoint runs without orbax

    tree = jax.device_get(tree)
    # Asked beforehand, since orbax's threads go on complaining when a write fails half-way.
    needed = sum(leaf.nbytes for leaf in jax.tree.leaves(tree))
    if free_bytes(folder) < needed + CHECKPOINT_MARGIN:
        raise _no_space(folder, step)
    # An orbax write goes to a temporary name and is renamed when whole.
    try:
        ocp.save(str(folder.absolute() / f"{step:08d}"), tree, overwrite=True)
    except (OSError, ValueError) as error:
        if free_bytes(folder) > CHECKPOINT_MARGIN and "space" not in str(error).lower():
            raise
        raise _no_space(folder, step) from error
    for old in steps(folder)[:-keep] if jax.process_index() == 0 else ():
        shutil.rmtree(folder / f"{old:08d}")


def _no_space(folder: pathlib.Path, step: int) -> SettingError:
    return SettingError(
        f"{folder}: no space left for checkpoint {step}; earlier ones are kept. Make space and run"
        " the same command again."
    )


def steps(folder: pathlib.Path) -> list[int]:
    """Steps of the whole checkpoints in `folder`, in order."""
    found = folder.glob("[0-9]" * 8) if folder.is_dir() else ()
    return sorted(int(path.name) for path in found)


def restore(path: pathlib.Path, like: Any) -> Any:
    """The checkpoint at `path`, with the structure, shapes and types of `like`.

    Raises:
        SettingError: it is missing, damaged or of another shape.
    """
    from orbax.checkpoint import v1 as ocp

    if not path.is_dir():
        raise SettingError(f"{path}: no such checkpoint.")
    place = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    abstract = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=place), like)
    try:
        tree = ocp.load(str(path.absolute()), abstract)
    # orbax and tensorstore raise many unrelated types for a damaged or unlike checkpoint.
    except Exception as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise SettingError(
            f"{path}: the checkpoint is damaged or of another architecture ({reason[0][:200]})."
        ) from error
    for want, got in zip(jax.tree.leaves(like), jax.tree.leaves(tree), strict=True):
        if want.shape != got.shape:
            raise SettingError(
                f"{path}: the checkpoint is of another architecture (an array of shape"
                f" {got.shape} where {want.shape} is needed)."
            )
    return tree


def free_bytes(folder: pathlib.Path) -> int:
    """Free space of the file system that holds `folder` or its nearest existing parent."""
    while not folder.exists():
        folder = folder.absolute().parent
    return shutil.disk_usage(folder).free


# --- networks on disk ---------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class NetworkCard:
    """What a stored network is; `network.json` beside its parameters."""

    game: str
    network: NetConfig
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
    try:
        with np.load(path) as stored:
            arrays = {name: stored[name] for name in stored}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise SettingError(f"{path}: missing or damaged ({error}).") from error
    flat, structure = jax.tree.flatten_with_path(like)
    names = [jax.tree_util.keystr(keys) for keys, _ in flat]
    shapes = {name: leaf.shape for name, (_, leaf) in zip(names, flat, strict=True)}
    if shapes != {name: array.shape for name, array in arrays.items()}:
        raise SettingError(f"{path}: its arrays are of another architecture than is wanted.")
    return jax.tree.unflatten(structure, [jnp.asarray(arrays[name]) for name in names])


def read_card(folder: pathlib.Path) -> NetworkCard:
    """The card of a stored network.

    Raises:
        SettingError: `folder` holds no network.
    """
    if not (folder / "network.json").is_file():
        raise SettingError(f"{folder}: no network there (a folder with network.json is needed).")
    card = read_json(folder / "network.json")
    try:
        return NetworkCard(card["game"], NetConfig(**card["network"]), card.get("about", {}))
    except (KeyError, TypeError) as error:
        raise SettingError(f"{folder}/network.json does not describe a network.") from error


def size_name(config: NetConfig) -> str:
    """The name of a size, or its numbers."""
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


class Checkpoints:
    """Numbered checkpoints of one folder, the last two kept; a `sandwich.Saver`."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder

    def latest(self, like: Any) -> tuple[int, Any] | None:
        """The last whole checkpoint and its number, if there is one."""
        found = steps(self.folder)
        if not found:
            return None
        return found[-1], restore(self.folder / f"{found[-1]:08d}", like)

    def save(self, number: int, tree: Any) -> None:
        """Saves checkpoint `number`, then drops older ones."""
        save(self.folder, number, tree)


class Background:
    """Numbered checkpoints of one member of a sweep, written while it plays on; a `Saver`.

    Not by orbax, whose saves are collective, while members advance on their own: as of 0.12.8,
    whatever `active_processes` says, v1 gathers the path from all processes, and v0 leaves arrays
    of the host to process 0. A checkpoint is a file, whole once it has its name.
    """

    def __init__(self, folder: pathlib.Path, writer: futures.Executor, keep: int = 2):
        self.folder, self.writer, self.keep = folder, writer, keep
        self.pending: futures.Future[None] | None = None

    def latest(self, like: Any) -> tuple[int, Any] | None:
        """The last whole checkpoint and its number, if there is one."""
        found = self._stored()
        return (int(found[-1].stem), load_arrays(found[-1], like)) if found else None

    def save(self, number: int, tree: Any) -> None:
        """Begins to write checkpoint `number`, the one before being whole.

        Raises:
            SettingError: there was no space for an earlier one.
        """
        self.wait()
        self.pending = self.writer.submit(self._write, number, jax.device_get(tree))

    def wait(self) -> None:
        """Returns when all that was saved is on disk; raises what `save` does."""
        if self.pending is not None:
            pending, self.pending = self.pending, None
            pending.result()

    def clear(self) -> None:
        """Removes all checkpoints."""
        self.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _write(self, number: int, tree: Any) -> None:
        needed = sum(leaf.nbytes for leaf in jax.tree.leaves(tree))
        if free_bytes(self.folder) < needed + CHECKPOINT_MARGIN:
            raise _no_space(self.folder, number)
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            save_arrays(self.folder / f"{number:08d}.npz", tree)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            raise _no_space(self.folder, number) from error
        for old in self._stored()[: -self.keep]:
            old.unlink()

    def _stored(self) -> list[pathlib.Path]:
        return sorted(self.folder.glob("[0-9]" * 8 + ".npz"))
