from data_pipelines.scenes import SCENES, scene, shared


def test_table_names_every_photograph_once():
    assert [entry.kodak for entry in SCENES] == list(range(1, 25))
    live = [entry.live for entry in SCENES if entry.live]
    assert len(live) == len(set(live)) == 19


def test_common_names():
    assert scene("tid2013", "i03") == scene("live_iqa", "caps") == "kodim03"
    assert scene("tid2013", "i25") == "tid2013/i25"
    assert scene("live_iqa", "monarch") == "live_iqa/monarch"
    assert scene("kadid10k", "i03") == "kadid10k/i03"


def test_overlap_of_tid2013_and_live():
    tid2013 = [f"i{i:02d}" for i in range(1, 26)]
    live = ["bikes", "monarch", "womanhat", "bikes", "dancers"]
    assert shared("tid2013", tid2013, "live_iqa", live) == [
        ("kodim04", "i04", "womanhat"),
        ("kodim05", "i05", "bikes"),
    ]
    assert shared("tid2013", tid2013, "kadid10k", tid2013) == []
    assert shared("tid2013_regenerated", ["i23"], "tid2013", tid2013) == [("kodim23", "i23", "i23")]
