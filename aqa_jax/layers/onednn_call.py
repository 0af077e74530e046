"""How XLA calls a Python function on the addresses of arrays on the CPU.

The structures are those of XLA's `ffi/api/c_api.h`, API version 0.3, as far as
they are read here; jaxlib 0.10 to 0.12 have them so.
"""

import ctypes
import threading
import traceback
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

_VERSION = 0, 3
_METADATA_EXTENSION = 1
_EXECUTE = 3
_INTERNAL_ERROR = 13

_Pointer = ctypes.c_void_p
_Size = ctypes.c_size_t


class _ApiVersion(ctypes.Structure):
  _fields_ = [
    ('struct_size', _Size),
    ('extension_start', _Pointer),
    ('major', ctypes.c_int),
    ('minor', ctypes.c_int),
  ]


class _Metadata(ctypes.Structure):
  _fields_ = [
    ('struct_size', _Size),
    ('api_version', _ApiVersion),
    ('traits', ctypes.c_uint32),
    ('state_type_id', ctypes.c_int64),
  ]


class _Extension(ctypes.Structure):
  # With the last field of a metadata extension.
  _fields_ = [
    ('struct_size', _Size),
    ('type', ctypes.c_int),
    ('next', _Pointer),
    ('metadata', ctypes.POINTER(_Metadata)),
  ]


class _ErrorCreateArgs(ctypes.Structure):
  _fields_ = [
    ('struct_size', _Size),
    ('extension_start', _Pointer),
    ('message', ctypes.c_char_p),
    ('code', ctypes.c_int),
  ]


class _Api(ctypes.Structure):
  _fields_ = [
    ('struct_size', _Size),
    ('extension_start', _Pointer),
    ('api_version', _ApiVersion),
    ('internal_api', _Pointer),
    (
      'error_create',
      ctypes.CFUNCTYPE(_Pointer, ctypes.POINTER(_ErrorCreateArgs)),
    ),
  ]


class _Buffer(ctypes.Structure):
  # Before the rank and the sizes.
  _fields_ = [
    ('struct_size', _Size),
    ('extension_start', _Pointer),
    ('dtype', ctypes.c_int),
    ('data', _Pointer),
  ]


class _Buffers(ctypes.Structure):
  # XLA_FFI_Args and XLA_FFI_Rets.
  _fields_ = [
    ('struct_size', _Size),
    ('extension_start', _Pointer),
    ('count', ctypes.c_int64),
    ('types', _Pointer),
    ('buffers', ctypes.POINTER(ctypes.POINTER(_Buffer))),
  ]


class _Array(ctypes.Structure):
  _fields_ = [
    ('dtype', ctypes.c_int),
    ('size', _Size),
    ('data', _Pointer),
  ]


class _Attributes(ctypes.Structure):
  _fields_ = [
    ('struct_size', _Size),
    ('extension_start', _Pointer),
    ('count', ctypes.c_int64),
    ('types', _Pointer),
    ('names', _Pointer),
    ('values', ctypes.POINTER(ctypes.POINTER(_Array))),
  ]


class _CallFrame(ctypes.Structure):
  _fields_ = [
    ('struct_size', _Size),
    ('extension_start', ctypes.POINTER(_Extension)),
    ('api', ctypes.POINTER(_Api)),
    ('context', _Pointer),
    ('stage', ctypes.c_int),
    ('arguments', _Buffers),
    ('results', _Buffers),
    ('attributes', _Attributes),
    ('future', _Pointer),
  ]


_Handler = ctypes.CFUNCTYPE(_Pointer, ctypes.POINTER(_CallFrame))

# Takes the numbers of the call, and the addresses of its arguments, then of its
# result.
Function = Callable[[tuple[int, ...], Sequence[int]], None]

# XLA calls them as long as the process lives.
_HANDLERS: dict[str, Any] = {}
_LOCK = threading.Lock()


def call(
  name: str,
  function: Function,
  numbers: Sequence[int],
  arguments: Sequence[jax.Array],
  result: jax.ShapeDtypeStruct,
) -> jax.Array:
  """Returns the array that a function computes when the program runs.

  It must be a pure function, which any thread of XLA may call, several at once.
  What it raises ends the program with XLA's error of runtime, which has the
  exception's text.

  Args:
    name: of the function, always the same function for a name.
    function: computes the results.
    numbers: what it is given with each call.
    arguments: arrays that it is given, dense and row by row.
    result: shape and dtype of the array that it fills.
  """
  with _LOCK:
    if name not in _HANDLERS:
      handler = _handler(function)
      jax.ffi.register_ffi_target(
        name, jax.ffi.pycapsule(handler), platform='cpu'
      )
      _HANDLERS[name] = handler
  computed: jax.Array = jax.ffi.ffi_call(
    name, result, vmap_method='sequential'
  )(*arguments, numbers=np.array(numbers, np.int64))
  return computed


def _handler(function: Function) -> Any:
  """Returns a handler of XLA that calls a function."""

  def handle(frame_pointer: Any) -> int | None:
    frame = frame_pointer.contents
    try:
      if frame.extension_start:
        extension = frame.extension_start.contents
        if extension.type == _METADATA_EXTENSION:
          version = extension.metadata.contents.api_version
          version.major, version.minor = _VERSION
          return None
      if frame.stage == _EXECUTE:
        array = frame.attributes.values[0].contents
        numbers = (ctypes.c_int64 * array.size).from_address(array.data)
        pointers = [
          buffers.buffers[index].contents.data
          for buffers in (frame.arguments, frame.results)
          for index in range(buffers.count)
        ]
        function(tuple(numbers), pointers)
      return None
    # There is no caller in Python: what is not told to XLA is lost.
    except BaseException as e:
      text = ''.join(traceback.format_exception_only(e)).strip()
      arguments = _ErrorCreateArgs(
        ctypes.sizeof(_ErrorCreateArgs), None, text.encode(), _INTERNAL_ERROR
      )
      error: int = frame.api.contents.error_create(ctypes.byref(arguments))
      return error

  return _Handler(handle)
