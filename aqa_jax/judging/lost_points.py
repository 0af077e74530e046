"""What the faults of a judged dive cost, and when they were made."""

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np

from aqa_jax.judging.clip import Clip
from aqa_jax.task import Task
from aqa_jax.tasks.fault_costs import FaultCosts
from aqa_jax.tasks.faults import FaultsTask

# Less would be written as 0.0.
_LEAST = 0.05


@dataclasses.dataclass(frozen=True)
class LostPoints:
  """What a fault cost.

  Attributes:
    fault: its name, as the dataset of the training has it.
    phase: part of the action in which such a fault shows: 'take_off', 'flight'
      or 'entry' of a dive; '' where it is not known.
    points: points of the score, 0 or more.
    seconds: (begin, end) of that part, s from the video's start; None where no
      dive was found or looked for.
    seen_seconds: when the frame is shown in which the network sees most of the
      fault, s from the video's start; see `fault_timing`.
  """

  fault: str
  phase: str
  points: float
  seconds: tuple[float, float] | None = None
  seen_seconds: float | None = None


def knows_costs(tasks: Sequence[Task]) -> bool:
  """Returns whether a model of these tasks knows what faults cost."""
  return _costs(tasks) is not None


def _costs(tasks: Sequence[Task]) -> FaultCosts | None:
  return next(
    (task.costs for task in tasks if isinstance(task, FaultsTask)), None
  )


def lost_points(
  points: Mapping[str, float],
  tasks: Sequence[Task],
  clip: Clip,
  seen: Mapping[str, np.ndarray],
  frame_seconds: np.ndarray,
) -> tuple[LostPoints, ...]:
  """Returns what each fault cost, the dearest first.

  Args:
    points: fault -> points of the score; none are given where one is not known.
    tasks: tasks of the model, which tell the phases.
    clip: the judged clip.
    seen: fault -> float [frames], how much of it the network sees in each frame
      that it is given; a fault may be missing.
    frame_seconds: float [frames], when those are shown.
  """
  costs = _costs(tasks)
  if costs is None or not all(map(math.isfinite, points.values())):
    return ()
  times: dict[str, tuple[float, float]] = {}
  if clip.dive is not None:
    take_off, entry = clip.dive.take_off, clip.dive.entry
    times = {
      'take_off': (float(clip.seconds[0]), take_off),
      'flight': (take_off, entry),
      'entry': (entry, float(clip.seconds[-1])),
    }
  found = [
    LostPoints(
      name,
      costs.phase(name),
      float(lost),
      times.get(costs.phase(name)),
      float(frame_seconds[np.argmax(seen[name])]) if name in seen else None,
    )
    for name, lost in points.items()
  ]
  return tuple(sorted(found, key=lambda each: -each.points))


def words(
  lost: Sequence[LostPoints], score: float | None, perfect: float | None
) -> str:
  """Returns what the faults cost, for people; '' where nothing is known.

  Such as '30.9 of 96.0 points: splash 11.0 (entry), legs apart 8.6 (flight),
  not explained 11.3'.

  Args:
    lost: what each fault cost.
    score: of the dive; None where it is not known.
    perfect: score where every judge gives 10; None where it is not known.
  """
  if not lost:
    return ''
  parts = []
  for each in lost:
    if each.points >= _LEAST:
      phase = f' ({each.phase.replace("_", " ")})' if each.phase else ''
      parts.append(f'{each.fault.replace("_", " ")} {each.points:.1f}{phase}')
  head = ''
  if score is not None and perfect is not None:
    rest = unexplained(lost, score, perfect)
    head = f'{perfect - score:.1f} of {perfect:.1f} points: '
    parts.append(f'not explained {rest:.1f}')
  return head + (', '.join(parts) or 'no fault')


def unexplained(
  lost: Sequence[LostPoints], score: float, perfect: float
) -> float:
  """Returns the points lost that no fault explains.

  Below zero where the faults explain more than the score has lost.

  Args:
    lost: what each fault cost.
    score: of the dive.
    perfect: score where every judge gives 10.
  """
  return perfect - score - math.fsum(each.points for each in lost)
