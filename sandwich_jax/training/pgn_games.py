"""Games of PGN files read, but not replayed: their moves as codes, their result, what is amiss."""

from __future__ import annotations

import pathlib
from typing import NamedTuple

from sandwich_jax.training import san, text_files
from sandwich_jax.training.pgn_scan import PgnGame, read_games
from sandwich_jax.types import SettingError

STANDARD = ("standard", "chess", "normal", "from position")
"""What Variant may be, in small letters."""
START = "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1"

_RESULTS = {san.WHITE_WON: "1-0", san.DRAWN: "1/2-1/2", san.BLACK_WON: "0-1"}
_UNREAD = san.Mainline([], san.NOTHING, san.NOTHING)


class ReadGame(NamedTuple):
    """A game whose moves are read, but not replayed."""

    tags: dict[str, str]
    """Of `pgn_tags.USED`."""
    line: san.Mainline
    """Its moves; none where there is a reason to skip it."""
    result: str
    """"1-0", "1/2-1/2", "0-1", or "" if it has none."""
    reason: str
    """Why it cannot be used whatever its moves are, "" otherwise."""


def read(game: PgnGame, words: san.Words) -> list[ReadGame]:
    """The games in a text: one, none, or several that nothing but their results divides.

    The result is what the tag says, or where it says none, the mark after the moves.
    """
    text = " ".join(game.moves)
    line = words.mainline(text)
    if line.stopped == san.MORE and len(parts := san.games_of(text)) > 1:
        first, *others = parts
        found = read(game._replace(moves=[first]), words)
        for part in others:
            found += read(PgnGame({}, [part], False, game.unclosed), words)
        return found
    if not (game.tagged or line.codes or line.ended):
        return []  # text that is no game
    tags = game.tags
    result, reason = _result(tags.get("Result", ""), line.ended)
    if tags.get("Variant", "Standard").lower() not in STANDARD:
        reason = "variant"
    elif tags.get("FEN", START) != START:
        reason = "not from the initial position"
    elif game.unclosed:
        reason = "comment that is not closed"
    return [ReadGame(tags, _UNREAD if reason else line, result, reason)]


def _result(tag: str, ended: int) -> tuple[str, str]:
    """The result of a game, "" if it has none; and a reason where tag and end of it disagree."""
    said, shown = _RESULTS.get(san.result_of(tag), ""), _RESULTS.get(ended, "")
    if said and shown and said != shown:
        return "", "result unlike the end of the moves"
    return said or shown, ""


def check_inputs(paths: list[pathlib.Path]) -> None:
    """Raises SettingError for a file that is missing or empty, or that holds no PGN game."""
    for path in paths:
        text_files.check(path, "PGN files")
    words = san.Words()
    for path in paths:
        if not any(_is_certain(game, words) for game in read_games(path)):
            raise SettingError(
                f"{path}: it holds no PGN game; name PGN files ({text_files.ALLOWED})."
            )


def _is_certain(game: PgnGame, words: san.Words) -> bool:
    """Whether a text is a game rather than one that names moves: it has tags, or a result."""
    return game.tagged or words.mainline(" ".join(game.moves)).ended != san.NOTHING
