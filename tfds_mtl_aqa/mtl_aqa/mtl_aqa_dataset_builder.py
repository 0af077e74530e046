"""MTL-AQA: 1412 dives with scores, classes and commentary."""

import pathlib

import numpy as np
import tensorflow_datasets as tfds

from tfds_mtl_aqa import features, recorded_dataset_builder
from tfds_mtl_aqa.mtl_aqa import annotations, frame_layouts, release
from tfds_mtl_aqa.recorded_dataset_builder import RecordedDive

_HOMEPAGE = 'https://github.com/ParitoshParmar/MTL-AQA'
_INSTRUCTIONS = """
Put the videos of the events, or their frames, into the manual_dir, for example
as 01.mp4 or as whole_videos_frames/01/000001.jpg. The README of the dataset
lists all accepted layouts.
"""


class Builder(recorded_dataset_builder.RecordedDatasetBuilder):
  """Builds MTL-AQA from its annotation release and the user's videos."""

  VERSION = tfds.core.Version('1.0.0')
  RELEASE_NOTES = {'1.0.0': 'Initial release.'}
  BUILDER_CONFIGS = [
    recorded_dataset_builder.CLIPS_171X128,
    recorded_dataset_builder.CLIPS_640X360,
    recorded_dataset_builder.CLIPS_NATIVE,
    recorded_dataset_builder.ANNOTATIONS,
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
        self.config.frame_size,
        extra={
          'subsets': tfds.features.FeaturesDict(flags),
          'unlv_dive': tfds.features.ClassLabel(names=annotations.UNLV_SPLITS),
        },
      ),
      homepage=_HOMEPAGE,
    )

  def read_dives(
    self,
    dl_manager: tfds.download.DownloadManager,
    manual_dir: pathlib.Path | None,
  ) -> dict[str, list[RecordedDive]]:
    """See the base class."""
    paths = release.locate(dl_manager, manual_dir, self.url_infos)
    released = annotations.read_release(paths)
    self.metadata.update(
      vocabulary=list(released.vocabulary),
      release_commit=release.RELEASE_COMMIT,
      judges_commit=release.JUDGES_COMMIT,
      sha256={
        role: self.url_infos[url].checksum for role, url in release.URLS.items()
      },
    )
    return {
      split: [_recorded(released.dives[key]) for key in keys]
      for split, keys in released.splits.items()
    }


def _recorded(dive: annotations.Dive) -> RecordedDive:
  frames = dive.labels['start_frame'], dive.labels['end_frame']
  return RecordedDive(
    frame_layouts.dive_name(dive.key),
    annotations.example(dive),
    [frame_layouts.sought_dive(dive.key, *frames)],
  )
