"""Parses the flags; an error becomes one line of text."""

import pathlib
import re
import runpy
from collections.abc import Sequence

import ml_collections
from absl import flags

from aqa_jax import own_parts
from tfds_mtl_aqa.input_error import InputError

_CONFIGS = pathlib.Path(__file__).parent / 'configs'


def parse_flags(argv: Sequence[str]) -> list[str]:
  """Parses the flags, --config among them.

  Args:
    argv: arguments of the program. `--config=c3davg` is configs/c3davg.py,
      wherever the program runs.

  Returns:
    The arguments that are not flags.

  Raises:
    InputError: a flag, or the config, is wrong.
  """
  argv = [_with_config_path(argument) for argument in argv]
  path = next((a for a in argv if a.startswith('--config=')), '--config')
  file = pathlib.Path(path.removeprefix('--config=').partition(':')[0])
  if file.is_file() and file.parent != _CONFIGS:
    # As a script finds the modules beside it.
    own_parts.find_in(file.parent)
  try:
    rest = flags.FLAGS(argv)
    config = flags.FLAGS.config
    if path != '--config':
      _check_fields(config, path)
  except SyntaxError as e:
    raise InputError(
      f'--config: {e.filename}, line {e.lineno}: no Python ({e.msg}); see '
      'configs/.'
    ) from e
  except OSError as e:
    reason = str(e.__cause__ or e).strip().splitlines()[-1].strip()
    raise InputError(
      f'{path} is no config that can be read ({reason}); see configs/.'
    ) from e
  except (flags.Error, AttributeError, KeyError, TypeError, ValueError) as e:
    if "'get_config'" in str(e):
      raise InputError(
        f'{path}: has no function get_config(); see configs/.'
      ) from e
    raise InputError(_about_flags(str(e), argv)) from e
  except (ImportError, ArithmeticError, LookupError, NameError) as e:
    # Raised by the user's config.
    raise InputError(f'{path}: {type(e).__name__}: {e}.') from e
  return rest


# Network -> the config that has all its fields; the others are as c3davg.
_WHOLE_CONFIGS = {
  'action_classifier': 'pretrain_ucf101',
  'dive_finder': 'find_dives',
  'c3d_lstm': 'c3d_lstm',
  'ed_tcn': 'ed_tcn',
}
# Source of features -> the config that has all fields of a regression on them.
_WHOLE_REGRESSIONS = {
  'file': 's3d',
  'lstm': 'c3d_lstm_svr',
  'network': 'c3d_svr',
  'poses': 'pose_dct',
  'stages': 's3d_stages',
}
# Source of features -> the config that has all its fields.
_WHOLE_FEATURES = _WHOLE_REGRESSIONS | {'frames': 'ed_tcn'}


def _check_fields(config: object, path: str) -> None:
  """Checks that a config has the fields that every config has.

  Raises:
    InputError: it is no config, or fields are missing.
  """
  if not isinstance(config, ml_collections.ConfigDict):
    raise InputError(
      f'{path}: get_config() returns a {type(config).__name__}; it has to be '
      'an ml_collections.ConfigDict: begin with one of configs/.'
    )
  if 'regressor' in config:
    source = config.get('features', {}).get('source')
    name = _WHOLE_REGRESSIONS.get(source, 's3d')
  else:
    name = _WHOLE_CONFIGS.get(config.get('network'), 'c3davg')
  wanted = _fields(_whole(name))
  if 'features' in config:
    # What sees no video, but what a source gives.
    wanted = [f for f in wanted if not f.startswith(('input.', 'features.'))]
    _check_features(config.features, path)
  missing = [
    field
    for field in wanted
    # Each network has other fields in `model`.
    if not field.startswith('model.') and field not in _fields(config)
  ]
  if missing:
    raise InputError(
      f'{path}: lacks {missing[0]}'
      + f' and {len(missing) - 1} more fields' * (len(missing) > 1)
      + f'; begin with a whole config, such as configs/{name}.py.'
    )


def _check_features(features: ml_collections.ConfigDict, path: str) -> None:
  """Checks that `features` has the fields of its source.

  Raises:
    InputError: fields are missing.
  """
  name = _WHOLE_FEATURES.get(features.get('source'))
  if 'source' in features and not name:
    return  # A class of the user's; or a mistake, which its user tells.
  name = name or 's3d'
  wanted = _fields(_whole(name).features)
  missing = [field for field in wanted if field not in features]
  if missing:
    raise InputError(
      f'{path}: lacks features.{missing[0]}'
      + f' and {len(missing) - 1} more fields' * (len(missing) > 1)
      + f'; take features from configs/{name}.py.'
    )


def _whole(name: str) -> ml_collections.ConfigDict:
  """Returns a config that comes with the program."""
  config: ml_collections.ConfigDict = runpy.run_path(str(find_config(name)))[
    'get_config'
  ]()
  return config


def _fields(config: ml_collections.ConfigDict, prefix: str = '') -> list[str]:
  """Returns the names of all fields, those within others with dots."""
  names = []
  for key in config:
    value = config.get(key)
    if isinstance(value, ml_collections.ConfigDict):
      names += _fields(value, f'{prefix}{key}.')
    else:
      names.append(f'{prefix}{key}')
  return names


def _with_config_path(argument: str) -> str:
  """Returns --config=... with the path of the file that it means."""
  flag, _, name = argument.partition('=')
  if flag != '--config' or not name:
    return argument
  # The text after a colon is an argument of get_config().
  name, colon, rest = name.partition(':')
  return f'--config={find_config(name)}{colon}{rest}'


def find_config(name: str) -> pathlib.Path:
  """Returns the file of a config.

  Args:
    name: its path; or 'c3davg' or 'configs/c3davg.py' for one that comes with
      the program.

  Returns:
    The path of the file; `name` as it was given, if there is no such file.
  """
  path = pathlib.Path(name).expanduser()
  if path.is_file():
    return path
  inside = path.with_suffix('.py')
  if inside.parts[0] == 'configs':
    inside = inside.relative_to('configs')
  return _CONFIGS / inside if (_CONFIGS / inside).is_file() else path


def _about_flags(message: str, argv: Sequence[str]) -> str:
  """Returns an error message that names the flags which are wrong."""
  if message[0] in '\'"':  # A field's name, quoted once or twice.
    message = message.strip('\'"').replace('\\n', ' ')
    message = re.sub(r'[\\\'"]+(?=\w)|(?<=\w)[\\\'"]+', "'", message)
    message = re.sub(
      r"\s*Did you mean ('.*?') instead of .*", r'; did you mean \1?', message
    )
    message = f'the config has no such field: {message}'
  # absl's text is the exception's tuple of arguments.
  message = re.sub(
    r"\('Non-boolean argument .*\)", 'give True or False.', message
  )
  # The messages of int('two') and float('fast').
  message = re.sub(
    r'invalid literal for int\(\).*', 'give a whole number.', message
  )
  message = re.sub(
    'could not convert string to float: .*', 'give a number.', message
  )
  if message.startswith(('flag --', 'Unknown command line flag')):
    return ' '.join(message.split())  # It names the flag.
  overrides = [flag for flag in argv if flag.startswith('--config.')]
  # The flags whose field or value is in the message; all if none is.
  wrong, *_ = message.split(';')
  named = [
    flag
    for flag in overrides
    if any(
      re.search(rf'(?<!\w){re.escape(part)}(?!\w)', wrong)
      for part in re.split('[.=]', flag.removeprefix('--config.'))
      if part
    )
  ]
  flags_meant = named or overrides
  where = f' (in {" ".join(flags_meant)})' if flags_meant else ''
  return ' '.join(message.split()) + where
