"""FineDiving: 3000 dives with the steps that they have."""

import math
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from tfds_mtl_aqa import features, labels, manual_file, recorded_dataset_builder
from tfds_mtl_aqa.clips.sought_dive import Layouts, SoughtDive
from tfds_mtl_aqa.clips.window import EvenWindow
from tfds_mtl_aqa.finediving import annotations
from tfds_mtl_aqa.mtl_aqa import annotations as mtl_aqa_annotations
from tfds_mtl_aqa.mtl_aqa import frame_layouts, release
from tfds_mtl_aqa.mtl_aqa.mtl_aqa_dataset_builder import Builder as MtlAqa
from tfds_mtl_aqa.recorded_dataset_builder import RecordedConfig, RecordedDive
from tfds_mtl_aqa.simulated_dives.dive_numbers import parse_dive_number

_HOMEPAGE = 'https://github.com/xujinglin/FineDiving'
_INSTRUCTIONS = """
Put the annotations of FineDiving into the manual_dir, and its frames, for
example as FINADiving_MTL_256s/01/1/00001.jpg. The README of the dataset lists
all accepted layouts.
"""
_WINDOW = EvenWindow(96)
_FOLDERS = (
  'FINADiving_MTL_256s',
  'Trimmed_Video_Frames/FINADiving_MTL_256s',
  'FineDiving/FINADiving_MTL_256s',
  'FineDiving/Trimmed_Video_Frames/FINADiving_MTL_256s',
  'FineDiving',
)
_LAYOUTS = Layouts(
  event_folders=('Untrimmed_Video_Frames/{v}',),
  event_videos=('Untrimmed_Videos/{v}', 'FineDiving/Untrimmed_Videos/{v}'),
  dive_folders=(*(f'{folder}/{{v}}/{{i}}' for folder in _FOLDERS), '{v}/{i}'),
  dive_videos=('Trimmed_Videos/{v}/{i}', '{v}/{i}'),
  event_examples=('Untrimmed_Videos/{v}.mp4', 'FINADiving_MTL_256s/{v}/'),
  dive_examples=('FINADiving_MTL_256s/{v}/{i}/', 'Trimmed_Videos/{v}/{i}.mp4'),
  legend='v event, i number of the dive',
)
# FINA's letter A; MTL-AQA has none.
_STRAIGHT = 'straight'
_CLASSES = {**labels.CLASS_NAMES, 'position': (*labels.POSITIONS, _STRAIGHT)}


