"""The name of an uploaded file, for people only."""

import re
import unicodedata

_MAX_LENGTH = 100


def shown_name(text: str) -> str:
  """Returns a file's name as a page can show it; never to be used as a path.

  Folders, control characters and those that change the direction of a text are
  left out.

  Args:
    text: whatever a client sent.

  Returns:
    1 to 100 characters; 'video' where nothing is left.
  """
  last = re.split(r'[/\\]', unicodedata.normalize('NFC', text))[-1]
  kept = ''.join(
    character if unicodedata.category(character)[0] != 'C' else ' '
    for character in last
  )
  name = ' '.join(kept.split())
  if len(name) > _MAX_LENGTH:
    stem, dot, suffix = name.rpartition('.')
    if not dot or len(suffix) > 5:
      stem, dot, suffix = name, '', ''
    room = _MAX_LENGTH - len(dot + suffix) - 1
    name = f'{stem[:room]}…{dot}{suffix}'
  return name if name.strip('. ') else 'video'
