"""The protocol that GSN and every other metric follow, and what its implementations share.

Scoring, evaluation, reports and notebooks need nothing else from a metric, so a new one works
everywhere at once. Optional abilities, such as caching the features of the reference
(`ReferenceCaching`), have protocols of their own here.
"""

from gsn_jax.metric.feature_cache import CACHE_BYTES, FeatureCache
from gsn_jax.metric.function_metric import FunctionMetric, Stages, declared_fields, every_pixel
from gsn_jax.metric.protocols import (
    Batching,
    MapGrid,
    Mask,
    Metric,
    ReferenceCaching,
    Regional,
    Remember,
    SizeAware,
    forget,
)

__all__ = [
    "CACHE_BYTES",
    "Batching",
    "FeatureCache",
    "FunctionMetric",
    "MapGrid",
    "Mask",
    "Metric",
    "ReferenceCaching",
    "Regional",
    "Remember",
    "SizeAware",
    "Stages",
    "declared_fields",
    "every_pixel",
    "forget",
]
