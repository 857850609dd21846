"""TFDS builders of the public data sets, one module each. They do not need TensorFlow."""
