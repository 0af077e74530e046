"""What the documents name is there: commands, fields, files, links."""

import ast
import json
import re
import subprocess
import sys
from unittest import mock

import document_text
import documented_commands as documented
import pytest
from absl import flags
from ml_collections import config_flags

from aqa_jax import command_line

ROOT = document_text.ROOT
COMMANDS = document_text.all_commands()
# MkDocs checks the links of docs/ itself.
OUTSIDE_DOCS = [
  *(path for path in document_text.DOCUMENTS if path.parent != ROOT / 'docs'),
  ROOT / 'CHANGELOG.md',
  *sorted((ROOT / 'tfds_mtl_aqa').glob('*/README.md')),
]
NOTEBOOK = ROOT / 'docs/first_dive.ipynb'
_FOLDERS = 'aqa_jax|benchmarks|configs|docs|launch|tests|tfds_mtl_aqa'
_PATH = re.compile(rf'(?<![\w/.-])((?:{_FOLDERS})/[\w/.-]*[\w/])')
# ml_collections reads a config so.
pytestmark = pytest.mark.filterwarnings(
  'ignore:the load_module.*:DeprecationWarning'
)
_PROGRAMS = ('.', 'ffmpeg', 'mkdir', 'python', 'python3')


def _name(path):
  return str(path.relative_to(ROOT))


def test_every_command_is_run_or_in_the_table():
  # Of what is run as it stands, the program is there.
  for command in COMMANDS:
    if command.is_python:
      ast.parse(command.text)
      continue
    if documented.instead(command):
      continue
    words = command.text.split()
    if words[0] == 'make':
      assert f'\n{words[1]}:' in (ROOT / 'Makefile').read_text(), command
    else:
      assert words[0] in _PROGRAMS or (ROOT / words[0]).is_file(), command
  # And no entry is of a command that there is no more.
  used = {documented.instead(command) for command in COMMANDS}
  assert [e for e in documented.INSTEAD if e not in used] == []


def test_commands_are_found():
  text = (ROOT / 'docs/launch.md').read_text()
  found = document_text.commands(ROOT / 'docs/launch.md')
  # In a list, over two lines, and in a sentence.
  train = next(c for c in found if 'train' in c.text and 'tpu_vm' in c.text)
  assert train.text.endswith(
    '-- --config=configs/c3davg.py ' + '--config.batch_size=48'
  )
  assert text.splitlines()[train.line - 1].strip() == '```sh'
  assert any(c.text == "pip install -e '.[captions]'" for c in COMMANDS)
  assert document_text.flag_files().keys() == {'slice.flags', 'cluster.flags'}


def test_the_shell_understands_every_command():
  steps = [
    step
    for command in COMMANDS
    if not command.is_python
    for step in (command.text, *documented.plan(command))
  ]
  # Each in braces: a mistake can't be hidden by the line after it.
  text = '\n'.join(f'{{ {step}\n}}' for step in steps)
  done = subprocess.run(['bash', '-n'], input=text, capture_output=True, text=1)
  assert (done.returncode, done.stderr) == (0, '')


@pytest.mark.parametrize('path', document_text.DOCUMENTS, ids=_name)
def test_paths_and_modules_exist(path):
  text = path.read_text()
  for name in _PATH.findall(text):
    assert (ROOT / name).exists(), name
  for module in re.findall(r'python -m ([\w.]+\w)', text):
    if module.partition('.')[0] in _FOLDERS.split('|'):
      file = ROOT / module.replace('.', '/')
      assert file.with_suffix('.py').exists() or file.is_dir(), module


def _parsed(config, overrides):
  """Parses --config.x=y as aqa_jax.main does."""
  values = flags.FlagValues()
  config_flags.DEFINE_config_file('config', flag_values=values)
  file = command_line.find_config(config)
  argv = ['main', f'--config={file}', *overrides]
  # It looks there for the fields that there are to be flags for.
  with mock.patch.object(sys, 'argv', argv):
    values(argv)
  return values.config


