"""MSCADC-MTL (Parmar & Morris, section 4.2, table 3) in PyTorch."""

import math

import torch
from torch import nn

from benchmarks.torch_replica.c3davg import CLASSES
from benchmarks.torch_replica.captioner import Captioner
from benchmarks.torch_replica.trunks import DilatedC3D

# Channels as multiples of the head's, and dilation, of the context net.
_CONTEXT_LAYERS = ((2, 1), (2, 1), (4, 2), (8, 4), (8, 1))
_CONTEXT_PADDING = sum(dilation for _, dilation in _CONTEXT_LAYERS)


class _Head(nn.Module):
  """What every head begins with: its own context net."""

  def __init__(self, inputs: int, channels: int):
    super().__init__()
    self.head_conv1 = nn.Conv3d(inputs, channels, 1, padding=1)
    features = channels
    for number, (multiple, dilation) in enumerate(_CONTEXT_LAYERS, start=1):
      outputs = multiple * channels
      setattr(
        self,
        f'cntxt_conv{number}',
        nn.Conv3d(features, outputs, 3, dilation=dilation),
      )
      setattr(self, f'cntxt_bn{number}', nn.BatchNorm3d(outputs))
      features = outputs
    self.cntxt_conv6 = nn.Conv3d(features, channels, 1)
    self.head_bn1 = nn.BatchNorm3d(channels)
    self.head_conv2 = nn.Conv3d(channels, channels, 3, padding=1)
    self.head_bn2 = nn.BatchNorm3d(channels)

  def head_features(self, features: torch.Tensor) -> torch.Tensor:
    """Returns [batch, channels, time', height', width']."""
    features = self.head_conv1(features)
    features = nn.functional.pad(
      features, (_CONTEXT_PADDING,) * 6, mode='replicate'
    )
    for number in range(1, len(_CONTEXT_LAYERS) + 1):
      features = getattr(self, f'cntxt_conv{number}')(features)
      features = getattr(self, f'cntxt_bn{number}')(features)
      features = torch.relu(features)
    features = torch.relu(self.head_bn1(self.cntxt_conv6(features)))
    features = nn.functional.max_pool3d(features, 2)
    return torch.relu(self.head_bn2(self.head_conv2(features)))


class ScoreRegressor(_Head):
  """Trunk features to the score, in units of 17 points."""

  def __init__(self, inputs: int, channels: int):
    """Makes the layers."""
    super().__init__(inputs, channels)
    self.head_conv3 = nn.Conv3d(channels, 1, 3, padding=1)

  def forward(self, features: torch.Tensor) -> torch.Tensor:
    """Returns [batch]."""
    return self.head_conv3(self.head_features(features)).mean((1, 2, 3, 4))


class DiveClassifier(_Head):
  """Trunk features to the logits of each class."""

  def __init__(self, inputs: int, channels: int):
    """Makes the layers."""
    super().__init__(inputs, channels)
    for name, (_, count) in CLASSES.items():
      layer = nn.Conv3d(channels, count, 3, padding=1)
      setattr(self, f'head_conv3_{name}', layer)

  def forward(self, features: torch.Tensor) -> dict[str, torch.Tensor]:
    """Returns the logits by task, each [batch, classes]."""
    features = self.head_features(features)
    return {
      task: getattr(self, f'head_conv3_{name}')(features).mean((2, 3, 4))
      for name, (task, _) in CLASSES.items()
    }


class CaptionHead(_Head):
  """Trunk features to the one vector that the captioner reads."""

  def __init__(self, inputs: int, channels: int):
    """Makes the layers."""
    super().__init__(inputs, channels)
    self.head_conv3 = nn.Conv3d(channels, channels, 3, padding=1)

  def forward(self, features: torch.Tensor) -> torch.Tensor:
    """Returns [batch, 1, num_features]."""
    features = self.head_conv3(self.head_features(features))
    # Windows of two that overlap; an axis that is down to 1 stays.
    window = [min(size, 2) for size in features.shape[2:]]
    features = nn.functional.max_pool3d(features, window, stride=1)
    return features.flatten(1).unsqueeze(1)


class MSCADC(nn.Module):
  """The network, in two forms.

  Attributes:
    is_official: run the captioner word by word, as the official code does.
  """

  def __init__(
    self,
    *,
    is_official: bool,
    vocabulary_size: int,
    clip_shape: tuple[int, int],
    width: int = 32,
    head_channels: int = 12,
    dropout: float = 0.5,
    caption_length: int = 100,
    caption_hidden: int = 512,
    caption_embedding: int = 512,
    caption_dropout: float = 0.2,
  ):
    """Makes the layers; the arguments are those of `aqa_jax`'s MSCADC.

    Args:
      is_official: see the class.
      vocabulary_size: words.
      clip_shape: frames of a video, and the side of its square frames.
      width: channels of the trunk's first convolution.
      head_channels: channels of the heads' features.
      dropout: dropout rate of the trunk's features.
      caption_length: tokens.
      caption_hidden: units of the GRUs.
      caption_embedding: size of a word's embedding.
      caption_dropout: between the layers of each GRU.
    """
    super().__init__()
    self.is_official = is_official
    self.model_CNN = DilatedC3D(width, dropout)
    inputs = 8 * width
    self.model_score_regressor = ScoreRegressor(inputs, head_channels)
    self.model_dive_classifier = DiveClassifier(inputs, head_channels)
    frames, side = clip_shape
    # Of the trunk: pooled by 4 and 8, less 2; of a head: plus 2, halved; then
    # the windows that overlap take 1.
    sizes = (frames // 4 - 2, side // 8 - 2, side // 8 - 2)
    self.num_features = head_channels * math.prod(
      max((size + 2) // 2 - 1, 1) for size in sizes
    )
    self.caption_head = CaptionHead(inputs, head_channels)
    self.model_caption = Captioner(
      self.num_features,
      vocabulary_size,
      caption_length,
      caption_hidden,
      caption_embedding,
      caption_dropout,
    )

  def watch(
    self, video: torch.Tensor
  ) -> tuple[dict[str, object], torch.Tensor]:
    """Returns score and classes, and the trunk's features.

    Args:
      video: [batch, 3, time, height, width], normalised.
    """
    features = self.model_CNN(video)
    outputs = {
      'score': self.model_score_regressor(features),
      'classes': self.model_dive_classifier(features),
    }
    return outputs, features

  def forward(
    self, video: torch.Tensor, words: torch.Tensor
  ) -> dict[str, object]:
    """Returns score, classes by task, and the captions' log-probabilities.

    Args:
      video: [batch, 3, time, height, width], normalised.
      words: int64 [batch, caption_length].
    """
    outputs, features = self.watch(video)
    watched = self.caption_head(features)
    if self.is_official:
      captions = self.model_caption.teacher_forced_by_words(watched, words)
    else:
      captions = self.model_caption.teacher_forced(watched, words)
    return outputs | {'captions': captions}
