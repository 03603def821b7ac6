"""The reader of legacy PyTorch checkpoints, on files assembled here from pickle's own codes."""

import hashlib
import pickle
import random
import struct
import tracemalloc

import numpy as np
import pytest

from helpers import checkpoint

ORDERED_DICT = b"ccollections\nOrderedDict\n)R"
MACHINE = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"int": 4}}


def plain(value):
    """The codes that push a plain value, without the frame around a pickle."""
    return pickle.dumps(value, 2)[2:-1]


def storage(key, kind, size):
    codes = plain("storage") + b"ctorch\n" + kind.encode() + b"\n"
    return b"(" + codes + plain(key) + plain("cpu") + plain(size) + b"NtQ"


def tensor(key, size, shape, strides, offset=0, kind="FloatStorage"):
    arguments = storage(key, kind, size) + plain(offset) + plain(shape) + plain(strides)
    rebuild = b"ctorch._utils\n_rebuild_tensor_v2\n"
    return rebuild + b"(" + arguments + b"\x89" + ORDERED_DICT + b"tR"


def written(tensors, storages, machine=MACHINE, magic=checkpoint.MAGIC_NUMBER, version=1001):
    """A checkpoint of assembled tensors and of the values of their storages."""
    entries = b"".join(plain(name) + codes for name, codes in tensors.items())
    state = b"\x80\x02" + ORDERED_DICT + b"(" + entries + b"u."
    head = b"".join(pickle.dumps(part, 2) for part in (magic, version, machine))
    content = head + state + pickle.dumps(list(storages), 2)
    for values in storages.values():
        content += struct.pack("<q", values.size) + values.tobytes()
    return content


VALUES = np.arange(6, dtype="<f4")
GOOD = written(
    {
        "rows": tensor("0", 6, (2, 3), (3, 1)),
        "columns": tensor("0", 6, (3, 2), (1, 3)),
        "second_row": tensor("0", 6, (3,), (1,), offset=3),
        "steps": tensor("1", 1, (), (), kind="LongStorage"),
        "empty": tensor("0", 6, (0, 3), (3, 1)),
    },
    {"0": VALUES, "1": np.array([7], "<i8")},
)


def read(path):
    """Read a checkpoint whose hash is the expected one, whatever it holds."""
    return checkpoint.read(path, hashlib.sha256(path.read_bytes()).hexdigest())


@pytest.fixture
def saved(tmp_path):
    def save(content):
        path = tmp_path / "weights.pth"
        path.write_bytes(content)
        return path

    return save


def test_tensors_are_views_with_offset_and_strides(saved):
    found = checkpoint.read(saved(GOOD), hashlib.sha256(GOOD).hexdigest())
    assert list(found) == ["rows", "columns", "second_row", "steps", "empty"]
    np.testing.assert_array_equal(found["rows"], VALUES.reshape(2, 3))
    np.testing.assert_array_equal(found["columns"], VALUES.reshape(2, 3).T)
    np.testing.assert_array_equal(found["second_row"], VALUES[3:])
    assert found["steps"] == 7 and found["steps"].dtype == np.int64 and found["steps"].shape == ()
    assert found["empty"].shape == (0, 3)
    assert all(array.flags.c_contiguous for array in found.values())


@pytest.mark.parametrize(
    "named",
    [
        *(b"cos\nmkdir\n", b"cbuiltins\nexec\n", b"ctorch\nHalfStorage\n", b"ccopyreg\n_reduce\n"),
        *(b"cpathlib\nOrderedDict\n", b"cpathlib\nFloatStorage\n"),
        *(b"cpathlib\n_rebuild_tensor_v2\n", b"ctorch._utils\nOrderedDict\n"),
    ],
)
def test_a_checkpoint_that_names_anything_else_is_refused_and_not_run(saved, tmp_path, named):
    made = tmp_path / "made"
    call = named + b"(" + plain(str(made)) + b"tR"
    path = saved(written({"weights": call}, {}))
    with pytest.raises(ValueError, match=r"is refused: it names .* nothing but an ordered dict"):
        read(path)
    assert not made.exists()


def test_the_wrong_hash_is_refused(saved):
    with pytest.raises(ValueError, match=r"has SHA-256 .* was expected"):
        checkpoint.read(saved(GOOD), "0" * 64)


def test_a_checkpoint_is_never_read_without_its_hash(saved):
    with pytest.raises(TypeError, match="sha256"):
        checkpoint.read(saved(GOOD))


@pytest.mark.parametrize(
    "crafted",
    [
        # Memo slot 2**28 makes the unpickler ask for gigabytes; deep nesting exhausts its stack.
        b"\x80\x02Kar" + struct.pack("<I", 2**28) + b".",
        b"\x80\x02" + b"(" * 200_000 + b"t" * 200_000 + b".",
        GOOD[:-8],
    ],
)
def test_a_crafted_or_truncated_file_is_refused_before_it_is_parsed(saved, crafted, monkeypatch):
    monkeypatch.setattr(checkpoint, "_parse", None)
    with pytest.raises(ValueError, match=r"has SHA-256 .* was expected"):
        checkpoint.read(saved(crafted), hashlib.sha256(GOOD).hexdigest())


