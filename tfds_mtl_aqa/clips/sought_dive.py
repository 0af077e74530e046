"""What is looked for in a folder of the user: a dive, and where it may lie."""

import dataclasses
import pathlib
from collections.abc import Iterator, Mapping

IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png')
VIDEO_SUFFIXES = (
  '.mp4', '.mkv', '.webm', '.avi', '.mov', '.m4v', '.flv', '.ts', '.mpg',
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Layouts:
  """The places in which people keep the frames of a dataset.

  A place is a path below the manual_dir with fields in braces, such as
  '{e:02d}_{s:02d}'; `SoughtDive.fields` has their values. Places are tried in
  order. Those of videos have no suffix.

  Attributes:
    event_folders: hold the frames of a whole event.
    event_videos: of whole events.
    dive_folders: hold the frames of one dive.
    dive_videos: of one dive.
    event_examples: two usual places of an event, for error messages; empty
      where there are none.
    dive_examples: two usual places of a dive.
    legend: what the fields mean, for error messages.
  """

  event_folders: tuple[str, ...]
  event_videos: tuple[str, ...]
  dive_folders: tuple[str, ...]
  dive_videos: tuple[str, ...]
  event_examples: tuple[str, ...]
  dive_examples: tuple[str, ...]
  legend: str

  def describe(self) -> str:
    """Returns all places in one line of text."""
    kinds = (
      ('{}/', '', self.event_folders),
      ('{}', 'videos ', self.event_videos),
      ('{}/', '', self.dive_folders),
      ('{}', 'videos ', self.dive_videos),
    )
    groups = [
      kind + ', '.join(pattern.format(place) for place in places)
      for pattern, kind, places in kinds
      if places
    ]
    return (
      f'{"; ".join(groups)} ({self.legend}; videos end in '
      f'{" ".join(VIDEO_SUFFIXES)})'
    )


@dataclasses.dataclass(frozen=True)
class SoughtDive:
  """A dive whose frames are looked for.

  Attributes:
    layouts: where.
    fields: values of the fields in the places; places with a field that is
      not here are left out.
    event: what the dive is part of, for error messages, such as 'event 03'.
    frames: number of its first and its last frame in the event, counted from 1;
      None where only places of single dives are known.
  """

  layouts: Layouts
  fields: Mapping[str, int | str]
  event: str
  frames: tuple[int, int] | None

  def places(
    self, templates: tuple[str, ...], folder: pathlib.Path
  ) -> Iterator[pathlib.Path]:
    """Yields places of this dive.

    Args:
      templates: of `layouts`.
      folder: in which the places are.
    """
    for template in templates:
      if (text := self._filled(template)) is not None:
        yield folder / text

  def examples(self, of_event: bool) -> list[str]:
    """Returns usual places, as text.

    Args:
      of_event: whether of the whole event; otherwise, or where there are none,
        of this dive.
    """
    templates = self.layouts.event_examples if of_event else ()
    filled = map(self._filled, templates or self.layouts.dive_examples)
    return [text for text in filled if text is not None]

  def _filled(self, template: str) -> str | None:
    try:
      return template.format_map(self.fields)
    except KeyError:
      return None
