"""The names of the files of a model folder; see `model_folder`."""

WEIGHTS, DESCRIPTION = 'model.safetensors', 'model.json'
EVALUATION, CARD = 'evaluation.json', 'README.md'
FILES = (WEIGHTS, DESCRIPTION, EVALUATION, CARD)
