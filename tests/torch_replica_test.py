"""The PyTorch replica of `benchmarks`, held to the official code's numbers."""

import pathlib

import numpy as np
import pytest
import seeded_weights

torch = pytest.importorskip('torch', reason='PyTorch: the extra `bench`')
# The other core is another test's.
torch.set_num_threads(1)

from aqa_jax.abstract_setup import abstract_setup  # noqa: E402
from benchmarks.torch_replica import training  # noqa: E402
from benchmarks.workload import make_config  # noqa: E402

_GOLDENS = pathlib.Path(__file__).parent / 'goldens'
# Frames and crop of the recorded videos.
_SIZES = {'c3davg': (96, 112), 'mscadc': (16, 180)}
_VOCABULARY_SIZE = 5779
_LOSSES = {'score': 'aqa', 'classes': 'cls', 'captions': 'cap', 'loss': 'total'}
_CLASSES = ('position', 'armstand', 'rotation_type', 'somersaults', 'twists')
_FORMS = {
  'official': training.Form(is_official=True),
  'best': training.Form(is_official=False),
  'best, channels last': training.Form(is_official=False, channels_last=True),
}


@pytest.fixture(name='golden', scope='module', params=_SIZES)
def fixture_golden(request):
  """(network, what was recorded, the official entries, the batch)."""
  name = request.param
  golden = dict(np.load(_GOLDENS / f'{name}.npz'))
  entries = {
    str(entry): seeded_weights.weights(str(entry), _shape(shape), 0)
    for entry, shape in zip(golden['names'], golden['shapes'], strict=True)
  }
  batch = training.to_device(seeded_weights.batch(*_SIZES[name], 0), 'cpu')
  # [batch, 3, time, height, width]
  batch['video'] = batch['video'].permute(0, 4, 1, 2, 3)
  return name, golden, entries, batch


def _shape(recorded):
  return tuple(map(int, str(recorded).strip('()').replace(',', ' ').split()))


def _network(name, entries, form):
  config = make_config(name, 'full', 'cpu')
  network = training.create_network(config, _VOCABULARY_SIZE, form.is_official)
  training.load_official(network, entries)
  return network


def _without_dropout(network):
  for module in network.train().modules():
    if isinstance(module, torch.nn.Dropout):
      module.p = 0.0
    if isinstance(module, torch.nn.GRU):
      module.dropout = 0.0
  return network


def _assert_close(ours, recorded):
  ours = np.asarray(ours, np.float64)
  assert ours.shape == recorded.shape
  error = np.linalg.norm(ours - recorded) / np.linalg.norm(recorded)
  assert error < 1e-5


def _assert_losses_close(losses, golden, prefix):
  for ours, theirs in _LOSSES.items():
    value = losses[ours].detach().numpy()
    expected = golden[f'{prefix}/loss/{theirs}'].squeeze()
    _assert_close(value, expected)


@pytest.mark.parametrize('form', _FORMS)
def test_outputs_losses_and_captions(golden, form):
  name, recorded, entries, batch = golden
  is_first, form = form == 'official', _FORMS[form]
  network = _network(name, entries, form).eval()
  watched = []
  watch = network.watch
  network.watch = lambda video: watched.append(watch(video)) or watched[-1]
  _assert_as_recorded(network, recorded, batch, form, 'eval')
  ((_, features),) = watched
  with torch.inference_mode():
    if name == 'mscadc':
      features = network.caption_head(features)
    if form.is_official:
      words = network.model_caption.greedy_by_words(features)
    else:
      words = network.model_caption.greedy(features)
  np.testing.assert_array_equal(words, recorded['eval/greedy_ids'])
  if name == 'c3davg' and not is_first:
    return  # Without dropout and BatchNorm training mode does the same.
  network = _without_dropout(network)
  if name == 'mscadc' and form.channels_last:
    # PyTorch's BatchNorm of channels last is off by 5e-5 in float32.
    network = network.double()
    batch = batch | {'video': batch['video'].double()}
  _assert_as_recorded(network, recorded, batch, form, 'train')


def _assert_as_recorded(network, recorded, batch, form, mode):
  with torch.no_grad():
    outputs = network(training.as_network_sees(batch, form), batch['words'])
    losses = training.losses(outputs, batch)
  _assert_close(outputs['score'], recorded[f'{mode}/score'])
  for task in _CLASSES:
    _assert_close(outputs['classes'][task], recorded[f'{mode}/{task}'])
  of_words = outputs['captions'].gather(2, batch['words'][:, 1:, None])
  _assert_close(of_words[..., 0], recorded[f'{mode}/caption_logp_at_target'])
  # What training mode loses is what the first step loses.
  prefix = 'eval' if mode == 'eval' else 'step0'
  _assert_losses_close(losses, recorded, prefix)


@pytest.mark.drill
@pytest.mark.parametrize('form', ['official', 'best'])
def test_three_steps_of_adam(golden, form):
  name, recorded, entries, batch = golden
  if name == 'c3davg':
    pytest.skip('minutes: its steps are those of MSCADC on another network')
  form = _FORMS[form]
  network = _without_dropout(_network(name, entries, form))
  learning_rate = float(recorded['adam_learning_rate'])
  step = training.make_step(network, form, learning_rate)
  for index in range(3):
    _assert_losses_close(step(batch), recorded, f'step{index}')


@pytest.mark.parametrize('size', ['full', 'toy'])
@pytest.mark.parametrize('name', _SIZES)
def test_both_sides_learn_as_many_numbers(name, size):
  import jax

  config = make_config(name, size, 'cpu')
  network = training.create_network(
    config, config.dataset.vocabulary_size, is_official=False
  )
  theirs = sum(parameter.numel() for parameter in network.parameters())
  ours = abstract_setup(config, jax.devices()).abstract_state().params
  assert theirs == sum(leaf.size for leaf in jax.tree.leaves(ours))
