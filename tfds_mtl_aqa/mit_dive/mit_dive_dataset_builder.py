"""MIT-Dive: 159 dives of the men's 10 m preliminary of London 2012."""

import dataclasses
import pathlib

import numpy as np
import tensorflow_datasets as tfds

from tfds_mtl_aqa import features, manual_file, recorded_dataset_builder
from tfds_mtl_aqa.clips.sought_dive import Layouts, SoughtDive
from tfds_mtl_aqa.mit_dive import annotations
from tfds_mtl_aqa.mtl_aqa import annotations as mtl_aqa_annotations
from tfds_mtl_aqa.mtl_aqa import frame_layouts, release
from tfds_mtl_aqa.mtl_aqa.mtl_aqa_dataset_builder import Builder as MtlAqa
from tfds_mtl_aqa.recorded_dataset_builder import RecordedDive

_HOMEPAGE = 'http://hdl.handle.net/1721.1/90990'
_INSTRUCTIONS = """
Put Diving.txt into the manual_dir, and the video of the competition or its
frames, or those of MTL-AQA's event 1. The README of the dataset lists all
accepted layouts.
"""
# The competition's number in MTL-AQA.
_EVENT = 1
# The split that is stored; see `annotations.random_split` for others.
_SEED = 0
_FOLDERS = ('MIT_Dive', 'mit_dive', 'action_quality_dataset/diving', 'diving')
_LAYOUTS = Layouts(
  event_folders=tuple(f'{folder}/frames' for folder in _FOLDERS),
  event_videos=(
    *(f'{folder}/Diving' for folder in _FOLDERS),
    *(f'{folder}/videos/Diving' for folder in _FOLDERS),
    'Diving',
  ),
  dive_folders=tuple(f'{folder}/{{n:03d}}' for folder in _FOLDERS[:3]),
  dive_videos=tuple(f'{folder}/{{n:03d}}' for folder in _FOLDERS[:3]),
  event_examples=('MIT_Dive/frames/', 'Diving.mp4'),
  dive_examples=('MIT_Dive/{n:03d}/', 'MIT_Dive/{n:03d}.avi'),
  legend='n number of the dive, 1 to 159',
)


class Builder(recorded_dataset_builder.RecordedDatasetBuilder):
  """Builds MIT-Dive from its annotations and those of MTL-AQA."""

  VERSION = tfds.core.Version('1.0.0')
  RELEASE_NOTES = {'1.0.0': 'Initial release.'}
  BUILDER_CONFIGS = [
    recorded_dataset_builder.CLIPS_171X128,
    recorded_dataset_builder.CLIPS_NATIVE,
    recorded_dataset_builder.ANNOTATIONS,
  ]
  DEFAULT_BUILDER_CONFIG_NAME = 'clips_171x128'
  # TFDS declares it as None.
  MANUAL_DOWNLOAD_INSTRUCTIONS = _INSTRUCTIONS  # type: ignore[assignment]

  def _info(self) -> tfds.core.DatasetInfo:
    window = self.config.window
    frames = features.video_features(self.config.frame_size, window.num_stored)
    return self.dive_info(
      tfds.features.FeaturesDict(
        {
          **frames,
          'sample': np.int32,
          'start_frame': np.int32,
          'end_frame': np.int32,
          'score_frame': np.int32,
          'final_score': np.float32,
          'difficulty': np.float32,
          'mtl_aqa_sample': np.int32,
          'mtl_aqa_split': tfds.features.ClassLabel(
            names=features.MTL_AQA_SPLITS
          ),
        }
      ),
      homepage=_HOMEPAGE,
      metadata={'classes': [], 'split_seed': _SEED},
    )

  def read_dives(
    self,
    dl_manager: tfds.download.DownloadManager,
    manual_dir: pathlib.Path | None,
  ) -> dict[str, list[RecordedDive]]:
    """See the base class."""
    path = annotations.FILE.locate(manual_dir)
    dives = annotations.read(path)
    mtl_aqa_labels, mtl_aqa_splits = mtl_aqa_annotations.read_main(
      release.locate(
        dl_manager, manual_dir, MtlAqa.url_infos, release.MAIN_ROLES
      )
    )
    keys = sorted(key for key in mtl_aqa_labels if key[0] == _EVENT)
    places = annotations.align(
      [(dive.final_score, dive.difficulty) for dive in dives],
      [
        (mtl_aqa_labels[key]['final_score'], mtl_aqa_labels[key]['difficulty'])
        for key in keys
      ],
    )
    self.metadata.update(
      sha256=manual_file.sha256(path), mtl_aqa_commit=release.RELEASE_COMMIT
    )
    recorded = {}
    for number, (dive, place) in enumerate(
      zip(dives, places, strict=True), start=1
    ):
      frames = dive.start_frame, dive.end_frame
      sought = [SoughtDive(_LAYOUTS, {'n': number}, 'the competition', frames)]
      key = None if place is None else keys[place]
      if key:
        found = mtl_aqa_labels[key]
        sought.append(
          frame_layouts.sought_dive(
            key, found['start_frame'], found['end_frame']
          )
        )
      example = {
        'sample': number,
        **dataclasses.asdict(dive),
        'mtl_aqa_sample': key[1] if key else 0,
        'mtl_aqa_split': mtl_aqa_splits[key] if key else 'none',
      }
      recorded[number] = RecordedDive(f'{number:03d}', example, sought)
    train, test = annotations.random_split(_SEED)
    return {
      'train': [recorded[number] for number in train],
      'test': [recorded[number] for number in test],
    }
