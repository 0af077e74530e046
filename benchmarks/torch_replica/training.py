"""Loss, optimizer and steps in PyTorch, as the official code has them."""

import dataclasses
from collections.abc import Callable, Mapping

import ml_collections
import numpy as np
import torch
from torch import nn

from benchmarks.torch_replica.c3davg import C3DAVG, CLASSES
from benchmarks.torch_replica.mscadc import MSCADC

_NETWORKS = {'c3davg': C3DAVG, 'mscadc': MSCADC}
_SCORE_UNIT = 17.0
_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)
# Fields of `config.model` that the networks in PyTorch do not have.
_OURS_ALONE = ('initial_score', 'statistics_groups')

Batch = Mapping[str, torch.Tensor]


@dataclasses.dataclass(frozen=True)
class Form:
  """How PyTorch is used.

  Attributes:
    is_official: as in the official code: clip by clip and word by word, float32
      (with TF32 in cuDNN's convolutions, PyTorch's default), channels first,
      Adam parameter by parameter. Then the other fields are ignored.
    dtype: 'float32', with no TF32; or 'bfloat16': autocast.
    channels_last: keep videos as `channels_last_3d`.
    compile_mode: mode of `torch.compile`; 'none': not compiled.
  """

  is_official: bool
  dtype: str = 'float32'
  channels_last: bool = False
  compile_mode: str = 'none'


def create_network(
  config: ml_collections.ConfigDict,
  vocabulary_size: int,
  is_official: bool,
) -> nn.Module:
  """Returns the network of a config of this project.

  Args:
    config: one of `configs/`, of dives, with all three tasks.
    vocabulary_size: words.
    is_official: see `Form`.
  """
  options = {
    name: value
    for name, value in config.model.items()
    if name not in _OURS_ALONE
  }
  clips = config.model.get('clips', 1)
  return _NETWORKS[config.network](
    is_official=is_official,
    vocabulary_size=vocabulary_size,
    clip_shape=(config.input.frames // clips, config.input.crop),
    **options,
  )


def load_official(
  network: nn.Module, entries: Mapping[str, np.ndarray]
) -> None:
  """Fills a network with the entries of official files.

  Args:
    network: from `create_network`.
    entries: 'module.name' -> value, such as 'model_CNN.conv1.weight'.

  Raises:
    RuntimeError: an entry is missing, or there is no place for it.
  """
  state = {}
  for name, values in entries.items():
    # The official code keeps MSCADC's caption head in the captioner.
    if name.startswith(('model_caption.head_', 'model_caption.cntxt_')):
      name = name.replace('model_caption', 'caption_head')
    state[name] = torch.from_numpy(np.array(values))
  network.load_state_dict(state)


def normalize(video: torch.Tensor, flip: torch.Tensor) -> torch.Tensor:
  """Returns videos as the network sees them, [batch, 3, time, height, width].

  Args:
    video: uint8 [batch, time, height, width, 3], RGB.
    flip: bool [batch], which to mirror left to right.
  """
  mean = torch.tensor(_MEAN, device=video.device)
  std = torch.tensor(_STD, device=video.device)
  normalized = (video.float() / 255 - mean) / std
  flipped = torch.where(
    flip[:, None, None, None, None], normalized.flip(3), normalized
  )
  return flipped.permute(0, 4, 1, 2, 3)


def losses(
  outputs: Mapping[str, object], batch: Batch
) -> dict[str, torch.Tensor]:
  """Returns the paper's loss (section 4) and its three parts.

  Args:
    outputs: outputs of the network.
    batch: score in points, the classes, words and word_mask.

  Returns:
    score, classes, captions, and loss, their weighted sum.
  """
  truth = batch['score'] / _SCORE_UNIT
  score = nn.functional.mse_loss(
    outputs['score'], truth
  ) + nn.functional.l1_loss(outputs['score'], truth)
  classes = sum(
    nn.functional.cross_entropy(outputs['classes'][task], batch[task])
    for task, _ in CLASSES.values()
  )
  targets = batch['words'][:, 1:, None]
  of_words = outputs['captions'].gather(2, targets).squeeze(2)
  mask = batch['word_mask'][:, 1:]
  captions = -(of_words * mask).sum() / len(mask)
  return {
    'score': score,
    'classes': classes,
    'captions': captions,
    'loss': score + classes + 0.01 * captions,
  }


def make_step(
  network: nn.Module, form: Form, learning_rate: float
) -> Callable[[Batch], dict[str, torch.Tensor]]:
  """Returns a training step: it changes the network and returns its losses.

  Args:
    network: network in training mode, on its device.
    form: how PyTorch is used; of the same kind as the network.
    learning_rate: learning rate of Adam.
  """
  parameters = list(network.parameters())
  device = parameters[0].device.type
  optimizer = torch.optim.Adam(
    parameters,
    learning_rate,
    # PyTorch has it for CPU too.
    fused=not form.is_official,
    foreach=False if form.is_official else None,
  )
  run = compiled(network, form)

  def step(batch: Batch) -> dict[str, torch.Tensor]:
    with autocast(form, device):
      video = as_network_sees(batch, form)
      outputs = run(video, batch['words'])
    outputs = in_float32(outputs)
    by_task = losses(outputs, batch)
    optimizer.zero_grad()
    by_task['loss'].backward()
    optimizer.step()
    return by_task

  return step


def compiled(function: Callable, form: Form) -> Callable:
  """Returns a network or function, compiled if the form asks for it."""
  if form.compile_mode == 'none':
    return function
  return torch.compile(function, mode=form.compile_mode)


def autocast(form: Form, device: str) -> torch.autocast:
  """Returns the context of the form's dtype on 'cpu' or 'cuda'."""
  return torch.autocast(
    device, torch.bfloat16, enabled=form.dtype == 'bfloat16'
  )


def as_network_sees(batch: Batch, form: Form) -> torch.Tensor:
  """Returns the video of a batch, [batch, 3, time, height, width].

  Args:
    batch: batch whose video is normalised, as from the official loader; or is
      uint8, with flip.
    form: how PyTorch is used.
  """
  video = batch['video']
  if video.dtype == torch.uint8:
    video = normalize(video, batch['flip'])
  return video if form.channels_last else video.contiguous()


def in_float32(outputs: Mapping[str, object]) -> dict[str, object]:
  """Returns outputs for the losses, which are float32."""
  return {
    name: in_float32(value) if isinstance(value, dict) else value.float()
    for name, value in outputs.items()
  }


def set_precision(form: Form) -> None:
  """Sets cuDNN's search and TF32 for the whole process.

  Args:
    form: how PyTorch is used; an official form keeps PyTorch's defaults.
  """
  if form.is_official:
    return
  torch.backends.cudnn.benchmark = True
  is_float32 = form.dtype == 'float32'
  torch.backends.cudnn.allow_tf32 = not is_float32
  torch.backends.cuda.matmul.allow_tf32 = not is_float32


def wait_for(device: torch.device) -> None:
  """Waits until the device has done all that it was given."""
  if device.type == 'cuda':
    torch.cuda.synchronize(device)


def to_device(
  batch: Mapping[str, np.ndarray], device: torch.device
) -> dict[str, torch.Tensor]:
  """Returns a batch of NumPy arrays on a device, whole numbers as int64."""
  found = {}
  for name, values in batch.items():
    tensor = torch.from_numpy(np.array(values))
    if tensor.dtype == torch.int32:
      tensor = tensor.long()
    found[name] = tensor.to(device)
  return found
