"""A bounded pool of UCI engine processes: many positions in, scores or moves out.

Single-threaded engines take positions from one queue, each served by a thread of its own. Before
every position an engine forgets the last (ucinewgame clears its hash), so that at fixed nodes an
answer depends neither on the number of processes nor on the order of positions. Engines at a set
UCI_Elo err at random by their own design and cannot be repeated exactly.
"""

from __future__ import annotations

import collections
import os
import pathlib
import subprocess
import threading
from collections.abc import Callable, Sequence
from concurrent import futures
from typing import Any

import chess

from sandwich_jax.engines import fens, processes, questions, uci_client
from sandwich_jax.engines.questions import Line, Question, Strength
from sandwich_jax.engines.settings import EngineConfig
from sandwich_jax.engines.uci_client import Client
from sandwich_jax.types import SettingError

PER_CORE = 2
"""Engines a core: while one waits for its next position another thinks."""
START_SECONDS = 60.0
"""An engine that has not said `uciok` by then does not speak UCI."""


class EngineFault(SettingError):
    """An engine could not go on; what was done by then is in `done`."""

    def __init__(self, message: str, done: Sequence[Any] = ()):
        super().__init__(message)
        self.done = list(done)
        """An answer a position, None where there is none."""


def _cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Pool:
    """Engine processes and the queue before them; use it in a `with` block."""

    def __init__(self, config: EngineConfig = EngineConfig()):
        """Raises SettingError where there is no engine or a setting cannot be used."""
        if config.processes is not None and config.processes < 1:
            raise SettingError(f"processes is {config.processes}: it must be at least 1.")
        if config.hash_mb < 1 or config.restarts < 0 or config.seconds <= 0:
            raise SettingError("hash-mb must be at least 1, restarts 0, seconds above 0.")
        self.config, self.path = config, processes.find(config.path)
        self.size = config.processes or PER_CORE * _cores()
        self.name = pathlib.Path(self.path).name
        self.faults = 0
        self._slots = [_Slot(self.path, config.hash_mb) for _ in range(self.size)]
        self._one_caller, self._closed = threading.Lock(), False
        processes.watch_signals()

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends all processes; harmless the second time."""
        self._closed = True
        for slot in self._slots:
            slot.stop()

    def analyse(
        self,
        boards: Sequence[chess.Board | str],
        nodes: int,
        multipv: int = 1,
        told: Callable[[int, list[Line]], None] = lambda index, lines: None,
    ) -> list[list[Line]]:
        """The best `multipv` lines (fewer where fewer moves are legal) of every position.

        Args:
            boards: positions or FENs; none may be over.
            nodes: searched a position, all its lines together.
            multipv: lines wanted, best first.
            told: called with every answer as soon as it is there, one at a time, by the number of
                its position; what it raises ends the work.

        Raises:
            EngineFault: the engine failed too often; `done` holds what was finished.
            SettingError: a number or a position cannot be used.
        """
        if nodes < 1 or multipv < 1:
            raise SettingError("nodes and multipv must be at least 1.")
        positions = [_board(board) for board in boards]
        asked = [questions.Analysis(board, nodes, multipv) for board in positions]
        return self._answer(asked, told)

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
        return self._answer([questions.BestMove(board, strength) for board, strength in pairs])

    def version(self) -> str:
        """What the engine calls itself, such as "Stockfish 16".

        Raises:
            EngineFault: it cannot be started.
        """
        return self._answer([questions.Name()])[0]

    def _answer(
        self,
        questions: Sequence[Question],
        told: Callable[[int, Any], None] = lambda index, answer: None,
    ) -> list[Any]:
        """Has all questions answered; what ends this early, as Ctrl-C does, ends the engines."""
        if self._closed:
            raise SettingError("This pool of engines is closed.")
        work, busy = _Work(questions, told), self._slots[: len(questions)]
        with self._one_caller, futures.ThreadPoolExecutor(self.size) as threads:
            tasks = [threads.submit(self._serve, slot, work) for slot in busy]
            try:
                done, _ = futures.wait(tasks, return_when=futures.FIRST_EXCEPTION)
                errors = [error for task in done if (error := task.exception())]
            except BaseException:
                self._give_up(work, tasks)
                raise
            if errors:
                self._give_up(work, tasks)
        for error in errors:
            if not isinstance(error, EngineFault | processes.StartError):
                raise error
            count = sum(answer is not None for answer in work.answers)
            message = f"{error} {count} of {len(questions)} positions were done."
            raise EngineFault(message, work.answers) from error
        return work.answers

    def _serve(self, slot: _Slot, work: _Work) -> None:
        """One engine's share of the queue; a question that a fault cut off is put again."""
        while (index := work.next()) is not None:
            try:
                engine = slot.engine()
                answer = work.questions[index].ask(engine, self.config.seconds)
            except uci_client.Fault as fault:
                slot.stop()
                self._again(index, fault, work)
            else:
                work.keep(index, answer)

    def _again(self, index: int, fault: uci_client.Fault, work: _Work) -> None:
        """Puts a question back, unless there were too many faults; raises EngineFault then."""
        with work.lock:
            if work.over:  # killed because others gave up
                return
            work.queue.appendleft(index)
            self.faults += 1
            if self.faults > self.config.restarts:
                work.over = True  # what fails beside it is not counted
                raise EngineFault(self._blame(fault, work.questions[index])) from fault

    def _blame(self, fault: uci_client.Fault, question: Question) -> str:
        why = f"crashed ({fault})"
        if isinstance(fault, uci_client.TooSlow):
            why = f"took over {self.config.seconds:g} s"
        elif isinstance(fault, uci_client.Nonsense):
            why = f"answered nonsense ({fault})"
        return f"{self.path} failed {self.faults} times, at last it {why} at '{question}'."

    def _give_up(self, work: _Work, tasks: Sequence[futures.Future[None]]) -> None:
        """Nothing that engines say from now on can be trusted: they are in mid-search."""
        with work.lock:
            work.over = True
        for slot in self._slots:
            slot.kill()
        futures.wait(tasks)
        for slot in self._slots:
            slot.stop()


