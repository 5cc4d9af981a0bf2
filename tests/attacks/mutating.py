"""Changes of the bytes of a file, as disks, downloads, editors and enemies make them."""

import struct
from collections.abc import Callable, Sequence
from random import Random

Change = Callable[[bytearray, Random], None]
HUGE = [0, 1, 127, 128, 255, 2**15, 2**16 - 1, 2**24, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1]
"""Lengths, counts and sizes that nobody means."""
_CODES = ["B", "<H", ">H", "<I", ">I", "<Q", ">Q"]
_NUMBERS = [b"0", b"-1", b"1e999", b"1e-999", b"NaN", b"Infinity", b"9" * 400, b"0x10", b"1_0"]
_WORDS = [b"null", b"true", b"[]", b"{}", b'""', b"~", b"&a", b"*a", b"<<: *a", b"!!python/x y",
          b"? ", b"- ", b"---\n", b"...\n", b"%YAML 9\n", b"|\n", b"\t", b"\r", b"\x85", b"#", b"'",
          b'"', b"\\", b"\\ud800", b"\\u0000", b"\xff", b"\xef\xbb\xbf", b"\xff\xfe",
          b"\xed\xa0\x80", b"\xe2\x80\xae", b"\x1b[2J", b",", b";", b":", b"}", b"]"]  # fmt: skip


def _place(data: bytearray, source: Random) -> int:
    """Heads decide more than what follows them."""
    size = max(1, len(data))
    return source.randrange(size if source.random() < 0.5 else min(size, 128))


def _part(data: bytearray, source: Random) -> slice:
    start = _place(data, source)
    return slice(start, start + source.choice([1, 2, 4, 16, 100, 5000]))


def flip_bits(data: bytearray, source: Random) -> None:
    for _ in range(source.choice([1, 1, 1, 5, 50])):
        data[_place(data, source)] ^= 1 << source.randrange(8)


def set_bytes(data: bytearray, source: Random) -> None:
    for _ in range(source.choice([1, 3, 20])):
        data[_place(data, source)] = source.randrange(256)


def delete(data: bytearray, source: Random) -> None:
    del data[_part(data, source)]


def insert(data: bytearray, source: Random) -> None:
    place = _place(data, source)
    data[place:place] = source.randbytes(source.choice([1, 2, 4, 100]))


def repeat(data: bytearray, source: Random) -> None:
    part = _part(data, source)
    data[part] = data[part] * source.choice([2, 3, 100])


def swap(data: bytearray, source: Random) -> None:
    one, other = sorted((_place(data, source), _place(data, source)))
    size = min(source.choice([1, 4, 100]), other - one)
    data[one : one + size], data[other : other + size] = (
        data[other : other + size], data[one : one + size],
    )  # fmt: skip


def cut(data: bytearray, source: Random) -> None:
    del data[_place(data, source) if source.random() < 0.3 else source.randrange(len(data)) :]


def cut_begin(data: bytearray, source: Random) -> None:
    del data[: source.choice([1, 2, 8, 100])]


def clear(data: bytearray, source: Random) -> None:
    part = _part(data, source)
    data[part] = source.choice([b"\0", b"\xff", b" "]) * len(data[part])


def clear_page(data: bytearray, source: Random) -> None:
    """As a file system does that was not shut down."""
    start = source.randrange(len(data) // 4096 + 1) * 4096
    data[start : start + 4096] = bytes(len(data[start : start + 4096]))


def put_number(data: bytearray, source: Random) -> None:
    """In place of one that says how long or how large something is."""
    for _ in range(source.choice([1, 1, 2])):
        code, value = source.choice(_CODES), source.choice(HUGE)
        packed = struct.pack(code, value & (256 ** struct.calcsize(code) - 1))
        place = _place(data, source)
        data[place : place + len(packed)] = packed


def append(data: bytearray, source: Random) -> None:
    more = [bytes(data), source.randbytes(50), bytes(1000), b"\n", bytes(data[:20])]
    data.extend(source.choice(more))


def _lines(data: bytearray) -> list[bytes]:
    return bytes(data).splitlines(keepends=True) or [b""]


def move_line(data: bytearray, source: Random) -> None:
    lines = _lines(data)
    line = lines.pop(source.randrange(len(lines)))
    lines.insert(source.randrange(len(lines) + 1), line)
    data[:] = b"".join(lines)


def repeat_line(data: bytearray, source: Random) -> None:
    lines = _lines(data)
    place = source.randrange(len(lines))
    most = 2**22 // (len(lines[place]) + 1)
    lines[place:place] = [lines[place]] * min(source.choice([1, 2, 1000]), most)
    data[:] = b"".join(lines)


def drop_line(data: bytearray, source: Random) -> None:
    lines = _lines(data)
    del lines[source.randrange(len(lines))]
    data[:] = b"".join(lines)


def indent_line(data: bytearray, source: Random) -> None:
    lines = _lines(data)
    place = source.randrange(len(lines))
    lines[place] = source.choice([b" ", b"  ", b"\t", b"- ", b"    "]) + lines[place]
    data[:] = b"".join(lines)


def put_word(data: bytearray, source: Random) -> None:
    for _ in range(source.choice([1, 1, 3])):
        place = source.randrange(len(data) + 1)
        data[place : place + source.choice([0, 0, 1, 5])] = source.choice(_WORDS)


def put_digits(data: bytearray, source: Random) -> None:
    """In place of a number that is written out."""
    places = [i for i, byte in enumerate(data) if 48 <= byte <= 57] or [0]
    place = source.choice(places)
    end = place
    while end < len(data) and 48 <= data[end] <= 57:
        end += 1
    data[place:end] = source.choice([*_NUMBERS, *(str(number).encode() for number in HUGE)])


def nest(data: bytearray, source: Random) -> None:
    pair = source.choice([b"[]", b"{}", b"()", b'""', b"- "])
    depth, place = source.choice([2, 50, 1500, 100_000]), source.randrange(len(data) + 1)
    end = pair[1:] * depth if source.random() < 0.5 else b""
    data[place:place] = pair[:1] * depth + end


def recode(data: bytearray, source: Random) -> None:
    text = bytes(data).decode("utf-8", "replace")
    data[:] = text.encode(source.choice(["utf-16", "utf-16-le", "utf-32", "latin-1"]), "replace")


BYTES: list[Change] = [
    flip_bits, set_bytes, delete, insert, repeat, swap, cut, cut_begin, clear, put_number, append,
    clear_page,
]  # fmt: skip
TEXT: list[Change] = [
    move_line, repeat_line, drop_line, indent_line, put_word, put_word, put_digits, nest, recode,
]  # fmt: skip


def mutated(data: bytes, others: Sequence[bytes], text: bool, source: Random) -> bytes:
    """One to four changes of a file.

    Args:
        data: what is changed.
        others: files of the same kind, of which parts get into it.
        text: change lines, words and numbers too.
        source: decides; equal ones make equal files.

    """
    result = bytearray(data)
    for _ in range(source.choice([1, 1, 1, 2, 4])):
        if not result:
            break
        if source.random() < 0.05:
            other = source.choice(others)
            start = source.randrange(len(other) or 1)
            result[_part(result, source)] = other[start : start + source.choice([8, 100, 10_000])]
        else:
            source.choice(TEXT if text and source.random() < 0.6 else BYTES)(result, source)
    return bytes(result)
