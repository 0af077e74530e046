"""S2VT: two GRUs that read the features of the clips, then give words.

Venugopalan et al., "Sequence to Sequence - Video to Text" (ICCV 2015), in the
form of the official code: the lower pair of layers reads the clip features,
the upper pair reads the lower's output together with the last word. While
watching, the words are zeros; while speaking, the clip features are zeros.
"""

from typing import ClassVar, Protocol

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from aqa_jax.data.vocabulary import SOS_ID
from aqa_jax.layers.gru import GRULayer
from aqa_jax.layers.initializers import dense
from aqa_jax.layers.precision import at_least_float32
from aqa_jax.task import Task

# Of the four GRU layers: lower 0 and 1, upper 0 and 1, each [batch, hidden].
Carry = tuple[jax.Array, jax.Array, jax.Array, jax.Array]


class _Layers(nn.Module):
  """Both two-layer GRUs."""

  hidden: int
  dropout: float
  dtype: DTypeLike

  def setup(self) -> None:
    self.lower_0 = GRULayer(self.hidden, self.dtype)
    self.lower_1 = GRULayer(self.hidden, self.dtype)
    self.upper_0 = GRULayer(self.hidden, self.dtype)
    self.upper_1 = GRULayer(self.hidden, self.dtype)
    # PyTorch's GRU(dropout=p) drops between its layers only.
    self.drop = nn.Dropout(self.dropout)

  def silence(self, clip_features: jax.Array) -> jax.Array:
    """Returns what the lower GRU gets while speaking, [1, 3, hidden]."""
    nothing = jnp.zeros((1, clip_features.shape[-1]), self.dtype)
    return self.lower_0.project(nothing)

  def __call__(
    self, clip_features: jax.Array, embedded: jax.Array, train: bool
  ) -> Carry:
    """Watches the clips, then speaks, layer by layer.

    Args:
      clip_features: `dtype` [batch, clips, features].
      embedded: words that are said, `dtype` [batch, length, embedding].
      train: apply dropout.

    Returns:
      The outputs of each layer, `dtype` [batch, clips + length, hidden].
    """
    batch, clips, _ = clip_features.shape
    length = embedded.shape[1]
    silence = self.silence(clip_features)
    # [batch, clips + length, 3, hidden]
    projected = jnp.concatenate(
      [
        self.lower_0.project(clip_features),
        jnp.broadcast_to(silence, (batch, length, *silence.shape[1:])),
      ],
      axis=1,
    )
    lower_0 = self.lower_0(projected)
    dropped = self.drop(lower_0, deterministic=not train)
    lower_1 = self.lower_1(self.lower_1.project(dropped))
    words = jnp.pad(embedded, ((0, 0), (clips, 0), (0, 0)))
    upper_0 = self.upper_0(
      self.upper_0.project(jnp.concatenate([lower_1, words], axis=-1))
    )
    dropped = self.drop(upper_0, deterministic=not train)
    upper_1 = self.upper_1(self.upper_1.project(dropped))
    return lower_0, lower_1, upper_0, upper_1

  def speak(self, carry: Carry, silence: jax.Array, word: jax.Array) -> Carry:
    """Returns the carry after a word, `dtype` [batch, embedding]."""
    lower_0 = self.lower_0.step(carry[0], silence)
    lower_1 = self.lower_1.step(carry[1], self.lower_1.project(lower_0))
    upper_0 = self.upper_0.step(
      carry[2],
      self.upper_0.project(jnp.concatenate([lower_1, word], axis=-1)),
    )
    upper_1 = self.upper_1.step(carry[3], self.upper_1.project(upper_0))
    return lower_0, lower_1, upper_0, upper_1


