"""How does it move? States with inertia, how they follow what happens, personalities, and events on a track."""

from affectome.dynamics.contagion import Contagion, find_contagion
from affectome.dynamics.events import Event, find_events
from affectome.dynamics.personality import BigFive, PersonalityTransition, nearest_anchor
from affectome.dynamics.state import AffectState, StateDynamics, StateTrace, follow
from affectome.dynamics.trajectory import Trajectory, describe_trajectory, loop_area

__all__ = [
    "AffectState",
    "BigFive",
    "Contagion",
    "Event",
    "PersonalityTransition",
    "StateDynamics",
    "StateTrace",
    "Trajectory",
    "describe_trajectory",
    "find_contagion",
    "find_events",
    "follow",
    "loop_area",
    "nearest_anchor",
]
