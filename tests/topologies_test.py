"""Processes x devices make no difference to the losses: `pytest -m drill`."""

import pytest
from run_local_processes_test import launch, lines_of

pytestmark = pytest.mark.drill

# As in sharding_test: small steps keep small what near-ties decide.
_C3DAVG = ['--config.optimizer.learning_rate=1e-4']
_MSCADC = [
  '--config=configs/mscadc.py',
  '--config.dataset.name=simulated_dives/tiny',
  '--config.validation.fraction=0.25',
  '--config.batch_size=8',
  '--config.eval_batch_size=8',
  '--config.input.window_frames=20',
  '--config.input.frames=12',
  '--config.input.stride=1.5',
  '--config.input.max_shift=2',
  '--config.input.crop=24',
  '--config.model.width=2',
  '--config.model.head_channels=3',
  '--config.model.caption_length=24',
  '--config.model.caption_hidden=16',
  '--config.model.caption_embedding=8',
  '--config.optimizer.learning_rate=2e-6',
  '--config.meteor=False',
]
_STEPS = 20


@pytest.fixture(name='train', params=['c3davg', 'mscadc'], scope='module')
def fixture_train(request, tmp_path_factory, tiny_flags, tiny_dives):
  """A training of 20 steps on processes x devices: its losses by step."""
  flags = [*tiny_flags, *_C3DAVG]
  if request.param == 'mscadc':
    flags = [*_MSCADC, f'--config.dataset.data_dir={tiny_dives}']
  flags += [f'--config.duration={_STEPS}steps', '--config.log_steps=1']
  flags += [f'--config.checkpoint_every={_STEPS}steps']
  flags += ['--config.progress_seconds=0']

  def train(processes, devices):
    workdir = tmp_path_factory.mktemp(request.param)
    done = launch(processes, devices, *flags, f'--workdir={workdir}')
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line for line in lines_of(workdir) if 'train/loss' in line]
    for line in lines:
      # A near-tie shows in the gradient's norm alone.
      del line['train/gradient_norm']
    assert [line['step'] for line in lines] == list(range(1, _STEPS + 1))
    return lines

  return train


@pytest.fixture(name='alone', scope='module')
def fixture_alone(train):
  """The losses of one process with one device."""
  return train(1, 1)


@pytest.mark.parametrize(
  'processes, devices', [(1, 8), (2, 4), (4, 2)], ids=['1x8', '2x4', '4x2']
)
def test_the_same_losses(train, alone, processes, devices, record_property):
  losses = train(processes, devices)
  worst = max(
    abs(other[name] / line[name] - 1)
    for line, other in zip(alone, losses, strict=True)
    for name in line
  )
  record_property('measured', f'largest relative difference {worst:.1e}')
  assert worst <= 1e-5
