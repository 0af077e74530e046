"""What a page and a program have to know of a model."""

from typing import Any

from aqa_jax.judging.model import Model
from aqa_jax.judging.model_card import SIMULATED


def model_facts(model: Model) -> dict[str, Any]:
  """Returns what there is to know of a model, as JSON can hold it.

  Args:
    model: model to describe.

  Returns:
    note, first and only if it has seen simulated dives only; network, dataset,
    step; tasks, their names; seconds, that it sees of a dive; frames, of them;
    training_scores, see `score_counts`, None where they are not known.
  """
  note = {'note': SIMULATED} if model.is_of_simulated_dives else {}
  frames = len(model.video_input.offsets())
  counts = [
    evaluation['training_scores']
    for evaluation in model.evaluation.values()
    if 'training_scores' in evaluation
  ]
  return note | {
    'network': model.config.network,
    'dataset': model.dataset,
    'step': model.step,
    'tasks': [task.name for task in model.tasks],
    'seconds': model.num_clip_frames / model.frame_format.frames_per_second,
    'frames': frames,
    'training_scores': counts[0] if counts else None,
  }
