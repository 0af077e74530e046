"""Lists dives without frames: which, why, and what to do."""

import pathlib
from collections.abc import Mapping, Sequence

from tfds_mtl_aqa.clips.sought_dive import SoughtDive
from tfds_mtl_aqa.clips.window import Window

# How many files, and how many dives of each, `unusable` names.
_MAX_FILES = 10
_MAX_NAMES = 3


def report(
  manual_dir: pathlib.Path | None,
  missing: Mapping[str, str],
  dives: Mapping[str, Sequence[SoughtDive]],
  window: Window,
  noun: str = 'dives',
) -> str:
  """Returns lines of text: the missing dives, and where they were looked for.

  Files that are there but cannot be used come last, where users see them.

  Args:
    manual_dir: the folder that was searched, or None.
    missing: by name of the dive, why its files cannot be used; '' where it has
      no files.
    dives: by name of every dive, what was looked for; the first is named.
    window: which frames of a dive are needed.
    noun: what the dives are called, a plural in s.
  """
  one = noun.removesuffix('s')
  lines = [
    f'{manual_dir or "no manual_dir"}: {len(missing)} of {len(dives)} {noun} '
    'have no frames:'
  ]
  by_event: dict[str, list[str]] = {}
  for name, sought in dives.items():
    by_event.setdefault(sought[0].event, []).append(name)
  for event, names in sorted(by_event.items()):
    absent = sorted(name for name in names if name in missing)
    if len(absent) == len(names) and not any(missing[name] for name in names):
      of_event = [dives[name][0] for name in absent]
      lines.append(
        f'  {event}: all {len(absent)} {noun}{_frames(of_event, window)}: '
        f'{_not_there(of_event[0], of_event=True)}'
      )
      continue
    for name in absent:
      dive = dives[name][0]
      where = _frames([dive], window)
      reason = missing[name] or _not_there(dive, of_event=False)
      lines.append(
        f'  {one} {name}:{where[1:]} of {event}: {reason}'
        if where
        else f'  {one} {name} of {event}: {reason}'
      )
  layouts = dict.fromkeys(
    dive.layouts for sought in dives.values() for dive in sought
  )
  lines += [
    f'Looked for, in this order: {place.describe()}.' for place in layouts
  ]
  held = len(dives) - len(missing)
  lines.append(
    f'Put them there, or give --allow_missing to build the dataset from {held}.'
    if held
    else 'Put them there.'
  )
  return '\n'.join(lines + unusable(missing))


def unusable(reasons: Mapping[str, str]) -> list[str]:
  """Returns a line for each file that is there but cannot be used.

  Args:
    reasons: by name of the dive, why its file cannot be used; '' where it has
      no file.
  """
  dives: dict[str, list[str]] = {}
  for name, reason in sorted(reasons.items()):
    if reason:
      # Reasons begin with the path; what follows may be of one dive.
      dives.setdefault(reason.split(': ')[0], []).append(name)
  lines = []
  for names in list(dives.values())[:_MAX_FILES]:
    reason = reasons[names[0]]
    more = f' and {len(names) - _MAX_NAMES} more' * (len(names) > _MAX_NAMES)
    lines.append(
      f'There, but unusable for {", ".join(names[:_MAX_NAMES])}{more}: {reason}'
    )
  if len(dives) > _MAX_FILES:
    lines.append(f'And {len(dives) - _MAX_FILES} other files.')
  return lines


def _frames(dives: list[SoughtDive], window: Window) -> str:
  """Returns which frames of an event dives need; '' where nobody knows."""
  known = [window.needed(*dive.frames) for dive in dives if dive.frames]
  if not known:
    return ''
  return f', frames {min(n[0] for n in known)} to {max(n[-1] for n in known)}'


def _not_there(dive: SoughtDive, of_event: bool) -> str:
  examples = ', '.join(f'no {place}' for place in dive.examples(of_event))
  return f'{examples}, nor any other layout'
