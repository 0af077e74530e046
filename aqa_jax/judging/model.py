"""A trained network, with all that it takes to judge a video."""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import ml_collections
import numpy as np

from aqa_jax.config import check_config
from aqa_jax.data.schema import Schema
from aqa_jax.data.video_input import VideoInput
from aqa_jax.evaluation.conformal import ScoreIntervals
from aqa_jax.systems.chosen_system import chosen_system
from aqa_jax.task import Task
from aqa_jax.train_state import Variables
from tfds_mtl_aqa.features import FrameSize
from tfds_mtl_aqa.input_error import InputError


@dataclasses.dataclass(frozen=True)
class FrameFormat:
  """How the frames are made that a network has learned from.

  Attributes:
    frames_per_second: of the videos, as they play.
    width: of a stored frame, pixels; 0 for the size of the video.
    height: of a stored frame, pixels; 0 for the size of the video.
  """

  frames_per_second: float
  width: int
  height: int

  @property
  def size(self) -> FrameSize:
    """(width, height) in pixels; (None, None) for the size of the video."""
    return (self.width, self.height) if self.width else (None, None)


@dataclasses.dataclass(frozen=True)
class Model:
  """A trained network, with all that it takes to judge a video.

  Attributes:
    config: config of its training.
    schema: which labels its dataset has.
    frame_format: how its frames are made.
    variables: 'params' and 'batch_stats', host arrays, float32.
    dataset: name, config and version of the dataset that it was trained on.
    step: steps of its training.
    evaluation: figures of its evaluations, by split; may be empty.
    intervals: what gives a score its interval; None where it is not known.
  """

  config: ml_collections.ConfigDict
  schema: Schema
  frame_format: FrameFormat
  variables: Mapping[str, Variables]
  dataset: str
  step: int
  evaluation: Mapping[str, Any]
  intervals: ScoreIntervals | None

  @property
  def is_of_simulated_dives(self) -> bool:
    """Whether it has seen simulated dives only."""
    return self.dataset.startswith('simulated_')

  @property
  def seconds_after_entry(self) -> float:
    """From the first contact with the water to the last frame of a clip.

    Simulated clips end 0.5 to 0.8 s after it. MTL-AQA's end about 1.4 s after
    it: 37 frames, at 25 a second, after the last step of FineDiving (Xu et al.,
    CVPR 2022) begins, the median of 1353 dives; in the one that is at hand as a
    video the water is touched 3 frames later.
    """
    return 0.65 if self.is_of_simulated_dives else 1.4

  @functools.cached_property
  def video_input(self) -> VideoInput:
    """Which pixels of the stored frames the network sees."""
    fields = self.config.input.to_dict()
    return VideoInput(**fields | {'resize': tuple(fields.get('resize', ()))})

  @property
  def num_clip_frames(self) -> int:
    """Frames of a `Clip`: from the first that the network sees to the end."""
    first = int(self.video_input.offsets()[0])
    return self.video_input.window_frames - first

  @functools.cached_property
  def tasks(self) -> tuple[Task, ...]:
    """What the network has learned."""
    system = chosen_system(self.config.network)
    return system.choose_tasks(self.config, self.schema)

  @functools.cached_property
  def network(self) -> nn.Module:
    """The network, in float32 on a CPU."""
    config = self.config.copy_and_resolve_references()
    if jax.default_backend() == 'cpu':
      config.compute_dtype = 'float32'
    return chosen_system(config.network).create_network(config, self.tasks)

  def check(self) -> None:
    """Checks that its parts fit each other, as far as the weights allow.

    Raises:
      InputError: the config or the format of the frames is wrong.
    """
    check_config(self.config)
    frames = self.frame_format
    if not 0.1 <= frames.frames_per_second <= 1e4:
      raise InputError(
        f'frames_per_second={frames.frames_per_second!r}: give 0.1 to 10000.'
      )
    for name, size in (('width', frames.width), ('height', frames.height)):
      if not isinstance(size, int) or not 0 <= size <= 10000:
        raise InputError(f'{name}={size!r}: give pixels, 0 to 10000.')
    if bool(frames.width) != bool(frames.height):
      raise InputError('width and height: give both, or 0 for both.')
    video_input = self.video_input
    video_input.check(
      video_input.window_frames + 2 * video_input.max_shift,
      frames.height or None,
      frames.width or None,
    )
    for name, names in self.schema.classes:
      if len(set(names)) < len(names):
        raise InputError(f'the classes of {name} are not all different.')

  def abstract_variables(self) -> dict[str, Variables]:
    """Returns the shapes of what `variables` has to hold."""
    caption_length = self.config.model.get('caption_length', 1)
    shapes = jax.eval_shape(
      self.network.init,
      jax.random.key(0),
      jax.ShapeDtypeStruct((1, *self.video_input.shape), np.float32),
      jax.ShapeDtypeStruct((1, caption_length), np.int32),
    )
    return {'batch_stats': {}} | shapes

  def replace(self, **changes: Any) -> 'Model':
    """Returns the model with some attributes changed."""
    return dataclasses.replace(self, **changes)

  def num_parameters(self) -> int:
    """Returns how many numbers the network has learned."""
    leaves = jax.tree.leaves(self.variables['params'])
    return sum(int(np.size(leaf)) for leaf in leaves)
