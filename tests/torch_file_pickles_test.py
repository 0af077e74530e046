"""torch_file.py against pickles made to do harm, or wrong."""

import pickle
import re
import tracemalloc

import pytest
from torch_bytes import (  # noqa: F401
  ORDERED_DICT,
  SIX,
  archive,
  fixture_read,
  fixture_refusal,
  formats,
  legacy,
  named,
  pickled,
  state_dict,
  storage,
  tensor,
)

# Pickles that would run something. {} stands for the folder of the marker.

TOUCH = 'touch {}/marker'
OPEN = "open('{}/marker', 'w').close()"


def short(text):
  return b'\x8c' + bytes([len(text)]) + text.encode()


SYSTEM = named('os', 'system') + b'(' + pickled(TOUCH) + b'tR'
RUNS = {
  'GLOBAL and REDUCE': SYSTEM,
  'posix.system': SYSTEM.replace(b'os', b'posix', 1),
  'STACK_GLOBAL': short('os') + short('system') + b'\x93'
  + pickled(TOUCH) + b'\x85R',
  'eval': named('builtins', 'eval') + pickled(OPEN) + b'\x85R',
  'exec': named('builtins', 'exec') + pickled(OPEN) + b'\x85R',
  '__builtin__ of Python 2': named('__builtin__', 'eval') + pickled(OPEN)
  + b'\x85R',
  'getattr': named('builtins', 'getattr')
  + b'(' + named('builtins', '__import__') + pickled('os') + b'\x85R'
  + pickled('system') + b'tR' + pickled(TOUCH)
  + b'\x85R',
  'a dotted name': b'\x80\x04' + short('pathlib') + short('os.system') + b'\x93'
  + pickled(TOUCH) + b'\x85R',
  'INST': b'(' + pickled(TOUCH) + b'ios\nsystem\n',
  'OBJ': b'(' + named('os', 'system') + pickled(TOUCH) + b'o',
  'in a list of a tuple': b'](' + SYSTEM + b'e\x85',
  'a lambda': named('builtins', 'eval') + pickled('lambda: ' + OPEN)
  + b'\x85R)R',
}  # fmt: skip


def at(tmp_path, program):
  """Puts the folder of the marker into a program, and its length."""
  for text in (TOUCH, OPEN, 'lambda: ' + OPEN):
    filled = text.replace('{}', str(tmp_path))
    program = program.replace(pickled(text)[:-2], pickled(filled)[:-2])
  return program


@pytest.mark.parametrize('case', RUNS)
def test_the_harm_is_real(tmp_path, case):
  # Else the test below could pass for another reason.
  pickle.loads(b'\x80\x02' + at(tmp_path, RUNS[case]) + b'.')
  assert (tmp_path / 'marker').exists()


PLACES = {
  'alone': lambda harm: b'\x80\x02' + harm + b'.',
  'in a state_dict': lambda harm: state_dict(a=tensor(), b=harm),
  'as hooks': lambda harm: state_dict(a=tensor(hooks=harm)),
  'as a key': lambda harm: b'\x80\x02}' + harm + tensor() + b's.',
  'as a storage': lambda harm: state_dict(a=tensor(of=harm)),
  'as a state': lambda harm: state_dict(a=tensor())[:-1] + harm + b'b.',
}


@pytest.mark.parametrize('place', PLACES)
@pytest.mark.parametrize('case', RUNS)
def test_runs_nothing(refusal, tmp_path, case, place):
  program = PLACES[place](at(tmp_path, RUNS[case]))
  for wrap in (legacy, archive):
    message = refusal(wrap(program))
    assert 'nothing was run' in message and 'state_dict()' in message


def test_runs_nothing_in_the_other_pickles_of_a_file(refusal, tmp_path):
  harm = b'\x80\x02' + at(tmp_path, SYSTEM) + b'.'
  assert "'os.system'" in refusal(legacy(state_dict(a=tensor()), keys=harm))
  assert "'os.system'" in refusal(legacy(state_dict(a=tensor()), info=harm))


def test_names_what_the_file_refers_to_on_one_line(refusal):
  program = state_dict(a=b'cos\x1b[2J\r\nsystem\n)R')
  assert "refers to 'os\\x1b[2J\\r.system'" in refusal(archive(program))
  assert len(refusal(archive(state_dict(a=named('o' * 9999, 's'))))) < 400


# Pickles that are wrong in another way.


