"""The workload: a piece of work, a network, its size, batch and dtype."""

import dataclasses
import importlib
import json

import ml_collections

# By network and size.
_CONFIGS = {
  ('c3davg', 'full'): 'c3davg',
  ('c3davg', 'toy'): 'quickstart',
  ('mscadc', 'full'): 'mscadc',
  ('mscadc', 'toy'): 'quickstart_mscadc',
}
PIECES = (
  *('step', 'forward', 'captions', 'input', 'cached_input', 'device_input'),
)
# Those that read the dives from files.
INPUTS = ('input', 'cached_input', 'device_input')
NETWORKS = ('c3davg', 'mscadc')
SIZES = ('full', 'toy')
DEVICES = ('cpu', 'gpu')
DTYPES = ('auto', 'float32', 'bfloat16')
# Of MTL-AQA, with <eos> and <sos>.
_WORDS = 5781


def make_config(
  network: str,
  size: str,
  platform: str,
  batch_size: int | None = None,
  dtype: str = 'auto',
) -> ml_collections.ConfigDict:
  """Returns the config of a workload.

  Both sides train with the paper's Adam: PyTorch has no Muon for kernels of
  convolutions, which the toys are trained with otherwise.

  Args:
    network: one of NETWORKS.
    size: 'full', the paper's, or 'toy', that of `configs/quickstart.py`.
    platform: 'cpu' or 'gpu'.
    batch_size: dives of a training step; None for the config's own.
    dtype: dtype of the trunk: 'float32', 'bfloat16', or 'auto', what a training
      on the platform takes.
  """
  # The side that runs PyTorch alone never comes here: it needs no JAX.
  from aqa_jax.system import with_compute_dtype
  from tfds_mtl_aqa.simulated_dives.commentary import vocabulary

  module = importlib.import_module(f'aqa_jax.configs.{_CONFIGS[network, size]}')
  config = module.get_config()
  config.compute_dtype = dtype
  config = with_compute_dtype(config, platform, None)
  if batch_size:
    config.batch_size = batch_size
  config.optimizer.name = 'adam'
  # One device, as on the other side.
  config.mesh.data = 1
  # Neither dataset has to be prepared.
  words = _WORDS if size == 'full' else len(vocabulary())
  config.dataset.vocabulary_size = words
  return config


@dataclasses.dataclass(frozen=True)
class Workload:
  """A piece of work that both sides are timed on.

  Attributes:
    piece: 'step', a training step; 'forward', scores and classes of a batch;
      'captions', greedy decoding from features; 'input', batches from JPEG;
      'cached_input' and 'device_input', batches whose frames are decoded
      already on our side, in the memory of the host or of the device.
    device: 'cpu' or 'gpu'.
    config: config from `make_config`.
    num_dives: dives to decode captions for.
    folder: folder of the dives for INPUTS, from `input_dives.make`.
    compile_mode: mode of `torch.compile`, where PyTorch is at its best; 'none'
      for no compilation.
    channels_last: whether PyTorch at its best keeps videos channels last.
  """

  piece: str
  device: str
  config: ml_collections.ConfigDict
  num_dives: int
  folder: str
  compile_mode: str
  channels_last: bool

  def to_json(self) -> str:
    """Returns the workload as one line."""
    fields = {
      field.name: getattr(self, field.name)
      for field in dataclasses.fields(self)
    }
    return json.dumps(fields | {'config': self.config.to_dict()})

  @classmethod
  def from_json(cls, line: str) -> 'Workload':
    """Reads what `to_json` wrote."""
    fields = json.loads(line)
    config = ml_collections.ConfigDict(fields.pop('config'))
    return cls(config=config, **fields)
