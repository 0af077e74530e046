"""Importing this makes TensorFlow look as if it were not installed."""

import importlib.machinery

_find_spec = importlib.machinery.PathFinder.find_spec


def _without_tensorflow(name, path=None, target=None):
  if name.partition('.')[0] == 'tensorflow':
    return None
  return _find_spec(name, path, target)


importlib.machinery.PathFinder.find_spec = staticmethod(_without_tensorflow)