BAD_ID = 'persistent id'
LARGER = 'larger than its storage'
NEGATIVE = 'negative size or place'
DAMAGED = 'damaged or cut off'
INSTRUCTION = 'pickle instruction'
WRONG = {
  'huge shape': (tensor((2**40, 2**40), (0, 0)), LARGER),
  'shape that overflows': (tensor((2**32, 2**32), (1, 1)), LARGER),
  'stride 0 expansion': (tensor((7,), (0,)), LARGER),
  'stride past the end': (tensor((2,), (6,)), LARGER),
  'offset past the end': (tensor(offset=1), LARGER),
  'huge stride': (tensor((2,), (2**63,)), LARGER),
  'empty and huge': (tensor((0, 2**62), (1, 1)), DAMAGED),
  'negative offset': (tensor(offset=-1), NEGATIVE),
  'negative size': (tensor((-2, -3)), NEGATIVE),
  'negative stride': (tensor((2, 3), (-3, 1), 5), NEGATIVE),
  'size of a float': (tensor((2.0, 3)), NEGATIVE),
  'size of a truth value': (tensor((True, 3)), NEGATIVE),
  'size of a text': (tensor('ab', 'cd'), NEGATIVE),
  'no shape': (tensor(None), DAMAGED),
  '65 dimensions': (tensor((1,) * 65, (1,) * 65), 'odd dimensions'),
  'shape without strides': (tensor((2, 3), (3,)), 'odd dimensions'),
  'complex storage': (
    tensor(of=storage(kind='ComplexFloatStorage')),
    "refers to 'torch.ComplexFloatStorage'",
  ),
  'number for a tensor': (pickled(3), "holds 'a', not a tensor"),
  'dict for a tensor': (ORDERED_DICT, "holds 'a', not a tensor"),
  'storage for a tensor': (storage(), "holds 'a', not a tensor"),
  'type for a tensor': (named('torch', 'FloatStorage'), 'not a tensor'),
  'name that is no text': (tensor() + pickled(3) + tensor(), 'not a tensor'),
  'call of a type': (named('torch', 'FloatStorage') + b')R', 'nothing was run'),
  'call of a text': (pickled('os.system') + b')R', 'nothing was run'),
  'call of a tensor': (tensor() + b')R', 'nothing was run'),
  'call without arguments': (ORDERED_DICT[:-2] + b'NR', 'nothing was run'),
  'tensor of no storage': (tensor(of=pickled(3)), 'nothing was run'),
  'parameter of no tensor': (
    named('torch._utils', '_rebuild_parameter') + pickled((1,)) + b'R',
    'nothing was run',
  ),
  'id of another tag': (tensor(of=storage(tag='module')), BAD_ID),
  'id of another type': (
    tensor(of=storage().replace(named('torch', 'FloatStorage'), ORDERED_DICT)),
    BAD_ID,
  ),
  'id of a negative length': (tensor(of=storage(length=-6)), BAD_ID),
  'id of a text for a length': (tensor(of=storage(length='6')), BAD_ID),
  'id of a number for a key': (tensor(of=storage(key=0)), BAD_ID),
  'id that is a text': (tensor(of=pickled('storage') + b'Q'), BAD_ID),
  'id that is short': (tensor(of=pickled(('storage',)) + b'Q'), BAD_ID),
  'id of a view': (tensor(of=storage(end=pickled((0, 6)) + b'tQ')), BAD_ID),
  'id as a line': (b'P0\n', INSTRUCTION),
  'two types of one storage': (
    tensor() + b'(' + tensor(of=storage(kind='IntStorage')) + b't',
    'two storages of one key',
  ),
  'no such storage': (tensor(of=storage('9')), 'lacks|of no tensor'),
  'storage in another folder': (
    tensor(of=storage('../../../etc/passwd')), 'lacks|of no tensor'
  ),
  'huge storage': (
    tensor((2**60,), (1,), of=storage(length=2**60)), 'another length|some of'
  ),
  'longer storage': (
    tensor(of=storage(length=7)), 'another length|some of'
  ),
  'shorter storage': (tensor(of=storage(length=5)), LARGER),
  'NEWOBJ': (named('collections', 'OrderedDict') + b')\x81', INSTRUCTION),
  'NEWOBJ_EX': (named('collections', 'OrderedDict') + b')}\x92', INSTRUCTION),
  'OBJ': (b'(' + named('collections', 'OrderedDict') + b'o', INSTRUCTION),
  'INST': (b'(icollections\nOrderedDict\n', INSTRUCTION),
  'EXT1': (b'\x82\x01', INSTRUCTION),
  'EXT2': (b'\x83\x01\x00', INSTRUCTION),
  'EXT4': (b'\x84\x01\x00\x00\x00', INSTRUCTION),
  'BUILD of a type': (
    named('collections', 'OrderedDict') + pickled((None, {'update': 1})) + b'b',
    INSTRUCTION,
  ),
  'BUILD of a function': (
    named('torch._utils', '_rebuild_tensor_v2')
    + pickled((None, {'__defaults__': (1,)})) + b'b',
    INSTRUCTION,
  ),
  'bytes': (b'C\x01a', INSTRUCTION),
  'set': (b'\x8f', INSTRUCTION),
  'buffer': (b'\x97', INSTRUCTION),
  'unknown instruction': (b'\xff', DAMAGED),
  'memo of nothing': (b'h\x09', DAMAGED),
  'tuple without a mark': (b't', DAMAGED),
  'tuple of too little': (b'(\x87', DAMAGED),
  'items of a tuple': (b'))a', INSTRUCTION),
  'items of a list': (b']NNs', INSTRUCTION),
  'key without a value': (b'}(Nu', DAMAGED),
  'deep key': (b'}' + b')' + b'\x85' * 100_000 + b'Ns', 'a key that is'),
  'deep value': (b')' + b'\x85' * 100_000, 'not a tensor'),
  'deep lists': (b']' * 50_000 + b'a' * 49_999, 'not a tensor'),
  'deep marks': (b'(' * 50_000, DAMAGED),
  'deep id': (b')' + b'\x85' * 50_000 + b'Q', BAD_ID),
  'list of itself': (b']q\x01h\x01a', 'not a tensor'),
  'dict of itself': (b'}q\x01' + pickled('x') + b'h\x01s', 'not a tensor'),
  'storage id of itself': (b']q\x01h\x01a\x85Q', BAD_ID),
  'keys of one hash': (b'}' + pickled(2**61 - 1) + b'Ns', 'a key that is'),
  'forged length of a text': (b'X\xff\xff\xff\xffab', DAMAGED),
  'forged length of bytes': (b'\x8e' + b'\xff' * 7 + b'\x7f', DAMAGED),
  'forged length of an array': (b'\x96' + b'\xff' * 7 + b'\x0f', DAMAGED),
  'forged length of a number': (b'\x8b\xff\xff\xff\x7f', DAMAGED),
  'negative length of a number': (b'\x8b\xff\xff\xff\xff', DAMAGED),
  'number of many digits': (b'I' + b'9' * 99_999 + b'\n', DAMAGED),
  'odd escape': (b'cos\\q\nsystem\n', 'damaged|refers to'),
  'text that is no UTF-8': (b'X\x01\x00\x00\x00\xff', DAMAGED),
}  # fmt: skip


