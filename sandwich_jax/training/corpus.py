"""PGN to move arrays: `sandwich-jax corpus build`.

A corpus file is an uncompressed .npz, read by memory map, so that its size does not matter:

    moves     uint16 [plies]     action labels, game after game
    starts    int64  [games + 1] where each game's moves begin
    result    int8   [games]     1 White won, 0 draw, -1 Black won
    elo       int16  [games, 2]  White's and Black's rating, 0 where unknown
    test      bool   [games]     held out, by a hash of the game's moves
    stats     the counts and filters of the build, as JSON
"""

from __future__ import annotations

import collections
import concurrent.futures
import dataclasses
import hashlib
import io
import json
import multiprocessing
import os
import pathlib
import zipfile
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO, NamedTuple

import chess
import chess.pgn
import numpy as np
import zstandard
from numpy.lib import format as npy

from sandwich_jax.types import SettingError

RESULTS = {"1-0": 1, "1/2-1/2": 0, "0-1": -1}
MAX_PLIES = 511
BATCH = 400
"""Games handed to a worker at a time."""


@dataclasses.dataclass(frozen=True)
class Filters:
    """Which games are kept; the others are counted by reason."""

    min_elo: int = 0
    """Both players' ratings at least this; an unknown rating counts as 0."""
    max_elo: int = 10_000
    min_plies: int = 1
    max_plies: int = MAX_PLIES
    results: tuple[str, ...] = ("1-0", "1/2-1/2", "0-1")

    def __post_init__(self) -> None:
        """Raises SettingError for a filter that no game could pass."""
        if not 0 <= self.min_elo <= self.max_elo:
            raise SettingError("min-elo must be at least 0 and at most max-elo.")
        if not 1 <= self.min_plies <= self.max_plies <= MAX_PLIES:
            raise SettingError(
                f"min-plies and max-plies must be within 1 to {MAX_PLIES}, in this order."
            )
        unknown = set(self.results) - set(RESULTS)
        if unknown or not self.results:
            raise SettingError(f"results must be some of {', '.join(RESULTS)}.")


class Parsed(NamedTuple):
    """One usable game, or the reason why it is not."""

    reason: str = ""
    labels: bytes = b""
    """uint16, little-endian."""
    result: int = 0
    elo: tuple[int, int] = (0, 0)


def label_of(move: chess.Move, white: bool) -> int:
    """The action label of a legal move (see `sandwich_jax.games`), mover's view."""
    flip = 0 if white else 7
    file, rank = chess.square_file(move.from_square), chess.square_rank(move.from_square) ^ flip
    df = chess.square_file(move.to_square) - file
    dr = (chess.square_rank(move.to_square) ^ flip) - rank
    if move.promotion and move.promotion != chess.QUEEN:
        piece = {chess.ROOK: 0, chess.BISHOP: 1, chess.KNIGHT: 2}[move.promotion]
        plane = 3 * piece + {0: 0, 1: 1, -1: 2}[df]
    else:
        plane = _PLANES[df, dr]
    return (file * 8 + rank) * 73 + plane


