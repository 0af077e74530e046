"""MTL-AQA's events as videos with the times of their dives."""

import dataclasses
import math
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from tfds_mtl_aqa import features, manual_file, recorded_dataset_builder
from tfds_mtl_aqa.clips.sought_dive import SoughtDive
from tfds_mtl_aqa.clips.window import StrideWindow, Window
from tfds_mtl_aqa.finediving import annotations as finediving
from tfds_mtl_aqa.mtl_aqa import annotations, frame_layouts, release
from tfds_mtl_aqa.mtl_aqa.annotations import Key
from tfds_mtl_aqa.mtl_aqa.mtl_aqa_dataset_builder import Builder as MtlAqa
from tfds_mtl_aqa.mtl_aqa_footage import moments, pieces
from tfds_mtl_aqa.mtl_aqa_footage.moments import Moments
from tfds_mtl_aqa.recorded_dataset_builder import RecordedConfig, RecordedDive

_HOMEPAGE = 'https://github.com/ParitoshParmar/MTL-AQA'
_INSTRUCTIONS = """
Put the videos of the events, or their frames, into the manual_dir, for example
as 01.mp4 or as whole_videos_frames/01/000001.jpg, and the annotations of
FineDiving. The README of the dataset says more.
"""
# Those of simulated_footage/small.
_SIZE = (64, 48)
_STRIDE = 2
# Competitions that were filmed in one pool are in one split.
_EVENTS = {
  'train': (1, 2, 3, 4, 5, 6, 13, 14, 17, 18),
  'validation': (26,),
  'test': (7, 9, 10, 22),
}


@dataclasses.dataclass(eq=False)
class FootageConfig(RecordedConfig):
  """A variant of the dataset.

  Attributes:
    has_steps: whether the moments are those of FineDiving's steps; otherwise
      they are estimated.
  """

  frame_size: features.FrameSize | None = _SIZE
  window: Window = StrideWindow(_STRIDE)
  has_steps: bool = True


class Builder(recorded_dataset_builder.RecordedDatasetBuilder):
  """Builds pieces of events from the annotations and the user's videos."""

  VERSION = tfds.core.Version('1.0.0')
  RELEASE_NOTES = {'1.0.0': 'Initial release.'}
  BUILDER_CONFIGS = [
    FootageConfig(
      name='steps',
      description="Take-off and entry by FineDiving's steps; 1353 dives.",
    ),
    FootageConfig(
      name='estimated',
      description='Take-off and entry by medians; needs no FineDiving.',
      has_steps=False,
    ),
  ]
  DEFAULT_BUILDER_CONFIG_NAME = 'steps'
  # TFDS declares it as None.
  MANUAL_DOWNLOAD_INSTRUCTIONS = _INSTRUCTIONS  # type: ignore[assignment]

  def _info(self) -> tfds.core.DatasetInfo:
    return self.dive_info(
      features.footage_features(_SIZE),
      homepage=_HOMEPAGE,
      metadata={'frames_per_second': pieces.FRAMES_PER_SECOND / _STRIDE},
    )

  def read_dives(
    self,
    dl_manager: tfds.download.DownloadManager,
    manual_dir: pathlib.Path | None,
  ) -> dict[str, list[RecordedDive]]:
    """See the base class."""
    assert isinstance(self.builder_config, FootageConfig)
    steps: dict[Key, finediving.FineDive] = {}
    sub_actions: Mapping[int, str] = {}
    if self.builder_config.has_steps:
      files = {
        role: file.locate(manual_dir) for role, file in finediving.FILES.items()
      }
      released = finediving.read(files)
      sub_actions = released.sub_actions
      steps = {
        dive.mtl_aqa_key: dive
        for dive in released.dives.values()
        if dive.mtl_aqa_key is not None
      }
      self.metadata.update(
        sha256={role: manual_file.sha256(path) for role, path in files.items()}
      )
    labels, _ = annotations.read_main(
      release.locate(
        dl_manager, manual_dir, MtlAqa.url_infos, release.MAIN_ROLES
      )
    )
    times: dict[Key, Moments | None] = {}
    spans: dict[Key, pieces.Span] = {}
    for key, label in labels.items():
      first, last = label['start_frame'], label['end_frame']
      if not self.builder_config.has_steps:
        estimated = times[key] = moments.estimate(key, last)
        last = max(last, math.ceil(estimated.entry))
      elif key in steps:
        dive = steps[key]
        times[key] = moments.from_steps(dive, sub_actions)
        # FineDiving's numbers count in the same videos.
        first, last = min(first, dive.start_frame), max(last, dive.end_frame)
      spans[key] = first, last
    self.metadata.update(
      release_commit=release.RELEASE_COMMIT,
      # There, but in no piece.
      unknown=[
        frame_layouts.dive_name(key)
        for key in sorted(labels)
        if times.get(key) is None
      ],
    )
    return {
      split: [
        _recorded(key, piece, known)
        for event in events
        for key, piece in _pieces(event, spans)
        if (known := times.get(key)) is not None
      ]
      for split, events in _EVENTS.items()
    }


def _pieces(
  event: int, spans: Mapping[Key, pieces.Span]
) -> list[tuple[Key, pieces.Span]]:
  """Returns the pieces of an event in the order of time, by their dives."""
  keys = sorted((k for k in spans if k[0] == event), key=spans.__getitem__)
  if not keys:
    return []
  cut = pieces.cut([spans[key] for key in keys])
  return list(zip(keys, cut, strict=True))


def _recorded(key: Key, piece: pieces.Span, known: Moments) -> RecordedDive:
  example: dict[str, Any] = {
    'event': key[0],
    'take_off_seconds': _seconds(known.take_off, piece),
    'entry_seconds': _seconds(known.entry, piece),
  }
  sought = SoughtDive(
    frame_layouts.EVENT_LAYOUTS, {'e': key[0]}, f'event {key[0]:02d}', piece
  )
  return RecordedDive(frame_layouts.dive_name(key), example, [sought])


def _seconds(frame: float, piece: pieces.Span) -> np.ndarray:
  """Returns the time of a frame in a piece, float32 [1]."""
  return np.array([(frame - piece[0]) / pieces.FRAMES_PER_SECOND], np.float32)
