"""MTL-AQA: 1412 dives with scores, classes and commentary."""

import dataclasses
import functools
import pathlib
import sys
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import tensorflow_datasets as tfds
import tqdm

from tfds_mtl_aqa import (
  dive_dataset_builder,
  features,
  frame_cache,
  input_error,
)
from tfds_mtl_aqa.mtl_aqa import (
  annotations,
  clip,
  frame_sources,
  missing_dives,
  release,
)

_HOMEPAGE = 'https://github.com/ParitoshParmar/MTL-AQA'
_INSTRUCTIONS = """
Put the videos of the events, or their frames, into the manual_dir, for example
as 01.mp4 or as whole_videos_frames/01/000001.jpg. The README of the dataset
lists all accepted layouts.
"""


@dataclasses.dataclass(eq=False)
class MtlAqaConfig(tfds.core.BuilderConfig):
  """A variant of MTL-AQA.

  Attributes:
    frame_size: (width, height) of the stored frames in pixels; (None, None) for
      the size of each source; None for labels only.
  """

  frame_size: features.FrameSize | None = None


class Builder(dive_dataset_builder.DiveDatasetBuilder):
  """Builds MTL-AQA from its annotation release and the user's videos."""

  VERSION = tfds.core.Version('1.0.0')
  RELEASE_NOTES = {'1.0.0': 'Initial release.'}
  BUILDER_CONFIGS = [
    MtlAqaConfig(
      name='clips_171x128',
      description='Frames of 171x128 pixels, as C3D-AVG takes them.',
      frame_size=(171, 128),
    ),
    MtlAqaConfig(
      name='clips_640x360',
      description='Frames of 640x360 pixels, as MSCADC takes them.',
      frame_size=(640, 360),
    ),
    MtlAqaConfig(
      name='clips_native',
      description="Frames of each source's own size, to be resized later.",
      frame_size=(None, None),
    ),
    MtlAqaConfig(
      name='annotations', description='Labels only; needs no videos.'
    ),
  ]
  DEFAULT_BUILDER_CONFIG_NAME = 'clips_171x128'
  # TFDS declares it as None.
  MANUAL_DOWNLOAD_INSTRUCTIONS = _INSTRUCTIONS  # type: ignore[assignment]

  def _info(self) -> tfds.core.DatasetInfo:
    flags = {
      f'{kind}_{name}': np.bool_
      for name in annotations.SUBSETS
      for kind in ('released', 'clean')
    }
    return self.dive_info(
      features.dive_features(
        self._frame_size,
        extra={
          'subsets': tfds.features.FeaturesDict(flags),
          'unlv_dive': tfds.features.ClassLabel(names=annotations.UNLV_SPLITS),
        },
      ),
      homepage=_HOMEPAGE,
    )

  @property
  def _frame_size(self) -> features.FrameSize | None:
    assert isinstance(self.builder_config, MtlAqaConfig)
    return self.builder_config.frame_size

  def _split_generators(
    self, dl_manager: tfds.download.DownloadManager
  ) -> dict[str, Iterator[tuple[int, annotations.MtlAqaExample]]]:
    manual_dir = _manual_dir(dl_manager)
    paths = release.locate(dl_manager, manual_dir, self.url_infos)
    released = annotations.read_release(paths)
    encoder = None
    missing: Mapping[annotations.Key, str] = {}
    if self._frame_size is not None:
      clips, missing = self._find_clips(manual_dir, released)
      encoder = clip.ClipEncoder(clips, self._frame_size)
    self.metadata.update(
      vocabulary=list(released.vocabulary),
      num_dives=len(released.dives) - len(missing),
      num_dives_of_release=len(released.dives),
      missing=sorted(frame_sources.dive_name(key) for key in missing),
      # Of those, why the files that are there cannot be used.
      unusable={
        frame_sources.dive_name(key): reason
        for key, reason in missing.items()
        if reason
      },
      allow_missing=self.allow_missing,
      release_commit=release.RELEASE_COMMIT,
      judges_commit=release.JUDGES_COMMIT,
      sha256={
        role: self.url_infos[url].checksum for role, url in release.URLS.items()
      },
    )
    splits = {}
    for split, keys in released.splits.items():
      held = [key for key in keys if key not in missing]
      if held:
        splits[split] = self._generate_examples(split, held, released, encoder)
    return splits

  def _find_clips(
    self, manual_dir: pathlib.Path | None, released: annotations.Release
  ) -> tuple[dict[str, clip.Clip], dict[annotations.Key, str]]:
    """Returns the dives' clips by name, and why others are missing, by key."""
    sources = manual_dir and frame_sources.FrameSources(
      manual_dir, allow_unreadable=self.allow_missing
    )
    clips, missing = {}, {}
    for key, dive in released.dives.items():
      found = sources.find(key, dive.labels['end_frame']) if sources else ''
      if isinstance(found, str):
        missing[key] = found
      else:
        clips[frame_sources.dive_name(key)] = found
    if missing and not (self.allow_missing and clips):
      raise input_error.InputError(
        missing_dives.report(manual_dir, missing, released.dives)
      )
    names = {frame_sources.dive_name(key): why for key, why in missing.items()}
    for line in missing_dives.unusable(names):
      print(line, file=sys.stderr)
    return clips, missing

  def _generate_examples(
    self,
    split: str,
    keys: Sequence[annotations.Key],
    released: annotations.Release,
    encoder: clip.ClipEncoder | None,
  ) -> Iterator[tuple[int, annotations.MtlAqaExample]]:
    """Yields (index, dive); without an encoder, dives without video."""
    if encoder is None:
      for index, key in enumerate(keys):
        yield index, annotations.example(released.dives[key])
      return
    dives = {frame_sources.dive_name(key): released.dives[key] for key in keys}
    records = frame_cache.cached_frames(
      list(dives),
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
      example: annotations.MtlAqaVideoExample = {
        **annotations.example(dives[name]),
        'video': jpegs,
        'padded_frames': padding,
      }
      yield index, example

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
