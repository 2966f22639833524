"""What of a call may ride on a carrier."""

import pytest

from tocsin.mesh.carried import MOST_HEADER_BYTES, flattened, paired, riding_headers, unflattened


def test_texts_ride_in_order() -> None:
    """With a key as often as it comes."""
    metadata = (("authorization", "Bearer x"), ("x-a", "1"), ("x-a", "2"), ("x-empty", ""))
    found = riding_headers(metadata)
    assert found is not None
    assert found == ["authorization", "Bearer x", "x-a", "1", "x-a", "2", "x-empty", ""]
    assert paired(found) == metadata


@pytest.mark.parametrize(
    "pair",
    [
        ("x-a-bin", b"\x00"),
        ("x-a", b"bytes"),
        ("x-a", "é"),
        ("x-a", "a\nb"),
        ("x-a", "a\x7f"),
        ("x-a", " a"),
        ("x-a", "a "),
        ("X-A", "a"),
        ("", "a"),
        (":path", "/"),
        ("grpc-timeout", "1S"),
        ("user-agent", "me"),
        ("te", "trailers"),
        ("x" * 300, "a"),
        ("x-a", "a" * MOST_HEADER_BYTES),
    ],
)
def test_what_grpc_would_treat_otherwise_does_not(pair: tuple[str, str | bytes]) -> None:
    """It goes with a call of its own, where gRPC says what it says of it."""
    assert riding_headers((("x-b", "b"), pair)) is None


def test_a_key_stays_refused() -> None:
    """However often it is asked about, and whatever keys are known."""
    for _ in range(3):
        assert riding_headers((("x-c-bin", "a"),)) is None
        assert riding_headers((("x-c", "a"),)) == ["x-c", "a"]
    for number in range(3000):
        assert riding_headers(((f"x-{number}", "a"),)) == [f"x-{number}", "a"]


@pytest.mark.parametrize("texts", [["x-a"], ["x-a", "\n"], ["x-a-bin", "a"], [":path", "/"], ["x-a", "a" * MOST_HEADER_BYTES]])
def test_what_is_no_metadata_is_told(texts: list[str]) -> None:
    """A server believes nobody."""
    with pytest.raises(ValueError, match="metadata"):
        paired(texts)


def test_metadata_of_answers_keeps_its_bytes() -> None:
    """And its texts."""
    metadata = (("x-a", "ü"), ("x-a-bin", b"\xff\x00"), ("x-a", ""))
    assert unflattened(flattened(metadata)) == metadata


@pytest.mark.parametrize("parts", [[b"x-a"], [b"\xff", b"a"], [b"x-a", b"\xff"]])
def test_what_is_no_metadata_of_an_answer_is_told(parts: list[bytes]) -> None:
    """A client neither."""
    with pytest.raises(ValueError, match=r".+"):
        unflattened(parts)
