"""Image pairs with opinion scores: data sets, tables, splits and the input pipeline.

    import data_pipelines
    pairs = data_pipelines.load("tid2013", "train")
    training, test = data_pipelines.split(pairs, (0.8, 0.2), seed=0)

Functions are imported on first use, which keeps `import data_pipelines` fast.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={"catalogue": ["load", "names", "prepare"], "splits": ["kfold", "split"]},
)
