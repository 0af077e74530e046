"""The devices to compile for: those of this machine or of another one."""

import contextlib
import os
import re

import jax
from jax.experimental import topologies

from tfds_mtl_aqa.input_error import InputError

# libtpu looks for these where there is a TPU, and complains where there is not.
_NO_TPU = {
  'TPU_SKIP_MDS_QUERY': '1',
  'TPU_ACCELERATOR_TYPE': 'v5litepod-1',
  'TPU_WORKER_HOSTNAMES': 'localhost',
  'TPU_WORKER_ID': '0',
}


def find_devices(name: str) -> list[jax.Device]:
  """Returns the devices of a topology.

  Args:
    name: '' for those that are here; 'cpu:8' for as many CPU devices; or a TPU
      slice, such as 'v5e:4x4' or 'v4:2x2x2', which needs libtpu and no TPU.

  Returns:
    The devices. Those of a slice are there to compile for; they can't hold
    arrays.

  Raises:
    InputError: there is no such topology, or libtpu is not installed.
  """
  if not name:
    return jax.devices()
  jax.config.update('jax_platforms', 'cpu')
  match = re.fullmatch(r'cpu:([1-9]\d{0,2})', name)
  if match:
    return _cpu_devices(int(match[1]))
  if not re.fullmatch(r'v\d+\w*:\d+(x\d+)+', name):
    raise InputError(
      f'--topology={name}: give cpu:1 to cpu:999, or a TPU slice such as '
      'v5e:4x4.'
    )
  os.environ.update(
    {key: value for key, value in _NO_TPU.items() if key not in os.environ}
  )
  try:
    return topologies.get_topology_desc(name, platform='tpu').devices
  except (jax.errors.JaxRuntimeError, NotImplementedError, RuntimeError) as e:
    reason = str(e).splitlines()[0]
    if 'lockfile' in reason:
      raise InputError(
        f'--topology={name}: another process is using libtpu; wait for it.'
      ) from e
    raise InputError(
      f'--topology={name}: {reason} Slices such as v5e:4x4 need pip install '
      "-e '.[tpu]'."
    ) from e


def _cpu_devices(count: int) -> list[jax.Device]:
  with contextlib.suppress(RuntimeError):  # JAX has its devices already.
    jax.config.update('jax_num_cpu_devices', count)
  devices = jax.devices('cpu')
  if len(devices) < count:
    raise InputError(
      f'--topology=cpu:{count}: this process has {len(devices)} CPU devices '
      'already; leave --xla_force_host_platform_device_count out of $XLA_FLAGS.'
    )
  return devices[:count]
