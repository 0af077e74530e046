"""A captioner that looks at the video while it speaks: a small transformer.

Each word attends to the words before it, to the maps of the trunk in time and
space, and to a token for each thing that the other tasks tell of the dive.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from aqa_jax.data.word_rules import NO_RULES, WordRules
from aqa_jax.layers.attention import DecoderBlock, KeysValues
from aqa_jax.layers.beam_search import IMPOSSIBLE, Beams, take_beams
from aqa_jax.layers.initializers import dense
from aqa_jax.layers.precision import at_least_float32
from aqa_jax.task import Task

_PLACES = nn.initializers.normal(0.02)


class SeenTokens(nn.Module):
  """What a captioner looks at, as tokens of one width.

  Attributes:
    width: size of a token.
    dtype: dtype of the computation; parameters are float32.
  """

  width: int
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(
    self, maps: jax.Array, cues: Mapping[str, jax.Array]
  ) -> tuple[jax.Array, jax.Array]:
    """Returns the tokens, and the sum of those of the cues.

    Args:
      maps: float [batch, time, height, width, channels] of the trunk.
      cues: what is told of the dive, float [batch, values] by name.

    Returns:
      `dtype` [batch, time * height * width + cues, width] and [batch, width].
    """
    maps = maps.astype(self.dtype)
    tokens = dense(self.width, maps.shape[-1], self.dtype, name='maps')(maps)
    for axis, name in ((1, 'time'), (2, 'row'), (3, 'column')):
      shape = [1] * 5
      shape[axis], shape[4] = maps.shape[axis], self.width
      places = self.param(name, _PLACES, (maps.shape[axis], self.width))
      tokens = tokens + places.astype(self.dtype).reshape(shape)
    found = [tokens.reshape(maps.shape[0], -1, self.width)]
    told = jnp.zeros((maps.shape[0], self.width), self.dtype)
    for name, cue in cues.items():
      cue = cue.astype(self.dtype)
      hidden = dense(
        2 * self.width, cue.shape[-1], self.dtype, name=f'{name}_hidden'
      )
      out = dense(self.width, 2 * self.width, self.dtype, name=f'{name}_token')
      token = out(nn.gelu(hidden(cue)))
      told = told + token
      found.append(token[:, None])
    tokens = nn.LayerNorm(dtype=self.dtype, name='norm')(
      jnp.concatenate(found, axis=1)
    )
    return tokens, told


class AttendingCaptioner(nn.Module):
  """The captioner: from maps and cues to words.

  Attributes:
    vocabulary_size: words, <eos> and <sos> included.
    max_length: longest caption in tokens, <sos> and <eos> included.
    width: size of a word's row; a multiple of `heads`.
    layers: blocks of the decoder.
    heads: see `Attention`.
    dropout: see `DecoderBlock`.
    dtype: dtype of the computation, float32 or float64; parameters are float32.
  """

  vocabulary_size: int
  max_length: int = 100
  width: int = 512
  layers: int = 2
  heads: int = 4
  dropout: float = 0.2
  dtype: DTypeLike = jnp.float32

  # The modules that read and choose words.
  OUTER_LAYERS: ClassVar[tuple[str, ...]] = ('embed', 'out')

  def setup(self) -> None:
    """Makes the embeddings, the blocks and the layer that chooses words."""
    self.embed = nn.Embed(
      self.vocabulary_size,
      self.width,
      dtype=self.dtype,
      embedding_init=nn.initializers.normal(self.width**-0.5),
    )
    self.place = self.param('place', _PLACES, (self.max_length, self.width))
    self.seen = SeenTokens(self.width, self.dtype)
    self.blocks = [
      DecoderBlock(self.width, self.heads, self.dropout, self.dtype)
      for _ in range(self.layers)
    ]
    self.norm = nn.LayerNorm(dtype=self.dtype)
    self.out = dense(self.vocabulary_size, self.width, self.dtype)

  def teacher_forced(
    self,
    maps: jax.Array,
    cues: Mapping[str, jax.Array],
    words: jax.Array,
    train: bool,
  ) -> jax.Array:
    """Returns the logits of each next word, given the true words before it.

    Args:
      maps: see `SeenTokens`.
      cues: see `SeenTokens`.
      words: int [batch, max_length], beginning with <sos>.
      train: apply dropout.

    Returns:
      `dtype` [batch, max_length - 1, vocabulary_size]; position i predicts
      word i + 1.
    """
    tokens, told = self.seen(maps, cues)
    rows = self.embed(words[:, :-1]) + told[:, None]
    rows = rows + self.place[: rows.shape[1]].astype(self.dtype)
    for block in self.blocks:
      rows = block(rows, block.keys_values(tokens), train)
    return self.out(self.norm(rows))

  def decode(
    self,
    maps: jax.Array,
    cues: Mapping[str, jax.Array],
    beams: int = 1,
    rules: WordRules = NO_RULES,
    classes: Mapping[str, jax.Array] | None = None,
  ) -> jax.Array:
    """Writes captions by beam search; with one beam, greedily.

    Args:
      maps: see `SeenTokens`.
      cues: see `SeenTokens`.
      beams: captions that are kept at each word.
      rules: which words agree with which classes.
      classes: class of each dive, int [batch] by classification; those with
        rules are never contradicted. None for no rules.

    Returns:
      int32 [batch, max_length - 1] word ids without <sos>; <eos> behind the
      caption. Where there is no room for <eos>, there is none.
    """
    tokens, told = self.seen(maps, cues)
    batch, length = tokens.shape[0], self.max_length - 1
    # All beams are one batch to the blocks.
    tokens, told = (jnp.repeat(rows, beams, axis=0) for rows in (tokens, told))
    seen = [block.keys_values(tokens) for block in self.blocks]
    shape = batch * beams, length, self.heads, self.width // self.heads
    nothing = jnp.zeros(shape, self.dtype)
    caches: list[KeysValues] = [(nothing, nothing)] * self.layers
    refused = _refused_words(rules, classes or {}, self.vocabulary_size)

    def take_rows(rows: jax.Array, parents: jax.Array) -> jax.Array:
      rows_of_beams = rows.reshape(batch, beams, *rows.shape[1:])
      return take_beams(rows_of_beams, parents).reshape(rows.shape)

    def step(
      module: AttendingCaptioner,
      carry: tuple[Beams, list[KeysValues]],
      place: jax.Array,
    ) -> tuple[tuple[Beams, list[KeysValues]], None]:
      captions, caches = carry
      row = module.embed(captions.last.reshape(-1)) + told
      here = jnp.take(module.place, place, axis=0)
      row = (row + here.astype(module.dtype))[:, None]
      new = []
      for block, cache, own in zip(module.blocks, caches, seen, strict=True):
        row, cache = block.step(row, cache, place, own)
        new.append(cache)
      logits = module.out(module.norm(row))[:, 0].reshape(batch, beams, -1)
      if refused is not None:
        logits = jnp.where(
          _take_states(refused, captions.rule), IMPOSSIBLE, logits
        )
      captions, parents = captions.add_word(nn.log_softmax(logits), place)
      new = jax.tree.map(lambda rows: take_rows(rows, parents), new)
      if refused is not None:
        captions = dataclasses.replace(
          captions, rule=_next_rule(rules, captions)
        )
      return (captions, new), None

    scan = nn.scan(
      step,
      variable_broadcast='params',
      split_rngs={'params': False},
      length=length,
    )
    begin = Beams.begin(batch, beams, length, jnp.dtype(self.dtype))
    (captions, _), _ = scan(self, (begin, caches), jnp.arange(length))
    return captions.best()


def _refused_words(
  rules: WordRules, classes: Mapping[str, jax.Array], size: int
) -> jax.Array | None:
  """Returns bool [batch, states, vocabulary]; None where there are no rules."""
  known = [name for name, _ in rules.classes if name in classes]
  if not known:
    return None
  # [batch, states, kinds]
  refused = jnp.stack(
    [jnp.asarray(rules.refused[name])[classes[name]] for name in known]
  ).any(axis=0)
  return refused[:, :, jnp.asarray(rules.kinds[:size])]


def _take_states(refused: jax.Array, states: jax.Array) -> jax.Array:
  """Returns bool [batch, beams, vocabulary] of the state of each beam."""
  return jnp.take_along_axis(refused, states[:, :, None], axis=1)


def _next_rule(rules: WordRules, captions: Beams) -> jax.Array:
  """Returns the states after the last words, int32 [batch, beams]."""
  kinds = jnp.asarray(rules.kinds, jnp.int32)[captions.last]
  return jnp.asarray(rules.following)[captions.rule, kinds]


class HasAttendingCaptioner(Protocol):
  """A network's fields of its captioner; see `AttendingCaptioner`."""

  tasks: Sequence[Task]
  caption_length: int
  caption_hidden: int
  caption_layers: int
  caption_heads: int
  caption_dropout: float
  caption_beams: int
  dtype: DTypeLike


