"""What a user of an exported file has to know, as JSON can hold it."""

import math
from typing import Any

import jax

from aqa_jax.data.score_rule import ScoreRule
from aqa_jax.data.vocabulary import EOS_ID
from aqa_jax.evaluation.conformal import COVERAGE
from aqa_jax.exporting.export_files import KIND
from aqa_jax.exporting.exported_function import (
  VIDEO,
  abstract_video,
  exported_function,
  tracing,
)
from aqa_jax.judging.model import Model
from aqa_jax.judging.model_card import SIMULATED
from tfds_mtl_aqa.clips.clip import JPEG_QUALITY

_MEANINGS = {
  'score': 'points; the judge takes 0 for less than 0',
  'execution': 'points; score = {rule}',
  'marks': 'of seven judges, 0 to 10; the middle three count for the execution',
  'score_spread': 'standard deviation of the distribution, points; it is wider '
  'than the errors: score_interval has the factor',
  'execution_spread': 'standard deviation of the execution, points; see '
  'score_interval',
  'mark_spread': 'standard deviation of each distribution of marks, which is '
  'wider than the errors: score_interval has the factor',
  'votes': 'execution by each exemplar, points; the mean of those counts whose '
  'difficulty is nearest to that of the dive',
  'exemplar_difficulty': 'of each exemplar; 0 where there is none',
  'classes': 'place of the likeliest class in "classes"',
  'class_probabilities': 'probability of each class in "classes", 0 to 1',
  'faults': 'size of the fault, in the unit of the dataset',
  'execution_lost': 'points of the execution that the fault costs',
  'captions': 'places of the words in "vocabulary", up to the first <eos>',
}


def describe(model: Model, file_format: str) -> dict[str, Any]:
  """Returns how the file of a model is used.

  Args:
    model: model that is exported.
    file_format: 'onnx' or 'stablehlo'.
  """
  video_input, frames = model.video_input, model.frame_format
  is_resized = video_input.resize and video_input.resize_evaluation
  offsets = video_input.offsets() - (video_input.window_frames - 1)
  note = {'note': SIMULATED} if model.is_of_simulated_dives else {}
  return note | {
    'kind': KIND,
    'format': file_format,
    'network': model.config.network,
    'dataset': model.dataset,
    'step': model.step,
    'input': {
      'name': VIDEO,
      'dtype': 'uint8',
      'shape': ['batch', *video_input.shape],
      'axes': ['batch', 'time', 'height', 'width', 'RGB'],
    },
    'frames': {
      'frames_per_second': frames.frames_per_second,
      # Of the last frame.
      'seconds_after_entry': model.seconds_after_entry,
      # 0 is the last frame.
      'offsets_from_the_last': [int(offset) for offset in offsets],
      # As the datasets store them; null leaves the size.
      'stored_width_height': list(frames.size) if frames.width else None,
      'jpeg_quality': JPEG_QUALITY,
      'then_width_height': list(video_input.resize) if is_resized else None,
      'crop': video_input.crop,
    },
    'outputs': _outputs(model),
    'classes': {name: list(names) for name, names in model.schema.classes},
    'vocabulary': list(model.schema.words),
    'end_of_caption': EOS_ID,
    'score_interval': _interval(model),
  }


def _interval(model: Model) -> dict[str, Any] | None:
  """Returns how wide the intervals of scores are; None where there are none."""
  intervals = model.intervals
  if intervals is None or math.isinf(intervals.quantile(COVERAGE)):
    return None
  described: dict[str, Any] = {
    'coverage': COVERAGE,
    # Of intervals of several widths their mean.
    'half_width': intervals.half_width(COVERAGE),
  }
  if intervals.spreads:
    (task,) = (task for task in model.tasks if task.gives_score)
    spread = task.spread_words
    if task.explains == 'execution' and model.schema.score_rule is (
      ScoreRule.PRODUCT
    ):
      spread = f'difficulty * {spread}'
    described |= {
      'half_width_by_spread': intervals.quantile(COVERAGE),
      'spread': spread,
    }
  return described


def _outputs(model: Model) -> dict[str, dict[str, Any]]:
  """Returns dtype, shape and meaning of each output."""
  with tracing():
    avals = jax.eval_shape(
      exported_function(model), dict(model.variables), abstract_video(model)
    )
  described = {}
  for name, aval in avals.items():
    described[name] = {
      'dtype': str(aval.dtype),
      'shape': [
        str(size) if jax.export.is_symbolic_dim(size) else size
        for size in aval.shape
      ],
    }
    if meaning := _MEANINGS.get(name.partition('/')[0]):
      described[name]['meaning'] = meaning.format(
        rule=model.schema.score_rule.value
      )
  return described
