"""The classes of a dive in words."""

from collections.abc import Mapping

from tfds_mtl_aqa.labels import CLASS_NAMES


def class_words(classes: Mapping[str, str]) -> str:
  """Returns classes in words: see `dive_words`; other classes with their names.

  Args:
    classes: classification -> class name.
  """
  if all(value in CLASS_NAMES.get(name, ()) for name, value in classes.items()):
    return dive_words(classes)
  return ', '.join(f'{name} {value}' for name, value in classes.items())


def dive_words(classes: Mapping[str, str]) -> str:
  """Returns a dive in words, such as 'backward 3.5 somersaults tuck'.

  Args:
    classes: classification -> class name; any of a dive's five. 'no armstand'
      and 'no twist' are in the text only if there is nothing else.

  Raises:
    ValueError: a class name is none of its classification's.
  """
  for name, value in classes.items():
    if value not in CLASS_NAMES[name]:
      raise ValueError(f'{value!r} is no class of {name!r}.')
  words = []
  if classes.get('armstand') == 'yes':
    words.append('armstand')
  if 'rotation_type' in classes:
    words.append(classes['rotation_type'])
  for name in ('somersaults', 'twists'):
    if name in classes and (name, classes[name]) != ('twists', '0'):
      count = classes[name]
      words += [count, name[:-1] if count == '1' else name]
  if 'position' in classes:
    words.append(classes['position'])
  if not words:
    absent = {'armstand': 'armstand', 'twists': 'twist'}
    words = [f'no {word}' for name, word in absent.items() if name in classes]
  return ' '.join(words)
