"""Where compiled programs are kept, so that the next start is sooner."""

import contextlib
import hashlib
import pathlib
import platform

import jax


def use(workdir: pathlib.Path) -> None:
  """Has JAX keep compiled programs in a workdir, unless it keeps them already.

  Args:
    workdir: of the run.
  """
  if jax.process_count() > 1 and jax.default_backend() == 'cpu':
    # XLA's CPU programs lose the order of their collectives in a cache, and
    # Gloo then takes one for another.
    jax.config.update('jax_enable_compilation_cache', False)
  # JAX makes its options attributes at run time: no type has them.
  elif jax.config.jax_compilation_cache_dir is None:  # type: ignore[attr-defined]
    jax.config.update(
      'jax_compilation_cache_dir', str(_cache_folder(workdir).absolute())
    )


def _cache_folder(workdir: pathlib.Path) -> pathlib.Path:
  """Returns where compiled programs are kept, to go on sooner.

  One folder a kind of machine: a program for one CPU may not run on another.
  """
  cpu = f'{platform.machine()} {platform.processor()}'
  with contextlib.suppress(OSError):  # Linux alone has it.
    lines = pathlib.Path('/proc/cpuinfo').read_text().splitlines()
    cpu += next((line for line in lines if line.startswith('flags')), '')
  return workdir / 'compiled' / hashlib.sha256(cpu.encode()).hexdigest()[:12]
