"""C3D (Tran et al., ICCV 2015) and the dilated C3D of MSCADC, in PyTorch.

Layers have the names of the official code, so that its weights fit.
"""

import torch
from torch import nn

# (name, channels as a multiple of the width) of each convolution, and the
# window of the pooling behind them.
_C3D_STAGES = (
  ((('conv1', 1),), (1, 2, 2)),
  ((('conv2', 2),), (2, 2, 2)),
  ((('conv3a', 4), ('conv3b', 4)), (2, 2, 2)),
  ((('conv4a', 8), ('conv4b', 8)), (2, 2, 2)),
  ((('conv5a', 8), ('conv5b', 8)), (2, 2, 2)),
)
# Name, channels as a multiple of the width, padding and dilation.
_DILATED_GROUPS = (
  ((('conv1', 1, 1, 1),), (1, 2, 2)),
  ((('conv2', 2, 1, 1),), (2, 2, 2)),
  ((('conv3a', 4, 1, 1), ('conv3b', 4, 1, 1)), (2, 2, 2)),
  ((('conv4a', 8, 1, 1), ('conv4b', 8, 1, 1)), None),
  ((('conv5a', 8, 2, 2), ('conv5b', 8, 1, 2)), None),
)


class C3D(nn.Module):
  """C3D up to pool5, flattened."""

  def __init__(self, width: int, batch_norm: bool):
    """Makes the layers.

    Args:
      width: channels of the first convolution; 64 in the paper.
      batch_norm: a BatchNorm behind every convolution, as the toy has it; the
        paper's network has none.
    """
    super().__init__()
    channels = 3
    for convolutions, _ in _C3D_STAGES:
      for name, multiple in convolutions:
        features = multiple * width
        setattr(self, name, nn.Conv3d(channels, features, 3, padding=1))
        if batch_norm:
          setattr(self, name.replace('conv', 'bn'), nn.BatchNorm3d(features))
        channels = features
    self.batch_norm = batch_norm

  def forward(self, clips: torch.Tensor) -> torch.Tensor:
    """Returns the features, [batch, channels * time' * height' * width'].

    Args:
      clips: [batch, 3, time, height, width], normalised.
    """
    features = clips
    for number, (convolutions, window) in enumerate(_C3D_STAGES, start=1):
      for name, _ in convolutions:
        features = getattr(self, name)(features)
        if self.batch_norm:
          features = getattr(self, name.replace('conv', 'bn'))(features)
        features = torch.relu(features)
      # A short clip is down to one frame before pool5.
      window = (min(window[0], features.shape[2]), *window[1:])
      padding = (0, 1, 1) if number == len(_C3D_STAGES) else 0
      features = nn.functional.max_pool3d(features, window, padding=padding)
    return features.flatten(1)


class DilatedC3D(nn.Module):
  """The trunk of MSCADC (Parmar & Morris, section 4.2, table 3)."""

  def __init__(self, width: int, dropout: float):
    """Makes the layers.

    Args:
      width: channels of the first convolution; 32 in the paper.
      dropout: behind the last convolution; 0.5 in the official code.
    """
    super().__init__()
    channels = 3
    for convolutions, _ in _DILATED_GROUPS:
      for name, multiple, padding, dilation in convolutions:
        features = multiple * width
        setattr(
          self,
          name,
          nn.Conv3d(channels, features, 3, padding=padding, dilation=dilation),
        )
        setattr(self, name.replace('conv', 'bn'), nn.BatchNorm3d(features))
        channels = features
    self.dropout = nn.Dropout(dropout)

  def forward(self, video: torch.Tensor) -> torch.Tensor:
    """Returns the feature maps, [batch, channels, time', height', width'].

    Args:
      video: [batch, 3, time, height, width], normalised.
    """
    features = video
    for convolutions, window in _DILATED_GROUPS:
      for name, *_ in convolutions:
        features = getattr(self, name)(features)
        features = getattr(self, name.replace('conv', 'bn'))(features)
        features = torch.relu(features)
      if window:
        features = nn.functional.max_pool3d(features, window)
    return self.dropout(features)
