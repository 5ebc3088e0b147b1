"""The functions of handwriting, as a library; `import handwriting` hands them on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handwriting.task import TASK
from shared.api import Application
from shared.api.arguments import AnyPath, optional_path, path_of, paths_of
from shared.api.guard import in_words_of_python
from shared.progress import Showing, showing

if TYPE_CHECKING:
    from shared.api.results import Result
    from shared.api.serving import Serving
    from shared.web.guard import Guard

APPLICATION = Application(TASK)
train, load_run, predict, explain = (
    APPLICATION.train,
    APPLICATION.load_run,
    APPLICATION.predict,
    APPLICATION.explain,
)
compare, crossval, adapt, advise = APPLICATION.compare, APPLICATION.crossval, APPLICATION.adapt, APPLICATION.advise
audit, ensemble, models, backbones = (
    APPLICATION.audit,
    APPLICATION.ensemble,
    APPLICATION.models,
    APPLICATION.backbones,
)


@in_words_of_python
def read_pages(
    paths: AnyPath | Sequence[AnyPath],
    *,
    model: AnyPath | None = None,
    out: AnyPath | None = None,
    each: Callable[[Mapping[str, Any]], object] | None = None,
    progress: Showing = True,
) -> list[dict[str, Any]]:
    """Reads photographs of lines or pages: cuts them into characters, and judges each.

    Args:
        paths: One path, or several: pictures, folders and zips of them.
        model: A run, by folder or name, or the name of a model that comes with the package; None: the default.
        out: Folder for `predictions.jsonl`, and a drawing of each page with its characters in boxes; None: none.
        each: Called with each page as soon as it was read.
        progress: Whether progress is shown; or the function that shows it.

    Returns:
        Plain data of each page, equal to what `predict --page --json` prints: `text`, `characters`, `status`, `notes`.

    Raises:
        MedtlError: No model can answer, or a path does not exist.
    """
    from handwriting.page.reading import read_pages

    run = APPLICATION.load_run(model)
    pictures, folder = paths_of("paths", paths), optional_path("out", out)
    with showing(progress) as shown:
        return read_pages(run.predictor, pictures, folder, each, shown)


@in_words_of_python
def zero_shot(config: AnyPath | None = None, **options: Any) -> Result:
    """Recognises characters without training images, from their attributes and how fonts print them.

    Args:
        config: As in `train`.
        options: Those of `shared.api.Application.zero_shot`: `unseen` or `draw`, `seeds`, `model`, `methods`, `out`.

    Raises:
        MedtlError: The options do not go together, or the data cannot be read.
    """
    from handwriting.side_information import knowledge

    return APPLICATION.zero_shot(knowledge(), config, **options)


@in_words_of_python
def serve(**options: Any) -> None:
    """Serves web pages to read characters and compare runs, until the process is stopped.

    Args:
        options: Those of `shared.api.Application.serve`: `host`, `port`, `model`, `keep_minutes`, `tls_certificate`,
            `tls_key`.

    Raises:
        UsageError: A package is missing, or the run, the address or the port cannot be used.
    """

    def pages(serving: Serving) -> Guard:
        from handwriting.web.app import build_app

        return build_app(
            serving.run, APPLICATION.root, serving.access, serving.store, chosen_among=serving.chosen_among
        )

    APPLICATION.serve(pages, **options)


@in_words_of_python
def download(name: str = "dhcd", *, to: AnyPath = "data", progress: Showing = True) -> Path:
    """Fetches a published dataset, and checks it pixel by pixel; what an earlier call had fetched is kept.

    Args:
        name: The dataset. "dhcd": 92,000 Devanagari characters, CC BY 4.0, from UCI.
        to: Folder for the archive.
        progress: Whether progress is shown; or the function that shows it.

    Returns:
        The path of the dataset, as `train` takes it.

    Raises:
        UnknownNameError: There is no such dataset.
        DataError: It cannot be fetched, or is not what was published.
    """
    from handwriting import dhcd
    from shared.errors import UnknownNameError

    if name != "dhcd":
        raise UnknownNameError(f"no dataset {name!r} can be fetched; there is dhcd")
    with showing(progress) as shown:
        return dhcd.fetch(
            path_of("to", to),
            progress=lambda done, total: shown(f"fetching {name}, bytes", done, total, ""),
            checking=lambda done, total: shown(f"checking {name}, images", done, total, ""),
        )
