"""How the C library deals with freed memory while JAX computes on the CPU."""

import ctypes
import importlib.metadata
import importlib.util
import os
import platform

# Of glibc's malloc.h.
_TRIM_THRESHOLD = -1
_MMAP_MAX = -4
_ARENA_MAX = -8
_INT_MAX = 2**31 - 1


def keep_freed() -> bool:
  """Lets glibc keep freed memory, if JAX will compute on the CPU.

  XLA allocates the arrays of each step anew. By default glibc gives large
  ones back to the system when they are freed, and the system clears the pages
  of the next step one by one. With other threads' arenas that would be so for
  each of them, so one arena serves all.

  Call it before JAX looks for devices, which starts its threads. It does
  nothing with another C library, or where the environment already says what
  glibc should do (`MALLOC_...` or `GLIBC_TUNABLES`).

  Returns:
    Whether freed memory is kept.
  """
  if (
    platform.libc_ver()[0] != 'glibc'
    or _is_set_by_user()
    or not _computes_on_cpu()
  ):
    return False
  options = {_ARENA_MAX: 1, _MMAP_MAX: 0, _TRIM_THRESHOLD: _INT_MAX}
  mallopt = ctypes.CDLL(None).mallopt
  # All of them, even if one fails; each returns 1 for success.
  done = [mallopt(option, value) for option, value in options.items()]
  return all(done)


def _is_set_by_user() -> bool:
  return any(
    name == 'GLIBC_TUNABLES' or name.startswith('MALLOC_')
    for name in os.environ
  )


def _computes_on_cpu() -> bool:
  """Returns what can be known before JAX looks for devices."""
  platforms = os.environ.get('JAX_PLATFORMS')
  if platforms:
    return platforms.split(',')[0] == 'cpu'
  return not (
    importlib.metadata.entry_points(group='jax_plugins')
    or importlib.util.find_spec('libtpu')
  )
