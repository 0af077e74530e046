"""A task from outside the package: how much water a dive throws up."""

import dataclasses

import jax.numpy as jnp
import numpy as np

from aqa_jax.evaluation.evaluator import Evaluator
from aqa_jax.task import Section, Task
from aqa_jax.text_table import cell, line
from tfds_mtl_aqa.input_error import InputError


@dataclasses.dataclass(frozen=True)
class SplashTask(Task):
  """The splash of simulated dives, 0 to 1."""

  name = 'splash'
  head = 'splash_regressor'

  @classmethod
  def create(cls, config, schema):
    if 'faults' not in schema.features:
      raise InputError(f'{config.dataset.name} knows no faults.')
    return cls()

  @property
  def layers(self):
    return {'amount': 1}

  def output(self, layers):
    return layers['amount'][:, 0]

  def label_specs(self):
    return {'splash': ((), np.float32)}

  def labels(self, example):
    return {'splash': np.float32(example['faults']['splash'])}

  def loss(self, output, batch):
    return jnp.mean((output - batch['splash']) ** 2)

  def predict(self, output):
    return {'splash': output}

  def measure(self, predictions):
    error = predictions.outputs['splash'] - _true(predictions)
    return {'splash_mae': float(np.abs(error).mean())}

  def resampled(self, predictions, dives):
    error = predictions.outputs['splash'] - _true(predictions)
    return {'splash_mae': float(np.abs(error[dives]).mean())}

  def columns(self, predictions, index):
    return {
      'true_splash': float(_true(predictions)[index]),
      'predicted_splash': float(predictions.outputs['splash'][index]),
    }

  def table(self, evaluation):
    return ['', line('splash, MAE', [cell(evaluation['splash_mae'], 3)])]

  def sections(self, predictions, evaluation, shown):
    rows = [('MAE', f'{evaluation["splash_mae"]:.3f}')]
    content = {'note': 'How much water goes up.', 'rows': rows}
    return [Section('splash', 'Splash', 'measures.html', content, 45)]

  def dive_section(self, predictions, index):
    predicted = predictions.outputs['splash'][index]
    rows = [('splash', f'{predicted:.2f}', f'{_true(predictions)[index]:.2f}')]
    return Section('', '', 'dive_numbers.html', rows, 65)


def _true(predictions):
  return predictions.label('faults/splash')


class LargestSplash(Evaluator):
  """An evaluator from outside the package."""

  def evaluate(self, predictions):
    return {'largest_splash': float(_true(predictions).max())}
