"""Numbered checkpoints of runs and trainings: written aside, checked whole before they are read.

A checkpoint by orbax is a folder with `digests.json`, the size and checksum of each of its files:
what a full disk, a lost machine or a bad copy did to one is known before orbax reads it, which
would not notice changed numbers and tells of all else in many lines. One of a sweep's member is an
.npz, whose arrays have checksums.
"""

from __future__ import annotations

import abc
import errno
import json
import os
import pathlib
import shutil
import zlib
from collections.abc import Callable
from concurrent import futures
from typing import Any

import jax

from sandwich_jax.folders import store
from sandwich_jax.machine import notices, preempt
from sandwich_jax.types import SettingError

MARGIN = 1 << 20
"""Bytes left free beside a checkpoint, for its metadata and what else is written meanwhile."""
DIGESTS = "digests.json"
BLOCK = 1 << 22


def save(folder: pathlib.Path, step: int, tree: Any, keep: int = 2) -> None:
    """Saves `tree` as checkpoint `step` of `folder`, then removes all but the last `keep`.

    All processes of a cluster must call it with the same; the first one writes. Ctrl-C waits until
    it is done.

    Raises:
        SettingError: there is no space left; earlier checkpoints are untouched.
    """
    tree = jax.device_get(tree)
    # Asked beforehand, since orbax's threads go on complaining when a write fails half-way.
    needed = sum(leaf.nbytes for leaf in jax.tree.leaves(tree))
    if store.free_bytes(folder) < needed + MARGIN:
        raise _no_space(folder, step)
    with preempt.held():
        try:
            _write(folder, step, tree)
        except (OSError, ValueError) as error:
            full = store.free_bytes(folder) <= MARGIN or "space" in str(error).lower()
            for left in folder.glob(f".{step:08d}.tmp*"):
                shutil.rmtree(left, ignore_errors=True)
            if not full:
                raise
            raise _no_space(folder, step) from error
        for old in steps(folder)[:-keep] if jax.process_index() == 0 else ():
            shutil.rmtree(folder / f"{old:08d}")


def _write(folder: pathlib.Path, step: int, tree: Any) -> None:
    from orbax.checkpoint import v1 as ocp  # here: what keeps no checkpoint runs without orbax

    aside, place = folder / f".{step:08d}.tmp", folder / f"{step:08d}"
    ocp.save(str(aside.absolute()), tree, overwrite=True)
    if jax.process_index() == 0:
        digests = {name: _digest(aside / name) for name in _files(aside)}
        (aside / DIGESTS).write_text(json.dumps(digests), encoding="utf-8")
        if place.exists():  # a torn one, or of a time that is played again
            shutil.rmtree(place)
        os.replace(aside, place)


def _files(folder: pathlib.Path) -> list[str]:
    found = (p for p in folder.rglob("*") if p.is_file() and p.name != DIGESTS)
    return sorted(p.relative_to(folder).as_posix() for p in found)


def _digest(path: pathlib.Path) -> list[int]:
    """Size and CRC-32 of a file."""
    size = checksum = 0
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            size, checksum = size + len(block), zlib.crc32(block, checksum)
    return [size, checksum]


def steps(folder: pathlib.Path) -> list[int]:
    """Steps of the finished checkpoints in `folder`, in order; accidents may have torn some."""
    found = folder.glob("[0-9]" * 8) if folder.is_dir() else ()
    return sorted(int(path.name) for path in found)


def check_whole(path: pathlib.Path) -> None:
    """Raises SettingError where a checkpoint is not as it was written."""
    digests = store.read_object(path / DIGESTS)
    for name, digest in digests.items():
        try:
            whole = _digest(path / name) == digest
        except OSError as error:
            raise SettingError(f"{name}: {(error.strerror or 'unreadable').lower()}.") from error
        if not whole:
            raise SettingError(f"{name} is not as it was written.")
    if not digests:
        raise SettingError(f"{DIGESTS} is empty.")


def restore(path: pathlib.Path, like: Any) -> Any:
    """The checkpoint at `path`, with the structure, shapes and types of `like`.

    Raises:
        SettingError: it is missing, damaged or of another shape.
    """
    from orbax.checkpoint import v1 as ocp

    if not path.is_dir():
        raise SettingError(f"{path}: no such checkpoint.")
    try:
        check_whole(path)
    except SettingError as error:
        raise SettingError(
            f"{path}: the checkpoint is damaged ({str(error).rstrip('.')})."
        ) from error
    place = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    abstract = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=place), like)
    try:
        with preempt.held():
            tree = ocp.load(str(path.absolute()), abstract)
    # orbax and tensorstore raise many unrelated types for an unlike checkpoint.
    except Exception as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise SettingError(
            f"{path}: the checkpoint is of another architecture ({reason[0][:200]})."
        ) from error
    for want, got in zip(jax.tree.leaves(like), jax.tree.leaves(tree), strict=True):
        if want.shape != got.shape:
            raise SettingError(
                f"{path}: the checkpoint is of another architecture (an array of shape"
                f" {got.shape} where {want.shape} is needed)."
            )
    return tree


