"""PyTorch's GRU layer, which has two biases for each gate."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import DTypeLike

from aqa_jax.layers.initializers import pytorch_uniform
from aqa_jax.layers.precision import precision_of

_EXACT = precision_of(jnp.float32)


class _Gates(nn.Module):
  """Kernel [inputs, 3, hidden] and bias [3, hidden]: reset, update and new."""

  hidden: int
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(self, num_inputs: int) -> tuple[jax.Array, jax.Array]:
    uniform = pytorch_uniform(self.hidden)
    shape = 3, self.hidden
    return (
      self.param('kernel', uniform, (num_inputs, *shape)).astype(self.dtype),
      self.param('bias', uniform, shape).astype(self.dtype),
    )


class GRULayer(nn.Module):
  """A GRU layer, as `torch.nn.GRU` computes it.

  `nn.GRUCell` has one bias for the reset and one for the update gate where
  PyTorch adds two. The outputs are the same, but an optimizer would train the
  two otherwise, and official weights could not be imported and exported again.

  `project` computes the inputs' part of the gates, for all steps in one
  product: it does not depend on earlier steps. The rest goes step by step.

  Attributes:
    hidden: units.
    dtype: dtype of the computation, float32 or float64; parameters are float32.
  """

  hidden: int
  dtype: DTypeLike = jnp.float32

  def setup(self) -> None:
    """Makes the gates."""
    self.inputs = _Gates(self.hidden, self.dtype)
    self.carry = _Gates(self.hidden, self.dtype)

  def project(self, inputs: jax.Array) -> jax.Array:
    """Returns the inputs' part of the gates.

    Args:
      inputs: `dtype` [..., features].

    Returns:
      `dtype` [..., 3, hidden].
    """
    return _affine(*self.inputs(inputs.shape[-1]), inputs)

  def step(self, carry: jax.Array, projected: jax.Array) -> jax.Array:
    """Returns the new carry, which is also the output.

    Args:
      carry: `dtype` [batch, hidden].
      projected: `dtype` [batch, 3, hidden], from `project`.
    """
    gates = self.carry(self.hidden)
    from_carry = _affine(*gates, carry)
    return _update(carry, _gates(projected), _gates(from_carry))

  def __call__(self, projected: jax.Array) -> jax.Array:
    """Returns the outputs of a sequence; the carry before it is zero.

    Args:
      projected: `dtype` [batch, time, 3, hidden], from `project`.

    Returns:
      `dtype` [batch, time, hidden].
    """
    outputs = _recur(*self.carry(self.hidden), projected.swapaxes(0, 1))
    return outputs.swapaxes(0, 1)


def _affine(kernel: jax.Array, bias: jax.Array, inputs: jax.Array) -> jax.Array:
  return jnp.tensordot(inputs, kernel, 1, precision=_EXACT) + bias


# Of the reset gate, of the update gate, and of the new carry.
_Gated = tuple[jax.Array, jax.Array, jax.Array]


def _gates(joined: jax.Array) -> _Gated:
  """Returns the gates, each `dtype` [..., hidden], of [..., 3, hidden].

  XLA's loops for CPU take a third of the time on arrays of their own.
  """
  return joined[..., 0, :], joined[..., 1, :], joined[..., 2, :]


def _update(
  carry: jax.Array, from_inputs: _Gated, from_carry: _Gated
) -> jax.Array:
  """Returns the new carry; gates are [batch, hidden]."""
  reset, update = (
    nn.sigmoid(from_inputs[gate] + from_carry[gate]) for gate in (0, 1)
  )
  new = jnp.tanh(from_inputs[2] + reset * from_carry[2])
  return (1 - update) * new + update * carry


@jax.custom_vjp
def _recur(
  kernel: jax.Array, bias: jax.Array, projected: jax.Array
) -> jax.Array:
  """Returns the outputs of all steps, [time, batch, hidden].

  Args:
    kernel: kernel of the carry's gates.
    bias: bias of the carry's gates.
    projected: [time, batch, 3, hidden].
  """
  return _recur_forward(kernel, bias, projected)[0]


# What the backward pass needs: kernel, bias, projected and outputs.
_Residuals = tuple[jax.Array, jax.Array, jax.Array, jax.Array]


def _recur_forward(
  kernel: jax.Array, bias: jax.Array, projected: jax.Array
) -> tuple[jax.Array, _Residuals]:
  def step(
    carry: jax.Array, from_inputs: _Gated
  ) -> tuple[jax.Array, jax.Array]:
    carry = _update(carry, from_inputs, _gates(_affine(kernel, bias, carry)))
    return carry, carry

  zero = jnp.zeros_like(projected[0, :, 0])
  _, outputs = lax.scan(step, zero, _gates(projected))
  return outputs, (kernel, bias, projected, outputs)


def _recur_backward(
  residuals: _Residuals, gradient: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
  """Computes the kernel's gradient as one product, not as a sum over steps."""
  kernel, bias, projected, outputs = residuals
  zero = jnp.zeros_like(outputs[:1])
  carries = jnp.concatenate([zero, outputs[:-1]])
  from_carries = _affine(kernel, bias, carries)
  # [3 * hidden, hidden]: laid out once, not in each step.
  turned = kernel.reshape(kernel.shape[0], -1).T

  def step(
    from_later: jax.Array, at_step: tuple[jax.Array, jax.Array, _Gated, _Gated]
  ) -> tuple[jax.Array, tuple[_Gated, _Gated]]:
    of_output, *arguments = at_step
    _, pull_back = jax.vjp(_update, *arguments)
    of_carry, of_inputs, of_gates = pull_back(of_output + from_later)
    of_carry += jnp.dot(
      jnp.concatenate(of_gates, axis=-1), turned, precision=_EXACT
    )
    return of_carry, (of_inputs, of_gates)

  _, gradients = lax.scan(
    step,
    zero[0],
    (gradient, carries, _gates(projected), _gates(from_carries)),
    reverse=True,
  )
  # Each [time, batch, 3, hidden].
  of_projected, of_gates = (jnp.stack(own, axis=2) for own in gradients)
  of_kernel = jnp.einsum('tbi,tbgh->igh', carries, of_gates, precision=_EXACT)
  return of_kernel, of_gates.sum((0, 1)), of_projected


_recur.defvjp(_recur_forward, _recur_backward)
