"""The tree against RFC 6962's reference vectors and its own definition."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whitesquare.provenance.merkle import (
    EMPTY,
    TreeBuilder,
    inclusion_proof,
    leaf_hash,
    leaf_of,
    node_hash,
    root_from_proof,
    tree_root,
)
from whitesquare.provenance.types import Item

# The inputs of Certificate Transparency's merkle_tree_test.cc, and the roots over the first n of them.
INPUTS = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
LEAVES = [hashlib.sha256(b"\0" + bytes.fromhex(text)).digest() for text in INPUTS]


def test_the_empty_tree_is_the_hash_of_nothing():
    assert tree_root([]) == EMPTY == hashlib.sha256().digest()


@pytest.mark.parametrize("size", range(1, 9))
def test_the_reference_roots(size):
    assert tree_root(LEAVES[:size]).hex() == ROOTS[size - 1]


def by_definition(leaves):
    """RFC 6962, section 2.1, word for word."""
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return node_hash(by_definition(leaves[:split]), by_definition(leaves[split:]))


@given(st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=70))
def test_a_stream_gives_the_root_of_the_definition(leaves):
    tree = TreeBuilder()
    for size, leaf in enumerate(leaves, 1):
        tree.add(leaf)
        assert tree.root() == by_definition(leaves[:size])
    assert tree.size == len(leaves)


@given(st.integers(1, 40), st.data())
def test_a_proof_leads_to_the_root_and_proves_nothing_else(size, data):
    leaves = [hashlib.sha256(bytes([n])).digest() for n in range(size)]
    index = data.draw(st.integers(0, size - 1))
    path = inclusion_proof(leaves, index)
    root = tree_root(leaves)
    assert root_from_proof(leaves[index], index, size, path) == root
    assert len(path) <= (size - 1).bit_length()
    other = data.draw(st.integers(-1, size + 1).filter(lambda n: n != index))
    assert root_from_proof(leaves[index], other, size, path) != root
    assert root_from_proof(hashlib.sha256(b"forged").digest(), index, size, path) != root
    assert root_from_proof(leaves[index], index, size, [*path, leaves[0]]) != root
    assert not path or root_from_proof(leaves[index], index, size, path[:-1]) != root


def test_a_leaf_is_what_the_documents_say():
    item = Item("train/cat/é.png", "cat", "train", 300, bytes(range(32)))
    fields = (
        b"whitesquare-sample/v1",
        "train/cat/é.png".encode(),
        b"train",
        b"cat",
        b"\0\0\0\0\0\0\x01\x2c",
        b"sha256",
    )
    encoded = b"".join(len(field).to_bytes(4, "big") + field for field in (*fields, bytes(range(32))))
    assert leaf_hash(item) == hashlib.sha256(b"\0" + encoded).digest()


NAMES = st.text(st.sampled_from("ab/"), max_size=3)


@given(NAMES, NAMES, NAMES, NAMES, NAMES, NAMES)
def test_no_two_samples_share_a_leaf(id, label, split, other_id, other_label, other_split):
    first, second = (id, label, split), (other_id, other_label, other_split)
    same = leaf_of(*first, 1, bytes(32)) == leaf_of(*second, 1, bytes(32))
    assert same == (first == second)


@pytest.mark.parametrize(
    "other",
    [
        Item("a", "cat", "train", 1, bytes(32)),
        Item("b", "dog", "train", 1, bytes(32)),
        Item("b", "cat", "test", 1, bytes(32)),
        Item("b", "cat", "train", 2, bytes(32)),
        Item("b", "cat", "train", 1, bytes(31) + b"\1"),
    ],
)
def test_every_field_counts(other):
    assert leaf_hash(other) != leaf_hash(Item("b", "cat", "train", 1, bytes(32)))


def test_pixels_are_no_part_of_a_leaf():
    assert leaf_hash(Item("b", "c", "train", 1, bytes(32), b"x" * 32)) == leaf_hash(
        Item("b", "c", "train", 1, bytes(32))
    )
