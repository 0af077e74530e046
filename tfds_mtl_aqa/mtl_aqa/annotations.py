"""Reads the annotations of MTL-AQA: all that is known about each dive."""

import dataclasses
import json
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

from tfds_mtl_aqa import features, input_error, labels, restricted_pickle
from tfds_mtl_aqa.mtl_aqa import unlv_dive

Key = tuple[int, int]  # event, sample

EOS = '<eos>'
SOS = '<sos>'

# The smaller training sets, by their real sizes. The paper and the release call
# them 450, 280 and 140.
SUBSETS = ('443', '279', '143')
UNLV_SPLITS = ('none', 'train', 'test')


@dataclasses.dataclass(frozen=True)
class Dive:
  """One labelled dive.

  Attributes:
    key: event and sample.
    labels: frames, scores and classes.
    judge_scores: of the seven judges, half points from 0 to 10.
    dive_number: such as '407C'; '' where unknown.
    caption: the words of the commentary, with <sos> first and <eos> last.
    caption_ids: the index of each word in the vocabulary.
    subsets: those of `SUBSETS` whose released training list has the dive.
    in_main_train: whether the dive is in MTL-AQA's training split.
    unlv_split: one of `UNLV_SPLITS`.
  """

  key: Key
  labels: features.DiveLabels
  judge_scores: tuple[float, ...]
  dive_number: str
  caption: tuple[str, ...]
  caption_ids: tuple[int, ...]
  subsets: frozenset[str]
  in_main_train: bool
  unlv_split: str


class MtlAqaExample(features.DiveExample):
  """A dive without video as the builder yields it.

  `subsets` has two flags for each of `SUBSETS`: `released_443` for the released
  list, and `clean_443` for its dives that are in MTL-AQA's training split.
  """

  subsets: dict[str, bool]
  unlv_dive: str


@dataclasses.dataclass(frozen=True)
class Release:
  """The whole annotation release.

  Attributes:
    dives: by key.
    splits: the keys of 'train' and of 'test', in the official order.
    vocabulary: the words, each at the index that is its id.
  """

  dives: Mapping[Key, Dive]
  splits: Mapping[str, tuple[Key, ...]]
  vocabulary: tuple[str, ...]


def read_release(paths: Mapping[str, pathlib.Path]) -> Release:
  """Reads the files of the release.

  Leaves out captions of dives without labels; the release has four.

  Args:
    paths: the file of every role in `release.URLS`.

  Raises:
    InputError: a file is damaged, or two files contradict each other.
  """
  annotations = _read_by_key(paths['annotations'])
  captions = _read_by_key(paths['captions'])
  judges = _read_by_key(paths['judges'])
  vocabulary = _read_vocabulary(paths['vocabulary'])
  splits = _read_splits(paths, annotations)
  train = set(splits['train'])
  subsets = {
    name: set(_read_split(paths[f'subset_{name}'], annotations))
    for name in SUBSETS
  }
  unlv = {
    key: split
    for split in UNLV_SPLITS[1:]
    for key in _read_unlv_split(paths[f'unlv_{split}'])
  }

  ids = {word: index for index, word in enumerate(vocabulary)}
  dives = {}
  for key in splits['train'] + splits['test']:
    caption = _entry(captions, key, paths['captions'])
    if tuple(caption[:1]) != (SOS,) or tuple(caption[-1:]) != (EOS,):
      raise _malformed(
        paths['captions'],
        f'the caption of dive {key} does not run from {SOS} to {EOS}',
      )
    unknown = sorted({str(word) for word in caption if word not in ids})
    if unknown:
      raise input_error.InputError(
        f'{paths["captions"]}: the caption of dive {key} has words that '
        f'{paths["vocabulary"]} lacks: {", ".join(unknown[:5])}; get both '
        'released files again.'
      )
    judged = _entry(judges, key, paths['judges'])
    dives[key] = Dive(
      key=key,
      labels=_read_labels(annotations, key, paths['annotations']),
      judge_scores=_read_judge_scores(judged, key, paths['judges']),
      dive_number=str(judged.get('dive_number', '')),
      caption=tuple(caption),
      caption_ids=tuple(ids[word] for word in caption),
      subsets=frozenset(name for name in SUBSETS if key in subsets[name]),
      in_main_train=key in train,
      unlv_split=unlv.get(key, UNLV_SPLITS[0]),
    )
  return Release(dives, splits, vocabulary)


def read_main(
  paths: Mapping[str, pathlib.Path],
) -> tuple[dict[Key, features.DiveLabels], dict[Key, str]]:
  """Reads what other datasets need of this one.

  Args:
    paths: the files of the roles in `release.MAIN_ROLES`.

  Returns:
    By key, of every dive of the two splits: its labels, and its split.

  Raises:
    InputError: a file is damaged, or two files contradict each other.
  """
  annotations = _read_by_key(paths['annotations'])
  splits = _read_splits(paths, annotations)
  split_of = {key: split for split, keys in splits.items() for key in keys}
  labels_of = {
    key: _read_labels(annotations, key, paths['annotations'])
    for key in split_of
  }
  return labels_of, split_of


