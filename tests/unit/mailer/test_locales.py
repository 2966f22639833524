"""Language tags: one spelling, and what is near."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer_svc.domain import LocaleInvalid, locale_fallbacks, normal_locale


@pytest.mark.parametrize(
    ("tag", "normal"),
    [
        ("", ""),
        ("DE", "de"),
        ("de_ch", "de-CH"),
        ("zh-hant-tw", "zh-Hant-TW"),
        ("es-419", "es-419"),
        ("sl-ROZAJ-biske-1994", "sl-rozaj-biske-1994"),
        ("de-ch-1901", "de-CH-1901"),
        ("en-US-u-islamcal", "en-US-u-islamcal"),
        ("en-A-AB-x-CD", "en-a-ab-x-cd"),
        ("X-Whatever", "x-whatever"),
        ("zh-yue-HK", "zh-yue-HK"),
    ],
)
def test_tags_have_one_spelling(tag: str, normal: str) -> None:
    """That of RFC 5646, 2.1.1."""
    assert normal_locale(tag) == normal
    assert normal_locale(normal) == normal


@pytest.mark.parametrize(
    "tag", ["d", "de-", "-de", "de--CH", "de CH", "deutsch-x", "a" * 36, "de-CH\n", "\u0131t", "de-x", "\u212ao", "1a"]
)
def test_what_is_no_tag_is_refused(tag: str) -> None:
    """With the field."""
    with pytest.raises(LocaleInvalid, match="reader: must be a language tag"):
        normal_locale(tag, field="reader")


@given(st.text(alphabet="aZ09-_xX", max_size=40))
def test_a_normal_tag_is_normal(tag: str) -> None:
    """And what is nearest to it is itself, then less and less, then nothing."""
    try:
        normal = normal_locale(tag)
    except LocaleInvalid:
        return
    near = list(locale_fallbacks(normal))
    assert normal_locale(normal) == normal
    assert (near[0], near[-1]) == (normal, "")
    assert all(longer.startswith(shorter) for longer, shorter in pairwise(near))


@pytest.mark.parametrize(
    ("tag", "near"),
    [("", [""]), ("de-CH", ["de-CH", "de", ""]), ("zh-Hant-CN-x-private1", ["zh-Hant-CN-x-private1", "zh-Hant-CN", "zh-Hant", "zh", ""])],
)
def test_what_is_near_is_found_by_leaving_out(tag: str, near: list[str]) -> None:
    """A letter that introduces something goes with it (RFC 4647, 3.4)."""
    assert list(locale_fallbacks(tag)) == near
