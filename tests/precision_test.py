"""float32 is float32 on every backend: what the lowered programs ask for."""

import re
import runpy

import jax
import pytest

from aqa_jax.profiling import benchmark


@pytest.mark.parametrize('network', ['c3davg', 'mscadc'])
@pytest.mark.parametrize('dtype', ['float32', 'bfloat16'])
def test_no_product_of_float32_is_rounded(network, dtype):
  """TPU would take bfloat16 factors otherwise, and GPU TF32."""
  config = runpy.run_path(f'configs/{network}.py')['get_config']()
  config.compute_dtype = dtype
  (device, *_) = jax.devices()
  program = benchmark.lower_plain_step(config, device).as_text()
  products = [
    line
    for line in program.splitlines()
    if re.search(r'stablehlo\.(dot_general|convolution)', line)
  ]
  factors = {'f32': 0, 'bf16': 0}
  for line in products:
    factor = re.search(r': \(tensor<[\dx]*?x?(b?f\d+)>, ', line)[1]
    factors[factor] += 1
    is_exact = line.count('HIGHEST') == 2
    assert is_exact == (factor == 'f32'), line
  # Layers of the trunk, forward and back; the heads are always float32.
  assert factors['f32'] >= 30
  assert (factors['bf16'] >= 20) == (dtype == 'bfloat16')
