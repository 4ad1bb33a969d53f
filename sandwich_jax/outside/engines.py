"""A bounded pool of UCI engine processes: many positions in, scores or moves out.

One single-threaded engine a core takes positions from one queue. Before every position an engine
forgets the last (ucinewgame clears its hash), so that at fixed nodes an answer depends neither on
the number of processes nor on the order of positions. Engines at a set UCI_Elo err at random by
their own design and cannot be repeated exactly.
"""

from __future__ import annotations

import asyncio
import collections
import concurrent.futures
import dataclasses
import functools
import math
import os
import pathlib
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

import chess
import chess.engine

from sandwich_jax.outside import processes
from sandwich_jax.types import SettingError

MATE = 10_000
"""Centipawns of mate on the spot; a mate in n plies counts n less."""


@dataclasses.dataclass(frozen=True)
class EngineConfig:
    """Static settings of a pool."""

    path: str | None = None
    """The engine; by default $SANDWICH_STOCKFISH, stockfish on PATH, or Debian's place for it."""
    processes: int | None = None
    """By default one a core that this process may use."""
    hash_mb: int = 16
    restarts: int = 3
    """Crashed or hung processes replaced in a pool's life before it gives up."""
    seconds: float = 120.0
    """An engine that takes longer for one position hangs, and is killed."""


class Strength(NamedTuple):
    """How hard an engine thinks."""

    nodes: int = 10_000
    elo: int | None = None
    """UCI_Elo, where the engine has it: weakened on purpose. Its scale was fitted by the engine's
    authors at long games, not at these nodes."""


class Line(NamedTuple):
    """One variation's first move and score, both for the side to move."""

    move: chess.Move
    centipawns: int
    """A mate in n plies is `MATE` - n."""
    win: float
    """Expected score in [0, 1], see `win_probability`; 1 or 0 for a mate."""


class EngineFault(SettingError):
    """An engine could not go on; what was done by then is in `done`."""

    def __init__(self, message: str, done: Sequence[Any] = ()):
        super().__init__(message)
        self.done = list(done)
        """An answer a position, None where there is none."""


def win_probability(centipawns: float) -> float:
    """Expected score in [0, 1] of the side with this score, fitted to human games.

    Source: https://lichess.org/page/accuracy (its "Win%", divided by 100).
    """
    return 1 / (1 + math.exp(-0.00368208 * centipawns))


def _cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


Job = Callable[[chess.engine.UciProtocol], Awaitable[Any]]
"""What is asked of whichever engine is free."""


