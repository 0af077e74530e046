"""Compiles a config for a topology, without a dataset; tells the memory."""

import time
from typing import Any

import jax
import ml_collections

from aqa_jax import sharding
from aqa_jax.abstract_setup import abstract_setup
from aqa_jax.profiling import collectives, scaling_model, topology
from aqa_jax.training.steps import PredictStep, TrainStep
from tfds_mtl_aqa.input_error import InputError


def run(config: ml_collections.ConfigDict, topology_name: str) -> None:
  """Compiles the steps of training and prediction, and prints their memory.

  Args:
    config: one of `configs/`, of dives.
    topology_name: see `topology.find_devices`.

  Raises:
    InputError: something in the config is wrong, or does not fit the topology
      or the memory of its devices.
  """
  setup = abstract_setup(config, topology.find_devices(topology_name))
  mesh, state = setup.mesh, setup.abstract_state()
  print(setup.describe())
  compiled = _compile(
    setup.train_step, 'training', state, setup.training_batch()
  )
  program = compiled.as_text()
  if program is None:
    raise RuntimeError('JAX gives no text of the compiled program')
  found = collectives.find_collectives(program)
  print(
    'Collectives of a training step (one in a loop counts once):\n'
    f'{collectives.format_table(found)}'
  )
  if config.accumulation > 1:
    print('No model of how it scales: gradients are summed once a part.')
  elif mesh.shape['data'] < mesh.size:
    print('No model of how it scales: there is one for mesh.data alone.')
  else:
    print(
      scaling_model.describe(
        mesh.devices.flat[0].device_kind,
        mesh.size,
        (compiled.cost_analysis() or {}).get('flops', 0.0),
        sum(c.num_bytes for c in found if c.kind == 'all-reduce'),
      )
    )
  # Evaluation gathers the parameters first.
  whole = jax.tree.map(lambda _: sharding.replicated(mesh), state.params)
  _compile(
    setup.predict_step,
    'prediction',
    sharding.abstract_on(state.params, whole),
    state.batch_stats,
    setup.evaluation_batch(),
  )


def _compile(
  step: TrainStep | PredictStep, name: str, *arguments: Any
) -> jax.stages.Compiled:
  """Compiles a step, and prints the memory that it takes on each device.

  Raises:
    InputError: the step needs more memory than the devices have.
  """
  started = time.monotonic()
  try:
    compiled = step.lower(*arguments).compile()
  except jax.errors.JaxRuntimeError as e:
    if 'RESOURCE_EXHAUSTED' not in str(e):
      raise
    reason = ' '.join(str(e).split())[:300]
    raise InputError(
      f'The step of {name} needs more memory than a device has ({reason}). '
      'Give fewer examples a device, a higher config.accumulation, '
      'config.remat=True, or a higher config.mesh.fsdp or config.mesh.clip.'
    ) from e
  memory = compiled.memory_analysis()
  inputs, outputs, temporary, shared = (
    getattr(memory, f'{kind}_size_in_bytes') / 2**20
    for kind in ('argument', 'output', 'temp', 'alias')
  )
  print(
    f'The step of {name} compiles ({time.monotonic() - started:.0f} s). Memory '
    f'of a device: {inputs + outputs + temporary - shared:.0f} MiB, of which '
    f'{inputs:.0f} for arguments and {temporary:.0f} for temporary values.'
  )
  return compiled
