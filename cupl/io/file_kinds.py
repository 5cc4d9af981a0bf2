"""What a file is that is not what was hoped for, told by its first bytes."""

from __future__ import annotations

import os

POINTER_START = b"version https://git-lfs.github.com/spec/"
_STARTS = {
    POINTER_START: "a git-lfs pointer, not the file itself: run 'git lfs pull' where it was cloned",
    b"\x93NUMPY": "an array of numpy (.npy)",
    b"PK\x03\x04": "a zip archive, as Excel's workbooks, .npz files and files of torch.save are",
    b"\x80\x02": "a pickle, which could run code and is not read",
    b"\x80\x03": "a pickle, which could run code and is not read",
    b"\x80\x04": "a pickle, which could run code and is not read",
    b"\x80\x05": "a pickle, which could run code and is not read",
    b"GGUF": "a GGUF file, a language model of llama.cpp",
    b"\x89HDF\r\n": "an HDF5 file, as TensorFlow writes",
    b"PAR1": "a Parquet file",
    b"\x1f\x8b": "a gzip file: unpack it",
    b"<!DOCTYPE": "a web page, not the file that was to be downloaded",
    b"<!doctype": "a web page, not the file that was to be downloaded",
    b"<html": "a web page, not the file that was to be downloaded",
}


def kind_of_file(path: str | os.PathLike[str]) -> str | None:
    """What a file is, in words that lead on where there is a way; None where nothing is known."""
    try:
        if not os.path.isfile(path):  # noqa: PTH113 (Path.is_file raises for over-long names)
            return None
        with open(path, "rb") as file:  # noqa: PTH123
            start = file.read(64)
    except (OSError, ValueError):
        return None
    return kind_of_start(start)


def kind_of_start(start: bytes) -> str | None:
    """The same of its first bytes."""
    return next((kind for magic, kind in _STARTS.items() if start.startswith(magic)), None)


def is_pointer(path: str | os.PathLike[str]) -> bool:
    """Whether a file only says what git-lfs would put in its place."""
    return kind_of_file(path) == _STARTS[POINTER_START]