@pytest.mark.parametrize('case', WRONG)
def test_refuses(refusal, case):
  value, reason = WRONG[case]
  for wrap in (legacy, archive):
    assert re.search(reason, refusal(wrap(state_dict(a=value))))


FORGED = (
  *('huge shape', 'huge storage', 'stride 0 expansion'),
  *('forged length of a text', 'forged length of bytes'),
)


@pytest.mark.parametrize('case', FORGED)
@formats
def test_forged_sizes_allocate_nothing(refusal, wrap, case):
  content = wrap(state_dict(a=WRONG[case][0]))
  tracemalloc.start()
  try:
    refusal(content)
    assert tracemalloc.get_traced_memory()[1] < 2**21
  finally:
    tracemalloc.stop()


def test_a_forged_memo_index_allocates_nothing(read):
  program = state_dict(a=tensor() + b'r\xff\xff\xff\xff')
  tracemalloc.start()
  try:
    assert list(read(archive(program))) == ['a']
    assert tracemalloc.get_traced_memory()[1] < 2**21
  finally:
    tracemalloc.stop()


@formats
def test_a_list_of_items_makes_one_dict(refusal, wrap):
  # 20000 dicts of 20000 items each would fill the memory.
  items = b''.join(b'](' + pickled(str(i)) + b'Ne' for i in range(20_000))
  many = named('collections', 'OrderedDict') + b'q\x01](' + items + b'eq\x02'
  many = b'(' + many + b'\x85R' + b'h\x01h\x02\x85R' * 20_000 + b't'
  content = wrap(state_dict(a=many))
  tracemalloc.start()
  try:
    assert 'not a tensor' in refusal(content)
    assert tracemalloc.get_traced_memory()[1] < 2**26
  finally:
    tracemalloc.stop()
