"""The builder of the regenerated TID2013, with a regeneration that writes two pairs."""

import sys
import types

import pytest
from small_data_sets import left_behind, save

import data_pipelines
from data_pipelines import catalogue
from gsn_jax.errors import InputError


def test_it_keeps_reserved_scenes_apart(tmp_path, monkeypatch):
    def regenerate(photos, tables, out, progress=None):
        assert (photos, tables) == (tmp_path / "photos" / "kodak", tmp_path / "tables")
        for i in (1, 2):
            save(out, f"kodim0{i}.png")
            save(out, f"i0{i}_01_1.png")
        (out / "pairs.csv").write_text(
            "reference,distorted,score,score_std,type,level,group,split\n"
            "kodim01.png,i01_01_1.png,4.5,0.1,jpeg,1,I01,reserved\n"
            "kodim02.png,i02_01_1.png,9,0.1,jpeg,1,I02,train\n"
        )
        progress(2, 2)
        return out / "pairs.csv"

    module = types.ModuleType("data_pipelines.regenerate_tid2013")
    module.regenerate = regenerate
    monkeypatch.setitem(sys.modules, "data_pipelines.regenerate_tid2013", module)
    monkeypatch.setattr(data_pipelines, "regenerate_tid2013", module, raising=False)
    with pytest.raises(InputError, match="photos/kodak: no such folder"):
        catalogue.prepare("tid2013_regenerated", tmp_path, tmp_path / "data")
    (tmp_path / "photos" / "kodak").mkdir(parents=True)
    (tmp_path / "tables").mkdir()
    stages = []
    catalogue.prepare(
        "tid2013_regenerated",
        tmp_path,
        tmp_path / "data",
        progress=lambda *args: stages.append(args),
    )
    assert ("regenerating", 2, 2) in stages

    def ids(split):
        return data_pipelines.load("tid2013_regenerated", split, tmp_path / "data").reference_ids

    assert (ids("train"), ids("reserved")) == (["i02"], ["i01"])
    assert sorted(ids("all")) == ["i01", "i02"]
    assert not [name for name in left_behind(tmp_path / "data") if name.endswith(".png")]
