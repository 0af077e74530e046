"""Reads the times of an XLA program's operations from a profiler's trace."""

import collections
import dataclasses
import pathlib
import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from jax.profiler import ProfileData

IDLE, UNATTRIBUTED = 'idle', 'unattributed'
# Operations whose event tells no name, and those that copy memory.
UNKNOWN, MEMCPY = '', 'memcpy'

_EXECUTOR = 'ThunkExecutor::Execute'
_TASK_SCHEDULED = 'ThreadpoolListener::Record'
_TASK_STARTED = 'ThreadpoolListener::StartRegion'
_TASK_STOPPED = 'ThreadpoolListener::StopRegion'


class Segment(NamedTuple):
  """A span of time in which a thread or a stream runs one operation.

  Attributes:
    start: nanoseconds.
    end: nanoseconds.
    op: name of the HLO instruction, or UNKNOWN.
  """

  start: float
  end: float
  op: str


class Window(NamedTuple):
  """The span of time that is measured, in nanoseconds."""

  start: float
  end: float


@dataclasses.dataclass
class ThreadEvents:
  """The events of a CPU thread of XLA. Times are nanoseconds.

  XLA's CPU backend splits a large operation into tasks for its pool of threads.
  A convolution's own event then ends at once, and its event 'end: ...' may come
  long after its last task. So the time of the tasks counts: the trace has, by
  id, when each was scheduled, and when a thread ran it.

  Attributes:
    ops: start, end and name of each operation.
    executors: start and end of the times in which the thread chose what to run.
    tasks: start, end and id of each task that it ran.
    scheduled: time and id of each task that it scheduled.
  """

  ops: list[tuple[float, float, str]] = dataclasses.field(default_factory=list)
  executors: list[tuple[float, float]] = dataclasses.field(default_factory=list)
  tasks: list[tuple[float, float, int]] = dataclasses.field(
    default_factory=list
  )
  scheduled: list[tuple[float, int]] = dataclasses.field(default_factory=list)


def read_trace(
  folder: pathlib.Path, platform: str, module: str, annotation: str
) -> tuple[list[Segment], Window]:
  """Reads the trace of a program.

  Args:
    folder: folder given to `jax.profiler.start_trace`.
    platform: 'cpu' or 'gpu'.
    module: name of the HLO module.
    annotation: name of the `jax.profiler.TraceAnnotation` around the steps.

  Returns:
    Segments of the operations; and the window of the annotation.

  Raises:
    ValueError: the trace has no such annotation.
  """
  (path,) = folder.rglob('*.xplane.pb')
  lines = [
    (plane.name, line)
    for plane in ProfileData.from_file(str(path)).planes
    for line in plane.lines
  ]
  host = [line for plane, line in lines if plane.startswith('/host:')]
  window = _find_window(host, annotation)
  if platform == 'cpu':
    threads = [_read_thread(line, module) for line in host]
    return segments_of_threads(threads), window
  # Other lines of a GPU repeat what the streams have.
  segments = [
    Segment(event.start_ns, event.end_ns, _op_name(event, module))
    for plane, line in lines
    if plane.startswith('/device:') and line.name.startswith('Stream')
    for event in line.events
  ]
  return segments, window_of_device(segments, window)


def _find_window(lines: Iterable[object], annotation: str) -> Window:
  for line in lines:
    for event in line.events:
      if event.name == annotation:
        return Window(event.start_ns, event.end_ns)
  raise ValueError(f'the trace has no {annotation}')


def _read_thread(line: object, module: str) -> ThreadEvents:
  """Returns the events of a line of the trace's host plane."""
  found = ThreadEvents()
  # A task may run within another.
  begun = []
  for event in sorted(line.events, key=lambda event: event.start_ns):
    start = event.start_ns
    if event.name == _EXECUTOR:
      found.executors.append((start, event.end_ns))
    elif event.name == _TASK_SCHEDULED:
      found.scheduled.append((start, dict(event.stats).get('_p')))
    elif event.name == _TASK_STARTED:
      begun.append((start, dict(event.stats).get('_c')))
    elif event.name == _TASK_STOPPED:
      if begun:  # The trace may begin within a task.
        began, task = begun.pop()
        found.tasks.append((began, start, task))
    elif 'hlo_op' in dict(event.stats):
      found.ops.append((start, event.end_ns, _op_name(event, module)))
  return found


