"""TFDS builders of the public data sets, one module each; they need no TensorFlow."""