def _no_space(folder: pathlib.Path, step: int) -> SettingError:
    return SettingError(
        f"{folder}: no space left for checkpoint {step}; earlier ones are kept. Make space and run"
        " the same command again."
    )


class Numbered(abc.ABC):
    """Numbered checkpoints of one folder, the last two kept; a `types.Saver`."""

    def __init__(self, folder: pathlib.Path, usable: Callable[[int], None] = lambda number: None):
        """`usable` raises SettingError where what belongs to a checkpoint is not whole."""
        self.folder, self.usable = folder, usable

    @abc.abstractmethod
    def numbers(self) -> list[int]:
        """Of the checkpoints that are there, in order; accidents may have torn some."""

    @abc.abstractmethod
    def read(self, number: int, like: Any) -> Any:
        """One checkpoint; raises SettingError where it is not whole."""

    @abc.abstractmethod
    def save(self, number: int, tree: Any) -> None:
        """Saves checkpoint `number`, then drops older ones."""

    def clear(self) -> None:
        """Removes all checkpoints."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def latest(self, like: Any) -> tuple[int, Any] | None:
        """The last whole checkpoint and its number; tells of later ones. None if there is none.

        Raises:
            SettingError: there are some, and none is whole.
        """
        torn: dict[str, list[int]] = {}
        for number in reversed(self.numbers()):
            try:
                self.usable(number)
                tree = self.read(number, like)
            except SettingError as error:
                torn.setdefault(str(error).rstrip("."), []).append(number)
                continue
            if torn and jax.process_index() == 0:
                notices.tell(f"{_lost(torn)}; going on from checkpoint {number}.")
            return number, tree
        if torn:
            raise SettingError(f"{_lost(torn)}: remove {self.folder} to begin again.")
        return None


def _lost(torn: dict[str, list[int]]) -> str:
    """Which checkpoints cannot be used, and why."""
    each = (
        f"{reason}, so checkpoint{'s'[: len(numbers) > 1]} {' and '.join(map(str, numbers))} cannot"
        " be used"
        for reason, numbers in torn.items()
    )
    return "; ".join(each)


class Checkpoints(Numbered):
    """Checkpoints by orbax: of a run, or of a training of several processes."""

    def numbers(self) -> list[int]:
        """Of the checkpoints that are there, in order."""
        return steps(self.folder)

    def read(self, number: int, like: Any) -> Any:
        """One checkpoint; raises SettingError where it is not whole."""
        return restore(self.folder / f"{number:08d}", like)

    def save(self, number: int, tree: Any) -> None:
        """Saves checkpoint `number`, then drops older ones."""
        save(self.folder, number, tree)


class Background(Numbered):
    """Checkpoints of one member of a sweep, written while it plays on.

    Not by orbax, whose saves are collective, while members advance on their own: as of 0.12.8,
    whatever `active_processes` says, v1 gathers the path from all processes, and v0 leaves arrays
    of the host to process 0. A checkpoint is a file, whole once it has its name.
    """

    def __init__(
        self,
        folder: pathlib.Path,
        writer: futures.Executor,
        usable: Callable[[int], None] = lambda number: None,
        keep: int = 2,
    ):
        super().__init__(folder, usable)
        self.writer, self.keep = writer, keep
        self.pending: futures.Future[None] | None = None

    def numbers(self) -> list[int]:
        """Of the checkpoints that are there, in order."""
        return [int(path.stem) for path in self._stored()]

    def read(self, number: int, like: Any) -> Any:
        """One checkpoint; raises SettingError where it is not whole."""
        return store.load_arrays(self.folder / f"{number:08d}.npz", like)

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
        super().clear()

    def _write(self, number: int, tree: Any) -> None:
        needed = sum(leaf.nbytes for leaf in jax.tree.leaves(tree))
        if store.free_bytes(self.folder) < needed + MARGIN:
            raise _no_space(self.folder, number)
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            place = self.folder / f"{number:08d}.npz"
            if place.is_dir():  # an accident's
                shutil.rmtree(place)
            store.save_arrays(place, tree)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            raise _no_space(self.folder, number) from error
        for old in self._stored()[: -self.keep]:
            shutil.rmtree(old) if old.is_dir() else old.unlink()

    def _stored(self) -> list[pathlib.Path]:
        return sorted(self.folder.glob("[0-9]" * 8 + ".npz"))
