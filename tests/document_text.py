"""What README, CONTRIBUTING, docs/ and benchmarks/README tell a reader to type.

`commands` reads a document's commands, `flag_files` its files of flags.
"""

import dataclasses
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[1]
DOCUMENTS = (
  ROOT / 'README.md',
  ROOT / 'CONTRIBUTING.md',
  *sorted((ROOT / 'docs').glob('*.md')),
  ROOT / 'benchmarks/README.md',
)
SHELL = ('sh', 'bash', 'console')
# Blocks of output, of files, of a citation; and of Python, which is run.
OTHER = ('', 'text', 'bibtex', 'python')
_FENCE = re.compile(r'^( *)```(\w*)\n(.*?)^\1```$', re.M | re.S)
_SPAN = re.compile(r'`([^`]+)`')
# In a sentence or a table: what begins like a command, and has an argument.
_INLINE = re.compile(
  r'(make|mkdir|python3?|pip|ffmpeg|env|(launch|benchmarks)/\S+\.sh|'
  r'\.venv/bin/pip|\.)\s.+',
  re.S,
)


@dataclasses.dataclass(frozen=True)
class Command:
  """A command as a reader would type it.

  Attributes:
    document: its path from the project's root.
    line: of the document, from 1; of a block, where the block begins.
    text: in one line where it is one of the shell; without comments.
    is_python: whether it is Python's, not the shell's.
  """

  document: str
  line: int
  text: str
  is_python: bool = False


def commands(path: pathlib.Path) -> list[Command]:
  """Returns the commands of a document, in order.

  Raises:
    ValueError: a block is in a language that is not known here.
  """
  text = path.read_text()
  document = str(path.relative_to(ROOT))
  found = []
  for match in _FENCE.finditer(text):
    line = text.count('\n', 0, match.start()) + 1
    indent, language, body = match.groups()
    body = re.sub(rf'^{indent}', '', body, flags=re.M)
    if language == 'python':
      found.append(Command(document, line, body, is_python=True))
    elif language in SHELL:
      found += [Command(document, line, each) for each in _lines(body)]
    elif language not in OTHER:
      raise ValueError(f'{document}:{line}: a block of {language!r}.')
  # As long as it was, so that lines keep their numbers.
  prose = _FENCE.sub(lambda m: re.sub(r'[^\n]', ' ', m[0]), text)
  for match in _SPAN.finditer(prose):
    if _INLINE.fullmatch(match[1]):
      line = text.count('\n', 0, match.start()) + 1
      found.append(Command(document, line, ' '.join(match[1].split())))
  return sorted(found, key=lambda command: command.line)


def all_commands() -> list[Command]:
  """Returns the commands of all documents, each once."""
  unique: dict[str, Command] = {}
  for path in DOCUMENTS:
    for command in commands(path):
      unique.setdefault(command.text, command)
  return list(unique.values())


def _lines(body: str) -> list[str]:
  """Returns a block's commands, each in one line, without comments."""
  joined = re.sub(r'\\\n\s*', ' ', body)
  lines = [re.sub(r'(^|\s+)#\s.*', '', line) for line in joined.splitlines()]
  lines = [line.removeprefix('$ ').strip() for line in lines]
  return [' '.join(line.split()) for line in lines if line]


def flag_files() -> dict[str, str]:
  """Returns the files of flags that docs/launch.md shows, by name."""
  text = (ROOT / 'docs/launch.md').read_text()
  files = {}
  for match in re.finditer(r'^( *)```text\n(.*?)^\1```$', text, re.M | re.S):
    # The last name before the block.
    *_, name = re.findall(r'`(\w+\.flags)`', text[: match.start()])
    files[name] = re.sub(rf'^{match[1]}', '', match[2], flags=re.M)
  return files
