"""The figures of a breakdown, as a table and for JSON."""

import dataclasses
import math
import statistics
import textwrap
from collections.abc import Mapping, Sequence

from benchmarks import step_parts
from benchmarks.step_parts import BACK, FORWARD, LAYERS, Part
from benchmarks.trace_events import IDLE, UNATTRIBUTED

_TOLERANCE = 0.1
_COSTLIEST = 3


@dataclasses.dataclass
class Breakdown:
  """The time of a step by part, in seconds.

  Attributes:
    parts: seconds of each part of the program, also of those that take none.
    idle: time in which no operation runs.
    unattributed: time of operations whose part is not known.
    traced: seconds of a step with the tracer: parts, idle and unattributed.
    traces: seconds of a step in each trace; `traced` is the median.
    untraced: seconds of a step of the same program without the tracer, by turn.
    as_used: on GPU, seconds of a step with command buffers, by turn.
    flops: operations of each convolution of the trunk, forward.
  """

  parts: dict[Part, float]
  idle: float
  unattributed: float
  traced: float
  traces: list[float]
  untraced: list[float]
  as_used: list[float]
  flops: dict[str, float]

  @property
  def named(self) -> float:
    """Time of all parts together."""
    return math.fsum(self.parts.values())

  @property
  def ratio(self) -> float:
    """The parts' time divided by that of a step without the tracer."""
    return self.named / statistics.median(self.untraced)

  def costliest(self) -> list[Part]:
    """Returns the parts that take the longest."""
    return sorted(self.parts, key=self.parts.get, reverse=True)[:_COSTLIEST]

  def flops_of(self, part: Part) -> float | None:
    """Returns the operations of a convolution; None for other parts."""
    forward = self.flops.get(part.name)
    if forward is None or part.direction == FORWARD:
      return forward
    # The gradients of kernel and input; the video needs none.
    return forward if part.name == LAYERS[0] else 2 * forward


def table(found: Breakdown) -> str:
  """Returns the parts as text.

  Args:
    found: figures of a step.
  """
  lines = [
    f'{"":19}{"milliseconds of a step":^30}{"share":>7}{"Gflop":>8}'
    f'{"Gflop/s":>16}',
    f'{"part":19}{FORWARD:>10}{BACK:>10}{"both":>10}{"%":>7}{"both":>8}'
    f'{FORWARD:>8}{BACK:>8}',
  ]
  for name in step_parts.NAMES:
    seconds = {p.direction: s for p, s in found.parts.items() if p.name == name}
    if seconds:
      lines.append(
        _times(name, seconds, found.traced) + _rates(name, seconds, found)
      )
  for name, of_it in ((IDLE, found.idle), (UNATTRIBUTED, found.unattributed)):
    lines.append(_times(name, {'': of_it}, found.traced))
  lines.append(_times('traced step', {'': found.traced}, found.traced))
  return '\n'.join(lines)


def _times(name: str, seconds: Mapping[str, float], traced: float) -> str:
  """Returns the first columns of a line; seconds are by direction."""
  both = math.fsum(seconds.values())
  ways = (
    f'{1e3 * seconds[way]:10.2f}' if way in seconds else ' ' * 10
    for way in (FORWARD, BACK)
  )
  return f'{name:19}{"".join(ways)}{1e3 * both:10.2f}{100 * both / traced:7.1f}'


def _rates(name: str, seconds: Mapping[str, float], found: Breakdown) -> str:
  """Returns the other columns of a line."""
  if name not in found.flops:
    return ''
  flops = {way: found.flops_of(Part(name, way)) for way in (FORWARD, BACK)}
  rates = (
    f'{1e-9 * flops[way] / seconds[way]:8.1f}'
    if seconds.get(way)
    else f'{"-":>8}'
    for way in (FORWARD, BACK)
  )
  return f'{1e-9 * sum(flops.values()):8.2f}{"".join(rates)}'


def summary(found: Breakdown) -> str:
  """Returns a summary of the table: sentences, one a line.

  Args:
    found: figures of a step.
  """
  is_near = abs(found.ratio - 1) <= _TOLERANCE
  lines = [
    f'A traced step: {_describe(found.traces, "traces")}. All parts together: '
    f'{1e3 * found.named:.2f} ms.',
    f'A step without the tracer: {_describe(found.untraced, "turns")}.',
    f'All parts by it: {found.ratio:.3f}, {"" if is_near else "NOT "}within '
    f'{100 * _TOLERANCE:.0f} %.',
    f'The costliest parts: {", ".join(map(str, found.costliest()))}.',
    'What XLA has fused counts for the part that the result is of.',
  ]
  if found.as_used:
    lines.append(
      'The program above has no command buffers (CUDA graphs): kernels in them '
      'do not tell their operation. With them, as in a training, a step takes '
      f'{_describe(found.as_used, "turns")}.'
    )
  return '\n'.join(textwrap.fill(line, 80) for line in lines)


def _describe(seconds: Sequence[float], of_what: str) -> str:
  median = 1e3 * statistics.median(seconds)
  if len(seconds) == 1:
    return f'{median:.2f} ms'
  return (
    f'{median:.2f} ms (median of {len(seconds)} {of_what}, '
    f'{1e3 * min(seconds):.2f} to {1e3 * max(seconds):.2f})'
  )


def report(found: Breakdown) -> dict[str, object]:
  """Returns the figures as JSON can hold them; times are seconds of a step.

  Args:
    found: figures of a step.
  """
  parts = []
  for part, seconds in sorted(found.parts.items()):
    flops = found.flops_of(part)
    parts.append({
      'part': part.name,
      'direction': part.direction,
      'seconds': seconds,
      'share': seconds / found.traced,
      'flop': flops,
      'flop_per_second': flops / seconds if flops and seconds else None,
    })  # fmt: skip
  return {
    'parts': parts,
    'idle_seconds': found.idle,
    'unattributed_seconds': found.unattributed,
    'traced_seconds': found.traced,
    'traces_seconds': found.traces,
    'named_seconds': found.named,
    'untraced_seconds': found.untraced,
    'named_by_untraced': found.ratio,
    'costliest': [str(part) for part in found.costliest()],
    # On GPU alone; the figures above are of a program without them.
    'with_command_buffers_seconds': found.as_used,
  }
