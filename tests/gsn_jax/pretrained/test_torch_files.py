import base64
import io
import pickle
import struct
import zipfile
import zlib

import ml_dtypes
import numpy as np
import pytest

from gsn_jax.errors import InputError
from gsn_jax.pretrained.torch_files import read_torch_state_dict

# Written by PyTorch 2.13.0, then compressed with zlib:
#   base = torch.arange(12, dtype=torch.float32)
#   tensors = OrderedDict(transposed=base.reshape(3, 4)[:, 1:].t(), shared=base[5:7],
#       parameter=Parameter(tensor([1.5])), half=tensor([0.5, -2.0]).half(),
#       brain=tensor([3.0]).bfloat16(), count=tensor(7), flags=tensor([True, False]),
#       empty=zeros(0, 3))
#   torch.save({"epoch": 3, "state_dict": tensors, "optimizer": {"lr": 0.1}}, file)
# and again with _use_new_zipfile_serialization=False.
ZIP = """\
eNqlVstv3EQYn31vlmSTNA0hoaSlpbCBdrPvR5tmN6a4BReaGJCsCGnl7DpZg3e9n3c20IpIkSABxKXiViQQV/4CxKWK
uHAOQhUHDkgcECf+BWbsjeuZvCAZZezY8e/xeeb7xYtSIIhQNIr2jRF0BqlWvamva7MNFavJzgeGKMTRMjM2/RuAEkqI
ALSOWW+CTwooMXLVxSrWag29jsFfr5uGodWxbra7sbtWQ7O0xk3ylxgEZmQIJmwAttR2t2N2tQaE6tgkyslaD+tGN1az
tJWebjRqWGt3Tau2nolBOJFQIraMaalrGkQcSEw0TBW/7dyMQVTxkWdSMKAEyLne6UFMGsTw1JJEbEqBbRgkvwS3YeiL
JnUSxzAsw4gSpsRNlbiE0SZRakaa0eZA08aeWZJCkn8LxiTfFpx1cOMYnpZhQhkguI5qqS0NaxY8c0gV7hMxmNxjt32m
YYpo+DA8uyQhSn+OHp5zNKYxnJfhwuf2xfOfwUUZLilk6VBTNVbhBYeo/xJuk1vuO7hsc2fgRcLtx/AS5Sb+E5R7xuF+
GcMrMlyxV3HFUvU2XGX4BPutpgsuZ9LmzMKs4zfV95umh4zDmcWQkyFvc9bNXhtDgeG8Y7bXXL6izZeDksNXJnwzfW/X
MFyXYc7mWTXUtS7cYL2ZpuHyzNs8eag4tVb7tS5QX4LD9yqGmzK85uzYVgffA5FZhALcImCE4TYFI7pJXid7xbcNbzgE
EoY7MrzZs1fb7GC9pd8nq/3WBtxV/OSWYcHircqPD+n4uttLLkqR6PijsYcXyRakc/HQjptAk27HJVdNq6Xi2rpmdUnb
iMI413j9kab0P/zz+yfUO52H00+h4hP6ft/UVENfa7e0NhaF7MEKR49CjhqofAh/09r9RxoYRRXXwMo9rJk0CUTh+kl0
94ahY2xo1MPWjT8naeOGj/QQR/NMqs2mROHaKQw4rJsVcqiSHzI3yfyOzB0y/yATLZAsJfMCmakF6vSjjdX5FM2lY5ye
ZZ2mRWEE7dffqVBO8/Jv79E0CB7DWWU5M6Iwd5rXv4xKaIfqf/q98uAE+tnT6lerVP39cx//fPz+iyOBVc+Jwvyp1JeX
I31u6qLz+C+TykaPcTHHusiLQunELny28qNLPyls/ei/1F84ff2H1zmMxlw1N8WGeblsjPrf/Xbt3ePXbxplngSYXUBX
s3SSYPdV+mlR0xuikPyf9aQKpXI+U84XcsVSPpMq5PPFUjqbLaSLpXI5nSpmM9lUrlRKUZdffnN+N0F8JGyXPmrW9elN
+JF9zvnvKB7tDfAJBmkF0GH/E3gSbwhPMSS7XpJ9yc/zeIN0lOGRg2h/gPNwb7rFGfjjIOKyl8d6U4zFboY4bJrHehOI
xf7KYzM81psfLPadMIfN8lhv17PYX3hsjsd6+5bF0o9bNiX2sAd3NqPLYwu8rrffhhlsNYr4ruXB3jaYZsBfecAHN+ii
FA5f2WvnwFUXOcSdiwHnXBrYi9ewnbTmoHPtfOmEwg5myH7eefZfQcvYJg==
"""
LEGACY = """\
eNp1k8ly00AQhmV5IyKBsBPWsNssRl5js9kJIQkom8VFF0qlyJNIlKJxS+NUhapU+ZIQeAMoDhx5BW55FK48AlUc6JFs
hwQxpR5LPePv7+7p6YofJef3l5lf42+/LY/luuLCzzjOWyBktFFBENoeZdSkjr5BPN+mLsRwgzaCK47NmEN04rZswwVx
V5PQyTbbRPftd8SH+BYkMloSnb5FPQZJRdTi+GW7DFJKQktwBnXXIK0kOp2+Jt9P2tS0IKbEA6TPDEb0lm0yEE2MxCEm
w0B8aclrEY+0pnFFgnhW5XJBDJ7h+m3qkxYkTUY908rpHWY7vqR7ZKVjOy2dEdennr5RkCCVyWjpQIZ6xhqBdPgXacah
BnsdOiU4oh3DPbVSPp+XK5VCrZgvF2AoyMdsd0BShhcZHG0qGLQS34FhfEnswMgHi8d1jMFxFUa1VFALA2OGExbqWmkr
knvSCnmnmgoWbRtOK7FtOBOyzjI4p8J5bYifjeEZ64QRD8b+k+dghwQXohXlWrFUgouoGEPFS01F4GKX+XQlVLzKYFyF
a7vBx/X3cEOFm8HhWYazCrdCbK9oc+ga1Oz2vhJmVa5W5KoMd1BJRKUMV8Lcslzpbqh0j8F9FR4EPbDiGbYLuQP0qeBM
8pWBwsNDChNySQa5l0u+l0uBT8VQocSgrEIlUDBpBztx4oDCPPbjgF49RC9PFKpQ69EfIT2bDamPGTxR4WlAXXWMNR+e
HYybUmdArR+OuVIsQKNXlcleVaZ4zM9D+jSDFyrMhDdjvc02Yfbfo+Somoz5wxyiBES95CiBN+Mr7MnYDighbp7BggqL
naCDaJvZ63hbPVjagmVN5FfSg+Zs/fsnPj77/F6+4fcyomliUb0rRhUtHtUJiajDS0ZVJxWVZ5rkYkJ/7NWHhb9Ht45T
Ax+0LtpXtD20H2jCpCCMoo2jyZN9Rrr3K/YRVWGvv9Zo9L37in8AF+pNZA==
"""