def example(dive: Dive) -> MtlAqaExample:
  """Returns a dive as the builder yields it, without its video."""
  event, sample = dive.key
  return {
    'event': event,
    'sample': sample,
    **dive.labels,
    'judge_scores': list(dive.judge_scores),
    'dive_number': dive.dive_number,
    'caption': ' '.join(dive.caption[1:-1]),
    'caption_ids': list(dive.caption_ids),
    'subsets': {
      flag: value
      for name in SUBSETS
      for flag, value in (
        (f'released_{name}', name in dive.subsets),
        (f'clean_{name}', name in dive.subsets and dive.in_main_train),
      )
    },
    'unlv_dive': dive.unlv_split,
  }


def _read_by_key(path: pathlib.Path) -> dict[Key, Any]:
  """Reads a dictionary by dive; its keys are Python or NumPy integers."""
  content = restricted_pickle.load(path)
  if not isinstance(content, dict):
    raise _malformed(path, 'it holds no dictionary')
  return dict(zip(_plain_keys(content, path), content.values(), strict=True))


def _plain_keys(keys: Iterable[Any], path: pathlib.Path) -> list[Key]:
  try:
    return [(int(event), int(sample)) for event, sample in keys]
  except (TypeError, ValueError) as e:
    raise _malformed(path, 'its keys are not pairs of numbers') from e


def _read_splits(
  paths: Mapping[str, pathlib.Path], annotations: Mapping[Key, Any]
) -> dict[str, tuple[Key, ...]]:
  splits = {
    split: _read_split(paths[split], annotations) for split in ('train', 'test')
  }
  if set(splits['train']) & set(splits['test']):
    raise input_error.InputError(
      f'{paths["test"]}: shares dives with {paths["train"]}; get the released '
      'files again.'
    )
  return splits


def _read_split(
  path: pathlib.Path, annotations: Mapping[Key, Any]
) -> tuple[Key, ...]:
  keys = _plain_keys(_read_list(path), path)
  for key in keys:
    if key not in annotations:
      raise _malformed(path, f'it names dive {key}, which has no labels')
  if len(set(keys)) != len(keys):
    raise _malformed(path, 'it names a dive twice')
  return tuple(keys)


def _read_unlv_split(path: pathlib.Path) -> list[Key]:
  released = _plain_keys(_read_list(path), path)
  try:
    return [
      unlv_dive.key_of_id(dive_id)
      for dive_id in unlv_dive.ids_of_released_list(released)
    ]
  except (KeyError, ValueError) as e:
    raise _malformed(path, f'it names a dive outside UNLV-Dive ({e})') from e


def _read_list(path: pathlib.Path) -> list[Any]:
  content = restricted_pickle.load(path)
  if not isinstance(content, list):
    raise _malformed(path, 'it holds no list')
  return content


def _read_vocabulary(path: pathlib.Path) -> tuple[str, ...]:
  try:
    ids = json.loads(path.read_text(encoding='utf-8'))['word_to_ix']
    words = tuple(sorted(ids, key=ids.__getitem__))
    numbers = [ids[word] for word in words]
  except (OSError, ValueError, KeyError, TypeError, AttributeError) as e:
    raise _malformed(path, 'it holds no vocabulary') from e
  if numbers != list(range(len(words))) or words[:2] != (EOS, SOS):
    raise _malformed(path, f'its ids do not count from {EOS} = 0, {SOS} = 1 on')
  return words


def _read_labels(
  annotations: Mapping[Key, Any], key: Key, path: pathlib.Path
) -> features.DiveLabels:
  annotation = _entry(annotations, key, path)

  def code(name: str, released_name: str | None = None) -> int:
    """Returns the integer code of a class."""
    value = int(annotation[released_name or name])
    if not 0 <= value < len(labels.CLASS_NAMES[name]):
      raise ValueError(f'{name} is {value}')
    return value

  try:
    return {
      'start_frame': int(annotation['start_frame']),
      'end_frame': int(annotation['end_frame']),
      'final_score': float(annotation['final_score']),
      'difficulty': float(annotation['difficulty']),
      'position': code('position'),
      'armstand': code('armstand'),
      'rotation_type': code('rotation_type'),
      'somersaults': code('somersaults', 'ss_no'),
      'twists': code('twists', 'tw_no'),
    }
  except (TypeError, ValueError, KeyError) as e:
    raise _malformed(path, f'the labels of dive {key} are wrong ({e})') from e


def _read_judge_scores(
  judged: Mapping[str, Any], key: Key, path: pathlib.Path
) -> tuple[float, ...]:
  try:
    scores = tuple(float(score) for score in judged['judge_scores'])
  except (TypeError, ValueError, KeyError) as e:
    raise _malformed(path, f"dive {key} has no judges' scores ({e})") from e
  if len(scores) != features.NUM_JUDGES or not all(
    0 <= score <= 10 and score % 0.5 == 0 for score in scores
  ):
    raise _malformed(path, f"the judges' scores of dive {key} are {scores}")
  return scores


def _entry(content: Mapping[Key, Any], key: Key, path: pathlib.Path) -> Any:
  if key not in content:
    raise _malformed(path, f'it lacks dive {key}')
  return content[key]


def _malformed(path: pathlib.Path, reason: str) -> input_error.InputError:
  return input_error.InputError(
    f'{path}: {reason}; get the released file again.'
  )
