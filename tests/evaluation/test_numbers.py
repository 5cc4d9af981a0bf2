from cupl.evaluation.numbers import chance, cosine, percent, points, short


def test_numbers() -> None:
    assert percent(0.63314) == "63.3"
    assert points(0.0312) == "+3.1"
    assert points(-0.0312) == "−3.1"
    assert points(-0.0002) == points(0.0002) == "0.0"
    assert (cosine(0.0634), cosine(-0.0634), cosine(-0.0001)) == ("0.063", "−0.063", "0.000")
    assert (chance(0.00099), chance(0.0312), chance(1.0)) == ("< 0.001", "0.031", "1.000")


def test_texts_are_cut_and_spelled_out() -> None:
    assert short("a  b\n c", 10) == "a b c"
    assert short("x" * 11, 10) == "x" * 9 + "…"
    assert short("\u202ea\x00", 20) == "\\u202ea\\x00"
