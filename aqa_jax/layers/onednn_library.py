"""oneDNN's shared library, as a package of PyPI installs it, and its C API.

It is called by ctypes: nothing is compiled at installation. Names and numbers
are those of oneDNN 3, https://uxlfoundation.github.io/oneDNN/.
"""

import contextlib
import ctypes
import functools
import importlib.metadata
import os
import pathlib
import warnings
from collections.abc import Iterator, Sequence

_PACKAGE = 'onednn-cpu-gomp'
_FILE = 'libdnnl.so.3'

# Of dnnl_status_t, those that a convolution can meet.
_ERRORS = {
  1: 'out of memory',
  2: 'invalid arguments',
  3: 'unimplemented',
  5: 'runtime error',
  6: 'not required',
}
# Of dnnl_cpu_isa_t: the bits of SSE 4.1, AVX and AVX2.
_AVX2 = 7
_Pointer = ctypes.c_void_p


class OneDNNError(RuntimeError):
  """oneDNN refused a call."""


class Library:
  """The C API of oneDNN 3, whose functions raise where they fail.

  Args:
    path: of the shared library.

  Raises:
    OSError: it can not be loaded.
  """

  def __init__(self, path: pathlib.Path):
    with _idle_threads_sleep():
      # PyDLL keeps the GIL: waiting for it again takes longer than most calls.
      self._library = ctypes.PyDLL(str(path))
    self._long_calls = ctypes.CDLL(str(path))

  def call(self, name: str, *arguments: object, is_long: bool = False) -> None:
    """Calls a function that returns a status.

    Args:
      name: of the function, without 'dnnl_'.
      *arguments: of types of ctypes.
      is_long: let other threads run Python meanwhile.

    Raises:
      OneDNNError: the status is not success.
    """
    functions = self._long_calls if is_long else self._library
    status = getattr(functions, f'dnnl_{name}')(*arguments)
    if status:
      raise OneDNNError(
        f'dnnl_{name}: {_ERRORS.get(status, f"status {status}")}'
      )

  def create(self, name: str, *arguments: object) -> ctypes.c_void_p:
    """Calls a function that makes an object, and returns the object.

    Args:
      name: of the function, without 'dnnl_'.
      *arguments: those that follow the place of the object.

    Raises:
      OneDNNError: the status is not success.
    """
    made = _Pointer()
    self.call(name, ctypes.byref(made), *arguments)
    return made

  def size(self, memory_desc: ctypes.c_void_p) -> int:
    """Returns how many bytes a memory descriptor stands for."""
    function = self._library.dnnl_memory_desc_get_size
    function.restype = ctypes.c_size_t
    size: int = function(memory_desc)
    return size

  def has_avx2(self) -> bool:
    """Returns whether the processor has AVX2, and oneDNN may use it."""
    isa: int = self._library.dnnl_get_effective_cpu_isa()
    return isa & _AVX2 == _AVX2

  def query_memory_desc(
    self, primitive_desc: ctypes.c_void_p, what: int
  ) -> ctypes.c_void_p:
    """Returns a memory descriptor that belongs to a primitive's descriptor.

    Args:
      primitive_desc: descriptor of a primitive.
      what: number of the query.
    """
    function = self._library.dnnl_primitive_desc_query_md
    function.restype = _Pointer
    return _Pointer(function(primitive_desc, what, 0))


def dims(sizes: Sequence[int]) -> ctypes.Array[ctypes.c_int64]:
  """Returns a dnnl_dims_t."""
  return (ctypes.c_int64 * 12)(*sizes)


@contextlib.contextmanager
def _idle_threads_sleep() -> Iterator[None]:
  """Lets OpenMP's threads sleep when idle, if it is loaded meanwhile.

  By default they look for work for some milliseconds, on the cores that XLA
  needs after a convolution. libgomp reads the environment when it is loaded.
  """
  is_chosen = {'OMP_WAIT_POLICY', 'GOMP_SPINCOUNT'} & set(os.environ)
  if not is_chosen:
    os.environ['GOMP_SPINCOUNT'] = '0'
  try:
    yield
  finally:
    if not is_chosen:
      del os.environ['GOMP_SPINCOUNT']


@functools.cache
def library() -> Library | None:
  """Returns the library.

  None where the package is not installed, or the processor has no AVX2, for
  which oneDNN has no fast convolutions. Where it is installed and can not be
  loaded, a warning tells the reason.
  """
  try:
    files = importlib.metadata.files(_PACKAGE) or []
  except importlib.metadata.PackageNotFoundError:
    return None
  try:
    path = next(file for file in files if file.name == _FILE)
    found = Library(pathlib.Path(str(path.locate())))
  except (StopIteration, OSError) as e:
    warnings.warn(
      f'{_PACKAGE} is installed but {_FILE} can not be loaded '
      f'({e or "it is missing"}); convolutions run without it. It needs '
      'libgomp.so.1, which is in the package libgomp1 of Debian and Ubuntu.',
      stacklevel=2,
    )
    return None
  return found if found.has_avx2() else None
