"""--mode=compile: no dataset, no workdir, and devices of another machine."""

import re

import jax
import pytest
from dive_tasks import dive_tasks

from aqa_jax.data import input_pipeline
from aqa_jax.data.dive_split import load_split, open_builder
from aqa_jax.data.video_input import VideoInput
from aqa_jax.profiling import compile_check, topology
from tfds_mtl_aqa.input_error import InputError


def test_libtpu_that_another_process_uses(monkeypatch):
  def in_use(*_, **__):
    raise RuntimeError('ABORTED: Internal error: libtpu multi-process lockfile')

  monkeypatch.setattr(topology.topologies, 'get_topology_desc', in_use)
  with pytest.raises(InputError, match='v5e:2x4: another process is using'):
    topology.find_devices('v5e:2x4')


def _config(tiny_config, tmp_path, **fields):
  tiny_config.update_from_flattened_dict(
    {
      'dataset.data_dir': str(tmp_path / 'none'),
      'mesh.data': -1,
      **fields,
    }
  )
  return tiny_config


@pytest.mark.parametrize(
  'axes, gathers', [({'mesh.data': 8}, False), ({'mesh.fsdp': 8}, True)]
)
def test_a_config_compiles_without_data(
  tiny_config, tmp_path, capsys, axes, gathers
):
  # Wide enough for an array that fsdp takes apart, and for a MiB.
  wide = {'model.fc6': 128, 'model.width': 4, 'input.crop': 24}
  config = _config(tiny_config, tmp_path, **axes, **wide)
  compile_check.run(config, 'cpu:8')
  said = capsys.readouterr().out
  assert re.match(r'8 x cpu \(data \d, clip 1, fsdp \d\): c3davg, ', said)
  assert 'float32; batch 8, 1 a device.' in said
  for step in ('training', 'prediction'):
    (figures,) = re.findall(
      rf'step of {step} compiles .* of a device: (\d+) MiB', said
    )
    assert 1 <= int(figures) < 1000
  assert re.search(r'all-reduce +\d+ +\d', said)
  # Of parameters; without fsdp, of nothing but the dives' keys.
  sizes = re.findall(r'all-gather +\d+ +([\d.]+)', said)
  assert any(float(size) > 0.01 for size in sizes) == gathers


@pytest.mark.parametrize(
  'name, fields, message',
  [
    ('cpu:8', {'batch_size': 12}, 'config.batch_size=12 can not be spread'),
    ('cpu:8', {'mesh.clip': 4}, 'config.mesh.clip=4: a video of 2 clip'),
    ('cpu:8', {'mesh.clip': 3}, 'idle with --config.mesh.data=2'),
    ('cpu:8', {'input.crop': 999}, 'config.input.crop=999'),
    ('cpu:8', {'network': 'mscadc'}, 'begin with a config of that network'),
    ('cpu:8', {'dataset.vocabulary_size': -1}, 'vocabulary_size=-1: give 0'),
    ('cpu:8', {'duration': '0.1 steps'}, 'that is 0 steps'),
    ('cpu:99', {}, '--topology=cpu:99: this process has 8 CPU devices'),
    ('cpu:0', {}, '--topology=cpu:0: '),
    ('nothing', {}, '--topology=nothing: give cpu:1 to cpu:999'),
    ('gpu:8', {}, '--topology=gpu:8: give cpu:1 to cpu:999'),
    ('cpu:8', {'duration': '1e308 epochs'}, 'fewer than 2 billion'),
    ('cpu:8', {'checkpoint_every': '1e308 epochs'}, 'config.checkpoint_every'),
  ],
)
def test_what_does_not_fit(tiny_config, tmp_path, name, fields, message):
  config = _config(tiny_config, tmp_path, **fields)
  with pytest.raises(InputError) as error:
    compile_check.run(config, name)
  assert message in str(error.value)
  assert len(str(error.value).splitlines()) == 1


def test_the_devices_that_are_here():
  assert topology.find_devices('') == jax.devices()
  assert topology.find_devices('cpu:3') == jax.devices()[:3]


def test_an_abstract_batch_is_as_a_batch(tiny_config, tiny_dives):
  video_input = VideoInput(**tiny_config.input)
  dives = load_split(open_builder('simulated_dives/tiny', tiny_dives), 'test')
  tasks = dive_tasks(length=9)
  batch = next(
    input_pipeline.evaluation_batches(dives, video_input, tasks, 4, (0, 1))
  )
  abstract = input_pipeline.abstract_batch(video_input, tasks, 4)
  assert abstract.keys() == batch.keys() - {'index', 'is_real'}
  for name, rows in abstract.items():
    assert (rows.shape, rows.dtype) == (batch[name].shape, batch[name].dtype)
