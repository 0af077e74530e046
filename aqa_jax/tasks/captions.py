"""The commentary: words, one after the other (paper, equation 3)."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import optax
from numpy.typing import DTypeLike

from aqa_jax.data.batches import Value
from aqa_jax.data.schema import Example, Schema
from aqa_jax.data.vocabulary import pad_caption
from aqa_jax.evaluation import caption_metrics, caption_truth
from aqa_jax.predictions import Columns, Predictions
from aqa_jax.task import Batch, Section, Task
from aqa_jax.text_table import cell, line
from tfds_mtl_aqa.input_error import InputError


def caption_loss(
  logits: jax.Array, words: jax.Array, mask: jax.Array
) -> jax.Array:
  """Returns the negative log-likelihood of the captions (equation 3).

  Summed over the words of a caption, averaged over the batch.

  Args:
    logits: float [batch, length - 1, vocabulary].
    words: int [batch, length], beginning with <sos>.
    mask: float [batch, length], 1 for <sos> through the first <eos>.
  """
  losses = optax.softmax_cross_entropy_with_integer_labels(logits, words[:, 1:])
  return jnp.sum(losses * mask[:, 1:]) / words.shape[0]


@dataclasses.dataclass(frozen=True)
class CaptionsTask(Task):
  """The commentary.

  Attributes:
    vocabulary_size: words that the network knows, <eos> and <sos> included.
    length: longest caption in tokens, <sos> and <eos> included.
  """

  vocabulary_size: int
  length: int

  name = 'captions'
  head = 'captioner'

  @classmethod
  def create(
    cls, config: ml_collections.ConfigDict, schema: Schema
  ) -> 'CaptionsTask':
    """Returns the task.

    Raises:
      InputError: the dataset has no captions.
    """
    if not schema.words:
      raise InputError(
        f"config.tasks='{config.tasks}': {config.dataset.name} has no "
        f'captions with a vocabulary in its metadata; leave {cls.name} out.'
      )
    vocabulary_size = config.dataset.vocabulary_size or len(schema.words)
    return cls(vocabulary_size, config.model.caption_length)

  @property
  def num_words(self) -> int:
    """Words that the decoder chooses from."""
    return self.vocabulary_size

  def label_specs(self) -> dict[str, tuple[tuple[int, ...], DTypeLike]]:
    """Returns shape and dtype of each label in a row of a batch."""
    return {
      'words': ((self.length,), np.int32),
      'word_mask': ((self.length,), np.float32),
    }

  def labels(self, example: Example) -> Mapping[str, Value]:
    """Returns the caption and which of its words count; see `pad_caption`."""
    words, mask = pad_caption(example['caption_ids'], self.length)
    return {'words': words, 'word_mask': mask}

  def loss(self, output: jax.Array, batch: Batch) -> jax.Array:
    """Returns `caption_loss`."""
    return caption_loss(output, batch['words'], batch['word_mask'])

  def predict(self, output: jax.Array) -> dict[str, jax.Array]:
    """Returns captions, int32 [batch, length - 1] word ids."""
    return {'captions': output}

  def decode(self, outputs: Columns, schema: Schema) -> dict[str, Any]:
    """Returns captions: a list of words for each dive."""
    vocabulary = schema.vocabulary
    if vocabulary is None:
      raise ValueError('The dataset has no captions.')
    return {'captions': [vocabulary.decode(ids) for ids in outputs['captions']]}

  def measure(self, predictions: Predictions) -> dict[str, float]:
    """Returns bleu_1 to bleu_4; see `caption_metrics.caption_bleu`."""
    return caption_metrics.caption_bleu(
      predictions.outputs['captions'], true_captions(predictions)
    )

  def columns(self, predictions: Predictions, index: int) -> dict[str, Any]:
    """Returns true_caption and predicted_caption."""
    return {
      'true_caption': ' '.join(true_captions(predictions)[index]),
      'predicted_caption': ' '.join(predictions.outputs['captions'][index]),
    }

  def table(self, evaluation: Mapping[str, Any]) -> list[str]:
    """Returns the measures beside those of the baselines, and the truth."""
    names = {k: n for k, n in caption_metrics.NAMES.items() if k in evaluation}
    rows = {'model': evaluation}
    baselines = evaluation.get('caption_baselines', {})
    rows |= {f'baseline: {name}': row for name, row in baselines.items()}
    lines = ['', line('caption', names.values(), 9)]
    lines += [
      line(name, [cell(row[key], 4) for key in names], 9)
      for name, row in rows.items()
    ]
    lines += [f'  {n}' for n in evaluation.get('caption_notes', ())]
    return lines + _truth_lines(evaluation)

  def sections(
    self,
    predictions: Predictions,
    evaluation: Mapping[str, Any],
    shown: Mapping[str, Sequence[int]],
  ) -> list[Section]:
    """Returns the measures beside those of the baselines."""
    from aqa_jax.report import caption_tables, report_tables

    del predictions, shown
    table = report_tables.caption_table(evaluation)
    if table is None:
      return []
    notes = evaluation.get('caption_notes') or []
    content = {
      'tables': [
        ('Generated against true captions', table),
        *caption_tables.caption_truth_tables(evaluation),
      ],
      'notes': notes,
    }
    return [Section('captions', 'Captions', 'captions.html', content, 40)]

  def dive_section(self, predictions: Predictions, index: int) -> Section:
    """Returns the generated caption and the true one."""
    row = self.columns(predictions, index)
    return Section('', '', 'dive_captions.html', row, 70)

  def curves(self) -> dict[str, Sequence[str]]:
    """Returns the chart of the measures between 0 and 1."""
    bleu = (f'bleu_{order}' for order in range(1, 5))
    return {'captions': (*bleu, 'meteor', 'rouge_l')}


def _truth_lines(evaluation: Mapping[str, Any]) -> list[str]:
  """Returns the lines on how true the captions are."""
  found = evaluation.get('caption_truth')
  if not found:
    return []
  lines = ['', line('caption, share', caption_truth.COLUMNS)]
  for key, name in caption_truth.MEASURES.items():
    if key in found['model']:
      cells = [cell(found[c].get(key), 3) for c in caption_truth.COLUMNS]
      lines.append(line(name, cells))
  remarks = evaluation.get('remarks')
  if remarks:
    lines += ['', line('remarks', caption_truth.REMARKS.values())]
    lines += [
      line(
        fault.replace('_', ' '),
        [cell(figures[key], 3) for key in caption_truth.REMARKS],
      )
      for fault, figures in remarks.items()
    ]
  return lines


def true_captions(predictions: Predictions) -> list[list[str]]:
  """Returns the words of the true captions.

  Args:
    predictions: has `caption_words` among its labels.
  """
  return predictions.labels['caption_words']
