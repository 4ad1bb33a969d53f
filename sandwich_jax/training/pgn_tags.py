"""Tags of PGN games, in the layouts that are found: spaces, letter case, quotes, several a line."""

from __future__ import annotations

import re
from typing import NamedTuple

USED = ("Result", "WhiteElo", "BlackElo", "Variant", "FEN")
"""The tags that are kept, and Event, with which most games begin."""
AROUND = " \t\v\f\r\x00\x1a\xa0\N{ZERO WIDTH NO-BREAK SPACE}"
"""Characters that may stand before a tag and mean nothing."""

USUAL = re.compile(r'\[([A-Za-z][A-Za-z0-9]*) "([^"\\]*)"\]$')
"""How nearly all tags are written: name and value."""
KNOWN = {name.lower(): name for name in (*USED, "Event")}
"""Tags that matter, by their names in small letters."""
_CURLY = "'\xab\xbb\u2018\u2019\u201a\u201c\u201d\u201e"
_NAME = r"\[\s*([A-Za-z0-9][A-Za-z0-9_+#=:-]*)"
_TAG = re.compile(
    rf'\s*{_NAME}\s*(?:"((?:[^"\\]|\\.)*)"|[{_CURLY}]([^{_CURLY}"\]]*)[{_CURLY}])\s*\]'
)
_WITH_QUOTES_INSIDE = re.compile(rf'{_NAME}\s+"(.*)"\s*\]\s*$')
_LOOSE = re.compile(rf'{_NAME}[\s"{_CURLY}]*(.*)')


class Tags(NamedTuple):
    """The tags of one line."""

    names: dict[str, str]
    """Values by name, of `USED` and Event alone."""
    rest: str = ""
    """What follows them on their line."""
    certain: bool = True
    """They are tags; otherwise they only begin so."""
    torn: bool = False
    """The last one is not all there; it may go on in the next line."""


def tags_in(line: str, in_moves: bool = True) -> Tags | None:
    """The tags that a line begins with, which begins with "["; None if they are no tags.

    Args:
        line: without white space before it.
        in_moves: only what is certainly a tag is one; elsewhere all that begins so is.
    """
    names: dict[str, str] = {}
    place = 0
    while tag := _TAG.match(line, place):
        _add(names, tag[1], tag[2] or tag[3] or "")
        place = tag.end()
    if place:
        rest = line[place:].strip(AROUND)
        if not rest.startswith("["):
            return Tags(names, rest)
        others = tags_in(rest, in_moves=False) or Tags({})
        return others._replace(names=names | others.names, certain=True)
    if whole := _WITH_QUOTES_INSIDE.match(line):
        # If there are tags behind this one, they may be whole.
        other = _TAG.search(line, whole.end(1))
        _add(names, whole[1], whole[2][: other.start() - whole.start(2)] if other else whole[2])
        others = tags_in(line[other.start() :].lstrip(AROUND)) if other else None
        return Tags(names | others.names, others.rest) if others else Tags(names)
    if in_moves:
        return None
    if loose := _LOOSE.match(line):
        _add(names, loose[1].strip(":="), loose[2].rstrip(f' \t]"{_CURLY}'))
    return Tags(names, certain=bool(names), torn=not line.rstrip().endswith("]"))


def _add(names: dict[str, str], name: str, value: str) -> None:
    """Takes a tag if it is one of use; letter case and white space around it do not matter."""
    known = KNOWN.get(name.lower())
    if known:
        names[known] = value.strip()
