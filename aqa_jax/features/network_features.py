"""Features of dives from a trained network that is not trained further."""

import dataclasses
import functools
import hashlib
import pathlib
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from aqa_jax.data.dive_split import DiveSplit, dive_keys
from aqa_jax.data.video_input import VideoInput
from aqa_jax.features import feature_cache
from aqa_jax.features.clip_features import ClipFeatures
from aqa_jax.features.feature_source import FeatureSource
from aqa_jax.features.trunk_layer import TrunkLayer, find_layer
from aqa_jax.workdir import local_folder
from tfds_mtl_aqa.input_error import InputError

_LARGER = 'larger frames with --config.features.resize, as (width, height)'


class NetworkFeatures(FeatureSource):
  """A layer of a frozen trunk, for each clip of a dive or their mean.

  The clips have `clip_frames` frames; one begins every `clip_stride` frames, so
  1 is C3D-SVR's (Parmar & Morris, 2017), and 16 takes each frame once. They end
  with the last frame.

  A network that has learned from dives sees the frames that it has learned
  from; one that has not, all that are stored.

  Whichever of c1 to c5 is asked for, all layers are computed and kept: a run
  for another one, in another workdir, finds its features there.

  Fields of its config: weights and layer, see `find_layer`; clip_frames;
  clip_stride; resize, (width, height) in pixels that frames are brought to for
  a network that has not learned from dives, () to leave them as they are; pool,
  'mean' over the clips or 'none', the features of each clip in their order; and
  cache, a folder that keeps the features, '' for `features` beside the workdir.
  """

  needs_video = True

  @property
  def gives_sequences(self) -> bool:
    """Whether the clips keep features of their own."""
    pool = self.config.pool
    if pool not in ('mean', 'none'):
      raise InputError(f"config.features.pool='{pool}': give mean or none.")
    return bool(pool == 'none')

  def features(self, split: str, dives: DiveSplit) -> np.ndarray:
    """Returns float64 [dives, features] or [dives, clips, features]."""
    config, video_input = self.config, self._video_input
    keeps_clips = self.gives_sequences
    firsts = _first_frames(
      video_input.frames, config.clip_frames, config.clip_stride
    )

    def compute(places: Sequence[int]) -> Iterator[dict[str, np.ndarray]]:
      for found in self._clips.of_dives(
        dives.select(places),
        video_input,
        [firsts] * len(places),
        config.clip_frames,
      ):
        if keeps_clips:
          yield found
        else:
          yield {
            name: rows.mean(axis=0, dtype=np.float64)
            for name, rows in found.items()
          }

    rows = feature_cache.cached(
      self._folder(split, dives, (config.clip_frames, config.clip_stride)),
      config.layer,
      len(dives),
      compute,
    )
    return rows.astype(np.float64)

  def have_seen_training_dives(self) -> bool:
    """Returns whether the network was trained on this dataset."""
    return self.is_of_same_dives(self._layer.dataset)

  def fingerprint(self, split: str) -> str:
    """Returns that of the weights; see `FeatureSource`."""
    del split
    return self._layer.weights_fingerprint()

  @functools.cached_property
  def _layer(self) -> TrunkLayer:
    return find_layer(self.config.weights, self.config.layer)

  @functools.cached_property
  def _video_input(self) -> VideoInput:
    """Which pixels the trunk sees; they and the clips are checked."""
    video_input = self._pixels()
    self._check(self._layer, video_input)
    return video_input

  def _pixels(self) -> VideoInput:
    return self._layer.video_input or self._whole_frames(self._layer)

  @functools.cached_property
  def _has_fc6(self) -> bool:
    """Whether fc6 takes clips of this length."""
    crop = self._pixels().crop
    return self._layer.has_fc6_of((self.config.clip_frames, crop, crop, 3))

  @functools.cached_property
  def _clips(self) -> ClipFeatures:
    # One program for all splits.
    layer = self._layer
    return ClipFeatures(
      layer if self._has_fc6 else dataclasses.replace(layer, fc6=None)
    )

  @functools.cached_property
  def _trunk_fingerprint(self) -> str:
    return self._layer.fingerprint()

  def _check(self, layer: TrunkLayer, video_input: VideoInput) -> None:
    if layer.video_input and self.config.resize:
      raise InputError(
        f'config.features.resize={tuple(self.config.resize)}: the network has '
        'learned from frames of its own size; leave it out.'
      )
    weights = f"config.features.weights='{self.config.weights}'"
    try:
      video_input.check(*self._stored_shape())
    except InputError as e:
      # Not its remedy: the frames are those that the network has learned from.
      problem = str(e).removesuffix('.').partition('; give')[0]
      raise InputError(
        f'{weights}: its network does not take the frames of '
        f'{self.info.full_name} ({problem}); give another dataset'
        f'{"" if layer.video_input else f", or {_LARGER}"}.'
      ) from e
    least_frames, least_pixels = layer.least
    if video_input.crop < least_pixels:
      raise InputError(
        f'{weights}: needs {least_pixels} x {least_pixels} pixels, '
        f'{self.info.full_name} gives {video_input.crop}; give {_LARGER}.'
      )
    if self.config.clip_frames < least_frames:
      raise InputError(
        f'config.features.clip_frames={self.config.clip_frames}: the network '
        f'needs {least_frames} or more.'
      )
    num_frames = self._stored_shape()[0]
    if self.config.clip_frames > num_frames:
      raise InputError(
        f'config.features.clip_frames={self.config.clip_frames}: '
        f'{self.info.full_name} has {num_frames} frames of a dive; give fewer.'
      )
    if self.config.layer == 'fc6' and not self._has_fc6:
      raise InputError(
        f'config.features.clip_frames={self.config.clip_frames}: the fc6 of '
        f"'{self.config.weights}' has learned from shorter clips; give fewer, "
        'or --config.features.layer=last.'
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

  def _whole_frames(self, layer: TrunkLayer) -> VideoInput:
    num_frames, height, width = self._stored_shape()
    resize = tuple(self.config.resize)
    least = max(layer.crop, layer.least[1])
    if resize and (len(resize) != 2 or min(resize) < least):
      raise InputError(
        f'config.features.resize={resize}: give () or (width, height), neither '
        f'below {least}.'
      )
    return VideoInput(
      window_frames=num_frames,
      frames=num_frames,
      stride=1.0,
      anchor='end',
      max_shift=0,
      crop=layer.crop or min(resize or (height, width)),
      flip=False,
      resize=resize,
    )

  def _folder(
    self, split: str, dives: DiveSplit, clips: tuple[int | str, ...]
  ) -> pathlib.Path:
    """Returns the folder of what these weights make of these clips."""
    video_input = self._video_input
    digest = hashlib.sha256(self._trunk_fingerprint.encode())
    digest.update(repr((clips, video_input, self.info.full_name)).encode())
    if self.gives_sequences:
      digest.update(b'sequences')
    digest.update(repr(dive_keys(dives.labels)).encode())
    digest.update(np.asarray(dives.labels['final_score'], float).tobytes())
    cache = self.workdir.parent / 'features'
    if self.config.cache:
      cache = local_folder('config.features.cache', self.config.cache)
    return cache / f'{split}_{digest.hexdigest()[:16]}'

  def facts(self) -> Mapping[str, str]:
    """Returns weights, layer and clips."""
    config = self.config
    return {
      'features': f'{config.layer} of {config.weights or "the model inside"}',
      'clips': f'{config.clip_frames} frames, every {config.clip_stride}',
    }


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
