"""Query maps: queries of a new model search the codes that an older model's items have."""

from poeem.training.query_map.fit import fit_query_map
from poeem.training.query_map.mixed import MixedIndex
from poeem.training.query_map.query_map import QueryMap

__all__ = ["MixedIndex", "QueryMap", "fit_query_map"]
