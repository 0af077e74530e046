"""The base class of the datasets whose frames are recorded, not rendered."""

import abc
import dataclasses
import functools
import pathlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import tensorflow_datasets as tfds
import tqdm

from tfds_mtl_aqa import features, frame_cache, input_error
from tfds_mtl_aqa.clips import clip, frame_sources, missing_dives
from tfds_mtl_aqa.clips.sought_dive import SoughtDive
from tfds_mtl_aqa.clips.window import EndWindow, Window
from tfds_mtl_aqa.dive_dataset_builder import DiveDatasetBuilder


@dataclasses.dataclass(eq=False)
class RecordedConfig(tfds.core.BuilderConfig):
  """A variant of a dataset of recorded dives.

  Attributes:
    frame_size: (width, height) of the stored frames in pixels; (None, None) for
      the size of each source; None for labels only.
    window: which frames of a dive are stored.
  """

  frame_size: features.FrameSize | None = None
  window: Window = EndWindow()


CLIPS_171X128 = RecordedConfig(
  name='clips_171x128',
  description='Frames of 171x128 pixels, as C3D-AVG takes them.',
  frame_size=(171, 128),
)
CLIPS_640X360 = RecordedConfig(
  name='clips_640x360',
  description='Frames of 640x360 pixels, as MSCADC takes them.',
  frame_size=(640, 360),
)
CLIPS_NATIVE = RecordedConfig(
  name='clips_native',
  description="Frames of each source's own size, to be resized later.",
  frame_size=(None, None),
)
ANNOTATIONS = RecordedConfig(
  name='annotations', description='Labels only; needs no videos.'
)


@dataclasses.dataclass(frozen=True)
class RecordedDive:
  """A dive, and where its frames may lie.

  Attributes:
    name: of the dive, fit for a file name; no other dive has it.
    example: the dive as it is stored, without its frames.
    sought: what is looked for, one after the other.
  """

  name: str
  example: Mapping[str, Any]
  sought: Sequence[SoughtDive]


class RecordedDatasetBuilder(DiveDatasetBuilder, skip_registration=True):
  """Base class of datasets whose frames the user has, as videos or images.

  A subclass gives `read_dives`, and its configs are `RecordedConfig`s. Its
  features are the example of each dive, and with frames `video` and, where it
  declares that, `padded_frames`: see `features.video_features`.
  """

  @abc.abstractmethod
  def read_dives(
    self,
    dl_manager: tfds.download.DownloadManager,
    manual_dir: pathlib.Path | None,
  ) -> dict[str, list[RecordedDive]]:
    """Reads the annotations.

    May add to `self.metadata`.

    Args:
      dl_manager: downloads files.
      manual_dir: the user's folder; None where it is not there, or empty.

    Returns:
      The dives of each split, in the order to store them in.

    Raises:
      InputError: a file is missing, damaged or another one.
    """

  @property
  def config(self) -> RecordedConfig:
    """The variant that is built."""
    assert isinstance(self.builder_config, RecordedConfig)
    return self.builder_config

  def _split_generators(
    self, dl_manager: tfds.download.DownloadManager
  ) -> dict[str, Iterator[tuple[int, Mapping[str, Any]]]]:
    manual_dir = _manual_dir(dl_manager)
    splits = self.read_dives(dl_manager, manual_dir)
    dives = {dive.name: dive for part in splits.values() for dive in part}
    encoder = None
    missing: Mapping[str, str] = {}
    if self.config.frame_size is not None:
      clips, missing = self._find_clips(manual_dir, dives)
      encoder = clip.ClipEncoder(clips, self.config.frame_size)
    self.metadata.update(
      num_dives=len(dives) - len(missing),
      num_dives_of_release=len(dives),
      missing=sorted(missing),
      # Of those, why the files that are there cannot be used.
      unusable={name: reason for name, reason in missing.items() if reason},
      allow_missing=self.allow_missing,
    )
    generators = {}
    for split, part in splits.items():
      held = [dive for dive in part if dive.name not in missing]
      if held:
        generators[split] = self._generate_examples(split, held, encoder)
    return generators

  def _find_clips(
    self, manual_dir: pathlib.Path | None, dives: Mapping[str, RecordedDive]
  ) -> tuple[dict[str, clip.Clip], dict[str, str]]:
    """Returns the dives' clips by name, and why others are missing."""
    sources = manual_dir and frame_sources.FrameSources(
      manual_dir, self.config.window, allow_unreadable=self.allow_missing
    )
    clips, missing = {}, {}
    for name, dive in dives.items():
      reasons = []
      for sought in dive.sought:
        found = sources.find(sought) if sources else ''
        if not isinstance(found, str):
          clips[name] = found
          break
        if found:
          reasons.append(found)
      else:
        missing[name] = '; '.join(reasons)
    if missing and not (self.allow_missing and clips):
      sought_dives = {name: dive.sought for name, dive in dives.items()}
      raise input_error.InputError(
        missing_dives.report(
          manual_dir, missing, sought_dives, self.config.window, self.EXAMPLES
        )
      )
    for line in missing_dives.unusable(missing):
      print(line, file=sys.stderr)
    return clips, missing

  def _generate_examples(
    self,
    split: str,
    dives: Sequence[RecordedDive],
    encoder: clip.ClipEncoder | None,
  ) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yields (index, dive); without an encoder, dives without video."""
    if encoder is None:
      for index, dive in enumerate(dives):
        yield index, dive.example
      return
    examples = {dive.name: dive.example for dive in dives}
    records = frame_cache.cached_frames(
      list(examples),
      encoder,
      self.frames_dir,
      fingerprint=functools.partial(
        _versioned_fingerprint, encoder, str(self.version)
      ),
      num_processes=self.num_processes,
      description=split,
      left_out=self._leave_out if self.allow_missing else None,
    )
    for index, (name, record) in enumerate(records):
      padding, jpegs = clip.split_record(record)
      frames: dict[str, Any] = {'video': jpegs}
      if 'padded_frames' in self.info.features:
        frames['padded_frames'] = padding
      yield index, {**examples[name], **frames}

  def _leave_out(self, name: str, error: input_error.InputError) -> None:
    """Leaves out a dive whose source turned out to be damaged."""
    metadata = self.metadata
    metadata['num_dives'] -= 1
    metadata['missing'] = sorted([*metadata['missing'], name])
    metadata['unusable'][name] = str(error)
    tqdm.tqdm.write(f'Left out dive {name}: {error}', file=sys.stderr)


def _versioned_fingerprint(
  encoder: clip.ClipEncoder, version: str, name: str
) -> str:
  return f'{version} {encoder.fingerprint(name)}'


def _manual_dir(
  dl_manager: tfds.download.DownloadManager,
) -> pathlib.Path | None:
  try:
    return pathlib.Path(dl_manager.manual_dir)
  except AssertionError:  # It is not there, or empty.
    return None
