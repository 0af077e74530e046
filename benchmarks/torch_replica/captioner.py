"""The captioner, S2VT (Venugopalan et al., ICCV 2015), in PyTorch.

Two forms of the same function: word by word, as the official code runs it, and
with every sequence that is known beforehand in one call of a GRU.
"""

import torch
from torch import nn

SOS_ID = 1


class Captioner(nn.Module):
  """Clip features to words; a plain module with the official names."""

  def __init__(
    self,
    num_features: int,
    vocabulary_size: int,
    max_length: int,
    hidden: int,
    embedding: int,
    dropout: float,
  ):
    """Makes the layers.

    Args:
      num_features: number of features of a clip.
      vocabulary_size: words, <eos> and <sos> included.
      max_length: longest caption in tokens, both included.
      hidden: units of every GRU layer.
      embedding: size of a word's embedding.
      dropout: between the two layers of each GRU.
    """
    super().__init__()
    options = {'num_layers': 2, 'batch_first': True, 'dropout': dropout}
    self.rnn1 = nn.GRU(num_features, hidden, **options)
    self.rnn2 = nn.GRU(hidden + embedding, hidden, **options)
    self.embedding = nn.Embedding(vocabulary_size, embedding)
    self.out = nn.Linear(hidden, vocabulary_size)
    self.max_length = max_length

  def _watch(
    self, features: torch.Tensor
  ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Reads the clips; returns both states, a silent clip, a silent word."""
    batch, clips, size = features.shape
    silence = features.new_zeros(batch, clips, self.embedding.embedding_dim)
    outputs, lower = self.rnn1(features)
    _, upper = self.rnn2(torch.cat([outputs, silence], dim=2))
    return lower, upper, features.new_zeros(batch, 1, size)

  def teacher_forced_by_words(
    self, features: torch.Tensor, words: torch.Tensor
  ) -> torch.Tensor:
    """Returns log-probabilities of each next word, a call a word.

    Args:
      features: [batch, clips, num_features].
      words: int64 [batch, max_length].

    Returns:
      [batch, max_length - 1, vocabulary].
    """
    lower, upper, nothing = self._watch(features)
    log_probabilities = []
    for index in range(self.max_length - 1):
      word = self.embedding(words[:, index : index + 1])
      outputs, lower = self.rnn1(nothing, lower)
      outputs, upper = self.rnn2(torch.cat([outputs, word], dim=2), upper)
      logits = self.out(outputs.squeeze(1))
      log_probabilities.append(torch.log_softmax(logits, dim=1).unsqueeze(1))
    return torch.cat(log_probabilities, dim=1)

  def teacher_forced(
    self, features: torch.Tensor, words: torch.Tensor
  ) -> torch.Tensor:
    """As `teacher_forced_by_words`, with one call of each GRU."""
    batch, clips, size = features.shape
    length = self.max_length - 1
    silence = features.new_zeros(batch, clips, self.embedding.embedding_dim)
    watched = torch.cat([features, features.new_zeros(batch, length, size)], 1)
    outputs, _ = self.rnn1(watched)
    said = torch.cat([silence, self.embedding(words[:, :-1])], dim=1)
    outputs, _ = self.rnn2(torch.cat([outputs, said], dim=2))
    return torch.log_softmax(self.out(outputs[:, clips:]), dim=2)

  def greedy_by_words(self, features: torch.Tensor) -> torch.Tensor:
    """Returns the most likely next words, int64 [batch, max_length - 1].

    Args:
      features: [batch, clips, num_features].
    """
    lower, upper, nothing = self._watch(features)
    word = torch.full((len(features), 1), SOS_ID, device=features.device)
    words = []
    for _ in range(self.max_length - 1):
      outputs, lower = self.rnn1(nothing, lower)
      said = self.embedding(word)
      outputs, upper = self.rnn2(torch.cat([outputs, said], dim=2), upper)
      logits = self.out(outputs.squeeze(1))
      _, word = torch.log_softmax(logits, dim=1).max(dim=1, keepdim=True)
      words.append(word)
    return torch.cat(words, dim=1)

  def greedy(self, features: torch.Tensor) -> torch.Tensor:
    """As `greedy_by_words`; the lower GRU, which hears no word, runs first."""
    batch, clips, size = features.shape
    length = self.max_length - 1
    watched = torch.cat([features, features.new_zeros(batch, length, size)], 1)
    lower, _ = self.rnn1(watched)
    silence = features.new_zeros(batch, clips, self.embedding.embedding_dim)
    _, upper = self.rnn2(torch.cat([lower[:, :clips], silence], dim=2))
    word = torch.full((batch, 1), SOS_ID, device=features.device)
    words = []
    for index in range(clips, clips + length):
      inputs = torch.cat([lower[:, index : index + 1], self.embedding(word)], 2)
      outputs, upper = self.rnn2(inputs, upper)
      word = self.out(outputs.squeeze(1)).argmax(dim=1, keepdim=True)
      words.append(word)
    return torch.cat(words, dim=1)