@pytest.mark.parametrize(
  'command',
  [c for c in COMMANDS if '--config=' in c.text and not c.is_python],
  ids=lambda command: f'{command.document}:{command.line}',
)
def test_configs_of_commands_have_their_fields(command):
  for step in (command.text, *documented.plan(command)):
    config = re.search(r'--config=(\S+)', step)
    # Quotes are the shell's.
    overrides = re.findall(r'(--config\.[\w.]+=(?:"[^"]*"|\S+))', step)
    if config:
      _parsed(config[1], [flag.replace('"', '') for flag in overrides])


@pytest.mark.parametrize('path', document_text.DOCUMENTS, ids=_name)
def test_fields_named_in_the_text_exist(path):
  known = {
    field
    for config in (
      'c3davg',
      'mscadc',
      'pretrain_ucf101',
      's3d',
      'c3d_svr',
      'c3d_lstm',
      'c3d_lstm_svr',
      'pose_dct',
      'segment_c3d',
      'i3d',
      's3d_stages',
    )
    for field in command_line._fields(_parsed(config, []))
  }
  parts = {field.rsplit('.', n)[0] for field in known for n in (0, 1)}
  for field in re.findall(r'--config\.([a-z]\w*(?:\.\w+)*)', path.read_text()):
    assert field in known | parts or field == 'x', field


def test_the_configuration_page_has_every_field():
  text = (ROOT / 'docs/configuration.md').read_text()
  for field in command_line._fields(_parsed('c3davg', [])):
    group, _, _ = field.rpartition('.')
    assert f'`{field}`' in text or f'`{group}.*`' in text, field


def _anchors(text):
  """Returns the anchors of a document's headings, as GitHub makes them."""
  text = re.sub(r'^```.*?^```', '', text, flags=re.M | re.S)
  return {
    re.sub(r'[^\w\- ]', '', heading.lower()).replace(' ', '-')
    for heading in re.findall(r'^#+ (.+)$', text, re.M)
  }


def _check_links(text, folder):
  for target in re.findall(r'\]\(([^)\s]+)\)', text):
    if re.match(r'https?://', target):
      continue
    name, _, anchor = target.partition('#')
    file = (folder / name).resolve()
    assert file.exists(), target
    if anchor:
      # Of another document, or of this one.
      content = file.read_text() if name else text
      assert anchor in _anchors(content), target


@pytest.mark.parametrize('path', OUTSIDE_DOCS, ids=_name)
def test_links_lead_somewhere(path):
  _check_links(path.read_text(), path.parent)


def test_the_notebook_agrees_with_the_types_of_the_package(tmp_path):
  cells = json.loads(NOTEBOOK.read_text())['cells']
  code = [''.join(c['source']) for c in cells if c['cell_type'] == 'code']
  text = '\n'.join(code)
  # IPython has no types.
  imported = 'from IPython.display import Image'
  assert imported in text
  text = text.replace(imported, 'from typing import Any\nImage: Any = None')
  path = tmp_path / 'notebook.py'
  path.write_text(text)
  done = subprocess.run(
    [sys.executable, '-m', 'mypy', str(path)],
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=False,
  )
  assert done.returncode == 0, done.stdout


def test_the_notebook_is_small_and_whole():
  text = NOTEBOOK.read_text()
  assert len(text) < 300_000
  assert not re.search(r'/(home|root|tmp|work|usr|Users)\b', text)
  assert 'Warning' not in text
  cells = json.loads(text)['cells']
  counts = [c['execution_count'] for c in cells if c['cell_type'] == 'code']
  assert counts == list(range(1, len(counts) + 1))
  for cell in cells:
    source = ''.join(cell['source'])
    if cell['cell_type'] == 'markdown':
      _check_links(source, NOTEBOOK.parent)
      continue
    ast.parse(source)
    assert cell['outputs']
    for output in cell['outputs']:
      assert output['output_type'] != 'error'
      assert output.get('name') != 'stderr'
  # Its pictures are there: a dive, all scores, and what moved one.
  assert len(re.findall(r'"image/(?:jpeg|png)"', text)) == 3
