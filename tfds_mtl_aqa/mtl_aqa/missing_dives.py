"""Lists dives without frames: which, why, and what to do."""

import pathlib
from collections.abc import Mapping

from tfds_mtl_aqa.mtl_aqa import annotations
from tfds_mtl_aqa.mtl_aqa.frame_sources import (
  AQA7_FOLDERS,
  AQA7_VIDEOS,
  DIVE_FOLDERS,
  DIVE_VIDEOS,
  EVENT_FOLDERS,
  EVENT_VIDEOS,
  VIDEO_SUFFIXES,
  WINDOW_START,
  dive_name,
)

# How many files, and how many dives of each, `unusable` names.
_MAX_FILES = 10
_MAX_NAMES = 3


def report(
  manual_dir: pathlib.Path | None,
  missing: Mapping[annotations.Key, str],
  dives: Mapping[annotations.Key, annotations.Dive],
) -> str:
  """Returns lines of text: the missing dives, and where they were looked for.

  Files that are there but cannot be used come last, where users see them.

  Args:
    manual_dir: the folder that was searched, or None.
    missing: for every missing dive, why its files cannot be used; '' where it
      has no files.
    dives: all dives.
  """
  lines = [
    f'{manual_dir or "no manual_dir"}: {len(missing)} of {len(dives)} dives '
    'have no frames:'
  ]
  for event in sorted({event for event, _ in missing}):
    keys = sorted(key for key in missing if key[0] == event)
    if len(keys) == sum(other[0] == event for other in dives) and not any(
      missing[key] for key in keys
    ):
      first = min(_window(dives[key])[0] for key in keys)
      last = max(_window(dives[key])[1] for key in keys)
      lines.append(
        f'  event {event:02d}: all {len(keys)} dives, frames {first} to '
        f'{last}: no {EVENT_FOLDERS[0].format(e=event)}/, no '
        f'{EVENT_VIDEOS[2].format(e=event)}.mp4, nor any other layout'
      )
      continue
    for key in keys:
      first, last = _window(dives[key])
      reason = missing[key] or (
        f'no {DIVE_FOLDERS[0].format(e=key[0], s=key[1])}/, no '
        f'{DIVE_VIDEOS[2].format(e=key[0], s=key[1])}.avi, nor any other layout'
      )
      lines.append(
        f'  dive {dive_name(key)}: frames {first} to {last} of event '
        f'{event:02d}: {reason}'
      )
  lines.append(
    'Looked for, in this order: '
    + ', '.join(f'{place}/' for place in EVENT_FOLDERS)
    + '; videos '
    + ', '.join(EVENT_VIDEOS)
    + '; '
    + ', '.join(f'{place}/' for place in (*DIVE_FOLDERS, *AQA7_FOLDERS))
    + '; videos '
    + ', '.join((*DIVE_VIDEOS, *AQA7_VIDEOS))
    + ' (e event, s sample, i AQA-7 id; videos end in '
    + ' '.join(VIDEO_SUFFIXES)
    + ').'
  )
  held = len(dives) - len(missing)
  lines.append(
    f'Put them there, or give --allow_missing to build the dataset from {held}.'
    if held
    else 'Put them there.'
  )
  names = {dive_name(key): reason for key, reason in missing.items()}
  return '\n'.join(lines + unusable(names))


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


def _window(dive: annotations.Dive) -> tuple[int, int]:
  """Returns the first and the last frame that a dive needs, counted from 1."""
  end_frame = dive.labels['end_frame']
  return end_frame + WINDOW_START, end_frame
