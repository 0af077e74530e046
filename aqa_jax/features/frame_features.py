"""Features of single frames of dives from a network that is not trained."""

import dataclasses
import hashlib
import pathlib

import numpy as np

from aqa_jax.data.dive_split import DiveSplit, dive_keys
from aqa_jax.data.input_pipeline import VideoInput, make_inputs
from aqa_jax.features import feature_cache
from aqa_jax.features.network_features import NetworkFeatures

# Frames that are computed at once: they set how much memory it takes.
_FRAMES_AT_ONCE = 128


class CentredClips(NetworkFeatures):
  """A layer of a frozen trunk, of clips that are centred in given frames.

  Unlike `NetworkFeatures` it takes all stored frames, of a network that has
  learned from dives, too; cropped and resized as the network has seen them.

  Fields of its config: weights and layer, see `find_layer`; clip_frames; and
  cache, a folder that keeps the features, '' for `features` beside the workdir.
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
      firsts: int [dives, clips], first frame of each clip. Before the first
        stored frame and behind the last one, that frame is repeated.

    Raises:
      InputError: the network does not take the frames.
    """
    layer, num_frames = self._layer, self._stored_shape()[0]
    video_input = self._whole_frames(layer.crop)
    if layer.video_input:
      video_input = dataclasses.replace(
        layer.video_input,
        **{
          field: getattr(video_input, field)
          for field in ('window_frames', 'frames', 'stride', 'max_shift')
        },
      )
    self._check(layer, video_input)
    length = self.config.clip_frames
    places = np.clip(firsts[:, :, None] + np.arange(length), 0, num_frames - 1)
    batch = min(firsts.shape[1], max(_FRAMES_AT_ONCE // length, 1))

    def compute(place: int) -> np.ndarray:
      video = np.asarray(
        make_inputs(dives[place], video_input, (), rng=None)['video']
      )
      rows = []
      for start in range(0, firsts.shape[1], batch):
        chosen = places[place, start : start + batch]
        # The last batch is filled up, so that one program serves all.
        filled = np.concatenate(
          [chosen] + [chosen[-1:]] * (batch - len(chosen))
        )
        computed = np.asarray(self._compute_clips(video[filled]))
        rows.append(computed[: len(chosen)])
      return np.concatenate(rows).reshape(-1)

    folder = self._folder_of_clips(video_input, split, dives, firsts)
    rows = feature_cache.cached(folder, len(dives), compute)
    return rows.reshape(*firsts.shape, -1)

  def _folder_of_clips(
    self,
    video_input: VideoInput,
    split: str,
    dives: DiveSplit,
    firsts: np.ndarray,
  ) -> pathlib.Path:
    """Returns the folder of these features alone."""
    digest = hashlib.sha256(self._fingerprint.encode())
    what = self.config.clip_frames, video_input, self.info.full_name
    digest.update(repr(what).encode())
    digest.update(repr(dive_keys(dives.labels)).encode())
    digest.update(np.asarray(dives.labels['final_score'], float).tobytes())
    digest.update(np.ascontiguousarray(firsts, np.int64).tobytes())
    cache = pathlib.Path(self.config.cache or self.workdir.parent / 'features')
    return cache.expanduser() / f'{split}_{digest.hexdigest()[:16]}'


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
