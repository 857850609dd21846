from pathlib import PurePath

import pytest
from PIL import Image

from gsn_jax.errors import InputError
from gsn_jax.scoring.folders import list_images, pair_folders, pair_names


def pairs(references, distorted, rule="auto"):
    paired = pair_names([PurePath(r) for r in references], [PurePath(d) for d in distorted], rule)
    return {str(d): str(r) for r, d in paired.pairs}


@pytest.mark.parametrize(
    ("references", "distorted", "rule", "want"),
    [
        (["I01.BMP", "i02.png"], ["i01.jpg", "I02.webp"], "stem",
         {"i01.jpg": "I01.BMP", "I02.webp": "i02.png"}),
        (["i01.bmp", "i1.bmp"], ["i01_01_1.bmp", "I1-3.png", "i1.2.png", "i1 x.png"], "auto",
         {"i01_01_1.bmp": "i01.bmp", "I1-3.png": "i1.bmp", "i1.2.png": "i1.bmp",
          "i1 x.png": "i1.bmp"}),
        (["a.png", "a_b.png"], ["a_b_c.png", "a_c.png", "a.jpg", "ab.png"], "prefix",
         {"a_b_c.png": "a_b.png", "a_c.png": "a.png", "a.jpg": "a.png"}),
        (["a.png"], ["a_1.png"], "stem", {}),
        (["orig-07.png", "orig-08.png"], ["q50_08.jpg", "q50_07.jpg"], r"(\d+)$",
         {"q50_08.jpg": "orig-08.png", "q50_07.jpg": "orig-07.png"}),
        (["x/a.png", "y/a.png"], ["x/a.png", "y/a_1.png"], "auto",
         {"x/a.png": "x/a.png", "y/a_1.png": "y/a.png"}),
        (["a.png", "b.png"], ["jpeg/a.png", "blur/3/b.png"], "auto",
         {"jpeg/a.png": "a.png", "blur/3/b.png": "b.png"}),
        (["scene1/f.png", "scene2/f.png"], ["jpeg/scene2/f.png"], "auto",
         {"jpeg/scene2/f.png": "scene2/f.png"}),
        (["A.png", "a.png"], ["a.jpg"], "auto", {"a.jpg": "a.png"}),
    ],
)  # fmt: skip
def test_names_pair(references, distorted, rule, want):
    assert pairs(references, distorted, rule) == want


def test_never_by_order():
    paired = pair_names([PurePath("a.png")], [PurePath("b.png")])
    assert (paired.pairs, paired.lone_references, paired.lone_distorted) == (
        [], [PurePath("a.png")], [PurePath("b.png")],
    )  # fmt: skip


def test_two_fitting_references_are_ambiguous():
    paired = pair_names([PurePath("a.bmp"), PurePath("a.png")], [PurePath("a_1.png")])
    assert paired.ambiguous == [(PurePath("a_1.png"), [PurePath("a.bmp"), PurePath("a.png")])]
    assert paired.pairs == []


def test_a_rule_that_is_none():
    with pytest.raises(InputError, match="not a valid regular expression"):
        pair_names([], [], "(")


@pytest.fixture
def folders(tmp_path):
    image = Image.new("RGB", (8, 8))
    for name in ("r/a.png", "r/sub/b.PNG", "d/a_1.jpg", "d/a_2.png", "d/sub/b.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        image.save(tmp_path / name)
    (tmp_path / "d" / "notes.txt").touch()
    (tmp_path / "d" / ".hidden.png").touch()
    return tmp_path


def test_folders(folders):
    found, pairing = pair_folders(folders / "r", folders / "d")
    assert [(str(pair.reference_file), str(pair.distorted_file)) for pair in found] == [
        (str(folders / "r" / r), str(folders / "d" / d))
        for r, d in (("a.png", "a_1.jpg"), ("a.png", "a_2.png"), ("sub/b.PNG", "sub/b.png"))
    ]
    assert not pairing.lone_distorted


def test_what_has_no_partner_is_refused_unless_allowed(folders):
    (folders / "d" / "zebra.png").touch()
    (folders / "r" / "lonely.png").touch()
    with pytest.raises(
        InputError,
        match=r"1 distorted image without a reference: zebra\.png; "
        r"1 reference without a distorted image: lonely\.png; --allow-unpaired",
    ):
        pair_folders(folders / "r", folders / "d")
    found, pairing = pair_folders(folders / "r", folders / "d", allow_unpaired=True)
    assert len(found) == 3
    assert [str(path) for path in pairing.lone_distorted] == ["zebra.png"]


def test_loops_of_links_end(folders):
    (folders / "d" / "sub" / "loop").symlink_to(folders / "d")
    assert [str(path) for path in list_images(folders / "d")] == [
        "a_1.jpg", "a_2.png", "sub/b.png",
    ]  # fmt: skip


def test_one_folder_within_the_other(folders):
    (folders / "d" / "references").symlink_to(folders / "r")
    found, _ = pair_folders(folders / "r", folders / "d")
    assert len(found) == 3
    with pytest.raises(InputError, match="is both the reference and the distorted folder"):
        pair_folders(folders / "r", folders / "d" / ".." / "r")


def test_names_in_another_unicode_form_pair():
    composed, decomposed = "Müller é", "Mu\u0308ller e\u0301"
    for rule in ("auto", "stem", "prefix", r"\w+ \w"):
        pairing = pair_names(
            [PurePath(composed, f"{composed}.png")],
            [PurePath(decomposed, f"{decomposed}.png")],
            rule,
        )
        assert len(pairing.pairs) == 1, rule


def test_an_expression_that_backtracks_for_ever_is_refused(monkeypatch):
    monkeypatch.setattr("gsn_jax.scoring.folders._SEARCH_SECONDS", 0.05)
    name = [PurePath("a" * 100 + ".png")]
    with pytest.raises(InputError, match="takes too long on a"):
        pair_names(name, name, r"^(\w|\w\w)+[-.]$")