class _Work:
    """Questions, the queue of those that wait, and answers."""

    def __init__(self, questions: Sequence[Question], told: Callable[[int, Any], None]):
        self.questions, self.told = questions, told
        self.answers: list[Any] = [None] * len(questions)
        self.queue = collections.deque(range(len(questions)))
        self.lock, self.over = threading.Lock(), False

    def keep(self, index: int, answer: Any) -> None:
        """Takes in an answer, unless all is over."""
        with self.lock:
            if not self.over:
                self.answers[index] = answer
                self.told(index, answer)

    def next(self) -> int | None:
        """One to put; None where there is none, or all is over."""
        with self.lock:
            return self.queue.popleft() if self.queue and not self.over else None


class _Slot:
    """A place for one engine process, started when it is needed."""

    def __init__(self, path: str, hash_mb: int):
        self.path, self.hash_mb = path, hash_mb
        self.lock, self.barred = threading.Lock(), False
        self.process: subprocess.Popen[bytes] | None = None
        self.client: Client | None = None

    def engine(self) -> Client:
        """The engine, by the one thread that speaks to it.

        Raises:
            StartError: it cannot be started or does not speak UCI.
            uci_client.Ended: `kill` came first.
        """
        if self.client is None:
            with self.lock:
                if self.barred:
                    raise uci_client.Ended("killed")
                self.process = processes.start(self.path)
            try:
                self.client = Client(self.process, START_SECONDS)
            except uci_client.Fault as error:
                raise processes.StartError(f"{self.path} does not speak UCI.") from error
            self.client.set("Threads", "1")
            self.client.set("Hash", str(self.hash_mb))
        return self.client

    def kill(self) -> None:
        """Kills the process, whoever speaks to it, and lets no other start before `stop`."""
        with self.lock:
            self.barred = True
            if self.process is not None:
                processes.kill(self.process.pid)

    def stop(self) -> None:
        """Kills the process and frees the place; nobody else may be speaking to it."""
        with self.lock:
            process, self.process, self.client, self.barred = self.process, None, None, False
            if process is not None:
                processes.stop(process)


def _board(board: chess.Board | str) -> chess.Board:
    """A board that the engine may be asked about."""
    board = fens.read(board) if isinstance(board, str) else board
    if not any(board.legal_moves) or not board.is_valid():
        raise SettingError(f"'{board.fen()}' is no legal position, or its game is over.")
    return board