class Builder(recorded_dataset_builder.RecordedDatasetBuilder):
  """Builds FineDiving from its annotations and the user's frames."""

  VERSION = tfds.core.Version('1.0.0')
  RELEASE_NOTES = {'1.0.0': 'Initial release.'}
  BUILDER_CONFIGS = [
    RecordedConfig(
      name=base.name,
      description=base.description,
      frame_size=base.frame_size,
      window=_WINDOW,
    )
    for base in (
      recorded_dataset_builder.CLIPS_171X128,
      recorded_dataset_builder.CLIPS_NATIVE,
      recorded_dataset_builder.ANNOTATIONS,
    )
  ]
  DEFAULT_BUILDER_CONFIG_NAME = 'clips_171x128'
  # TFDS declares it as None.
  MANUAL_DOWNLOAD_INSTRUCTIONS = _INSTRUCTIONS  # type: ignore[assignment]

  def _info(self) -> tfds.core.DatasetInfo:
    sequence = tfds.features.Tensor(shape=(None,), dtype=np.int32)
    classes = {
      name: tfds.features.ClassLabel(names=names)
      for name, names in _CLASSES.items()
    }
    frames = features.video_features(self.config.frame_size, _WINDOW.num_stored)
    return self.dive_info(
      tfds.features.FeaturesDict(
        {
          **frames,
          'event': np.int32,
          'event_name': tfds.features.Text(),
          'sample': np.int32,
          'start_frame': np.int32,
          'end_frame': np.int32,
          'final_score': np.float32,
          'difficulty': np.float32,
          'judge_scores': tfds.features.Tensor(
            shape=(features.NUM_JUDGES,), dtype=np.float32
          ),
          'dive_number': tfds.features.Text(),
          'dive_type': tfds.features.ClassLabel(names=annotations.DIVE_TYPES),
          **classes,
          'steps': sequence,
          'step_starts': sequence,
          'frame_steps': sequence,
          'mtl_aqa_event': np.int32,
          'mtl_aqa_sample': np.int32,
          'mtl_aqa_split': tfds.features.ClassLabel(
            names=features.MTL_AQA_SPLITS
          ),
        }
      ),
      homepage=_HOMEPAGE,
      metadata={'classes': list(_CLASSES)},
    )

  def read_dives(
    self,
    dl_manager: tfds.download.DownloadManager,
    manual_dir: pathlib.Path | None,
  ) -> dict[str, list[RecordedDive]]:
    """See the base class."""
    paths = {
      role: file.locate(manual_dir) for role, file in annotations.FILES.items()
    }
    released = annotations.read(paths)
    _, mtl_aqa_splits = mtl_aqa_annotations.read_main(
      release.locate(
        dl_manager, manual_dir, MtlAqa.url_infos, release.MAIN_ROLES
      )
    )
    events = sorted({event for event, _ in released.dives})
    self.metadata.update(
      events=events,
      # JSON has no integers as keys.
      sub_actions=[
        released.sub_actions.get(number, '')
        for number in range(1 + max(released.sub_actions))
      ],
      sha256={role: manual_file.sha256(path) for role, path in paths.items()},
      mtl_aqa_commit=release.RELEASE_COMMIT,
    )
    numbers = {event: number for number, event in enumerate(events)}
    return {
      split: [
        _recorded(
          released.dives[key],
          numbers[key[0]],
          mtl_aqa_splits,
        )
        for key in keys
      ]
      for split, keys in released.splits.items()
    }


def _recorded(
  dive: annotations.FineDive,
  event: int,
  mtl_aqa_splits: Mapping[tuple[int, int], str],
) -> RecordedDive:
  event_name, number = dive.key
  frames = dive.start_frame, dive.end_frame
  fields: dict[str, int | str] = {'v': event_name, 'i': number}
  sought = [SoughtDive(_LAYOUTS, fields, event_name, frames)]
  mtl_aqa = dive.mtl_aqa_key
  if mtl_aqa:
    sought.append(
      # MTL-AQA's own folders of single dives hold other frames.
      SoughtDive(
        frame_layouts.EVENT_LAYOUTS, {'e': mtl_aqa[0]}, event_name, frames
      )
    )
  unknown = features.NUM_JUDGES - len(dive.judge_scores)
  example = {
    'event': event,
    'event_name': event_name,
    'sample': number,
    'start_frame': dive.start_frame,
    'end_frame': dive.end_frame,
    'final_score': dive.final_score,
    'difficulty': dive.difficulty,
    'judge_scores': [*dive.judge_scores, *[math.nan] * unknown],
    'dive_number': dive.dive_number,
    'dive_type': dive.dive_number,
    **_classes(dive.dive_number),
    'steps': [sub_action for sub_action, _ in dive.steps],
    'step_starts': [start for _, start in dive.steps],
    'frame_steps': list(dive.frame_steps),
    'mtl_aqa_event': mtl_aqa[0] if mtl_aqa else 0,
    'mtl_aqa_sample': mtl_aqa[1] if mtl_aqa else 0,
    'mtl_aqa_split': mtl_aqa_splits.get(mtl_aqa, 'none') if mtl_aqa else 'none',
  }
  return RecordedDive(f'{event_name}_{number:02d}', example, sought)


def _classes(dive_number: str) -> dict[str, Any]:
  """Returns the classes of a dive, by its number."""
  digits, letter = dive_number[:-1], dive_number[-1]
  is_straight = letter == 'A'
  number = parse_dive_number(f'{digits}{"B" if is_straight else letter}', 0.0)
  return {
    'position': _STRAIGHT if is_straight else number.position,
    'armstand': number.armstand,
    'rotation_type': number.rotation_type,
    'somersaults': number.somersaults,
    'twists': number.twists,
  }
