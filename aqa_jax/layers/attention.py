"""The layers of a transformer that says words (Vaswani et al., 2017)."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import DTypeLike

from aqa_jax.layers.initializers import dense
from aqa_jax.layers.precision import precision_of

# Instead of minus infinity.
_NOT_SEEN = -1e9
# Keys and values, each [batch, length, heads, width / heads].
KeysValues = tuple[jax.Array, jax.Array]


class Attention(nn.Module):
  """Attention of several heads.

  Attributes:
    width: size of inputs and outputs; a multiple of `heads`.
    heads: parts of the width that attend apart.
    dtype: dtype of the computation; parameters are float32.
  """

  width: int
  heads: int
  dtype: DTypeLike = jnp.float32

  def setup(self) -> None:
    """Makes the four products."""
    self.query = dense(self.width, self.width, self.dtype)
    self.key = dense(self.width, self.width, self.dtype)
    self.value = dense(self.width, self.width, self.dtype)
    self.out = dense(self.width, self.width, self.dtype)

  def _by_head(self, rows: jax.Array) -> jax.Array:
    return rows.reshape(*rows.shape[:-1], self.heads, -1)

  def keys_values(self, rows: jax.Array) -> KeysValues:
    """Returns what can be attended to.

    Args:
      rows: `dtype` [batch, length, width].
    """
    return self._by_head(self.key(rows)), self._by_head(self.value(rows))

  def __call__(
    self, rows: jax.Array, seen: KeysValues, mask: jax.Array | None = None
  ) -> jax.Array:
    """Returns what the rows find.

    Args:
      rows: `dtype` [batch, rows, width].
      seen: what they attend to, of some length.
      mask: bool, broadcast to [batch, heads, rows, length]: where a row may
        look; None for everywhere.

    Returns:
      `dtype` [batch, rows, width].
    """
    keys, values = seen
    queries = self._by_head(self.query(rows)) * keys.shape[-1] ** -0.5
    precision = precision_of(self.dtype)
    weights = jnp.einsum('bqhd,bkhd->bhqk', queries, keys, precision=precision)
    if mask is not None:
      weights = jnp.where(mask, weights, _NOT_SEEN)
    weights = nn.softmax(weights)
    found = jnp.einsum('bhqk,bkhd->bqhd', weights, values, precision=precision)
    return self.out(found.reshape(*found.shape[:2], self.width))


class DecoderBlock(nn.Module):
  """A block of a decoder: words attend to words, then to what is seen.

  LayerNorm comes before each part (Xiong et al., ICML 2020).

  Attributes:
    width: size of a row.
    heads: see `Attention`.
    dropout: of what each part adds.
    dtype: dtype of the computation; parameters are float32.
  """

  width: int
  heads: int
  dropout: float
  dtype: DTypeLike = jnp.float32

  def setup(self) -> None:
    """Makes the three parts."""
    self.norm_words = nn.LayerNorm(dtype=self.dtype)
    self.words = Attention(self.width, self.heads, self.dtype)
    self.norm_seen = nn.LayerNorm(dtype=self.dtype)
    self.seen = Attention(self.width, self.heads, self.dtype)
    self.norm_hidden = nn.LayerNorm(dtype=self.dtype)
    self.hidden = dense(4 * self.width, self.width, self.dtype)
    self.out = dense(self.width, 4 * self.width, self.dtype)
    self.drop = nn.Dropout(self.dropout)

  def __call__(
    self, rows: jax.Array, seen: KeysValues, train: bool
  ) -> jax.Array:
    """Returns the rows of all words, of which none sees a later one.

    Args:
      rows: `dtype` [batch, length, width].
      seen: see `keys_values`.
      train: apply dropout.
    """
    normed = self.norm_words(rows)
    length = rows.shape[1]
    mask = jnp.tril(jnp.ones((length, length), bool))
    return self._rest(
      rows, normed, self.words.keys_values(normed), mask, seen, train
    )

  def step(
    self, row: jax.Array, cache: KeysValues, place: jax.Array, seen: KeysValues
  ) -> tuple[jax.Array, KeysValues]:
    """Returns the row of one word, and the cache with it.

    Args:
      row: `dtype` [batch, 1, width].
      cache: of the words before it, [batch, length, heads, width / heads].
      place: int [], the number of these words.
      seen: see `keys_values`.
    """
    normed = self.norm_words(row)
    new = self.words.keys_values(normed)
    keys, values = (
      lax.dynamic_update_slice_in_dim(old, own, place, axis=1)
      for old, own in zip(cache, new, strict=True)
    )
    mask = jnp.arange(keys.shape[1]) <= place
    row = self._rest(row, normed, (keys, values), mask, seen, train=False)
    return row, (keys, values)

  def keys_values(self, seen: jax.Array) -> KeysValues:
    """Returns what the words attend to beside each other.

    Args:
      seen: `dtype` [batch, tokens, width].
    """
    return self.seen.keys_values(seen)

  def _rest(
    self,
    rows: jax.Array,
    normed: jax.Array,
    words: KeysValues,
    mask: jax.Array,
    seen: KeysValues,
    train: bool,
  ) -> jax.Array:
    """Returns the rows after all three parts."""

    def drop(added: jax.Array) -> jax.Array:
      return self.drop(added, deterministic=not train)

    rows = rows + drop(self.words(normed, words, mask))
    rows = rows + drop(self.seen(self.norm_seen(rows), seen))
    hidden = nn.gelu(self.hidden(self.norm_hidden(rows)))
    return rows + drop(self.out(hidden))
