"""Payment cards: by what they begin with, how long they are (ISO/IEC 7812), and their check digit (Luhn)."""

import re
from collections.abc import Sequence
from typing import Final

from stdnum import luhn

# First digits and lengths, as the schemes publish them.
_BRANDS: Final = re.compile(
    "4(?:[0-9]{12}|[0-9]{15}|[0-9]{18})"  # Visa
    "|(?:5[1-5][0-9]{2}|222[1-9]|22[3-9][0-9]|2[3-6][0-9]{2}|27[01][0-9]|2720)[0-9]{12}"  # Mastercard
    "|3[47][0-9]{13}"  # American Express
    "|(?:6011|64[4-9][0-9]|65[0-9]{2})[0-9]{12,15}"  # Discover
    "|(?:30[0-5]|3095|36|38|39)[0-9]+"  # Diners Club: 14 to 19, as the shapes allow
    "|35(?:2[89]|[3-8][0-9])[0-9]{12,15}"  # JCB
    "|62[0-9]{14,17}|81[0-9]{14,17}"  # UnionPay
    "|(?:5018|5020|5038|5893|6304|6759|676[1-3])[0-9]{8,15}"  # Maestro
    "|220[0-4][0-9]{12,15}"  # Mir
    "|(?:508[5-9]|60[0-9]{2}|82[0-9]{2}|353[0-9]|356[0-9])[0-9]{12}"  # RuPay
    "|(?:4011|4312|4389|4514|4576|5041|5066|5067|509|6277|6362|6363|650|6516|6550)[0-9]+"  # Elo
)

CARD_SHAPES: Final[Sequence[str]] = (
    *("9" * length for length in range(12, 20)),
    *(sign.join(groups) for sign in (" ", "-", ".") for groups in (("9999",) * 4, ("9999", "999999", "99999"), ("9999", "999999", "9999"))),
    *(sign.join(("9999", "9999", "9999", "9999", "999")) for sign in (" ", "-")),
)
"""How cards are printed and typed: in one, or in the groups of their brand."""


def is_card(text: str) -> bool:
    """Whether a text of one of the shapes is the number of a card."""
    digits = "".join(character for character in text if character.isdigit())
    return _BRANDS.fullmatch(digits) is not None and luhn.is_valid(digits)
