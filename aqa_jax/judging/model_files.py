"""The names of the files of a model folder; see `model_folder`."""

WEIGHTS, DESCRIPTION = 'model.safetensors', 'model.json'
EVALUATION, CARD = 'evaluation.json', 'README.md'
FILES = (WEIGHTS, DESCRIPTION, EVALUATION, CARD)

# Of a finder; see `finder_model`.
FINDER_WEIGHTS, FINDER = 'finder.safetensors', 'finder.json'
FINDER_FILES = (FINDER_WEIGHTS, FINDER, CARD)
