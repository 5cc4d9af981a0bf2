"""Clusters that are away, refuse, are slow, or hold something else; and what is never shown."""

import re
from pathlib import Path

import pytest
from pymilvus import MilvusClient

from cupl.errors import InputError, MissingFileError, ServerError
from cupl.index import cluster_faults
from cupl.index.cluster import is_cluster, parse_cluster, shown_place
from cupl.index.opening import open_store
from cupl.index.where import parse_where
from tests.index.conftest import fill, metadata, photo_row, random_vectors
from tests.milvus_faults import SlowMilvus, served_milvus
from tests.milvus_server import milvus_server

_TOKEN = "tok-3f9a77c1e5b2d8"
_PASSWORD = "Pa55/w0rd@home"


@pytest.mark.parametrize(
    ("place", "shown", "token"),
    [
        ("http://host", "http://host:19530#photos", ""),
        ("https://host/", "https://host:443#photos", ""),
        ("milvus://host:1", "http://host:1#photos", ""),
        ("HTTP://host:1/db#mine_2", "http://host:1/db#mine_2", ""),
        ("http://me:a%40b@host:1", "http://host:1#photos", "me:a@b"),
        ("http://key@[::1]:1", "http://[::1]:1#photos", "key"),
    ],
)
def test_addresses(place: str, shown: str, token: str) -> None:
    assert is_cluster(place)
    address = parse_cluster(place)
    assert (address.place, address.token) == (shown, token)
    assert not token or token not in repr(address)


def test_the_token_is_in_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILVUS_TOKEN", f" {_TOKEN}\n")
    assert parse_cluster("https://host").token == _TOKEN
    assert parse_cluster("https://me:other@host").token == "me:other"


@pytest.mark.parametrize(
    "place",
    ["http://", "http://host:x", "http://host:99999", "http://host#a b", "http://host/a/b",
     "https://host?collection=x", "http://me:secret@host#1", "http://me:sec/ret@:1"],
)  # fmt: skip
def test_what_is_no_address_is_said_without_the_password(place: str) -> None:
    with pytest.raises(InputError, match="no address of a cluster") as caught:
        parse_cluster(place)
    assert "sec" not in str(caught.value)


def test_a_folder_is_shown_as_it_is() -> None:
    assert shown_place("a://b@c") == "a://b@c"
    assert shown_place(f"http://me:{_PASSWORD}@host#x") == "http://***@host#x"


def test_a_cluster_that_is_away() -> None:
    with pytest.raises(ServerError, match="cannot be reached"):
        open_store("http://127.0.0.1:9")


@pytest.mark.parametrize("connects", [True, False])
def test_a_cluster_that_is_slow(connects: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cupl.index.milvus._CONNECT_SECONDS", 10 if connects else 0.3)
    monkeypatch.setattr(cluster_faults, "_ANSWER_SECONDS", 0.3)
    slow = SlowMilvus(connects)
    with served_milvus(slow) as address:
        with pytest.raises(ServerError, match="did not answer in time"):
            open_store(f"http://{address}")
        slow.over.set()


def test_a_cluster_that_goes(tmp_path: Path) -> None:
    with milvus_server(tmp_path) as address:
        store = open_store(address, metadata())
        fill(store, [photo_row(1)])
    for use in (store.count, store.info, lambda: list(store.scan(["id"])), store.compact,
                lambda: fill(store, [photo_row(2)]), lambda: store.delete(["x"]),
                lambda: store.search(random_vectors(1), 1)):  # fmt: skip
        with pytest.raises(ServerError, match="cannot be reached"):
            use()


def test_an_index_that_was_dropped_meanwhile(cluster_place: str) -> None:
    store = open_store(cluster_place, metadata())
    fill(store, [photo_row(1)])
    address, _, name = cluster_place.partition("#")
    client = MilvusClient(address)
    client.drop_collection(name)
    for use in (store.count, lambda: store.search(random_vectors(1), 1),
                lambda: fill(store, [photo_row(1)])):  # fmt: skip
        with pytest.raises(MissingFileError, match="no index of photos any more"):
            use()
    with pytest.raises(MissingFileError, match="no index of photos"):
        open_store(cluster_place)


def test_a_collection_of_another_program(cluster_place: str) -> None:
    address, _, name = cluster_place.partition("#")
    client = MilvusClient(address)
    client.create_collection(name, dimension=4)
    with pytest.raises(InputError, match="no index of photos that cupl made"):
        open_store(cluster_place, metadata())
    assert client.describe_collection(name)["fields"][0]["name"] == "id"


def test_what_was_made_halfway_is_finished(cluster_place: str) -> None:
    open_store(cluster_place, metadata())
    address, _, name = cluster_place.partition("#")
    client = MilvusClient(address)
    client.release_collection(name)
    client.drop_index(name, "vector")
    store = open_store(cluster_place)
    fill(store, [photo_row(i) for i in range(3)])
    assert store.info().ann is None
    assert len(store.search(random_vectors(1), 5)[0]) == 3


def test_rows_of_more_than_a_message(cluster_place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cupl.index.milvus._MESSAGE_BYTES", 1000)
    store = open_store(cluster_place, metadata())
    fill(store, [photo_row(i, label="x" * i) for i in range(40)])
    assert store.count() == 40
    assert store.count(parse_where("label LIKE '%x'")) == 39
    with pytest.raises(InputError, match=re.escape("16,384")):
        store.search(random_vectors(1), 20_000)
