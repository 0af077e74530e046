"""MTL-AQA and simulated dives as TensorFlow Datasets builders.

Importing this package registers the builders, so that `tfds.load('mtl_aqa')`
and `tfds.data_source('mtl_aqa')` find them.
"""
