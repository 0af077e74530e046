"""Features of dives from a trained network that is not trained further."""

import functools
import hashlib
import pathlib
from collections.abc import Callable, Mapping

import jax
import numpy as np

from aqa_jax.data.dive_split import DiveSplit, dive_keys
from aqa_jax.data.input_pipeline import VideoInput, make_inputs
from aqa_jax.features import feature_cache
from aqa_jax.features.feature_source import FeatureSource
from aqa_jax.features.trunk_layer import TrunkLayer, find_layer
from tfds_mtl_aqa.input_error import InputError


class NetworkFeatures(FeatureSource):
  """A layer of a frozen trunk, the mean over the clips of a dive.

  The clips have `clip_frames` frames; one begins every `clip_stride` frames, so
  1 is C3D-SVR's (Parmar & Morris, 2017), and 16 takes each frame once. They end
  with the last frame.

  A network that has learned from dives sees the frames that it has learned
  from; one that has not, all that are stored.

  Fields of its config: weights and layer, see `find_layer`; clip_frames;
  clip_stride; and cache, a folder that keeps
  the features, '' for `features` beside the workdir.
  """

  needs_video = True

  def features(self, split: str, dives: DiveSplit) -> np.ndarray:
    """Returns float64 [dives, features]; see `FeatureSource`."""
    config = self.config
    layer = self._layer
    video_input = layer.video_input or self._whole_frames(layer.crop)
    self._check(layer, video_input)
    firsts = _first_frames(
      video_input.frames, config.clip_frames, config.clip_stride
    )
    folder = self._folder(video_input, split, dives)
    batch = min(len(firsts), _CLIPS_AT_ONCE)

    def compute(place: int) -> np.ndarray:
      video = np.asarray(
        make_inputs(dives[place], video_input, (), rng=None)['video']
      )
      total: np.ndarray | float = 0.0
      for start in range(0, len(firsts), batch):
        chosen = firsts[start : start + batch]
        # The last batch is filled up, so that one program serves all.
        filled = chosen + chosen[-1:] * (batch - len(chosen))
        clips = np.stack(
          [video[first : first + config.clip_frames] for first in filled]
        )
        rows = np.asarray(self._compute_clips(clips), np.float64)
        total = total + rows[: len(chosen)].sum(axis=0)
      return np.asarray(total) / len(firsts)

    rows = feature_cache.cached(folder, len(dives), compute)
    return rows.astype(np.float64)

  def have_seen_training_dives(self) -> bool:
    """Returns whether the network was trained on this dataset."""
    # Another version of a dataset has the same dives.
    trained_on = self._layer.dataset.rpartition('/')[0]
    return trained_on == self.info.full_name.rpartition('/')[0]

  @functools.cached_property
  def _layer(self) -> TrunkLayer:
    return find_layer(self.config.weights, self.config.layer)

  @functools.cached_property
  def _compute_clips(self) -> Callable[[np.ndarray], jax.Array]:
    # One program for all splits.
    return jax.jit(self._layer.features)

  @functools.cached_property
  def _fingerprint(self) -> str:
    return self._layer.fingerprint()

  def _check(self, layer: TrunkLayer, video_input: VideoInput) -> None:
    weights = f"config.features.weights='{self.config.weights}'"
    try:
      video_input.check(*self._stored_shape())
    except InputError as e:
      raise InputError(
        f'{weights}: its network does not take the frames of '
        f'{self.info.full_name} ({e}); give another dataset.'
      ) from e
    least_frames, least_pixels = layer.least
    if video_input.crop < least_pixels:
      raise InputError(
        f'{weights}: needs {least_pixels} x {least_pixels} pixels, '
        f'{self.info.full_name} gives {video_input.crop}; give another dataset.'
      )
    if self.config.clip_frames < least_frames:
      raise InputError(
        f'config.features.clip_frames={self.config.clip_frames}: the network '
        f'needs {least_frames} or more.'
      )

  def _stored_shape(self) -> tuple[int, int, int]:
    """Returns the number of stored frames, their height and their width."""
    num_frames, height, width, _ = self.info.features['video'].shape
    if None in (num_frames, height, width):
      raise InputError(
        f'{self.info.full_name}: its videos have sizes of their own; give a '
        'config with one size, such as clips_171x128.'
      )
    return num_frames, height, width

  def _whole_frames(self, crop: int) -> VideoInput:
    num_frames, height, width = self._stored_shape()
    return VideoInput(
      window_frames=num_frames,
      frames=num_frames,
      stride=1.0,
      anchor='end',
      max_shift=0,
      crop=crop or min(height, width),
      flip=False,
    )

  def _folder(
    self,
    video_input: VideoInput,
    split: str,
    dives: DiveSplit,
  ) -> pathlib.Path:
    """Returns the folder of these features alone."""
    digest = hashlib.sha256(self._fingerprint.encode())
    clips = self.config.clip_frames, self.config.clip_stride
    digest.update(repr((clips, video_input, self.info.full_name)).encode())
    digest.update(repr(dive_keys(dives.labels)).encode())
    digest.update(np.asarray(dives.labels['final_score'], float).tobytes())
    cache = pathlib.Path(self.config.cache or self.workdir.parent / 'features')
    return cache.expanduser() / f'{split}_{digest.hexdigest()[:16]}'

  def facts(self) -> Mapping[str, str]:
    """Returns weights, layer and clips."""
    config = self.config
    return {
      'features': f'{config.layer} of {config.weights or "the model inside"}',
      'clips': f'{config.clip_frames} frames, every {config.clip_stride}',
    }


_CLIPS_AT_ONCE = 8


def _first_frames(frames: int, clip_frames: int, stride: int) -> list[int]:
  """Returns the first frame of each clip, so that the last frame is in one."""
  for name, value in (('clip_frames', clip_frames), ('clip_stride', stride)):
    if value < 1:
      raise InputError(f'config.features.{name}={value}: give 1 or more.')
  if clip_frames > frames:
    raise InputError(
      f'config.features.clip_frames={clip_frames}: the network sees {frames} '
      'frames of a dive; give fewer.'
    )
  return list(
    range((frames - clip_frames) % stride, frames - clip_frames + 1, stride)
  )