class Captioner(nn.Module):
  """The captioner: from the features of clips to words.

  Attributes:
    vocabulary_size: words, <eos> and <sos> included.
    max_length: longest caption in tokens, <sos> and <eos> included; 100 in the
      paper.
    hidden: units of every GRU layer; 512 in the official code.
    embedding: size of a word's embedding; 512 in the official code.
    dropout: between the layers of each GRU; 0.2 in the paper, 0.5 in the
      official code.
    dtype: dtype of the computation, float32 or float64; parameters are float32.
  """

  vocabulary_size: int
  max_length: int = 100
  hidden: int = 512
  embedding: int = 512
  dropout: float = 0.2
  dtype: DTypeLike = jnp.float32

  # The modules that read and choose words.
  OUTER_LAYERS: ClassVar[tuple[str, ...]] = ('embed', 'out')

  def setup(self) -> None:
    """Makes the embedding, the GRUs and the layer that chooses words."""
    self.embed = nn.Embed(
      self.vocabulary_size,
      self.embedding,
      dtype=self.dtype,
      embedding_init=nn.initializers.normal(1.0),
    )
    self.gru = _Layers(self.hidden, self.dropout, self.dtype)
    self.out = dense(self.vocabulary_size, self.hidden, self.dtype)

  def teacher_forced(
    self, clip_features: jax.Array, words: jax.Array, train: bool
  ) -> jax.Array:
    """Returns the logits of each next word, given the true words before it.

    Args:
      clip_features: float [batch, clips, features].
      words: int [batch, max_length], beginning with <sos>.
      train: apply dropout.

    Returns:
      `dtype` [batch, max_length - 1, vocabulary_size]; position i predicts
      word i + 1.
    """
    clip_features = clip_features.astype(self.dtype)
    *_, outputs = self.gru(clip_features, self.embed(words[:, :-1]), train)
    return self.out(outputs[:, clip_features.shape[1] :])

  def greedy(self, clip_features: jax.Array) -> jax.Array:
    """Decodes captions greedily: each word is the most likely one.

    Args:
      clip_features: float [batch, clips, features].

    Returns:
      int32 [batch, max_length - 1] word ids without <sos>. Decoding does not
      stop at <eos>; ignore what follows the first <eos>.
    """
    clip_features = clip_features.astype(self.dtype)
    batch = clip_features.shape[0]
    nothing_said = jnp.zeros((batch, 0, self.embedding), self.dtype)
    outputs = self.gru(clip_features, nothing_said, train=False)
    silence = self.gru.silence(clip_features)

    def step(
      module: Captioner, carry: tuple[Carry, jax.Array], _: None
    ) -> tuple[tuple[Carry, jax.Array], jax.Array]:
      gru_carry, word = carry
      gru_carry = module.gru.speak(gru_carry, silence, module.embed(word))
      word = module.out(gru_carry[-1]).argmax(axis=-1).astype(jnp.int32)
      return (gru_carry, word), word

    first = jnp.full((batch,), SOS_ID, jnp.int32)
    scan = nn.scan(
      step,
      variable_broadcast='params',
      split_rngs={'params': False},
      length=self.max_length - 1,
      out_axes=1,
    )
    lower_0, lower_1, upper_0, upper_1 = (output[:, -1] for output in outputs)
    carry = (lower_0, lower_1, upper_0, upper_1)
    _, words = scan(self, (carry, first), None)
    return words


class HasCaptioner(Protocol):
  """A network's fields of its captioner; see `Captioner`."""

  caption_length: int
  caption_hidden: int
  caption_embedding: int
  caption_dropout: float
  dtype: DTypeLike


def captions(
  network: HasCaptioner,
  task: Task,
  clip_features: jax.Array,
  words: jax.Array | None,
  train: bool,
) -> jax.Array:
  """Makes the captioner of a network, within it, and returns its output.

  Args:
    network: network that it belongs to; its method is running.
    task: task of the captions; gives the module's name and the number of words.
    clip_features: float [batch, clips, features].
    words: int [batch, caption_length], the true captions for teacher forcing;
      None to decode greedily instead.
    train: apply dropout.

  Returns:
    What `Captioner.teacher_forced` returns, or `Captioner.greedy`; float32, or
    float64 with the network.
  """
  captioner = Captioner(
    task.num_words,
    max_length=network.caption_length,
    hidden=network.caption_hidden,
    embedding=network.caption_embedding,
    dropout=network.caption_dropout,
    dtype=at_least_float32(network.dtype),
    name=task.head,
  )
  if words is None:
    return captioner.greedy(clip_features)
  return captioner.teacher_forced(clip_features, words, train)
