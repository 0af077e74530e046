"""Limits of containers and jobs, in trees of files as Linux makes them."""

import os

import pytest

from tfds_mtl_aqa import control_group
from tfds_mtl_aqa.cores import available_cores


def _write(root, files):
  for name, text in files.items():
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'{text}\n')


@pytest.fixture(name='own')
def fixture_own(tmp_path):
  def write(*lines):
    path = tmp_path / 'own'
    path.write_text(''.join(f'{line}\n' for line in lines))
    return path

  return write


@pytest.mark.parametrize(
  'quota, cores',
  [
    ('max 100000', None),
    ('200000 100000', 2),
    ('150000 100000', 2),
    ('10000 100000', 1),
  ],
)
def test_a_container_of_version_2(tmp_path, own, quota, cores):
  _write(tmp_path, {'cpu.max': quota})
  assert control_group.core_quota(tmp_path, own('0::/')) == cores


def test_the_narrowest_of_nested_groups(tmp_path, own):
  _write(
    tmp_path,
    {
      'slurm/cpu.max': '800000 100000',
      'slurm/job/cpu.max': '400000 100000',
      'slurm/job/step/cpu.max': 'max 100000',
      'slurm/memory.max': '1000',
      'slurm/memory.current': '700',
      'slurm/memory.stat': 'anon 100\nfile 600',
      'slurm/job/step/memory.max': 'max',
      'slurm/job/step/memory.current': '100',
    },
  )
  mine = own('0::/slurm/job/step')
  assert control_group.core_quota(tmp_path, mine) == 4
  # Pages of files do not count.
  assert control_group.free_memory(tmp_path, mine) == 900


def test_version_1_whose_path_is_the_hosts(tmp_path, own):
  _write(
    tmp_path,
    {
      'cpu,cpuacct/cpu.shares': '1024',
      'cpu/cpu.cfs_quota_us': '300000',
      'cpu/cpu.cfs_period_us': '100000',
      'memory/memory.limit_in_bytes': '5000',
      'memory/memory.usage_in_bytes': '4500',
      'memory/memory.stat': 'cache 1500\nrss 3000',
    },
  )
  mine = own(
    '4:memory:/docker/1a2b', '3:cpu,cpuacct:/docker/1a2b', '1:name=x:/'
  )
  assert control_group.core_quota(tmp_path, mine) == 3
  assert control_group.free_memory(tmp_path, mine) == 2000


def test_no_limits(tmp_path, own):
  unlimited = {'cpu.cfs_quota_us': '-1', 'cpu.cfs_period_us': '100000'}
  _write(tmp_path, {f'cpu/{name}': v for name, v in unlimited.items()})
  for mine in (own('3:cpu:/'), own(), tmp_path / 'none'):
    assert control_group.core_quota(tmp_path, mine) is None
    assert control_group.free_memory(tmp_path, mine) is None


def test_cores_are_never_more_than_the_affinity(monkeypatch):
  cores = available_cores()
  if hasattr(os, 'sched_getaffinity'):
    assert 1 <= cores <= len(os.sched_getaffinity(0))
  monkeypatch.setattr(control_group, 'core_quota', lambda: 1)
  assert available_cores() == 1
  monkeypatch.setattr(control_group, 'core_quota', lambda: 10**6)
  assert available_cores() >= cores
