"""S2VT: a pair of two-layer GRUs that watch the clips, then speak.

Venugopalan et al., "Sequence to Sequence - Video to Text" (ICCV 2015), in the
form of the official code: the lower pair of layers reads the clip features,
the upper pair reads the lower's output together with the last word. While
watching, the words are zeros; while speaking, the clip features are zeros.
"""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp

from aqa_jax.models.gru_cell import GRUCell
from aqa_jax.models.initializers import dense
from aqa_jax.vocabulary import SOS_ID

# Carries of the four GRU layers: lower 0 and 1, upper 0 and 1, each float
# [batch, hidden].
Carry = tuple[jax.Array, jax.Array, jax.Array, jax.Array]


class _SpeakingStep(nn.Module):
  """One time step of both two-layer GRUs."""

  hidden: int
  dropout: float

  @nn.compact
  def __call__(
    self, carry: Carry, clip_feature: jax.Array, word: jax.Array, train: bool
  ) -> tuple[Carry, jax.Array]:
    """Returns the new carry and the upper output, float [batch, hidden]."""
    lower_0, lower_1, upper_0, upper_1 = carry
    cell = functools.partial(GRUCell, self.hidden)
    # PyTorch's GRU(dropout=p) drops between its layers only.
    drop = nn.Dropout(self.dropout, deterministic=not train)
    lower_0, output = cell(name='lower_0')(lower_0, clip_feature)
    lower_1, output = cell(name='lower_1')(lower_1, drop(output))
    upper_0, output = cell(name='upper_0')(
      upper_0, jnp.concatenate([output, word], axis=-1)
    )
    upper_1, output = cell(name='upper_1')(upper_1, drop(output))
    return (lower_0, lower_1, upper_0, upper_1), output


class Captioner(nn.Module):
  """Clip features to words.

  Attributes:
    vocabulary_size: words, <eos> and <sos> included.
    max_length: longest caption in tokens, <sos> and <eos> included; 100 in the
      paper.
    hidden: units of every GRU layer; 512 in the official code.
    embedding: size of a word's embedding; 512 in the official code.
    dropout: between the layers of each GRU; 0.2 in the paper, 0.5 in the
      official code.
  """

  vocabulary_size: int
  max_length: int = 100
  hidden: int = 512
  embedding: int = 512
  dropout: float = 0.2

  def setup(self) -> None:
    """Makes the embedding, the GRUs and the layer that chooses words."""
    self.embed = nn.Embed(
      self.vocabulary_size,
      self.embedding,
      embedding_init=nn.initializers.normal(1.0),
    )
    self.gru = _SpeakingStep(self.hidden, self.dropout)
    self.out = dense(self.vocabulary_size, fan_in=self.hidden)

  def _watch(self, clip_features: jax.Array, train: bool) -> Carry:
    """Runs both GRUs over the clips; [batch, clips, features] -> carry."""
    batch = clip_features.shape[0]
    carry = (jnp.zeros((batch, self.hidden)),) * 4
    no_word = jnp.zeros((batch, self.embedding))

    def step(gru, carry, clip_feature):
      return gru(carry, clip_feature, no_word, train)

    carry, _ = _scan(step)(self.gru, carry, clip_features)
    return carry

  def teacher_forced(
    self, clip_features: jax.Array, words: jax.Array, train: bool
  ) -> jax.Array:
    """Returns the logits of each next word, given the true words before it.

    Args:
      clip_features: float [batch, clips, features].
      words: int [batch, max_length], beginning with <sos>.
      train: apply dropout.

    Returns:
      float32 [batch, max_length - 1, vocabulary_size]; position i predicts
      word i + 1.
    """
    carry = self._watch(clip_features.astype(jnp.float32), train)
    no_clip = jnp.zeros((words.shape[0], clip_features.shape[-1]))

    def step(gru, carry, word):
      return gru(carry, no_clip, word, train)

    embedded = self.embed(words[:, :-1])  # [batch, length - 1, embedding]
    _, outputs = _scan(step)(self.gru, carry, embedded)
    return self.out(outputs)

  def greedy(self, clip_features: jax.Array) -> jax.Array:
    """Returns the most likely next word, again and again.

    Args:
      clip_features: float [batch, clips, features].

    Returns:
      int32 [batch, max_length - 1] word ids without <sos>. Decoding does not
      stop at <eos>; what follows the first <eos> means nothing.
    """
    carry = self._watch(clip_features.astype(jnp.float32), train=False)
    batch = clip_features.shape[0]
    no_clip = jnp.zeros((batch, clip_features.shape[-1]))

    def step(module, carry, _):
      gru_carry, word = carry
      gru_carry, output = module.gru(
        gru_carry, no_clip, module.embed(word), False
      )
      word = module.out(output).argmax(axis=-1).astype(jnp.int32)
      return (gru_carry, word), word

    first = jnp.full((batch,), SOS_ID, jnp.int32)
    scan = nn.scan(
      step,
      variable_broadcast='params',
      split_rngs={'params': False},
      length=self.max_length - 1,
      out_axes=1,
    )
    _, words = scan(self, (carry, first), None)
    return words


def _scan(step):
  """Scans a step over axis 1 with shared weights and fresh dropout masks."""
  return nn.scan(
    step,
    variable_broadcast='params',
    split_rngs={'params': False, 'dropout': True},
    in_axes=1,
    out_axes=1,
  )