def commentary(
  network: HasAttendingCaptioner,
  task: Task,
  maps: jax.Array,
  outputs: Mapping[str, Any],
  words: jax.Array | None,
  train: bool,
) -> jax.Array:
  """Makes the captioner of a network, within it, and returns its output.

  What the other tasks tell is taken as given: the words do not train it.

  Args:
    network: network that it belongs to; its method is running.
    task: task of the captions; gives the module's name and the words.
    maps: see `SeenTokens`.
    outputs: outputs of the tasks before it, by name.
    words: int [batch, caption_length], the true captions for teacher forcing;
      None to decode instead.
    train: apply dropout.

  Returns:
    What `AttendingCaptioner.teacher_forced` returns, or its `decode`; float32,
    or float64 with the network.
  """
  captioner = AttendingCaptioner(
    task.num_words,
    max_length=network.caption_length,
    width=network.caption_hidden,
    layers=network.caption_layers,
    heads=network.caption_heads,
    dropout=network.caption_dropout,
    dtype=at_least_float32(network.dtype),
    name=task.head,
  )
  cues = {
    f'{other.name}_{name}': jax.lax.stop_gradient(cue)
    for other in network.tasks
    if other.name in outputs
    for name, cue in other.cues(outputs[other.name]).items()
  }
  if words is not None:
    return captioner.teacher_forced(maps, cues, words, train)
  logits: Mapping[str, jax.Array] = outputs.get('classes', {})
  return captioner.decode(
    maps,
    cues,
    network.caption_beams,
    task.word_rules,
    {name: own.argmax(axis=-1) for name, own in logits.items()},
  )