def test_a_file_of_another_hash_is_not_brought_into_memory(tmp_path):
    path = tmp_path / "large.pth"
    with path.open("wb") as file:
        file.truncate(64 * 2**20)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"has SHA-256 .* was expected"):
            checkpoint.read(path, "0" * 64)
        assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    finally:
        tracemalloc.stop()


def test_a_truncated_checkpoint_is_refused_wherever_it_ends(saved):
    for end in range(len(GOOD)):
        with pytest.raises(ValueError, match=r"weights\.pth is (refused|truncated)"):
            read(saved(GOOD[:end]))


def test_damaged_bytes_never_escape_as_another_error(saved):
    chance = random.Random(0)
    refused = 0
    for _ in range(300):
        content = bytearray(GOOD)
        content[chance.randrange(len(content))] = chance.randrange(256)
        try:
            read(saved(bytes(content)))
        except ValueError:
            refused += 1
    assert refused > 100


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (tensor("0", 6, (2, 4), (3, 1)), "reaches outside its storage"),
        (tensor("0", 6, (2, 3), (3, 1), offset=1), "reaches outside its storage"),
        (tensor("0", 6, (2, 3), (300, 1)), "reaches outside its storage"),
        (tensor("0", 6, (10**9, 10**9), (0, 0)), "reaches outside its storage"),
        (tensor("0", 6, (2, 3), (-3, 1)), "malformed"),
        (tensor("0", 6, (2, 3), (3,)), "malformed"),
        (tensor("0", 6, (2, 3), (3, 1), offset=-1), "malformed"),
        (tensor("0", 7, (2, 3), (3, 1)), "holds 6 values where 7 were declared"),
        (tensor("0", 5, (5,), (1,)), "holds 6 values where 5 were declared"),
        (tensor("0", 6, (2, 3), [3, 1]), "malformed"),
        (tensor("0", 6, [2, 3], (3, 1)), "malformed"),
        (tensor("0", 6, (True, 3), (3, 1)), "malformed"),
        (tensor("0", 6, (2, 3), (3, 1), offset=None), "malformed"),
        (
            b"ctorch._utils\n_rebuild_tensor_v2\n("
            + plain("0")
            + plain(0)
            + plain((6,)) * 2
            + b"tR",
            "malformed",
        ),
        (tensor("1", 6, (2, 3), (3, 1)), "does not match the tensors"),
        (tensor("0", -6, (2, 3), (3, 1)), "storage reference of unknown form"),
        (plain("no tensor"), "not a mapping from names to tensors"),
    ],
)
def test_a_tensor_that_does_not_fit_its_storage_is_refused(saved, wrong, message):
    with pytest.raises(ValueError, match=message):
        read(saved(written({"weights": wrong}, {"0": VALUES})))


def test_other_formats_are_refused(saved):
    with pytest.raises(ValueError, match="newer zip format"):
        read(saved(b"PK\x03\x04" + GOOD))
    with pytest.raises(ValueError, match="does not start as a legacy"):
        read(saved(written({}, {}, magic=1)))
    with pytest.raises(ValueError, match="does not start as a legacy"):
        read(saved(written({}, {}, version=1002)))
    with pytest.raises(ValueError, match="not little-endian"):
        read(saved(written({}, {}, machine={"protocol_version": 1001})))
    with pytest.raises(ValueError, match="not little-endian"):
        read(saved(written({}, {}, machine=MACHINE | {"little_endian": False})))
    with pytest.raises(ValueError, match="left over"):
        read(saved(GOOD + b"\x00"))


def test_a_missing_checkpoint_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"There is no checkpoint .*none\.pth"):
        checkpoint.read(tmp_path / "none.pth", "0" * 64)


def test_storages_come_in_the_order_of_their_list(saved):
    tensors = {"first": tensor("0", 6, (6,), (1,)), "second": tensor("1", 6, (6,), (1,))}
    found = read(saved(written(tensors, {"1": VALUES + 6, "0": VALUES})))
    np.testing.assert_array_equal(found["first"], VALUES)
    np.testing.assert_array_equal(found["second"], VALUES + 6)


def test_a_storage_declared_in_two_ways_is_refused(saved):
    tensors = {
        "floats": tensor("0", 6, (6,), (1,)),
        "integers": tensor("0", 6, (6,), (1,), kind="LongStorage"),
    }
    with pytest.raises(ValueError, match="storage 0 is declared in two ways"):
        read(saved(written(tensors, {"0": VALUES})))


def test_a_checkpoint_cannot_change_the_reader(saved):
    rebuild = b"ctorch._utils\n_rebuild_tensor_v2\n"
    spoiled = rebuild + plain({"spoiled": True}) + b"b"
    with pytest.raises(ValueError, match="not a mapping from names to tensors"):
        read(saved(written({"weights": spoiled}, {})))
    assert not vars(checkpoint._view)
