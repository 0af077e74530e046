"""PyTorch's GRU cell: with both of its biases, and its gates in one product."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from aqa_jax.models.initializers import pytorch_uniform


class GRUCell(nn.Module):
  """One step of a GRU layer, as `torch.nn.GRU` computes it.

  `nn.GRUCell` has one bias for the reset and one for the update gate where
  PyTorch adds two. The outputs are the same, but an optimizer then moves them
  otherwise, and official weights would not survive the way here and back.

  Attributes:
    hidden: units.
  """

  hidden: int

  @nn.compact
  def __call__(
    self, carry: jax.Array, inputs: jax.Array
  ) -> tuple[jax.Array, jax.Array]:
    """Returns the new carry, twice.

    Args:
      carry: float [batch, hidden].
      inputs: float [batch, features].
    """
    uniform = pytorch_uniform(self.hidden)

    def gates(name):
      # Reset, update and new: kernel [inputs, 3, hidden], bias [3, hidden].
      return nn.DenseGeneral(
        (3, self.hidden), kernel_init=uniform, bias_init=uniform, name=name
      )

    # Each [batch, 3, hidden].
    from_inputs, from_carry = gates('inputs')(inputs), gates('carry')(carry)
    reset, update = jnp.moveaxis(
      nn.sigmoid(from_inputs[:, :2] + from_carry[:, :2]), 1, 0
    )
    new = jnp.tanh(from_inputs[:, 2] + reset * from_carry[:, 2])
    carry = (1 - update) * new + update * carry
    return carry, carry
