"""The layers of a frozen trunk for clips of dives."""

import functools
from collections.abc import Iterator, Sequence

import jax
import numpy as np

from aqa_jax.data.dive_split import DiveSplit
from aqa_jax.data.input_pipeline import evaluation_batches
from aqa_jax.data.video_input import VideoInput
from aqa_jax.features.trunk_layer import GRIDS, TrunkLayer, layer_features

# They set how much memory it takes.
_FRAMES_AT_ONCE = 128


class ClipFeatures:
  """Runs a trunk once for all the layers that are worth to be kept.

  For a layer of GRIDS these are all that the trunk has: the others cost next to
  nothing then. For 'last' and 'fc6', whose features are few, these two.

  Attributes:
    layers: the layers.
  """

  def __init__(self, layer: TrunkLayer):
    """Computes nothing yet.

    Args:
      layer: the trunk, and the layer that is asked for.
    """
    self._layer = layer
    self.layers = tuple(
      name for name in layer.layers if layer.layer in GRIDS or name not in GRIDS
    )
    # The weights are arguments: as constants they would slow the compiler.
    self._program = jax.jit(
      functools.partial(layer_features, layer.trunk, self.layers)
    )

  @functools.cached_property
  def _weights(self) -> tuple[object, object]:
    """The weights on the device."""
    return jax.device_put((dict(self._layer.variables), self._layer.fc6))

  def of_dives(
    self,
    dives: DiveSplit,
    video_input: VideoInput,
    first_frames: Sequence[Sequence[int]],
    clip_frames: int,
  ) -> Iterator[dict[str, np.ndarray]]:
    """Yields the features of each dive, in order.

    While a dive is computed, the frames of the next are decoded.

    Args:
      dives: the dives.
      video_input: which pixels the trunk sees.
      first_frames: the first frame of each clip, for each dive as many. Before
        the first frame that the trunk sees, and behind the last one, that frame
        is repeated.
      clip_frames: frames of a clip.

    Yields:
      By layer, float32 [clips, features].
    """
    if not len(dives):
      return
    count = len(first_frames[0])
    most = max(_FRAMES_AT_ONCE // clip_frames, 1)
    at_once = min(max(most // count, 1), len(dives))
    frames = np.arange(clip_frames)
    batches = evaluation_batches(dives, video_input, (), at_once, (0, 1))
    for batch in batches:
      places = batch['index'][batch['is_real']]
      clips = [
        video[np.clip(first + frames, 0, len(video) - 1)]
        for place, video in zip(places, batch['video'], strict=False)
        for first in first_frames[place]
      ]
      found = self._of_clips(clips, min(most, at_once * count))
      for number in range(len(places)):
        rows = slice(number * count, (number + 1) * count)
        yield {name: features[rows] for name, features in found.items()}

  def _of_clips(
    self, clips: list[np.ndarray], at_once: int
  ) -> dict[str, np.ndarray]:
    """Returns the features of clips, by layer, float32 [clips, features].

    Args:
      clips: uint8 [time, height, width, 3] each.
      at_once: so many go through the trunk at a time. The last ones are filled
        up, so that one program serves all.
    """
    parts = []
    for start in range(0, len(clips), at_once):
      chosen = clips[start : start + at_once]
      filled = [*chosen, *chosen[-1:] * (at_once - len(chosen))]
      found = self._program(*self._weights, np.stack(filled))
      parts.append(
        {name: np.asarray(rows)[: len(chosen)] for name, rows in found.items()}
      )
    return {
      name: np.concatenate([part[name] for part in parts])
      for name in self.layers
    }
