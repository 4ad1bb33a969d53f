"""A player by its spelling, ready to take turns."""

from __future__ import annotations

from sandwich_jax.outside import assisted, engine_players, players, turns


def load(spec: str) -> turns.Turns:
    """The player that `spec` names, see `players`, `engine_players` and `assisted`.

    Raises:
        SettingError: there is no such player.
    """
    if engine_players.is_engine(spec):
        return turns.Engine(engine_players.EnginePlayer(spec))
    if assisted.is_assisted(spec):
        return assisted.Assisted(assisted.parse(spec))
    if spec == "random":
        return turns.Random()
    return turns.Network(*players.load_network(spec))