EXPECTED = {
    "transposed": np.float32([[1, 5, 9], [2, 6, 10], [3, 7, 11]]),
    "shared": np.float32([5, 6]),
    "parameter": np.float32([1.5]),
    "half": np.float16([0.5, -2]),
    "brain": np.array([3], ml_dtypes.bfloat16),
    "count": np.int64(7),
    "flags": np.array([True, False]),
    "empty": np.zeros((0, 3), np.float32),
}


@pytest.mark.parametrize("content", [ZIP, LEGACY], ids=["zip", "legacy"])
def test_reads_what_pytorch_wrote(tmp_path, content):
    path = tmp_path / "checkpoint.pth"
    path.write_bytes(zlib.decompress(base64.b64decode(content)))
    tensors = read_torch_state_dict(path)
    assert list(tensors) == list(EXPECTED)
    for name, expected in EXPECTED.items():
        np.testing.assert_array_equal(tensors[name], expected, strict=True)


def test_the_older_format_of_a_big_endian_machine_is_little_endian_too(tmp_path):
    # PyTorch swaps the bytes there when it writes, and says only that the machine is big-endian.
    data = zlib.decompress(base64.b64decode(LEGACY))
    name = b"little_endian"
    place = data.index(name) + len(name)
    place += data[place : place + 5].index(b"\x88")  # True
    path = tmp_path / "checkpoint.pth"
    path.write_bytes(data[:place] + b"\x89" + data[place + 1 :])
    tensors = read_torch_state_dict(path)
    for name, expected in EXPECTED.items():
        np.testing.assert_array_equal(tensors[name], expected, strict=True)


