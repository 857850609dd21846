"""The recipes of TID2013's types."""

from data_pipelines.tid2013 import recipes


def test_recipes_cover_all_types():
    assert sorted(recipes.RECIPES) == list(range(1, 25))
    assert set(recipes.FAITHFUL) <= set(recipes.RECIPES)
