"""UNLV-Dive: 370 dives of London 2012, 300 to train on and 70 to test on."""

import pathlib

import numpy as np
import tensorflow_datasets as tfds

from tfds_mtl_aqa import features, labels, manual_file, recorded_dataset_builder
from tfds_mtl_aqa.clips.sought_dive import Layouts, SoughtDive
from tfds_mtl_aqa.clips.window import StartWindow
from tfds_mtl_aqa.mtl_aqa import annotations, frame_layouts, release, unlv_dive
from tfds_mtl_aqa.mtl_aqa.mtl_aqa_dataset_builder import Builder as MtlAqa
from tfds_mtl_aqa.recorded_dataset_builder import RecordedConfig, RecordedDive
from tfds_mtl_aqa.unlv_dive import stage_ends

_HOMEPAGE = 'http://rtis.oit.unlv.edu/datasets.html'
_INSTRUCTIONS = """
Put the videos or frames of the dives into the manual_dir, for example as
diving-out/001/img_00001.jpg, or as MTL-AQA has them. The README of the dataset
lists all accepted layouts.
"""
_WHOLE = StartWindow(151)
_WHOLE_LAYOUTS = Layouts(
  event_folders=(),
  event_videos=(),
  dive_folders=('diving_samples_len_151_lstm/{i:03d}',),
  dive_videos=('diving_samples_len_151_lstm/{i:03d}',),
  event_examples=(),
  dive_examples=(
    'diving_samples_len_151_lstm/{i:03d}.avi',
    'diving_samples_len_151_lstm/{i:03d}/',
  ),
  legend='i AQA-7 id',
)
# What UNLV-Dive has otherwise than MTL-AQA, by AQA-7 diving id.
_OWN_SCORES = {73: 88.2, 345: 67.3}
_OWN_DIFFICULTIES = {133: 3.0}


class Builder(recorded_dataset_builder.RecordedDatasetBuilder):
  """Builds UNLV-Dive from MTL-AQA's release, which has all its dives."""

  VERSION = tfds.core.Version('1.0.0')
  RELEASE_NOTES = {'1.0.0': 'Initial release.'}
  BUILDER_CONFIGS = [
    recorded_dataset_builder.CLIPS_171X128,
    recorded_dataset_builder.CLIPS_640X360,
    recorded_dataset_builder.CLIPS_NATIVE,
    RecordedConfig(
      name='clips_151_171x128',
      description='The clips of 151 frames, in which stages are marked.',
      frame_size=(171, 128),
      window=_WHOLE,
    ),
    recorded_dataset_builder.ANNOTATIONS,
  ]
  DEFAULT_BUILDER_CONFIG_NAME = 'clips_171x128'
  # TFDS declares it as None.
  MANUAL_DOWNLOAD_INSTRUCTIONS = _INSTRUCTIONS  # type: ignore[assignment]

  def _info(self) -> tfds.core.DatasetInfo:
    return self.dive_info(
      features.dive_features(
        self.config.frame_size,
        self.config.window.num_stored,
        extra={
          'dive_id': np.int32,
          'stage_ends': tfds.features.Tensor(
            shape=(len(labels.STAGES),), dtype=np.int32
          ),
          'mtl_aqa_split': tfds.features.ClassLabel(
            names=features.MTL_AQA_SPLITS
          ),
        },
      ),
      homepage=_HOMEPAGE,
      metadata={
        'classes': list(labels.CLASS_NAMES),
        'stages': list(labels.STAGES),
      },
    )

  def read_dives(
    self,
    dl_manager: tfds.download.DownloadManager,
    manual_dir: pathlib.Path | None,
  ) -> dict[str, list[RecordedDive]]:
    """See the base class."""
    paths = release.locate(dl_manager, manual_dir, MtlAqa.url_infos)
    released = annotations.read_release(paths)
    ends_path = stage_ends.FILE.find(manual_dir)
    ends = stage_ends.read(ends_path) if ends_path else {}
    self.metadata.update(
      vocabulary=list(released.vocabulary),
      release_commit=release.RELEASE_COMMIT,
      judges_commit=release.JUDGES_COMMIT,
      stage_ends_sha256=manual_file.sha256(ends_path) if ends_path else '',
    )
    splits: dict[str, list[RecordedDive]] = {'train': [], 'test': []}
    for key, dive_id in sorted(
      unlv_dive.ids_by_key().items(), key=lambda item: item[1]
    ):
      dive = released.dives.get(key)
      if dive and dive.unlv_split in splits:
        recorded = self._recorded(dive, dive_id, ends.get(dive_id))
        splits[dive.unlv_split].append(recorded)
    return splits

  def _recorded(
    self, dive: annotations.Dive, dive_id: int, ends: tuple[int, ...] | None
  ) -> RecordedDive:
    example = dict(annotations.example(dive))
    # They tell of MTL-AQA's other parts.
    del example['subsets'], example['unlv_dive']
    example |= {
      'final_score': _OWN_SCORES.get(dive_id, dive.labels['final_score']),
      'difficulty': _OWN_DIFFICULTIES.get(dive_id, dive.labels['difficulty']),
      'dive_id': dive_id,
      'stage_ends': ends or (-1,) * len(labels.STAGES),
      'mtl_aqa_split': 'train' if dive.in_main_train else 'test',
    }
    if self.config.window == _WHOLE:
      event = f'event {dive.key[0]:02d}'
      sought = SoughtDive(_WHOLE_LAYOUTS, {'i': dive_id}, event, None)
    else:
      frames = dive.labels['start_frame'], dive.labels['end_frame']
      sought = frame_layouts.sought_dive(dive.key, *frames)
    return RecordedDive(f'{dive_id:03d}', example, [sought])
