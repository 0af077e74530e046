"""The cache of compiled programs, with which the next start is faster."""

import contextlib
import hashlib
import os
import pathlib
import platform

import jax


def use(workdir: pathlib.Path) -> None:
  """Lets JAX cache compiled programs in a workdir, unless it has a cache.

  Args:
    workdir: folder of the run.
  """
  if jax.process_count() > 1 and jax.default_backend() == 'cpu':
    # In a cache XLA's CPU programs lose the order of their collectives, so that
    # Gloo mixes them up.
    jax.config.update('jax_enable_compilation_cache', False)
  # JAX makes its options attributes at run time: no type has them.
  elif jax.config.jax_compilation_cache_dir is None:  # type: ignore[attr-defined]
    jax.config.update(
      'jax_compilation_cache_dir', str(_cache_folder(workdir).absolute())
    )


def use_for_user() -> None:
  """Lets JAX cache compiled programs in the user's cache folder.

  It does nothing where JAX has a cache, or the folder can't be made.
  """
  if jax.config.jax_compilation_cache_dir is not None:  # type: ignore[attr-defined]
    return
  try:
    home = os.environ.get('XDG_CACHE_HOME') or pathlib.Path.home() / '.cache'
    folder = _cache_folder(pathlib.Path(home) / 'aqa_jax')
    folder.mkdir(parents=True, exist_ok=True)
  except (OSError, RuntimeError):  # A user of a container may have no home.
    return
  jax.config.update('jax_compilation_cache_dir', str(folder))
  # A second at least is the default: many short ones are long, too.
  jax.config.update('jax_persistent_cache_min_compile_time_secs', 0.1)


def _cache_folder(workdir: pathlib.Path) -> pathlib.Path:
  """Returns the folder of the cache for this kind of machine.

  A program that was compiled for one CPU may not run on another.
  """
  cpu = f'{platform.machine()} {platform.processor()}'
  with contextlib.suppress(OSError):  # Linux alone has it.
    lines = pathlib.Path('/proc/cpuinfo').read_text().splitlines()
    cpu += next((line for line in lines if line.startswith('flags')), '')
  return workdir / 'compiled' / hashlib.sha256(cpu.encode()).hexdigest()[:12]
