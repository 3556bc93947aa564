"""Six kinds of simulated people: their work, its durations, surfaces and times of day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from taskclf_tray.core.types import CoreLabel

_B, _C, _D, _M = CoreLabel.BUILD, CoreLabel.COMMUNICATE, CoreLabel.DEBUG, CoreLabel.MEET
_R, _V, _W = CoreLabel.READ_RESEARCH, CoreLabel.REVIEW, CoreLabel.WRITE

_WEB: Final = (
    "reference article search answers assistant video social news shop mail chat calendar meeting notes document "
    "paper tracker files music"
)


@dataclass(frozen=True, slots=True)
class Persona:
    """A kind of person. `work`: the fraction of each label; `block_minutes`: the mean length of a block.

    `surfaces` are the available surfaces; `web_share` is the probability that one is used in the browser when both a
    program and a site offer it. `glances_per_hour` and `wanderings_per_hour` are the noise inside work.
    """

    name: str
    starts_at_hour: float
    ends_at_hour: float
    work: Mapping[CoreLabel, float]
    block_minutes: Mapping[CoreLabel, float]
    surfaces: frozenset[str]
    web_share: float
    meetings_per_day: float
    weekend_chance: float
    glances_per_hour: float
    wanderings_per_hour: float


def _persona(
    name: str,
    hours: tuple[float, float],
    work: Mapping[CoreLabel, tuple[float, float]],
    extra: str,
    *,
    web_share: float,
    meetings: float,
    weekend: float,
    noise: tuple[float, float],
) -> Persona:
    return Persona(
        name=name,
        starts_at_hour=hours[0],
        ends_at_hour=hours[1],
        work={label: share for label, (share, _) in work.items()},
        block_minutes={label: minutes for label, (_, minutes) in work.items()},
        surfaces=frozenset(f"{_WEB} {extra}".split()),
        web_share=web_share,
        meetings_per_day=meetings,
        weekend_chance=weekend,
        glances_per_hour=noise[0],
        wanderings_per_hour=noise[1],
    )


PERSONAS: Final[dict[str, Persona]] = {
    persona.name: persona
    for persona in (
        _persona(
            "developer",
            (8.9, 17.8),
            {_B: (36, 28), _D: (19, 19), _V: (13, 17), _R: (13, 15), _C: (11, 9), _W: (8, 16)},
            "editor terminal local_app code_host",
            web_share=0.35, meetings=1.4, weekend=0.25, noise=(5.0, 0.9),
        ),
        _persona(
            "writer",
            (8.3, 16.4),
            {_W: (48, 32), _R: (22, 18), _V: (12, 18), _C: (10, 10), _B: (8, 18)},
            "cms design",
            web_share=0.35, meetings=0.5, weekend=0.3, noise=(3.0, 1.3),
        ),
        _persona(
            "analyst",
            (8.6, 17.4),
            {_B: (36, 26), _D: (13, 16), _R: (14, 14), _W: (14, 18), _V: (9, 14), _C: (14, 10)},
            "notebook database sheet slides terminal tool",
            web_share=0.3, meetings=1.8, weekend=0.1, noise=(4.0, 0.8),
        ),
        _persona(
            "manager",
            (8.1, 17.9),
            {_C: (40, 17), _V: (22, 16), _W: (18, 16), _R: (14, 12), _B: (6, 18)},
            "slides sheet tool",
            web_share=0.4, meetings=4.2, weekend=0.15, noise=(7.0, 0.6),
        ),
        _persona(
            "student",
            (10.0, 20.5),
            {_R: (36, 24), _W: (26, 26), _B: (14, 24), _D: (7, 16), _C: (10, 8), _V: (7, 14)},
            "editor terminal sheet",
            web_share=0.5, meetings=0.9, weekend=0.6, noise=(5.0, 2.2),
        ),
        _persona(
            "browser-only",
            (8.7, 17.2),
            {_W: (25, 20), _C: (24, 14), _R: (24, 16), _V: (14, 14), _B: (13, 20)},
            "sheet slides cms design code_host",
            web_share=1.0, meetings=1.5, weekend=0.15, noise=(5.0, 1.2),
        ),
    )
}  # fmt: skip
