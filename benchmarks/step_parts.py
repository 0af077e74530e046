"""The parts of a training step, and which operations of XLA belong to each.

XLA keeps for each instruction the scope in which JAX traced its operation, such
as `jit(train_step)/transpose(jvp(C3DAVG))/c3d/c3d._convolution/conv2/add`: Flax
modules, and the scopes of `steps.make_train_step`.
"""

import collections
import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence

LAYERS = (
  'conv1', 'conv2', 'conv3a', 'conv3b', 'conv4a', 'conv4b', 'conv5a', 'conv5b',
)  # fmt: skip
TRUNK_OTHER = 'trunk, other'
COPIES, OTHER = 'copies', 'other'
FORWARD, BACK = 'forward', 'back'

# By module: the part, of both networks.
_MODULES = {
  'bn_average': 'fc6',
  'fc6': 'fc6',
  'score_regressor': 'score head',
  'dive_classifier': 'class head',
  'caption_head': 'caption head',
  'bn_clips': 'captioner',
  'captioner': 'captioner',
  'losses': 'losses',
}
# These have no backward pass.
_ONE_WAY = {'normalize': 'normalization', 'optimizer': 'optimizer'}
_CONTEXT_NET = 'context net'
_HEADS = ('score', 'class', 'caption')

# In the order of the table.
NAMES = (
  'normalization',
  *LAYERS,
  TRUNK_OTHER,
  'fc6',
  *(f'{head} {part}' for head in _HEADS for part in (_CONTEXT_NET, 'head')),
  'captioner',
  'losses',
  'optimizer',
  COPIES,
  OTHER,
)

# They move data, and compute nothing.
_MOVES = frozenset((
  'bitcast', 'bitcast-convert', 'broadcast', 'concatenate', 'copy', 'copy-done',
  'copy-start', 'dynamic-slice', 'dynamic-update-slice', 'pad', 'reshape',
  'reverse', 'slice', 'transpose',
))  # fmt: skip
_NO_WORK = frozenset(('constant', 'get-tuple-element', 'parameter', 'tuple'))


@dataclasses.dataclass(frozen=True, order=True)
class Part:
  """A part of a training step.

  Attributes:
    name: one of NAMES.
    direction: FORWARD or BACK; '' for parts without a direction.
  """

  name: str
  direction: str = ''

  def __str__(self) -> str:
    return f'{self.name} {self.direction}'.strip()


@dataclasses.dataclass
class _Instruction:
  """An HLO instruction.

  Attributes:
    opcode: such as 'fusion'.
    part: part of its own scope; None if the scope names none.
    called: names of the computations that it calls.
    is_root: whether its computation returns it.
  """

  opcode: str
  part: Part | None
  called: tuple[str, ...]
  is_root: bool


def part_of_scope(scope: str) -> Part | None:
  """Returns the part that a scope belongs to; None if it names none.

  Args:
    scope: an instruction's op_name, or several with semicolons between.
  """
  for path in scope.split(';'):
    if part := _part_of_path(path):
      return part
  return None


def _part_of_path(path: str) -> Part | None:
  # transpose(jvp(C3DAVG)) is C3DAVG, captioner.teacher_forced is captioner.
  modules = [
    re.sub(r'^(?:\w+\()*|[.)].*$', '', module) for module in path.split('/')
  ]
  direction = BACK if 'transpose(' in path else FORWARD
  for module in modules:
    if module in _ONE_WAY:
      return Part(_ONE_WAY[module])
    if module == 'c3d':
      return Part(_layer(modules) or TRUNK_OTHER, direction)
    if name := _MODULES.get(module):
      if 'context_net' in modules:
        name = name.replace('head', _CONTEXT_NET)
      return Part(name, direction)
  if {'C3DAVG', 'MSCADC'} & set(modules):
    # The clips and their average.
    return Part(OTHER, direction)
  return None


def _layer(modules: Iterable[str]) -> str | None:
  """Returns the trunk's convolution that a scope, or its BatchNorm, is of."""
  for module in modules:
    name = re.sub(r'^bn(?=\d)', 'conv', module)
    if name in LAYERS:
      return name
  return None


def parts_of_program(program: str) -> dict[str, Part]:
  """Returns the part of each instruction, by its name.

  A fusion's scope is that of its result. If it names no layer, the fusion
  belongs to the layer of most of its instructions: a pooling belongs to the
  layer that it is fused with.

  Args:
    program: optimized HLO; `compiled.as_text()`.
  """
  computations = _read(program)
  return {
    name: _part(instruction, computations)
    for instructions in computations.values()
    for name, instruction in instructions.items()
  }


def module_name(program: str) -> str:
  """Returns the name of an HLO module.

  Args:
    program: `compiled.as_text()`.
  """
  return re.match(r'HloModule ([\w.\-]+)', program)[1]


def _read(program: str) -> dict[str, dict[str, _Instruction]]:
  """Returns the instructions, by computation and name."""
  computations = {}
  instructions = {}
  for line in program.splitlines():
    if head := re.match(r'(?:ENTRY )?%?([\w.\-]+) .*\{$', line):
      instructions = computations.setdefault(head[1], {})
    elif found := re.match(r'\s+(ROOT )?%?([\w.\-]+) = (.*)', line):
      is_root, name, rest = found.groups()
      scope = re.search(r'op_name="([^"]*)"', rest)
      # Types come first, and have no parenthesis behind a word.
      opcode = re.search(r' ([a-z][\w\-]*)\(', rest)
      instructions[name] = _Instruction(
        opcode=opcode[1] if opcode else '',
        part=part_of_scope(scope[1]) if scope else None,
        called=tuple(re.findall(r'(?:calls|to_apply|body)=%?([\w.\-]+)', rest)),
        is_root=bool(is_root),
      )
  return computations


def _part(
  instruction: _Instruction,
  computations: Mapping[str, Mapping[str, _Instruction]],
) -> Part:
  """Returns the part of an instruction, by its scope or by what it calls."""
  own = instruction.part
  if own and own.name not in (TRUNK_OTHER, OTHER):
    return own
  inner = [
    other
    for name in instruction.called
    for other in computations.get(name, {}).values()
  ]
  if own:
    layers = [i.part.name for i in inner if i.part and i.part.name in LAYERS]
    # The backward pass may compute values of the forward pass again.
    return Part(_most(layers), own.direction) if layers else own
  known = [i.part for i in inner if i.part]
  root = [i.part for i in inner if i.is_root and i.part]
  if known:
    return root[0] if root else _most(known)
  opcodes = {i.opcode for i in inner} - _NO_WORK or {instruction.opcode}
  return Part(COPIES if opcodes <= _MOVES else OTHER)


def _most(values: Sequence[object]) -> object:
  return collections.Counter(values).most_common(1)[0][0]
