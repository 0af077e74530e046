"""Tests for aqa_jax.exits."""

import subprocess
import sys

# A result of TensorStore that comes after its event loop was closed.
_TOO_LATE = """
import asyncio, sys, threading
import tensorstore
from aqa_jax import exits

async def begin():
  promise, future = tensorstore.Promise.new()

  async def wait():
    await future

  task = asyncio.ensure_future(wait())
  task._log_destroy_pending = False
  await asyncio.sleep(0.05)
  return promise

class Wrong:
  def __del__(self):
    raise ValueError('is told')

if sys.argv[1] == 'left out':
  exits.leave_out_closed_loops()
loop = asyncio.new_event_loop()
promise = loop.run_until_complete(begin())
loop.close()
thread = threading.Thread(target=lambda: promise.set_result(1))
thread.start()
thread.join()
Wrong()
"""


def _stderr(how: str) -> str:
  return subprocess.run(
    [sys.executable, '-c', _TOO_LATE, how],
    check=True,
    capture_output=True,
    text=True,
  ).stderr


def test_a_result_that_nobody_waits_for_is_not_told():
  assert 'Event loop is closed' in _stderr('told')
  left_out = _stderr('left out')
  assert 'Event loop is closed' not in left_out
  assert left_out.count('Traceback') == 1 and 'is told' in left_out
