"""AQA-7: scored clips of six actions, dives and gymnastic vaults among them."""

import dataclasses
import pathlib

import numpy as np
import tensorflow_datasets as tfds

from tfds_mtl_aqa import features, manual_file, recorded_dataset_builder
from tfds_mtl_aqa.aqa7 import annotations
from tfds_mtl_aqa.clips.sought_dive import Layouts, SoughtDive
from tfds_mtl_aqa.mtl_aqa import unlv_dive
from tfds_mtl_aqa.recorded_dataset_builder import RecordedConfig, RecordedDive

_HOMEPAGE = 'http://rtis.oit.unlv.edu/datasets.html'
_INSTRUCTIONS = """
Put the two lists of Split_4 into the manual_dir, and the clips or their frames,
for example as gym_vault-out/001/img_00001.jpg. The README of the dataset lists
all accepted layouts.
"""
_ACTIONS = tuple(annotations.ACTIONS)
_LAYOUTS = Layouts(
  event_folders=(),
  event_videos=(),
  dive_folders=(
    '{a}-out/{i:03d}',
    'Seven/{a}-out/{i:03d}',
    'AQA-7/{a}-out/{i:03d}',
    'frames/{a}-out/{i:03d}',
    '{a}_samples_lstm_103/frames/{i:03d}',
  ),
  dive_videos=(
    '{a}/{i:03d}',
    'Actions/{a}/{i:03d}',
    'AQA-7/{a}/{i:03d}',
    'AQA-7/Actions/{a}/{i:03d}',
  ),
  event_examples=(),
  dive_examples=('{a}-out/{i:03d}/', '{a}/{i:03d}.avi'),
  legend='a action, i number of the clip',
)


@dataclasses.dataclass(eq=False)
class Aqa7Config(RecordedConfig):
  """A variant of AQA-7.

  Attributes:
    action: the one whose clips it has; '' for those of all six.
  """

  action: str = ''


def _configs() -> list[Aqa7Config]:
  configs = []
  for action in ('', *_ACTIONS):
    for base in (
      recorded_dataset_builder.CLIPS_171X128,
      recorded_dataset_builder.CLIPS_NATIVE,
      recorded_dataset_builder.ANNOTATIONS,
    ):
      configs.append(
        Aqa7Config(
          name=f'{base.name}_{action}' if action else base.name,
          description=f'{base.description} {action or "All six actions"}.',
          frame_size=base.frame_size,
          action=action,
        )
      )
  return configs


class Builder(recorded_dataset_builder.RecordedDatasetBuilder):
  """Builds AQA-7 from its lists and the user's clips."""

  VERSION = tfds.core.Version('1.0.0')
  RELEASE_NOTES = {'1.0.0': 'Initial release.'}
  BUILDER_CONFIGS = _configs()
  DEFAULT_BUILDER_CONFIG_NAME = 'clips_171x128'
  # TFDS declares it as None.
  MANUAL_DOWNLOAD_INSTRUCTIONS = _INSTRUCTIONS  # type: ignore[assignment]
  EXAMPLES = 'clips'

  @property
  def _action(self) -> str:
    assert isinstance(self.builder_config, Aqa7Config)
    return self.builder_config.action

  def _info(self) -> tfds.core.DatasetInfo:
    window = self.config.window
    frames = features.video_features(self.config.frame_size, window.num_stored)
    return self.dive_info(
      tfds.features.FeaturesDict(
        {
          **frames,
          'action': tfds.features.ClassLabel(names=_ACTIONS),
          'event': np.int32,
          'sample': np.int32,
          'final_score': np.float32,
          'mtl_aqa_event': np.int32,
          'mtl_aqa_sample': np.int32,
        }
      ),
      homepage=_HOMEPAGE,
      metadata={'classes': [] if self._action else ['action']},
    )

  def read_dives(
    self,
    dl_manager: tfds.download.DownloadManager,
    manual_dir: pathlib.Path | None,
  ) -> dict[str, list[RecordedDive]]:
    """See the base class."""
    del dl_manager  # Nothing is downloaded.
    paths = {
      split: file.locate(manual_dir)
      for split, file in annotations.FILES.items()
    }
    clips = annotations.read(paths)
    self.metadata.update(
      sha256={split: manual_file.sha256(path) for split, path in paths.items()}
    )
    return {
      split: [
        _recorded(clip)
        for clip in part
        if self._action in ('', _ACTIONS[clip.action - 1])
      ]
      for split, part in clips.items()
    }


def _recorded(clip: annotations.Clip) -> RecordedDive:
  action = _ACTIONS[clip.action - 1]
  event = sample = 0
  if action == 'diving':
    event, sample = unlv_dive.key_of_id(clip.clip_id)
  example = {
    'action': action,
    'event': clip.action,
    'sample': clip.clip_id,
    'final_score': clip.final_score,
    'mtl_aqa_event': event,
    'mtl_aqa_sample': sample,
  }
  fields: dict[str, int | str] = {'a': action, 'i': clip.clip_id}
  return RecordedDive(
    f'{action}_{clip.clip_id:03d}',
    example,
    [SoughtDive(_LAYOUTS, fields, action, None)],
  )
