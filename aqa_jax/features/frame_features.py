"""Features of single frames of dives from a network that is not trained."""

import dataclasses
import hashlib
from collections.abc import Iterator, Sequence

import numpy as np

from aqa_jax.data.dive_split import DiveSplit
from aqa_jax.data.video_input import VideoInput
from aqa_jax.features import feature_cache
from aqa_jax.features.network_features import NetworkFeatures


class CentredClips(NetworkFeatures):
  """A layer of a frozen trunk, of clips at places of their own in each dive.

  Unlike `NetworkFeatures` it takes all stored frames, of a network that has
  learned from dives, too; cropped and resized as the network has seen them.

  Fields of its config: weights and layer, see `find_layer`; clip_frames; and
  resize and cache, see `NetworkFeatures`.
  """

  @property
  def gives_sequences(self) -> bool:
    """False: it is one vector of a dive, unless a subclass says more."""
    return False

  def of_clips(
    self, split: str, dives: DiveSplit, firsts: np.ndarray
  ) -> np.ndarray:
    """Returns the features of clips, float32 [dives, clips, features].

    Args:
      split: name of the split.
      dives: its dives.
      firsts: int [dives, clips], first stored frame of each clip. Before the
        first stored frame, and behind the last one, that frame is repeated.

    Raises:
      InputError: the network does not take the frames.
    """
    video_input = self._video_input

    def compute(places: Sequence[int]) -> Iterator[dict[str, np.ndarray]]:
      return self._clips.of_dives(
        dives.select(places),
        video_input,
        [firsts[place].tolist() for place in places],
        self.config.clip_frames,
      )

    every_first = np.ascontiguousarray(firsts, np.int64).tobytes()
    clips = self.config.clip_frames, hashlib.sha256(every_first).hexdigest()
    return feature_cache.cached(
      self._folder(split, dives, clips),
      self.config.layer,
      len(dives),
      compute,
    )

  def _pixels(self) -> VideoInput:
    num_frames = self._stored_shape()[0]
    return dataclasses.replace(
      super()._pixels(),
      window_frames=num_frames,
      frames=num_frames,
      stride=1.0,
      max_shift=0,
    )


class FrameFeatures(CentredClips):
  """A layer of a frozen trunk for each stored frame, in their order.

  The features of a frame are those of a clip with the frame in its middle.
  Their config is that of `CentredClips`.
  """

  @property
  def gives_sequences(self) -> bool:
    """True: as many steps as stored frames."""
    return True

  def features(self, split: str, dives: DiveSplit) -> np.ndarray:
    """Returns float64 [dives, frames, features]; see `FeatureSource`."""
    firsts = np.arange(self._stored_shape()[0]) - self.config.clip_frames // 2
    every = np.broadcast_to(firsts, (len(dives), len(firsts)))
    return self.of_clips(split, dives, every).astype(np.float64)

  def facts(self) -> dict[str, str]:
    """Returns weights, layer and clips."""
    config = self.config
    return {
      'features': f'{config.layer} of {config.weights or "the model inside"}',
      'clips': f'{config.clip_frames} frames, around each frame',
    }