class Pool:
    """Engine processes and the queue before them; use it in a `with` block."""

    def __init__(self, config: EngineConfig = EngineConfig()):
        """Raises SettingError where there is no engine or a setting cannot be used."""
        if config.processes is not None and config.processes < 1:
            raise SettingError(f"processes is {config.processes}: it must be at least 1.")
        if config.hash_mb < 1 or config.restarts < 0 or config.seconds <= 0:
            raise SettingError("hash-mb must be at least 1, restarts 0, seconds above 0.")
        self.config, self.path = config, processes.find(config.path)
        self.size = config.processes or _cores()
        self.name = pathlib.Path(self.path).name
        self.faults = 0
        self._processes: list[processes.Process | None] = [None] * self.size
        # A thread with a loop of its own: callers may have a loop that runs (notebooks do).
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        processes.watch_signals()

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends all processes; harmless the second time."""
        if self._loop.is_closed():
            return
        self._await(self._stop_all())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def analyse(
        self, boards: Sequence[chess.Board | str], nodes: int, multipv: int = 1
    ) -> list[list[Line]]:
        """The best `multipv` lines (fewer where fewer moves are legal) of every position.

        Args:
            boards: positions or FENs; none may be over.
            nodes: searched a position, all its lines together.
            multipv: lines wanted, best first.

        Raises:
            EngineFault: the engine failed too often; `done` holds what was finished.
            SettingError: a number or a position cannot be used.
        """
        if nodes < 1 or multipv < 1:
            raise SettingError("nodes and multipv must be at least 1.")
        positions = [_board(board) for board in boards]
        jobs = [functools.partial(_analyse, board, nodes, multipv) for board in positions]
        return self._answer(jobs, [board.fen() for board in positions])

    def moves(
        self, boards: Sequence[chess.Board], strengths: Strength | Sequence[Strength]
    ) -> list[chess.Move]:
        """The move that the engine plays on every board, at one strength or one a board.

        Raises:
            EngineFault: the engine failed too often; `done` holds what was finished.
            SettingError: a strength or a position cannot be used.
        """
        each = [strengths] * len(boards) if isinstance(strengths, Strength) else strengths
        positions = [_board(board) for board in boards]
        pairs = zip(positions, each, strict=True)
        jobs = [functools.partial(self._move, board, strength) for board, strength in pairs]
        return self._answer(jobs, [board.fen() for board in positions])

    def version(self) -> str:
        """What the engine calls itself, such as "Stockfish 16".

        Raises:
            EngineFault: it cannot be started.
        """
        return self._answer([_identify], ["its name"])[0]

    async def _move(
        self, board: chess.Board, strength: Strength, engine: chess.engine.UciProtocol
    ) -> chess.Move:
        options = self._options(engine, strength)
        limit = chess.engine.Limit(nodes=strength.nodes)
        played = await engine.play(board, limit, game=object(), options=options)
        if played.move is None:
            raise chess.engine.EngineError("no move")
        return played.move

    def _options(self, engine: chess.engine.UciProtocol, strength: Strength) -> dict[str, Any]:
        if strength.elo is None:
            return {}
        option = engine.options.get("UCI_Elo")
        if option is None or option.min is None or option.max is None:
            raise SettingError(f"{self.name} has no UCI_Elo: give it nodes.")
        if not option.min <= strength.elo <= option.max:
            raise SettingError(
                f"elo is {strength.elo}: {engine.id.get('name', self.name)} takes {option.min} to"
                f" {option.max}."
            )
        return {"UCI_LimitStrength": True, "UCI_Elo": strength.elo}

    def _answer(self, jobs: Sequence[Job], names: list[str]) -> list[Any]:
        answers: list[Any] = [None] * len(jobs)
        try:
            self._await(self._serve_all(jobs, names, answers))
        except (EngineFault, processes.StartError) as fault:
            count = sum(answer is not None for answer in answers)
            message = f"{fault} {count} of {len(jobs)} positions were done."
            raise EngineFault(message, answers) from fault
        return answers

    def _await(self, work: Any) -> Any:
        """Runs a coroutine in the pool's loop; an interrupt here ends the engines' work."""
        if self._loop.is_closed():
            work.close()
            raise SettingError("This pool of engines is closed.")
        future: concurrent.futures.Future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    async def _serve_all(self, jobs: Sequence[Job], names: list[str], answers: list[Any]) -> None:
        queue = collections.deque(range(len(jobs)))
        slots = range(min(self.size, len(jobs)))
        tasks = [
            asyncio.ensure_future(self._serve(slot, queue, jobs, names, answers)) for slot in slots
        ]
        try:
            await asyncio.gather(*tasks)
        except BaseException:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            # They may be in the middle of a search: nothing that they say now can be trusted.
            await self._stop_all()
            raise

    async def _serve(
        self,
        slot: int,
        queue: collections.deque[int],
        jobs: Sequence[Job],
        names: list[str],
        answers: list[Any],
    ) -> None:
        """One process's share of the queue; a job that a fault cut off is done again."""
        while queue:
            job = queue.popleft()
            process = self._processes[slot] or await self._start(slot)
            try:
                async with asyncio.timeout(self.config.seconds):
                    answers[job] = await jobs[job](process.protocol)
            except (TimeoutError, chess.engine.EngineError) as error:
                await self._stop(slot)
                queue.appendleft(job)
                self.faults += 1
                if self.faults > self.config.restarts:
                    raise EngineFault(self._blame(error, names[job])) from error

    def _blame(self, error: Exception, name: str) -> str:
        why = f"crashed ({error})"
        if isinstance(error, TimeoutError):
            why = f"took over {self.config.seconds:g} s"
        elif not isinstance(error, chess.engine.EngineTerminatedError):
            why = f"answered nonsense ({error})"
        return f"{self.path} failed {self.faults} times, at last it {why} at '{name}'."

    async def _start(self, slot: int) -> processes.Process:
        process = await processes.start(self.path, {"Threads": 1, "Hash": self.config.hash_mb})
        self._processes[slot] = process
        return process

    async def _stop(self, slot: int) -> None:
        process, self._processes[slot] = self._processes[slot], None
        if process is not None:
            await processes.stop(process)

    async def _stop_all(self) -> None:
        for slot in range(self.size):
            await self._stop(slot)


async def _identify(engine: chess.engine.UciProtocol) -> str:
    return engine.id.get("name", "unnamed")


async def _analyse(
    board: chess.Board, nodes: int, multipv: int, engine: chess.engine.UciProtocol
) -> list[Line]:
    # python-chess replays every variation that it parses: the best move comes without one.
    wanted = chess.engine.INFO_SCORE
    if multipv > 1:
        wanted |= chess.engine.INFO_BASIC | chess.engine.INFO_PV
    count = min(multipv, board.legal_moves.count())
    limit = chess.engine.Limit(nodes=nodes)
    analysis = await engine.analysis(board, limit, multipv=count, game=object(), info=wanted)
    if multipv == 1:
        best = (await analysis.wait()).move
        return [_line(best, analysis.info)]
    # Lines come in sets. The last set, cut off by the limit, mostly mixes two depths, and then
    # neither its order nor its scores agree: the last set of one depth counts.
    whole: list[chess.engine.InfoDict] = []
    lines: list[chess.engine.InfoDict] = []
    async for info in analysis:
        if not info.get("pv") or "score" not in info:
            continue
        lines = [info] if info.get("multipv", 1) == 1 else [*lines, info]
        if len(lines) == count and len({line.get("depth") for line in lines}) == 1:
            whole = lines
    return [_line(line.get("pv", [None])[0], line) for line in whole or lines]


def _line(move: chess.Move | None, info: chess.engine.InfoDict) -> Line:
    if move is None or "score" not in info:
        raise chess.engine.EngineError("no move or no score")
    score = info["score"].relative
    centipawns = score.score(mate_score=MATE)
    win = float(centipawns > 0) if score.is_mate() else win_probability(centipawns)
    return Line(move, centipawns, win)


def _board(board: chess.Board | str) -> chess.Board:
    """A board that the engine may be asked about."""
    try:
        board = chess.Board(board) if isinstance(board, str) else board
    except ValueError as error:
        raise SettingError(f"'{board}' is not a position in FEN ({error}).") from error
    if not any(board.legal_moves) or not board.is_valid():
        raise SettingError(f"'{board.fen()}' is no legal position, or its game is over.")
    return board
