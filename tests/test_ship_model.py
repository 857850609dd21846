"""What of a training run goes into the package with its model."""

import copy

import ship_model

DATA = {
    "train": [["tid2013:train", 0, 7.25], "/home/someone/data/synthetic/pairs.csv"],
    "eval": [],
    "store": "/home/someone/store",
}


def test_the_record_names_no_folder_of_the_machine():
    training = {"config": {"data": copy.deepcopy(DATA)}, "step": 7}
    record = ship_model.portable(training)
    assert record["config"]["data"] == {
        "train": [["tid2013:train", 0, 7.25], "synthetic/pairs.csv"],
        "eval": [],
        "store": "",
    }
    assert record["step"] == 7
    assert training["config"]["data"] == DATA


def test_a_record_without_a_store():
    training = {"config": {"data": {"train": ["a.csv"], "eval": ["b.csv"]}}}
    assert ship_model.portable(training) == training
