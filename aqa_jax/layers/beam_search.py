"""Beam search: the likeliest captions, several of them kept at each word."""

import flax.struct
import jax
import jax.numpy as jnp

from aqa_jax.data.vocabulary import EOS_ID, SOS_ID

# Instead of minus infinity, of which differences are not finite.
IMPOSSIBLE = -1e9


@flax.struct.dataclass
class Beams:
  """Captions that are being written.

  Attributes:
    words: int32 [batch, beams, length], <eos> where nothing is written yet.
    last: int32 [batch, beams], the last word.
    log_likelihood: float [batch, beams], the sum over the words.
    ended: bool [batch, beams], whether <eos> is written.
    rule: int32 [batch, beams], state of the rules on words.
  """

  words: jax.Array
  last: jax.Array
  log_likelihood: jax.Array
  ended: jax.Array
  rule: jax.Array

  @classmethod
  def begin(
    cls, batch: int, beams: int, length: int, dtype: jnp.dtype
  ) -> 'Beams':
    """Returns captions without a word.

    Args:
      batch: dives.
      beams: captions of each.
      length: words that there is room for.
      dtype: of log-likelihoods.
    """
    shape = batch, beams
    # All are the same yet: only one of them goes on.
    first = jnp.where(jnp.arange(beams) == 0, 0.0, IMPOSSIBLE).astype(dtype)
    return cls(
      words=jnp.full((*shape, length), EOS_ID, jnp.int32),
      last=jnp.full(shape, SOS_ID, jnp.int32),
      log_likelihood=jnp.broadcast_to(first, shape),
      ended=jnp.zeros(shape, bool),
      rule=jnp.zeros(shape, jnp.int32),
    )

  def add_word(
    self, log_probabilities: jax.Array, place: jax.Array
  ) -> tuple['Beams', jax.Array]:
    """Returns the likeliest captions with one word more.

    Args:
      log_probabilities: float [batch, beams, vocabulary] of the next word.
      place: int [], the number of words so far.

    Returns:
      The captions, whose rule is that of the one it goes on from; and int32
      [batch, beams], which one that is.
    """
    batch, beams, vocabulary = log_probabilities.shape
    log_probabilities = self._of_ended(log_probabilities)
    total = self.log_likelihood[..., None] + log_probabilities
    best, chosen = jax.lax.top_k(total.reshape(batch, -1), beams)
    parents, last = chosen // vocabulary, chosen % vocabulary
    words = take_beams(self.words, parents)
    words = jnp.where(
      jnp.arange(words.shape[-1]) == place, last[..., None], words
    )
    captions = Beams(
      words=words,
      last=last,
      log_likelihood=best,
      ended=take_beams(self.ended, parents) | (last == EOS_ID),
      rule=take_beams(self.rule, parents),
    )
    return captions, parents

  def _of_ended(self, log_probabilities: jax.Array) -> jax.Array:
    """Returns the same where an ended caption goes on with <eos> alone."""
    vocabulary = log_probabilities.shape[-1]
    nothing = jnp.where(jnp.arange(vocabulary) == EOS_ID, 0.0, IMPOSSIBLE)
    return jnp.where(self.ended[..., None], nothing, log_probabilities)

  def best(self) -> jax.Array:
    """Returns the captions of the highest mean log-likelihood of a word.

    Returns:
      int32 [batch, length].
    """
    # <eos> is a word, too.
    lengths = (self.words != EOS_ID).sum(axis=-1) + self.ended
    means = self.log_likelihood / lengths
    best = means.argmax(axis=-1)
    return jnp.take_along_axis(self.words, best[:, None, None], axis=1)[:, 0]


def take_beams(rows: jax.Array, chosen: jax.Array) -> jax.Array:
  """Returns rows of some beams.

  Args:
    rows: [batch, beams, ...].
    chosen: int [batch, beams], which beam of the same dive.
  """
  index = chosen.reshape(*chosen.shape, *(1,) * (rows.ndim - 2))
  return jnp.take_along_axis(rows, index, axis=1)