def move_of(label: int, board: chess.Board) -> chess.Move:
    """The move that an action label means on `board`; its inverse is `label_of`."""
    flip = 0 if board.turn else 7
    square, plane = divmod(label, 73)
    file, rank = divmod(square, 8)
    promotion = None
    if plane < 9:
        df, dr = (0, 1, -1)[plane % 3], 1
        promotion = (chess.ROOK, chess.BISHOP, chess.KNIGHT)[plane // 3]
    else:
        df, dr = _STEPS[plane]
    source = chess.square(file, rank ^ flip)
    target = chess.square(file + df, (rank + dr) ^ flip)
    if promotion is None and rank + dr == 7 and board.piece_type_at(source) == chess.PAWN:
        promotion = chess.QUEEN
    return chess.Move(source, target, promotion)


def _queen_planes() -> dict[tuple[int, int], int]:
    """(files, ranks) moved to plane 9-72, in pgx's order."""
    directions = ((0, -1), (0, 1), (-1, 0), (1, 0), (-1, -1), (1, 1), (-1, 1), (1, -1))
    planes = {}
    for i, (df, dr) in enumerate(directions):
        for distance in range(1, 8):
            # Lines that go down or left are listed from the far end, but for the last two.
            far_first = i in (0, 2, 4, 6)
            offset = 7 - distance if far_first else distance - 1
            planes[df * distance, dr * distance] = 9 + 7 * i + offset
    knights = ((-2, -1), (-2, 1), (-1, -2), (-1, 2), (2, -1), (2, 1), (1, -2), (1, 2))
    return planes | {step: 65 + i for i, step in enumerate(knights)}


_PLANES = _queen_planes()
_STEPS = {plane: step for step, plane in _PLANES.items()}


class _Labels(chess.pgn.BaseVisitor):
    """Collects labels, tags and the first complaint while python-chess reads a game."""

    def begin_game(self) -> None:
        self.tags: dict[str, str] = {}
        self.labels: list[int] = []
        self.reason = ""
        self.ended = False

    def visit_header(self, tagname: str, tagvalue: str) -> None:
        self.tags[tagname] = tagvalue

    def end_headers(self) -> chess.pgn.SkipType | None:
        variant = self.tags.get("Variant", "Standard").lower()
        if variant not in ("standard", "chess", "normal", "from position"):
            self.reason = "variant"
        elif self.tags.get("FEN", chess.STARTING_FEN) != chess.STARTING_FEN:
            self.reason = "not from the initial position"
        return chess.pgn.SKIP if self.reason else None

    def begin_variation(self) -> chess.pgn.SkipType:
        return chess.pgn.SKIP

    def visit_move(self, board: chess.Board, move: chess.Move) -> None:
        self.labels.append(label_of(move, board.turn) if move else -1)

    def visit_result(self, result: str) -> None:
        self.ended = True

    def handle_error(self, error: Exception) -> None:
        self.reason = "illegal or broken move"

    def result(self) -> _Labels:
        return self


def _parse(text: str, filters: Filters) -> Parsed:
    game = chess.pgn.read_game(io.StringIO(text), Visitor=_Labels)
    if game is None:
        return Parsed("no game")
    tags, labels = game.tags, game.labels
    if not game.reason:
        game.reason = _unusable(game, filters)
    if game.reason:
        return Parsed(game.reason)
    elo = (_rating(tags.get("WhiteElo", "")), _rating(tags.get("BlackElo", "")))
    return Parsed("", np.asarray(labels, "<u2").tobytes(), RESULTS[tags["Result"]], elo)


def _unusable(game: _Labels, filters: Filters) -> str:
    elos = [_rating(game.tags.get(side, "")) for side in ("WhiteElo", "BlackElo")]
    if not game.labels:
        return "empty"
    if -1 in game.labels:
        return "null move"
    if not game.ended:
        return "no end marker"
    if game.tags.get("Result") not in RESULTS:
        return "no result"
    if game.tags["Result"] not in filters.results:
        return "filtered by result"
    if not filters.min_plies <= len(game.labels) <= filters.max_plies:
        return "filtered by plies"
    if not all(filters.min_elo <= elo <= filters.max_elo for elo in elos):
        return "filtered by rating"
    return ""


def _rating(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 5 else 0


def _parse_batch(texts: list[str], filters: Filters) -> list[Parsed]:
    return [_parse(text, filters) for text in texts]


# --- reading ------------------------------------------------------------------------------------


def _chunks(path: pathlib.Path, progress: Callable[[int], None]) -> Iterator[bytes]:
    """The bytes of a file, unpacked if it ends in .zst; tells how many stored ones were read."""
    with path.open("rb") as file:
        raw = iter(lambda: file.read(1 << 20), b"")
        if path.suffix != ".zst":
            for block in raw:
                progress(len(block))
                yield block
            return
        stream, fresh = zstandard.ZstdDecompressor().decompressobj(), True
        for block in raw:
            progress(len(block))
            while block:
                try:
                    yield stream.decompress(block)
                except zstandard.ZstdError as error:
                    raise SettingError(
                        f"{path}: damaged or not a Zstandard file ({error})."
                    ) from error
                fresh, block = stream.eof, stream.unused_data if stream.eof else b""
                if fresh:
                    stream = zstandard.ZstdDecompressor().decompressobj()
        if not fresh:
            raise SettingError(f"{path}: the Zstandard stream is truncated; fetch the file again.")


def _lines(blocks: Iterable[bytes]) -> Iterator[str]:
    rest = b""
    for block in blocks:
        *whole, rest = (rest + block).split(b"\n")
        for line in whole:
            yield line.decode("utf-8", "replace")
    if rest:
        yield rest.decode("utf-8", "replace")


def _games(lines: Iterable[str]) -> Iterator[str]:
    """Cuts a PGN into games: a tag line after move text begins a new one."""
    game: list[str] = []
    in_moves = in_comment = False
    for line in lines:
        tag = line.startswith("[") and not in_comment
        if tag and in_moves:
            yield "\n".join(game)
            game, in_moves = [], False
        elif not tag and line.strip():
            in_moves = True
            # A comment may hold lines that look like tags.
            last_open, last_close = line.rfind("{"), line.rfind("}")
            in_comment = last_open > last_close or (in_comment and last_close < 0)
        game.append(line)
    if any(line.strip() for line in game):
        yield "\n".join(game)


def _batches(games: Iterable[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    for game in games:
        batch.append(game)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


# --- building -----------------------------------------------------------------------------------


def build(
    paths: list[pathlib.Path],
    out: pathlib.Path,
    filters: Filters = Filters(),
    test_share: float = 0.02,
    max_games: int | None = None,
    workers: int | None = None,
    progress: Callable[[int, int], None] = lambda read, games: None,
) -> dict[str, int]:
    """Builds the corpus file `out` from PGN files; an existing one is replaced at the end.

    Args:
        paths: .pgn or .pgn.zst, each streamed.
        out: written under a temporary name first.
        filters: which games are kept.
        test_share: share of games held out, in [0, 1]; which ones depends on their moves alone.
        max_games: stop after this many games kept.
        workers: processes; all processors if None.
        progress: told the bytes read and the games kept, from time to time.

    Returns:
        Games by reason: `kept` and why others were skipped.

    Raises:
        SettingError: a file is missing, empty, damaged or has no usable game.
    """
    _check_inputs(paths, test_share)
    read = 0

    def count(size: int) -> None:
        nonlocal read
        read += size

    counts: collections.Counter[str] = collections.Counter()
    seen: set[bytes] = set()
    writer = _Writer(out)
    try:
        texts = (g for path in paths for g in _games(_lines(_chunks(path, count))))
        for game in _parse_all(_batches(texts), filters, workers):
            reason = game.reason
            digest = hashlib.blake2b(game.labels, digest_size=12).digest()
            if not reason and digest in seen:
                reason = "duplicate"
            counts[reason or "kept"] += 1
            if reason:
                continue
            seen.add(digest)
            writer.add(game, held_out=int.from_bytes(digest[:4], "little") < test_share * 2**32)
            if counts["kept"] % BATCH == 0:
                progress(read, counts["kept"])
            if counts["kept"] == max_games:
                break
        progress(read, counts["kept"])
        if not counts["kept"]:
            raise SettingError(f"No usable game in {_names(paths)}: {_reasons(counts)}.")
        stats = {"counts": dict(counts), "filters": dataclasses.asdict(filters)}
        writer.finish(stats | {"sources": [path.name for path in paths]})
    finally:
        writer.discard()
    return dict(counts)


def _check_inputs(paths: list[pathlib.Path], test_share: float) -> None:
    if not 0 <= test_share <= 1:
        raise SettingError(f"test-share is {test_share}: it must be between 0 and 1.")
    for path in paths:
        if not path.is_file():
            raise SettingError(f"{path}: no such file; name PGN files (.pgn or .pgn.zst).")
        if path.stat().st_size == 0:
            raise SettingError(f"{path}: the file is empty; a PGN file with games is needed.")


def _names(paths: list[pathlib.Path]) -> str:
    return ", ".join(path.name for path in paths)


def _reasons(counts: dict[str, int]) -> str:
    return ", ".join(f"{n} {reason}" for reason, n in counts.items()) or "it holds no PGN game"


def _parse_all(
    batches: Iterator[list[str]], filters: Filters, workers: int | None
) -> Iterator[Parsed]:
    """Parses in worker processes, in order, with a bounded number of batches in flight."""
    workers = workers or os.cpu_count() or 1
    if workers == 1:
        for batch in batches:
            yield from _parse_batch(batch, filters)
        return
    # Threads of JAX in this process make a plain fork unsafe.
    context = multiprocessing.get_context("forkserver")
    with concurrent.futures.ProcessPoolExecutor(workers, context) as pool:
        waiting: collections.deque[concurrent.futures.Future[list[Parsed]]] = collections.deque()
        try:
            for batch in batches:
                waiting.append(pool.submit(_parse_batch, batch, filters))
                if len(waiting) > 2 * workers:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


class _Writer:
    """Streams games to raw columns, then zips them to an .npz under a temporary name."""

    COLUMNS = (
        ("moves", "<u2"),
        ("lengths", "<i8"),
        ("result", "<i1"),
        ("elo", "<i2"),
        ("test", "?"),
    )

    def __init__(self, out: pathlib.Path):
        self.out = out
        out.parent.mkdir(parents=True, exist_ok=True)
        self.parts = {name: out.with_name(f".{out.name}.{name}.tmp") for name, _ in self.COLUMNS}
        self.files: dict[str, BinaryIO] = {k: p.open("wb") for k, p in self.parts.items()}
        self.zip = out.with_name(f".{out.name}.tmp")

    def add(self, game: Parsed, held_out: bool) -> None:
        self.files["moves"].write(game.labels)
        self.files["lengths"].write(np.int64(len(game.labels) // 2).tobytes())
        self.files["result"].write(np.int8(game.result).tobytes())
        self.files["elo"].write(np.asarray(game.elo, "<i2").tobytes())
        self.files["test"].write(np.bool_(held_out).tobytes())

    def finish(self, stats: dict) -> None:
        for file in self.files.values():
            file.close()
        lengths = np.fromfile(self.parts["lengths"], "<i8")
        with zipfile.ZipFile(self.zip, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
            starts = np.concatenate([[0], np.cumsum(lengths)])
            _add_array(archive, "starts", starts.dtype.str, starts.shape, [starts.tobytes()])
            for name, dtype in self.COLUMNS:
                if name == "lengths":
                    continue
                count = self.parts[name].stat().st_size // np.dtype(dtype).itemsize
                shape = (count // 2, 2) if name == "elo" else (count,)
                with self.parts[name].open("rb") as file:
                    blocks = iter(lambda file=file: file.read(1 << 22), b"")
                    _add_array(archive, name, dtype, shape, blocks)
            text = np.asarray(json.dumps(stats))
            _add_array(archive, "stats", text.dtype.str, (), [text.tobytes()])
        os.replace(self.zip, self.out)

    def discard(self) -> None:
        """Removes every temporary file."""
        for file in self.files.values():
            file.close()
        for path in (*self.parts.values(), self.zip):
            path.unlink(missing_ok=True)


def _add_array(
    archive: zipfile.ZipFile, name: str, dtype: str, shape: tuple, blocks: Iterable[bytes]
) -> None:
    with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
        header = {"descr": dtype, "fortran_order": False, "shape": shape}
        npy.write_array_header_2_0(member, header)
        for block in blocks:
            member.write(block)


# --- using --------------------------------------------------------------------------------------


class Corpus(NamedTuple):
    """A corpus file, mapped into memory (see the module's docstring)."""

    moves: np.ndarray
    starts: np.ndarray
    result: np.ndarray
    elo: np.ndarray
    test: np.ndarray
    stats: dict


def load(path: pathlib.Path) -> Corpus:
    """Maps a corpus file.

    Raises:
        SettingError: it is missing or not a whole corpus file.
    """
    if not path.is_file():
        raise SettingError(f"{path}: no such corpus; make one with 'sandwich-jax corpus build'.")
    try:
        arrays = _map_npz(path)
        stats = json.loads(str(arrays["stats"]))
        columns = {name: arrays[name] for name in Corpus._fields[:-1]}
        return Corpus(**columns, stats=stats)
    except (zipfile.BadZipFile, KeyError, ValueError, EOFError, OSError) as error:
        raise SettingError(
            f"{path}: not a whole corpus file; make it again with 'sandwich-jax corpus build'."
        ) from error


def _map_npz(path: pathlib.Path) -> dict[str, np.ndarray]:
    arrays = {}
    with zipfile.ZipFile(path) as archive, path.open("rb") as raw:
        for info in archive.infolist():
            with archive.open(info) as member:
                npy.read_magic(member)
                shape, _, dtype = npy.read_array_header_2_0(member)
                header = member.tell()
            raw.seek(info.header_offset + 26)
            name_size, extra_size = np.frombuffer(raw.read(4), "<u2")
            offset = info.header_offset + 30 + int(name_size) + int(extra_size) + header
            arrays[info.filename.removesuffix(".npy")] = np.memmap(
                path, dtype, "r", offset, shape or (1,)
            ).reshape(shape)
    return arrays