class Call:
    """Pickles as a call of `function`, which need not be importable where it is read."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


def archive(path, pickled, storages=()):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", pickled)
        for key, data in enumerate(storages):
            file.writestr(f"archive/data/{key}", data)
    return path


def tensor_pickle(storage=("storage", "FloatStorage", "0", "cpu", 4), offset=0, view=((4,), (1,))):
    """A state dict with one tensor, in the opcodes of protocol 2."""
    kind, storage_type, key, device, size = storage

    def plain(value):
        return pickle.dumps(value, 2)[2:-1]  # without its start and stop

    identifier = b"(" + plain(kind) + b"ctorch\n" + storage_type.encode() + b"\n"
    identifier += plain(key) + plain(device) + plain(size) + b"tQ"
    arguments = b"(" + identifier + plain(offset) + plain(view[0]) + plain(view[1]) + b"\x89Nt"
    return b"\x80\x02}" + plain("w") + b"ctorch._utils\n_rebuild_tensor_v2\n" + arguments + b"Rs."


def test_reads_a_view(tmp_path):
    data = np.float32([0, 1, 2, 3]).tobytes()
    pickled = tensor_pickle(offset=1, view=((2, 2), (1, 1)))
    tensors = read_torch_state_dict(archive(tmp_path / "a.pt", pickled, [data]))
    np.testing.assert_array_equal(tensors["w"], [[1, 2], [2, 3]])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"offset": 1}, "beyond its storage"),
        ({"view": ((2, 3), (1, 2))}, "beyond its storage"),
        ({"offset": -1}, "unusual way"),
        ({"view": ((4,), (-1,))}, "unusual way"),
        ({"view": ((4,), (1, 1))}, "unusual way"),
        ({"storage": ("storage", "FloatStorage", "0", "cpu", 400)}, "declared size"),
        ({"storage": ("module", "FloatStorage", "0", "cpu", 4)}, "unusual way"),
        ({"storage": ("storage", "OtherStorage", "0", "cpu", 4)}, "refers to torch.OtherStorage"),
    ],
)
def test_refuses_tensors_that_reach_outside(tmp_path, change, words):
    path = archive(tmp_path / "a.pt", tensor_pickle(**change), [np.zeros(4, np.float32).tobytes()])
    with pytest.raises(InputError, match=words):
        read_torch_state_dict(path)


@pytest.mark.parametrize("legacy", [False, True])
def test_runs_no_code(tmp_path, legacy):
    proof = tmp_path / "ran"
    malicious = pickle.dumps({"w": Call(eval, f"open({str(proof)!r}, 'w')")}, 2)
    path = tmp_path / "malicious.pth"
    if legacy:
        start = [
            pickle.dumps(v, 2) for v in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})
        ]
        path.write_bytes(b"".join([*start, malicious, pickle.dumps([], 2)]))
    else:
        archive(path, malicious)
    with pytest.raises(InputError, match=r"malicious\.pth: the pickle refers to __builtin__\.eval"):
        read_torch_state_dict(path)
    assert not proof.exists()


def test_a_pickle_cannot_change_the_reader(tmp_path):
    # Sets an attribute on the stand-in of _rebuild_tensor_v2; the next file must not see it.
    poison = (
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\nN}X\x0c\x00\x00\x00__defaults__(K\x01ts\x86b."
    )
    with pytest.raises(InputError):
        read_torch_state_dict(archive(tmp_path / "poison.pt", poison))
    data = np.float32([0, 1, 2, 3]).tobytes()
    tensors = read_torch_state_dict(archive(tmp_path / "a.pt", tensor_pickle(), [data]))
    np.testing.assert_array_equal(tensors["w"], [0, 1, 2, 3])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not a PyTorch weight file"),
        (b"GIF89a", "not a PyTorch weight file"),
        (pickle.dumps(3, 2), "does not begin like a file from torch.save"),
        (struct.pack("<8s", b"PK\x03\x04"), "not a PyTorch weight file"),
    ],
)
def test_other_files_are_one_line(tmp_path, content, words):
    (tmp_path / "a.pth").write_bytes(content)
    with pytest.raises(InputError, match=words):
        read_torch_state_dict(tmp_path / "a.pth")


def test_missing_and_empty(tmp_path):
    with pytest.raises(InputError, match=r"none\.pth: cannot be read \(No such file"):
        read_torch_state_dict(tmp_path / "none.pth")
    file = io.BytesIO(pickle.dumps({"epoch": 3}, 2))
    with pytest.raises(InputError, match="contains no tensors"):
        read_torch_state_dict(archive(tmp_path / "a.pt", file.getvalue()))
