"""Looks for dives in frames that come one by one."""

import functools
import threading

import cv2
import jax
import numpy as np

from aqa_jax.evaluation.found_dives import (
  LONGEST,
  PAUSE,
  FoundDive,
  find_dives,
)
from aqa_jax.judging.finder_model import FinderModel
from aqa_jax.judging.prediction import predict
from aqa_jax.judging.video import VideoFrame
from aqa_jax.systems.dive_finder.network import RADIUS

# Frames that the network sees at once. RADIUS on each side only help. A video
# of fewer is filled up to one of the sizes, each of which is compiled.
_CHUNK = 256
_SIZES = (64, _CHUNK)
# A dive is final once so many seconds after its entry are known: no later one
# can take its place.
_FINAL = LONGEST + PAUSE
# A frame that is shown for longer is a gap in time, in frames of the network.
_MAX_FILL = 1000


class DiveFinder:
  """Finds dives by a network. Thread-safe; compiles at the first video.

  Attributes:
    model: the network and its threshold.
  """

  def __init__(self, model: FinderModel):
    """Makes a finder; computes nothing yet."""
    self.model = model
    self._lock = threading.Lock()
    self._variables = jax.device_put(dict(model.variables))
    self._predict = jax.jit(functools.partial(predict, model.network()))

  def predict(self, frames: np.ndarray) -> np.ndarray:
    """Returns the phases of at most 256 frames.

    Args:
      frames: uint8 [frames, height, width, 3], RGB, of the network's size.

    Returns:
      float32 [frames, 3]; see `data.phases`.
    """
    count = len(frames)
    size = next(size for size in _SIZES if size >= count)
    filled = np.concatenate([frames, frames[-1:].repeat(size - count, 0)])
    with self._lock:  # So that threads do not compile the same at once.
      outputs = self._predict(self._variables, filled[None])
    return np.asarray(outputs['phases'][0])[:count]

  def search(self, speed: float = 1.0) -> 'DiveSearch':
    """Returns a search in one video.

    Args:
      speed: how fast the video shows what happened.
    """
    return DiveSearch(self, speed)


class DiveSearch:
  """A search for dives in one video.

  Attributes:
    surest: the surest dive, or what looks most like one; None for nothing.
    threshold: confidence that a dive needs.
    seconds_late: so long after a dive's entry, at most, it is told; s of the
      video.
  """

  def __init__(self, finder: DiveFinder, speed: float):
    """Begins a search; see `DiveFinder.search`."""
    self.surest: FoundDive | None = None
    self.threshold = finder.model.threshold
    self.seconds_late = (
      _CHUNK / finder.model.frames_per_second + _FINAL
    ) / speed
    self._finder = finder
    # The network's time is that of what happened.
    self._rate = finder.model.frames_per_second
    self._speed = speed
    self._last: VideoFrame | None = None
    # Frames that the network has not seen, or that the next ones need. They
    # end before the number `_taken`, counted at the network's rate.
    self._waiting: list[np.ndarray] = []
    self._taken = 0
    self._begins = True
    # The phases of the frames from the number `_first` on.
    self._phases = np.zeros((0, 3), np.float32)
    self._first = 0

  def add(self, frame: VideoFrame) -> list[FoundDive]:
    """Adds the next frame of the video.

    Returns:
      The dives that are final now; times are s of the video.
    """
    found: list[FoundDive] = []
    if self._last is not None:
      # Each of the network's times takes the frame that is nearest.
      middle = (self._last.seconds + frame.seconds) / 2
      found = self._take(self._last, middle)
      while len(self._waiting) >= _CHUNK:
        found += self._predict(self._waiting[:_CHUNK], is_last=False)
    self._last = frame
    return found

  def finish(self) -> list[FoundDive]:
    """Returns the dives that are left, at the end of the video."""
    if self._last is None:
      return []
    half = 0.5 / self._rate / self._speed
    return self._take(self._last, self._last.seconds + half) + self._end()

  def _take(self, frame: VideoFrame, until: float) -> list[FoundDive]:
    """Takes a frame for all of the network's times before one, s."""
    number = int(np.ceil(until * self._speed * self._rate))
    count = number - self._taken
    if count <= 0:
      return []
    image = cv2.resize(
      frame.image, self._finder.model.size, interpolation=cv2.INTER_AREA
    )[..., ::-1]
    self._waiting += [image] * min(count, _MAX_FILL)
    self._taken = number
    if count <= _MAX_FILL:
      return []
    # A gap in time: what comes is as another video.
    found = self._end()
    self._phases = self._phases[:0]
    self._first = number
    self._begins = True
    return found

  def _end(self) -> list[FoundDive]:
    """Returns the dives in the frames that wait, which are the last."""
    found: list[FoundDive] = []
    while len(self._waiting) > _CHUNK:
      found += self._predict(self._waiting[:_CHUNK], is_last=False)
    return found + self._predict(self._waiting, is_last=True)

  def _predict(
    self, frames: list[np.ndarray], is_last: bool
  ) -> list[FoundDive]:
    """Makes phases of the first frames that wait, and dives of the phases."""
    if frames:
      phases = self._finder.predict(np.stack(frames))
      begin = 0 if self._begins else RADIUS
      end = len(frames) if is_last else len(frames) - RADIUS
      self._phases = np.concatenate([self._phases, phases[begin:end]])
      self._waiting = [] if is_last else self._waiting[_CHUNK - 2 * RADIUS :]
      self._begins = False
    return self._decode(is_last)

  def _decode(self, is_last: bool) -> list[FoundDive]:
    """Returns the dives that are final, and forgets their phases."""
    begin, end = self._first / self._rate, len(self._phases) / self._rate

    def in_video(dive: FoundDive) -> FoundDive:
      return FoundDive(
        (begin + dive.take_off) / self._speed,
        (begin + dive.entry) / self._speed,
        dive.confidence,
      )

    for dive in find_dives(self._phases, self._rate, 0.0):
      if self.surest is None or dive.confidence > self.surest.confidence:
        self.surest = in_video(dive)
    final = [
      dive
      for dive in find_dives(self._phases, self._rate, self.threshold)
      if is_last or dive.entry <= end - _FINAL
    ]
    found = [in_video(dive) for dive in final]
    # What comes after the last dive, or so much that a dive fits in.
    keep = int((end - 2 * _FINAL) * self._rate)
    if final:
      keep = max(keep, round((final[-1].entry + PAUSE / 2) * self._rate))
    keep = max(keep, 0)
    self._phases = self._phases[keep:]
    self._first += keep
    return found
