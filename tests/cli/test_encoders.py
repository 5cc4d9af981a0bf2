"""``cupl encoders``: a table, one model alone, and JSON."""

import json
from pathlib import Path

from tests.cli.conftest import Cupl
from tests.encoders.test_catalog import BESIDE, CLASSIFIER, CLIP, OPEN_CLIP, SENTENCES, put
from tests.hub import COMMIT, hub_cache  # noqa: F401 (a fixture)

CLASSIFIER_FILES = {"config.json": CLASSIFIER, "model.safetensors": "weights"}


def test_what_is_here_is_listed(cupl: Cupl, hub_cache: Path) -> None:  # noqa: F811
    empty = cupl("encoders")
    assert empty.code == 0
    assert "open_clip:ARCH/WEIGHTS" in empty.out
    assert "no model in the hub's cache; the first use of a name downloads it" in empty.err
    put(hub_cache, "org--clip", {"config.json": CLIP, **BESIDE, "model.safetensors": "weights"})
    put(hub_cache, "evil--\x1b[31mred", {"config.json": CLIP, **BESIDE})
    listed = cupl("encoders")
    (row,) = [line.split() for line in listed.out.splitlines() if line.startswith("org/clip")]
    assert row[1:5] == ["clip", "768", "77", "336"]
    assert row[-2:] == [COMMIT[:7], "all"]
    assert "\x1b" not in listed.out
    assert "evil/\\x1b[31mred" in listed.out
    assert "in part" in listed.out


def test_one_is_told_in_full(cupl: Cupl, hub_cache: Path) -> None:  # noqa: F811
    folder = put(hub_cache, "org--clip", {"config.json": CLIP, **BESIDE})
    by_name, by_folder = cupl("encoders", "org/clip"), cupl("encoders", folder)
    assert f"commit:     {COMMIT}\n" in by_name.out
    assert "files:      missing: its weights\n" in by_name.out
    assert by_folder.out.splitlines()[1:6] == by_name.out.splitlines()[1:6]
    nothing = cupl("encoders", "org/none")
    assert (nothing.code, nothing.out) == (1, "")


def test_as_json(cupl: Cupl, hub_cache: Path) -> None:  # noqa: F811
    put(hub_cache, "org--clip", {"config.json": CLIP, **BESIDE})
    every = json.loads(cupl("encoders", "--json").out)
    one = json.loads(cupl("encoders", "org/clip", "--json").out)
    assert every["models"] == one["models"]
    assert one["models"][0]["width"] == 768
    assert {"mini", "open_clip:ARCH/WEIGHTS"} <= {kind["name"] for kind in every["names"]}


def test_names_of_every_kind_that_is_listed(cupl: Cupl, hub_cache: Path) -> None:  # noqa: F811
    put(hub_cache, "org--clip", {"config.json": CLIP, **BESIDE})
    put(hub_cache, "org--texts", SENTENCES)
    put(hub_cache, "org--vit", CLASSIFIER_FILES)
    for name, image in (("pair:org/clip+org/texts", "clip"), ("bridge:org/vit+org/texts", "vit")):
        told = cupl("encoders", name).out.splitlines()
        models = [line.split()[1] for line in told if line.startswith("model:")]
        assert models == [f"org/{image}", "org/texts"]
    files = {"open_clip_config.json": OPEN_CLIP, "a.safetensors": "weights"}
    folder = put(hub_cache, "org--open", files)
    assert cupl("encoders", f"open_clip:{folder}").out == cupl("encoders", folder).out
    assert "family:     open_clip" in cupl("encoders", folder).out
    assert "two small models that come as packages" in cupl("encoders", "mini").out
    said = {
        "open_clip:ViT-B-32/openai": "'open_clip:ViT-B-32/openai' is no directory: of names",
        "pair:org/clip+org/none": "'org/none' is no directory, nor in the hub's cache",
        "pair:org/clip": "'pair:org/clip' names two models as",
    }
    for name, sentence in said.items():
        refused = cupl("encoders", name)
        assert (refused.code, refused.out) == (1, "")
        assert refused.err.startswith(f"error: {sentence}")
        assert refused.err.count("\n") == 1
