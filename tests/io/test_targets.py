import os
import subprocess
import sys
from pathlib import Path

import pytest

from cupl.errors import InputError
from cupl.io.atomic import keep_old, settle, staging, write_atomically
from cupl.io.locks import sole_writer
from cupl.io.targets import is_stream

SCRIPT = """
import sys
from pathlib import Path
from cupl.io.atomic import write_atomically
write_atomically(Path(sys.argv[1]), b"new\\n")
"""

pytestmark = pytest.mark.skipif(os.name == "nt", reason="descriptors of POSIX")


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
@pytest.mark.parametrize("mode", ["ab", "r+b"])
def test_an_open_descriptor_is_written_on(tmp_path: Path, name: str, mode: str) -> None:
    target = tmp_path / "all.csv"
    target.write_bytes(b"old\n")
    with target.open(mode) as file:
        file.seek(0, os.SEEK_END)
        subprocess.run([sys.executable, "-c", SCRIPT, name], stdout=file, check=True)
    assert target.read_bytes() == b"old\nnew\n"
    assert [path.name for path in tmp_path.iterdir()] == ["all.csv"]


def test_no_fifo_is_renamed_or_set_aside(tmp_path: Path) -> None:
    target = tmp_path / "p"
    os.mkfifo(target)
    reader = os.open(target, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert is_stream(target)
        assert keep_old(target, b"x") is None
        with staging(target) as folder:
            (folder / "0").write_bytes(b"one")
            assert settle([(folder / "0", target)]) == []
        write_atomically(target, b"two")
        assert os.read(reader, 10) == b"onetwo"
    finally:
        os.close(reader)
    assert [path.name for path in tmp_path.iterdir()] == ["p"]
    assert target.is_fifo()


def test_a_second_run_in_a_folder_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    with sole_writer(folder):
        with pytest.raises(InputError, match="another run is writing"), sole_writer(folder):
            pass
        assert folder.is_dir()
    assert not folder.exists()
