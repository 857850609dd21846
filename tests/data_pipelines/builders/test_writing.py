"""The files of prepared sets."""

import tensorflow_datasets as tfds
from array_record.python.array_record_module import ArrayRecordReader

from data_pipelines.builders.writing import _Writer


def test_equal_examples_have_equal_bytes_in_every_process(tmp_path):
    """Fields are in the order of their names; protobuf's own differs between processes."""
    names = "hgfedcba"
    identity = tfds.core.dataset_info.DatasetIdentity(
        name="letters", version=tfds.core.Version("1.0.0"), data_dir=tmp_path, module_name=""
    )
    features = tfds.features.FeaturesDict({name: tfds.features.Text() for name in names})
    writer = _Writer(tfds.core.DatasetInfo(builder=identity, features=features))
    writer.initialize_splits(["train"])
    writer.add_examples({"train": [dict.fromkeys(names, "text")]})
    writer.close_all()
    (file,) = tmp_path.glob("letters-train.array_record-*")
    (record,) = ArrayRecordReader(str(file)).read_all()
    places = [record.index(b"\x0a\x01" + name.encode()) for name in sorted(names)]
    assert places == sorted(places)
