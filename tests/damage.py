"""Ways in which a file or a folder of files is damaged."""

import pathlib


def largest(place: pathlib.Path) -> pathlib.Path:
    files = [place] if place.is_file() else [p for p in place.rglob("*") if p.is_file()]
    return max(files, key=lambda path: path.stat().st_size)


def _write(path: pathlib.Path, data: bytes) -> None:
    """In place of a file, which may be the shipped zoo's by another name."""
    path.unlink()
    path.write_bytes(data)


def cut(place: pathlib.Path) -> None:
    path = largest(place)
    _write(path, path.read_bytes()[: path.stat().st_size // 2])


def emptied(place: pathlib.Path) -> None:
    _write(largest(place), b"")


def nulled(place: pathlib.Path) -> None:
    path = largest(place)
    _write(path, bytes(path.stat().st_size))


def lost(place: pathlib.Path) -> None:
    if place.is_dir():
        largest(place).unlink()
    else:  # a file that is gone is no checkpoint; one that is a folder is a torn one
        place.unlink()
        place.mkdir()


def flipped(place: pathlib.Path) -> None:
    path = largest(place)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 16
    _write(path, data)


TORN = (cut, emptied, nulled, lost, flipped)


def torn_rows(folder: pathlib.Path) -> None:
    path = folder / "rows.jsonl"
    path.write_bytes(path.read_bytes()[:-30])
