"""Tests for aqa_jax.cpu_memory."""

import os
import platform
import subprocess
import sys

import pytest

_MIB = 2**20
_PROGRAM = """
import sys
from aqa_jax import cpu_memory

def resident():
  with open('/proc/self/statm') as file:
    return int(file.read().split()[1])

print(cpu_memory.keep_freed())
before = resident()
block = b'x' * (256 * 2**20)
del block
print(resident() - before)
"""

pytestmark = pytest.mark.skipif(
  platform.libc_ver()[0] != 'glibc', reason='the C library is not glibc'
)


def _run(**environment: str) -> tuple[str, float]:
  """Returns what `keep_freed` says, and MiB that a process keeps of 256."""
  own = {
    name: value
    for name, value in os.environ.items()
    if name != 'GLIBC_TUNABLES' and not name.startswith('MALLOC_')
  }
  lines = subprocess.run(
    [sys.executable, '-c', _PROGRAM],
    env=own | environment,
    check=True,
    capture_output=True,
    text=True,
  ).stdout.split()
  return lines[0], int(lines[1]) * os.sysconf('SC_PAGE_SIZE') / _MIB


def test_freed_memory_stays_with_a_process_on_cpu():
  said, kept = _run(JAX_PLATFORMS='cpu')
  assert said == 'True'
  assert kept > 250


@pytest.mark.parametrize(
  'environment',
  [
    {'JAX_PLATFORMS': 'cuda,cpu'},
    {'JAX_PLATFORMS': 'cpu', 'MALLOC_ARENA_MAX': '4'},
    {
      'JAX_PLATFORMS': 'cpu',
      'GLIBC_TUNABLES': 'glibc.malloc.tcache_count=7',
    },
  ],
)
def test_it_is_given_back_for_an_accelerator_or_as_the_user_says(environment):
  said, kept = _run(**environment)
  assert said == 'False'
  assert kept < 50
