"""Controls: members that a run or a sweep has for comparison, beside those that it is about.

Each is a change of settings and nothing else; `never_ask`, which most figures are against, has a
setting of its own (`control`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Control(NamedTuple):
    """How a control differs from the members of its run."""

    changes: Mapping[str, Any]
    """Static settings."""
    strengths: Mapping[str, float]
    """Of misalignment; those left out are 0, so that A is E."""


_ALWAYS = {"schedule": "always", "lasts": "query"}

CONTROLS: Mapping[str, Control] = {
    # A = E: what honest advice is worth.
    "ceiling": Control({}, {}),
    # A = a random mover: what is learnt from advice that says nothing.
    "random": Control(_ALWAYS | {"misalignment": "random_move"}, {"p": 1.0}),
    # W trained further on the games that made it, for as many updates.
    "own_corpus": Control({"protocol": "never_ask", "objective": "own_corpus"}, {}),
    # E's moves on the positions that W meets by itself (DAgger, Ross et al. 2011): the most that
    # E's labels can teach, with no game played by E.
    "expert_labels": Control(
        _ALWAYS
        | {
            "misalignment": "random_move",
            "protocol": "only_listen",
            "objective": "distil_advice",
            "every": 1,
        },
        {},
    ),
}
"""Of one member each."""

BENIGN: Mapping[str, Any] = _ALWAYS | {"misalignment": "policy_noise"}
"""An adviser that errs without intent: E with noise on its policy, as strong as a corrupt A."""

NAMES = (*CONTROLS, "benign", "argmax")
"""`benign`: a member for each corrupt A. `argmax`: no member, but W at temperature 0 in the
arena's first matches; W itself plays them at a low temperature."""

NEED_A = ("ceiling", "random", "benign")
"""Those whose protocol is their run's, which must then ask."""
