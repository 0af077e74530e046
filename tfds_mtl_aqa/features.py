"""The features that the datasets of this package have."""

from collections.abc import Mapping, Sequence
from typing import TypedDict

import numpy as np
import tensorflow_datasets as tfds

from tfds_mtl_aqa import labels

NUM_JUDGES = 7
# The paper's window: the 103 frames that end at `end_frame`.
WINDOW_FRAMES = 103
# Frames stored on each side of the window, for the temporal augmentation.
MARGIN_FRAMES = 3


# The part of MTL-AQA that a dive of another dataset is in.
MTL_AQA_SPLITS = ('none', 'train', 'test')


# (width, height) in pixels; (None, None) where it differs from dive to dive.
FrameSize = tuple[int, int] | tuple[None, None]
# What `FeaturesDict` takes for one feature.
Feature = tfds.features.FeatureConnector | type[np.generic]


class DiveLabels(TypedDict):
  """The labels of a dive that are numbers; see `dive_features`.

  Classes are integer codes: indices into `labels.CLASS_NAMES`.
  """

  start_frame: int
  end_frame: int
  final_score: float
  difficulty: float
  position: int
  armstand: int
  rotation_type: int
  somersaults: int
  twists: int


class DiveExample(DiveLabels):
  """A dive without video as a builder yields it; see `dive_features`."""

  event: int
  sample: int
  judge_scores: np.ndarray | Sequence[float]
  dive_number: str
  caption: str
  caption_ids: np.ndarray | Sequence[int]


class VideoExample(DiveExample):
  """A dive with video; each frame is the content of a JPEG file."""

  video: Sequence[bytes]
  padded_frames: np.ndarray | tuple[int, int]


def dive_features(
  frame_size: FrameSize | None,
  num_frames: int | None = WINDOW_FRAMES + 2 * MARGIN_FRAMES,
  extra: Mapping[str, Feature] | None = None,
) -> tfds.features.FeaturesDict:
  """Returns the features of one dive.

  Args:
    frame_size: (width, height) of the stored frames in pixels; (None, None)
      where it differs from dive to dive; None for a dataset without video.
    num_frames: number of stored frames of each dive; None where it differs.
    extra: further features, by name.

  Returns:
    A FeaturesDict with:
      video: uint8 [num_frames, height, width, 3], JPEG frames, RGB.
      padded_frames: int32 [2], how many frames at the start and at the end are
        copies of the nearest real frame, because the source has no others.
      event, sample: int32, the two parts of the MTL-AQA key.
      start_frame, end_frame: int32, in the event's video, 1-based inclusive.
      final_score: float32, points, as announced (0 to about 105).
      difficulty: float32, the dive's degree of difficulty (1.5 to 4.1).
      position, armstand, rotation_type, somersaults, twists: class labels.
      judge_scores: float32 [7], half points 0 to 10; NaN where unknown.
      dive_number: text such as '5253B'; '' where unknown.
      caption: text, the commentary without <sos> and <eos>.
      caption_ids: int32 [tokens], with <sos> = 1 first and <eos> = 0 last; the
        vocabulary is in the dataset's metadata, under 'vocabulary'.
  """
  features = video_features(frame_size, num_frames) | {
    'event': np.int32,
    'sample': np.int32,
    'start_frame': np.int32,
    'end_frame': np.int32,
    'final_score': np.float32,
    'difficulty': np.float32,
    'judge_scores': tfds.features.Tensor(shape=(NUM_JUDGES,), dtype=np.float32),
    'dive_number': tfds.features.Text(),
    'caption': tfds.features.Text(),
    'caption_ids': tfds.features.Tensor(shape=(None,), dtype=np.int32),
  }
  for name, class_names in labels.CLASS_NAMES.items():
    features[name] = tfds.features.ClassLabel(names=class_names)
  return tfds.features.FeaturesDict(features | dict(extra or {}))


def video_features(
  frame_size: FrameSize | None, num_frames: int | None
) -> dict[str, Feature]:
  """Returns the features that are the frames of an example.

  Args:
    frame_size: (width, height) of the stored frames in pixels; (None, None)
      where it differs from example to example; None for no frames.
    num_frames: number of stored frames of each example; None where it differs.

  Returns:
    `video` and `padded_frames`, see `dive_features`; nothing without frames.
  """
  if frame_size is None:
    return {}
  width, height = frame_size
  image = tfds.features.Image(shape=(height, width, 3), encoding_format='jpeg')
  return {
    'video': tfds.features.Sequence(image, length=num_frames),
    'padded_frames': tfds.features.Tensor(shape=(2,), dtype=np.int32),
  }


def vault_features(
  frame_size: tuple[int, int],
  num_frames: int,
  classes: Mapping[str, Sequence[str]],
  extra: Mapping[str, Feature],
) -> tfds.features.FeaturesDict:
  """Returns the features of one vault.

  Args:
    frame_size: (width, height) of the stored frames in pixels.
    num_frames: number of stored frames of each vault.
    classes: names of the classes of each classification.
    extra: further features, by name.

  Returns:
    A FeaturesDict with:
      video, padded_frames, event, sample, start_frame, end_frame: as in
        `dive_features`.
      final_score: float32, points: difficulty plus execution.
      difficulty: float32, points (4 to 7).
      execution: float32, points, 0 to 10.
      judge_scores: float32 [7], marks for the execution, 0 to 10.
      vault: text such as 'yurchenko straight double twist'.
      a class label for each of `classes`.
  """
  features = video_features(frame_size, num_frames)
  features |= {
    'event': np.int32,
    'sample': np.int32,
    'start_frame': np.int32,
    'end_frame': np.int32,
    'final_score': np.float32,
    'difficulty': np.float32,
    'execution': np.float32,
    'judge_scores': tfds.features.Tensor(shape=(NUM_JUDGES,), dtype=np.float32),
    'vault': tfds.features.Text(),
  }
  for name, class_names in classes.items():
    features[name] = tfds.features.ClassLabel(names=class_names)
  return tfds.features.FeaturesDict(features | dict(extra))


def footage_features(
  frame_size: FrameSize,
) -> tfds.features.FeaturesDict:
  """Returns the features of one video of an event.

  Args:
    frame_size: (width, height) of the stored frames in pixels.

  Returns:
    A FeaturesDict with:
      video: uint8 [frames, height, width, 3], JPEG frames, RGB.
      event: int32.
      take_off_seconds: float32 [dives], s from the first frame, rising.
      entry_seconds: float32 [dives], first contact with the water, as above.
  """
  width, height = frame_size
  times = tfds.features.Tensor(shape=(None,), dtype=np.float32)
  return tfds.features.FeaturesDict(
    {
      'video': tfds.features.Sequence(
        tfds.features.Image(shape=(height, width, 3), encoding_format='jpeg')
      ),
      'event': np.int32,
      'take_off_seconds': times,
      'entry_seconds': times,
    }
  )
