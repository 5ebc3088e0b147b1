"""Pictures that are no heads, by kind: real ones of other things, and ones that a program draws."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFilter, ImageFont
from pydicom import dcmread
from sklearn.datasets import load_sample_image

from shared.io.archives import join, list_sources, read_source
from shared.io.grey import to_grey
from shared.seeding import generator

Grey = NDArray[np.float32]
Random = np.random.Generator

COUNT = 24
"""Pictures of each kind; of a real thing they are turned and cropped views of the few files that there are."""
SIDE = 192
WORDS = (
    "patient",
    "report",
    "of",
    "was",
    "seen",
    "left",
    "right",
    "no",
    "12",
    "2024",
    "mm",
    "series",
    "scale",
    "table",
)
KNEE = ("wg04_compressed/MR3_J2KR",)
CT = ("edge_cases/693_J2KI.dcm", "edge_cases/CT_small.dcm", "edge_cases/J2K_pixelrep_mismatch.dcm")
OTHER_MR = ("edge_cases/examples_overlay.dcm", "edge_cases/MR_small.dcm")
SONOGRAMS = tuple(f"edge_cases/{name}.dcm" for name in ("examples_jpeg2k", "examples_palette", "examples_ybr_color"))
SCINTIGRAM = ("edge_cases/JPEG2000.dcm",)
CHARTS = ("edge_cases/chrArab.dcm", "edge_cases/image_dfl.dcm")


def white_noise(random: Random) -> Grey:
    """Draws independent pixels, uniform, normal, or the magnitude of complex noise."""
    shape = (SIDE, SIDE)
    drawn = (random.uniform(size=shape), random.normal(size=shape), np.hypot(*random.normal(size=(2, *shape))))
    return np.asarray(drawn[random.integers(3)], dtype=np.float32)


def coarse_noise(random: Random) -> Grey:
    """Draws noise that is blurred or enlarged, so that neighbours are alike."""
    cells = int(random.integers(6, 64))
    small = PillowImage.fromarray(random.normal(size=(cells, cells)).astype(np.float32))
    return np.asarray(small.resize((SIDE, SIDE), PillowImage.Resampling(int(random.choice([0, 2, 3])))))


def text(random: Random) -> Grey:
    """Draws a page of words, dark on light or the reverse."""
    page = PillowImage.new("L", (SIDE, SIDE), 0)
    draw, size = ImageDraw.Draw(page), int(random.integers(9, 26))
    font = ImageFont.load_default(size)
    for top in range(4, SIDE, int(size * 1.4)):
        draw.text((4, top), " ".join(random.choice(WORDS, 12)), fill=255, font=font)
    return _one_way_or_other(page, random)


def screen(random: Random) -> Grey:
    """Draws a screen: windows with frames, a curve, bars and words."""
    page = PillowImage.new("L", (SIDE, SIDE), int(random.integers(0, 256)))
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(10)
    for _ in range(int(random.integers(2, 6))):
        left, top = (int(value) for value in random.integers(0, SIDE - 60, 2))
        width, height = (int(value) for value in random.integers(50, 130, 2))
        draw.rectangle((left, top, left + width, top + height), fill=int(random.integers(0, 256)), outline=255)
        draw.rectangle((left, top, left + width, top + 9), fill=int(random.integers(0, 256)))
        draw.text((left + 3, top), str(random.choice(WORDS)), fill=int(random.integers(0, 256)), font=font)
        heights = random.integers(5, height - 12, 8)
        step = max(2, width // 8)
        if random.integers(2):
            draw.line([(left + step * i, top + height - int(at)) for i, at in enumerate(heights)], fill=255, width=2)
        else:
            for i, at in enumerate(heights):
                corners = (left + step * i, top + height - int(at), left + step * i + step - 2, top + height)
                draw.rectangle(corners, fill=int(random.integers(60, 256)))
    return np.asarray(page, dtype=np.float32)


def shapes(random: Random) -> Grey:
    """Draws bright ellipses and boxes on black, as phantoms and icons are."""
    page = PillowImage.new("L", (SIDE, SIDE), 0)
    draw = ImageDraw.Draw(page)
    for _ in range(int(random.integers(1, 7))):
        left, top = (int(value) for value in random.integers(0, SIDE - 50, 2))
        width, height = (int(value) for value in random.integers(20, 120, 2))
        figure = draw.ellipse if random.integers(2) else draw.rectangle
        figure((left, top, left + width, top + height), fill=int(random.integers(60, 256)))
    return np.asarray(page.filter(ImageFilter.GaussianBlur(float(random.uniform(0, 3)))), dtype=np.float32)


def gradient(random: Random) -> Grey:
    """Draws a ramp, rings or stripes."""
    rows, columns = np.mgrid[:SIDE, :SIDE] / SIDE
    angle, waves = random.uniform(0, np.pi), random.uniform(2, 20)
    ramp = np.cos(angle) * rows + np.sin(angle) * columns
    rings = np.hypot(rows - random.uniform(), columns - random.uniform())
    drawn = (ramp, rings, np.sin(waves * 2 * np.pi * ramp), np.sin(waves * 2 * np.pi * rings))
    return np.asarray(drawn[random.integers(4)], dtype=np.float32)


def dicom_views(data: Path, names: Sequence[str]) -> Callable[[Random], Grey]:
    """Makes the function that draws a view of one of these members of `dicom.zip`."""
    pictures = [_dicom(read_source(join(data / "dicom.zip", f"dicom/{name}"))) for name in names]
    return lambda random: view(pictures[random.integers(len(pictures))], random)


def photograph_views(name: str) -> Callable[[Random], Grey]:
    """Makes the function that draws a view of a photograph that scikit-learn brings along."""
    grey = to_grey(np.asarray(load_sample_image(name), dtype=np.float32))
    return lambda random: view(grey, random, least=0.25)


def mnist(data: Path) -> Callable[[Random], Grey]:
    """Makes the function that picks a handwritten digit, enlarged."""
    with np.load(data / "digits.npz") as arrays:
        images = arrays["mnist_test_images"]
    return lambda random: _enlarged(PillowImage.fromarray(images[random.integers(len(images))]))


def characters(data: Path) -> Callable[[Random], Grey]:
    """Makes the function that picks a handwritten Devanagari character, enlarged."""
    sources = [source for source in list_sources(data / "dhcd.zip") if "Test/" in source]

    def pick(random: Random) -> Grey:
        return _enlarged(PillowImage.open(io.BytesIO(read_source(sources[random.integers(len(sources))]))).convert("L"))

    return pick


def view(picture: Grey, random: Random, least: float = 0.75) -> Grey:
    """Draws a view of a picture: a crop of at least the share `least` of each side, turned and flipped, in a new gamma.

    Args:
        picture: float32 [rows, columns].
        random: The generator.
        least: Smallest share of each side, over 0 to 1.
    """
    share = random.uniform(least, 1.0)
    rows, columns = (max(32, int(side * share)) for side in picture.shape)
    top, left = random.integers(picture.shape[0] - rows + 1), random.integers(picture.shape[1] - columns + 1)
    turned = np.rot90(picture[top : top + rows, left : left + columns], int(random.integers(4)))
    turned = turned[:, ::-1] if random.integers(2) else turned
    scaled = (turned - turned.min()) / max(float(np.ptp(turned)), 1e-6)
    return np.ascontiguousarray(scaled ** random.uniform(0.7, 1.4), dtype=np.float32)


CHOOSING: Mapping[str, Callable[[Path], Callable[[Random], Grey]]] = MappingProxyType(
    {
        "white noise": lambda _: white_noise,
        "shapes": lambda _: shapes,
        "text": lambda _: text,
        "digits": mnist,
        "photograph, building": lambda _: photograph_views("china.jpg"),
        "knee, MR": lambda data: dicom_views(data, KNEE),
        "head and spine, CT": lambda data: dicom_views(data, CT),
    }
)
"""Kinds on which a score is chosen."""
SHOWING: Mapping[str, Callable[[Path], Callable[[Random], Grey]]] = MappingProxyType(
    {
        "coarse noise": lambda _: coarse_noise,
        "gradients": lambda _: gradient,
        "screens": lambda _: screen,
        "Devanagari characters": characters,
        "photograph, flower": lambda _: photograph_views("flower.jpg"),
        "abdomen and shoulder, MR": lambda data: dicom_views(data, OTHER_MR),
        "ultrasound, scintigram": lambda data: dicom_views(data, SONOGRAMS + SCINTIGRAM),
        "test charts": lambda data: dicom_views(data, CHARTS),
    }
)
"""Kinds on which the chosen one is shown."""


def rubbish(kinds: Mapping[str, Callable[[Path], Callable[[Random], Grey]]], data: Path) -> dict[str, list[Grey]]:
    """Draws `COUNT` (24) pictures of each kind.

    Args:
        kinds: `CHOOSING` or `SHOWING`.
        data: Folder of the public collections.

    Returns:
        float32 [rows, columns] each, by kind.
    """
    found = {}
    for name, kind in kinds.items():
        draw, random = kind(data), generator(0, f"rubbish {name}")
        found[name] = [draw(random) for _ in range(COUNT)]
    return found


def _dicom(data: bytes) -> Grey:
    """Pixels of any DICOM object; `medtl.dicom` would refuse what these are."""
    pixels = dcmread(io.BytesIO(data), force=True).pixel_array.astype(np.float32)
    while pixels.ndim > 3 or (pixels.ndim == 3 and pixels.shape[-1] != 3):
        pixels = pixels[len(pixels) // 2]
    return to_grey(pixels)


def _enlarged(picture: PillowImage.Image) -> Grey:
    return np.asarray(picture.resize((SIDE, SIDE), PillowImage.Resampling.BILINEAR), dtype=np.float32)


def _one_way_or_other(page: PillowImage.Image, random: Random) -> Grey:
    drawn = np.asarray(page, dtype=np.float32)
    return drawn if random.integers(2) else 255.0 - drawn
