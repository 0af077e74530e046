"""C3D-AVG-MTL (Parmar & Morris, section 4, figure 3) in PyTorch."""

import torch
from torch import nn

from benchmarks.torch_replica.captioner import Captioner
from benchmarks.torch_replica.trunks import C3D

# Official name -> (ours, number of classes).
CLASSES = {
  'position': ('position', 3),
  'armstand': ('armstand', 2),
  'rot_type': ('rotation_type', 4),
  'ss_no': ('somersaults', 10),
  'tw_no': ('twists', 8),
}


class Fc6(nn.Module):
  """The fully connected layer on the averaged feature."""

  def __init__(self, inputs: int, outputs: int):
    """Makes the layer."""
    super().__init__()
    self.fc = nn.Linear(inputs, outputs)

  def forward(self, features: torch.Tensor) -> torch.Tensor:
    """Returns [batch, outputs]."""
    return torch.relu(self.fc(features))


class ScoreRegressor(nn.Module):
  """One linear layer to the score, in units of 17 points."""

  def __init__(self, inputs: int):
    """Makes the layer."""
    super().__init__()
    self.fc_final_score = nn.Linear(inputs, 1)

  def forward(self, features: torch.Tensor) -> torch.Tensor:
    """Returns [batch]."""
    return self.fc_final_score(features).squeeze(1)


class DiveClassifier(nn.Module):
  """One linear layer for each classification."""

  def __init__(self, inputs: int):
    """Makes the layers."""
    super().__init__()
    for name, (_, count) in CLASSES.items():
      setattr(self, f'fc_{name}', nn.Linear(inputs, count))

  def forward(self, features: torch.Tensor) -> dict[str, torch.Tensor]:
    """Returns the logits by task."""
    return {
      task: getattr(self, f'fc_{name}')(features)
      for name, (task, _) in CLASSES.items()
    }


class C3DAVG(nn.Module):
  """The network, in two forms.

  Attributes:
    is_official: run the trunk clip by clip and the captioner word by word, as
      the official code does; otherwise all clips as one batch and all words in
      one call of a GRU.
  """

  def __init__(
    self,
    *,
    is_official: bool,
    vocabulary_size: int,
    clip_shape: tuple[int, int],
    clips: int = 6,
    width: int = 64,
    fc6: int = 4096,
    batch_norm: bool = False,
    caption_length: int = 100,
    caption_hidden: int = 512,
    caption_embedding: int = 512,
    caption_dropout: float = 0.2,
  ):
    """Makes the layers; the arguments are those of `aqa_jax`'s C3DAVG.

    Args:
      is_official: see the class.
      vocabulary_size: words.
      clip_shape: frames of a clip, and the side of its square frames.
      clips: clips of a video.
      width: channels of the trunk's first convolution.
      fc6: units.
      batch_norm: BatchNorm in the trunk and on the features above it.
      caption_length: tokens.
      caption_hidden: units of the GRUs.
      caption_embedding: size of a word's embedding.
      caption_dropout: between the layers of each GRU.
    """
    super().__init__()
    self.is_official, self.clips = is_official, clips
    self.model_CNN = C3D(width, batch_norm)
    frames, side = clip_shape
    with torch.no_grad():
      clip = torch.zeros(2, 3, frames, side, side)
      num_features = self.model_CNN(clip).shape[1]
    self.num_features = num_features
    self.model_my_fc6 = Fc6(num_features, fc6)
    self.model_score_regressor = ScoreRegressor(fc6)
    self.model_dive_classifier = DiveClassifier(fc6)
    self.model_caption = Captioner(
      num_features,
      vocabulary_size,
      caption_length,
      caption_hidden,
      caption_embedding,
      caption_dropout,
    )
    self.bn_average = self.bn_clips = nn.Identity()
    if batch_norm:
      self.bn_average = nn.BatchNorm1d(num_features)
      self.bn_clips = nn.BatchNorm1d(num_features)

  def clip_features(self, video: torch.Tensor) -> torch.Tensor:
    """Returns the trunk's features of each clip, [batch, clips, features].

    Args:
      video: [batch, 3, time, height, width], normalised.
    """
    clips = video.chunk(self.clips, dim=2)
    if self.is_official:
      return torch.stack([self.model_CNN(clip) for clip in clips], dim=1)
    together = torch.cat(clips)
    if not video.is_contiguous():
      together = together.contiguous(memory_format=torch.channels_last_3d)
    features = self.model_CNN(together)
    return features.unflatten(0, (self.clips, -1)).transpose(0, 1)

  def watch(
    self, video: torch.Tensor
  ) -> tuple[dict[str, object], torch.Tensor]:
    """Returns score and classes, and the features that the captioner reads.

    Args:
      video: [batch, 3, time, height, width], normalised.
    """
    clip_features = self.clip_features(video)
    average = self.bn_average(clip_features.mean(dim=1))
    features = self.model_my_fc6(average)
    outputs = {
      'score': self.model_score_regressor(features),
      'classes': self.model_dive_classifier(features),
    }
    normalized = self.bn_clips(clip_features.transpose(1, 2)).transpose(1, 2)
    return outputs, normalized

  def forward(
    self, video: torch.Tensor, words: torch.Tensor
  ) -> dict[str, object]:
    """Returns score, classes by task, and the captions' log-probabilities.

    Args:
      video: [batch, 3, time, height, width], normalised.
      words: int64 [batch, caption_length].
    """
    outputs, features = self.watch(video)
    if self.is_official:
      captions = self.model_caption.teacher_forced_by_words(features, words)
    else:
      captions = self.model_caption.teacher_forced(features, words)
    return outputs | {'captions': captions}
