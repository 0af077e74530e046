"""Times the products of single 3 x 3 x 3 convolutions on CPU, in float32.

  taskset -c 0 python -m benchmarks.convolutions --form=onednn --size=full

Time is processor time of all threads, which other programs change little: the
median of several runs.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator

# Batch, time, height, channels and features of the convolutions of C3D: of one
# clip, and of a batch of the quickstart with its 16 clips.
_SIZES = {
  'full': {
    'conv1': (1, 16, 112, 3, 64),
    'conv2': (1, 16, 56, 64, 128),
    'conv3a': (1, 8, 28, 128, 256),
    'conv3b': (1, 8, 28, 256, 256),
    'conv4a': (1, 4, 14, 256, 512),
    'conv4b': (1, 4, 14, 512, 512),
    'conv5': (1, 2, 7, 512, 512),
  },
  'toy': {
    'conv1': (16, 16, 32, 3, 8),
    'conv2': (16, 16, 16, 8, 16),
    'conv3a': (16, 8, 8, 16, 32),
    'conv3b': (16, 8, 8, 32, 32),
    'conv4a': (16, 4, 4, 32, 64),
    'conv4b': (16, 4, 4, 64, 64),
    'conv5': (16, 2, 2, 64, 64),
  },
}
_FORMS = ('stacked_2d', 'onednn', 'torch')
_PRODUCTS = ('forward', 'input_gradient', 'kernel_gradient')
_SECONDS = 1.0
_Sizes = tuple[int, int, int, int, int]


def _by_jax(form: str, sizes: _Sizes) -> Iterator[Callable[[], object]]:
  """Yields what computes each product."""
  import jax
  import jax.numpy as jnp

  from aqa_jax.layers import convolution

  convolve = getattr(convolution, f'convolve_{form}')
  inputs, kernel, gradient = map(jnp.asarray, _arrays(sizes))

  def forward(inputs: jax.Array, kernel: jax.Array) -> jax.Array:
    return convolve(inputs, kernel, (1, 1, 1), ((1, 1),) * 3)

  def backward(index: int) -> Callable[..., jax.Array]:
    return jax.jit(
      lambda x, k, gradient: jax.vjp(forward, x, k)[1](gradient)[index]
    )

  for function, arguments in (
    (jax.jit(forward), (inputs, kernel)),
    (backward(0), (inputs, kernel, gradient)),
    (backward(1), (inputs, kernel, gradient)),
  ):
    yield lambda f=function, a=arguments: f(*a).block_until_ready()


def _by_torch(sizes: _Sizes) -> Iterator[Callable[[], object]]:
  import torch

  def video(array):
    tensor = torch.from_numpy(array).permute(0, 4, 1, 2, 3)
    return tensor.contiguous(memory_format=torch.channels_last_3d)

  inputs, kernel, gradient = _arrays(sizes)
  inputs, gradient = video(inputs), video(gradient)
  kernel = video(kernel.transpose(4, 0, 1, 2, 3))
  window = (1,) * 3, (1,) * 3, (1,) * 3
  yield lambda: torch.nn.functional.conv3d(inputs, kernel, padding=1)
  for mask in ((True, False, False), (False, True, False)):
    yield lambda mask=mask: torch.ops.aten.convolution_backward(
      *(gradient, inputs, kernel, None, *window, False, (0,) * 3, 1, mask)
    )


def _arrays(sizes: _Sizes):
  import numpy as np

  batch, frames, height, channels, features = sizes
  rng = np.random.default_rng(0)
  space = batch, frames, height, height
  return [
    rng.standard_normal(shape, np.float32)
    for shape in (
      (*space, channels),
      (3, 3, 3, channels, features),
      (*space, features),
    )
  ]


def _milliseconds(compute: Callable[[], object]) -> float:
  compute()
  times: list[float] = []
  started = time.perf_counter()
  while len(times) < 5 or time.perf_counter() < started + _SECONDS:
    before = time.process_time()
    compute()
    times.append(time.process_time() - before)
  return 1e3 * statistics.median(times)


def main() -> None:
  """Prints the times of all layers of a size."""
  parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
  parser.add_argument('--form', choices=_FORMS, default='onednn')
  parser.add_argument('--size', choices=_SIZES, default='full')
  args = parser.parse_args()
  print('milliseconds of processor time (Gflop/s):', *_PRODUCTS)
  for name, sizes in _SIZES[args.size].items():
    batch, frames, height, channels, features = sizes
    flops = 2 * 27 * batch * frames * height**2 * channels * features
    computes = (
      _by_torch(sizes) if args.form == 'torch' else _by_jax(args.form, sizes)
    )
    cells = [
      f'{found:.2f} ({flops / found / 1e6:.0f})'
      for found in map(_milliseconds, computes)
    ]
    print(args.form, name, *cells, sep='\t', flush=True)


if __name__ == '__main__':
  main()