def _op_name(event: object, module: str) -> str:
  """Returns an event's operation, or its kind where it copies memory."""
  stats = dict(event.stats)
  if str(stats.get('hlo_module', module)).startswith(module):
    if name := stats.get('hlo_op'):
      return str(name)
    if re.match(MEMCPY, event.name, re.IGNORECASE):
      return MEMCPY
  return UNKNOWN


def window_of_device(segments: Iterable[Segment], window: Window) -> Window:
  """Returns the window on the clock of a GPU.

  The profiler translates its times to the host's. If that failed, the window
  begins with the first kernel.

  Args:
    segments: segments of its streams.
    window: the window on the host's clock.
  """
  segments = list(segments)
  inside = sum(
    max(min(s.end, window.end) - max(s.start, window.start), 0)
    for s in segments
  )
  if inside >= 0.99 * sum(s.end - s.start for s in segments):
    return window
  start = min(s.start for s in segments)
  return Window(start, start + window.end - window.start)


def segments_of_threads(threads: Iterable[ThreadEvents]) -> list[Segment]:
  """Returns what the threads work on, each at any time on one operation.

  Of nested operations the innermost counts. A thread that chooses what to run
  next works on none.

  Args:
    threads: threads of one program.
  """
  # By the id of a task, what it belongs to: an operation's name, or the id of
  # the task that scheduled it.
  owners: dict[int, str | int | None] = {}
  spans = [span for t in threads for span in _spans_of_thread(t, owners)]
  segments = []
  for start, end, op in spans:
    while isinstance(op, int):
      op = owners.get(op)
    if op is not None:
      segments.append(Segment(start, end, op))
  return segments


def _spans_of_thread(
  thread: ThreadEvents, owners: dict[int, str | int | None]
) -> list[tuple[float, float, str | int]]:
  """Returns start, end, and operation or task; completes `owners`."""
  intervals = sorted(
    [
      *((start, end, op) for start, end, op in thread.ops),
      *((start, end, None) for start, end in thread.executors),
      *thread.tasks,
    ],
    key=lambda interval: (interval[0], -interval[1]),
  )
  spans = []
  # Of [end, owner], the innermost last. Owner None: works on nothing.
  stack: list[list] = []
  now = 0.0

  def advance(time: float) -> None:
    """Goes on to a time, with what ends until then."""
    nonlocal now
    while stack:
      end, owner = stack[-1]
      until = min(end, time)
      if owner is not None and until > now:
        spans.append((now, until, owner))
      now = max(now, until)
      if end > time:
        return
      stack.pop()
    now = max(now, time)

  scheduled = collections.deque(sorted(thread.scheduled))

  def schedule_until(time: float) -> None:
    while scheduled and scheduled[0][0] < time:
      at, task = scheduled.popleft()
      advance(at)
      owners[task] = stack[-1][1] if stack else None

  for start, end, owner in intervals:
    schedule_until(start)
    advance(start)
    if stack:
      end = min(end, stack[-1][0])
      outer = stack[-1][1]
      if isinstance(outer, int):
        # The thread that ends an operation's last task goes on with the next
        # operations from within that task, of which nothing is left.
        stack[-1][1] = None
      elif owner is None:
        # Within a loop, choosing what to run is part of it.
        owner = outer
    stack.append([end, owner])
  schedule_until(float('inf'))
  advance(float('inf'))
  return spans


def share_time(
  segments: Iterable[Segment], window: Window, labels: Mapping[str, str]
) -> dict[str, float]:
  """Divides the time of a window among the operations, in nanoseconds.

  Each instant is shared equally between the segments that run in it.

  Args:
    segments: segments of threads or streams, which may overlap.
    window: what is outside of it does not count.
    labels: operation -> label. Other operations are UNATTRIBUTED.

  Returns:
    Label -> time; IDLE and UNATTRIBUTED are always there. The sum is the length
    of the window.
  """
  edges = []
  for segment in segments:
    start = max(segment.start, window.start)
    end = min(segment.end, window.end)
    if start < end:
      label = labels.get(segment.op, UNATTRIBUTED)
      edges += [(start, 1, label), (end, -1, label)]
  edges.sort(key=lambda edge: edge[0])
  edges.append((window.end, 0, IDLE))
  shares = collections.defaultdict(float, {IDLE: 0.0, UNATTRIBUTED: 0.0})
  active = collections.Counter()
  now = window.start
  for time, change, label in edges:
    if time > now:
      total = active.total()
      for working, count in active.items():
        shares[working] += (time - now) * count / total
      if not total:
        shares[IDLE] += time - now
      now = time
    active[label] += change
    if not active[label]:
      del active[label]
  return dict(shares)
