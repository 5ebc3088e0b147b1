"""Names of scanners, which are medtl's domains: one spelling for each, whatever headers and tables write."""

from __future__ import annotations

import re

VENDORS = {
    "ge": r"\bge\b|\bg\.e\.|general electric",
    "siemens": r"siemens",
    "philips": r"philips",
    "canon": r"canon|toshiba",
    "hitachi": r"hitachi|fujifilm",
    "united imaging": r"united imaging|\buih\b",
    "marconi": r"marconi|picker",
    "esaote": r"esaote",
    "hyperfine": r"hyperfine",
    "neusoft": r"neusoft",
    "bruker": r"bruker",
    "phantom": r"^phantom$",
}
"""Makers of MR scanners by what they write into Manufacturer (0008,0070), past names of the same firm included."""
MODEL_WORDS = re.compile(
    r"achieva|aera|airis|altaire|altea|amira|architect|artist|avanto|avantofit|biograph|discovery|echelon|elition|"
    r"espree|essenza|evolution|excelart|excite|fit|free\.max|galan|genesis|harmony|hdx|hdxt|ingenia|intera|lumina|"
    r"magnetom|mrt50h1|multiva|oasis|optima|orian|panorama|pioneer|premier|prisma|prodiva|signa|skyra|skyrafit|sola|"
    r"sonata|spectra|swoop|symphony|terra|titan|trio|triotim|u?mr ?\d{3}[a-z]?|u?mr|vantage|verio|vida|voyager|x|"
    r"\d(\.\d)?t|atlas|borealis|cirrus"
)
"""Words of which Manufacturer's Model Name (0008,1090) is made, the phantom's three models among them."""


def scanner_name(manufacturer: str, model: str = "") -> str:
    """Brings the name of a scanner to one spelling, in lower case: `siemens` for `SIEMENS` and `Siemens Healthineers`.

    Args:
        manufacturer: Name of the maker; one that is not in `VENDORS` is kept in lower case.
        model: Name of the model; may be empty.

    Returns:
        Maker and model with a blank between; empty where both are empty.
    """
    text = " ".join(manufacturer.lower().split())
    return f"{_vendor(text) or text} {' '.join(model.lower().split())}".strip()


def scanner_of_header(manufacturer: str, model: str) -> str:
    """Names the scanner of a DICOM header, in lower case and in known words only.

    The name is shown in answers, reports and tables, and a damaged or badly filled header may hold the name of a person
    instead. So nothing is taken over that is not known to be the name of a maker or a model.

    Args:
        manufacturer: Manufacturer (0008,0070).
        model: Manufacturer's Model Name (0008,1090).

    Returns:
        The maker and the known words of the model, with blanks between; empty where the maker is not known.
    """
    vendor = _vendor(" ".join(manufacturer.lower().split()))
    words = model.lower().replace("_", " ").split()
    known = [word for word in words if MODEL_WORDS.fullmatch(word)]
    return " ".join([vendor, *known]) if vendor else ""


def _vendor(text: str) -> str:
    return next((name for name, pattern in VENDORS.items() if re.search(pattern, text)), "")
