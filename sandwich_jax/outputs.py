"""Where results go: every output path is tried before any work, and refused if it is an input.

A command that measures prints what it found before it writes it, so that nothing is lost where
writing fails all the same.
"""

from __future__ import annotations

import json
import os
import pathlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO, TypeVar

from sandwich_jax.errors import SettingError

T = TypeVar("T")
PROBE = ".writable.tmp"
"""Ends the name of a file that is made to see whether it can be; no temporary file here has a
longer one."""


class Unwritten(SettingError):
    """A result that could not be written in the end, to be shown instead."""

    def __init__(self, path: pathlib.Path, error: OSError, result: Any):
        # What stands where a file was to be put is named by itself.
        path = pathlib.Path(os.fsdecode(error.filename2)) if error.filename2 else path
        super().__init__(f"{path} cannot be written ({reason(error)}).")
        self.result = result


@contextmanager
def keeping(result: Any, path: pathlib.Path) -> Iterator[None]:
    """For the length of a block that writes what a command found to `path`.

    Raises:
        Unwritten: it could not; holds `result`.
    """
    try:
        yield
    except OSError as error:
        raise Unwritten(path, error, result) from error


def show(call: Callable[[], T], shown: Callable[[T], None]) -> T:
    """Shows what a call finds, also where it could not be written; raises what the call does."""
    try:
        result = call()
    except Unwritten as error:
        shown(error.result)
        raise
    shown(result)
    return result


def reason(error: Exception) -> str:
    """Why reading or writing failed, in a few words."""
    found = error.strerror if isinstance(error, OSError) else None
    return (found or str(error) or type(error).__name__).lower()


def check_file(
    path: pathlib.Path,
    inputs: Iterable[pathlib.Path] = (),
    name: str = "--out",
    append: bool = False,
) -> None:
    """Tries whether a file can be written at `path`; what is there stays as it is.

    Args:
        path: where a file is to be written.
        inputs: files that the command reads; those that are not there do not matter.
        name: of the setting, for the sentence.
        append: lines are added to what is there; otherwise it is replaced.

    Raises:
        SettingError: it is a folder, an input, or cannot be written.
    """
    try:
        if path.is_dir():
            raise SettingError(f"{path} is a folder: {name} names a file.")
        for one in inputs:
            if _same(path, one):
                raise SettingError(
                    f"{path} is an input of this command: choose another file with {name}."
                )
        special = path.exists() and not path.is_file()
        if special and not append:
            raise SettingError(f"{path} is no ordinary file: choose another with {name}.")
        if special or (path.exists() and append):
            path.open("ab").close()
            return
        if path.exists() and not os.access(path, os.W_OK):
            raise SettingError(f"{path} is not to be written to: choose another with {name}.")
        with _folders(path.parent):
            _probe(path)
    except (OSError, ValueError) as error:
        raise SettingError(
            f"{path} cannot be written ({reason(error)}): choose another file with {name}."
        ) from error


def check_folder(path: pathlib.Path, name: str = "--out") -> None:
    """Tries whether files can be written in the folder `path`, which need not be there yet.

    Raises:
        SettingError: it is a file, or nothing can be written there.
    """
    try:
        if path.exists() and not path.is_dir():
            raise SettingError(f"{path} is a file: {name} names a folder.")
        with _folders(path):
            _probe(path / "x")
    except (OSError, ValueError) as error:
        raise SettingError(
            f"{path} cannot be written to ({reason(error)}): choose another folder with {name}."
        ) from error


@contextmanager
def _folders(path: pathlib.Path) -> Iterator[None]:
    """Makes the folders that are missing, and removes them again."""
    missing = [p for p in (path, *path.parents) if not p.exists()]
    made: list[pathlib.Path] = []
    try:
        for folder in reversed(missing):
            folder.mkdir()
            made.append(folder)
        yield
    finally:
        for folder in reversed(made):
            folder.rmdir()


def _probe(path: pathlib.Path) -> None:
    probe = path.with_name(f".{path.name}{PROBE}")
    probe.open("wb").close()
    probe.unlink()


def _same(one: pathlib.Path, other: pathlib.Path) -> bool:
    """Whether two paths are one file, however they are spelled."""
    try:
        return one.samefile(other)
    except OSError:  # one of them is not there, or cannot be looked at
        return one.absolute() == other.absolute()


def _end_of_line(file: BinaryIO) -> bytes:
    """What ends the last line of a file, if an accident has cut it."""
    if not file.seekable() or not file.seek(0, os.SEEK_END):
        return b""
    file.seek(-1, os.SEEK_END)
    return b"" if file.read(1) == b"\n" else b"\n"


class Lines:
    """A file of JSON lines that results are added to; use it in a `with` block.

    A row that cannot be written does not stop the work: the block's end tells it, once everything
    is measured and shown.
    """

    def __init__(
        self, path: pathlib.Path | None, inputs: Iterable[pathlib.Path] = (), name: str = "--out"
    ):
        """Raises SettingError where nothing can be written at `path`; None writes nothing."""
        self.path, self.failed = path, ""
        if path is not None:
            check_file(path, inputs, name, append=True)

    def add(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Adds rows of plain values, all or none of them."""
        if self.path is None or self.failed:
            return
        text = "".join(json.dumps(row) + "\n" for row in rows)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a+b") as file:
                file.write(_end_of_line(file) + text.encode())
        except OSError as error:
            self.failed = reason(error)

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        if self.failed and kind is None:
            raise SettingError(
                f"{self.path} cannot be written ({self.failed}); what was measured is shown above."
            )
