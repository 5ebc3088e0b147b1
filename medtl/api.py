"""The functions of medtl, as a library; `import medtl` hands them on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medtl.task import TASK
from shared.api import Application
from shared.api.arguments import AnyPath, Settings, number_of, optional_path, path_of, words_of
from shared.api.guard import in_words_of_python
from shared.errors import UsageError
from shared.extras import check_extra
from shared.progress import Progress, Showing, showing

if TYPE_CHECKING:
    from medtl.archive.fetched import Fetched
    from shared.api.answers import Answers, Extend
    from shared.api.results import Result
    from shared.api.serving import Serving
    from shared.api.studies import Audit
    from shared.prediction.answer import Answer
    from shared.samples import Dataset
    from shared.task import Item
    from shared.web.guard import Guard

APPLICATION = Application(TASK)
USUAL_KINDS = 3
"""Kinds of tumour of a phantom, where none are named."""
train, load_run, explain, ensemble = (
    APPLICATION.train,
    APPLICATION.load_run,
    APPLICATION.explain,
    APPLICATION.ensemble,
)
compare, crossval, adapt, advise = APPLICATION.compare, APPLICATION.crossval, APPLICATION.adapt, APPLICATION.advise
models, backbones = APPLICATION.models, APPLICATION.backbones


@in_words_of_python
def predict(
    paths: AnyPath | Sequence[AnyPath],
    *,
    model: AnyPath | None = None,
    dicom: AnyPath | None = None,
    identifiers: bool = False,
    **options: Any,
) -> Answers:
    """Answers scans by a model.

    Args:
        paths: One path, or several: DICOM files, NIfTI volumes, images, folders and zips.
        model: A run, by folder or name, or the name of a model that comes with the package; None: the default.
        dicom: Folder for each answer as DICOM objects: a structured report and pictures of slices; None: none.
        identifiers: Whether the UIDs of study, series and images are added. They lead to the patient's examination.
        options: Those of `shared.api.run.Run.predict`.

    Raises:
        MedtlError: No model can answer, or a path does not exist.
    """
    return APPLICATION.predict(
        paths, model=model, extend=extension(optional_path("dicom", dicom), identifiers), **options
    )


@in_words_of_python
def audit(data: AnyPath, *, burned_in_text: bool = False, **options: Any) -> Audit:
    """Finds copies, contradicting labels and bad files, and says whether training would take the data.

    Args:
        data: The dataset: a folder, zip or manifest.
        burned_in_text: Whether images are listed too into whose pixels text, maybe a name, seems to be burned.
        options: Those of `shared.api.Application.audit`: `settings`, `out`, `progress`.

    Raises:
        UsageError: The data do not exist, or a setting does not matter here.
    """
    return APPLICATION.audit(data, search_further=find_text if burned_in_text else None, **options)


@in_words_of_python
def zero_shot(config: AnyPath | None = None, **options: Any) -> Result:
    """Recognises kinds of tumours without training images, from their attributes.

    Args:
        config: As in `train`.
        options: Those of `shared.api.Application.zero_shot`: `unseen` or `draw`, `seeds`, `model`, `methods`, `out`.

    Raises:
        MedtlError: The options do not go together, or the data cannot be read.
    """
    from medtl.side_information import knowledge

    return APPLICATION.zero_shot(knowledge(), config, **options)


@in_words_of_python
def serve(*, spool: AnyPath | None = None, **options: Any) -> None:
    """Serves web pages to classify scans and compare runs, until the process is stopped.

    Args:
        spool: Spool of `listen`; the series in it are shown as a worklist. None: no worklist.
        options: Those of `shared.api.Application.serve`: `host`, `port`, `model`, `keep_minutes`, `tls_certificate`,
            `tls_key`.

    Raises:
        UsageError: A package is missing, or the run, the spool, the address or the port cannot be used.
    """
    place = optional_path("spool", spool)
    if place is not None and not (place / "series").is_dir():
        raise UsageError(f"{place} is no spool of `medtl listen`; name its folder")

    def pages(serving: Serving) -> Guard:
        from medtl.web.app import build_app

        return build_app(
            serving.run, APPLICATION.root, serving.access, serving.store, place, chosen_among=serving.chosen_among
        )

    APPLICATION.serve(pages, **options)


@in_words_of_python
def write_phantom(
    out: AnyPath,
    *,
    patients: int = 20,
    scanners: str | Sequence[str] | None = None,
    slices: int = 12,
    kinds: str | Sequence[str] | None = None,
    seed: int = 0,
    progress: Showing = True,
) -> Path:
    """Writes a synthetic brain-MRI dataset: DICOM series with and without tumours, masks and `labels.csv`.

    Args:
        out: A new folder.
        patients: Number of patients for each scanner.
        scanners: Scanners to imitate, by name; None: all.
        slices: Number of axial slices for each patient.
        kinds: Kinds of tumour; None: the first three.
        seed: Seed of all that is drawn; the same gives the same files.
        progress: Whether progress is shown; or the function that shows it.

    Returns:
        The folder.

    Raises:
        UsageError: A scanner or a kind of tumour is unknown.
        DataError: The folder holds something, or a number is out of range.
    """
    from medtl.phantom import dataset
    from medtl.phantom.physics import SCANNERS
    from medtl.phantom.tumours import KINDS
    from shared.api.studies import names_in
    from shared.registry import check_names

    imitated = list(SCANNERS) if scanners is None else list(names_in(scanners, "scanners"))
    drawn = KINDS[:USUAL_KINDS] if kinds is None else names_in(kinds, "kinds")
    check_names("--scanners", imitated, list(SCANNERS))
    check_names("--kinds", drawn, KINDS)
    with showing(progress) as shown:
        return dataset.write_phantom(
            path_of("out", out),
            patients=number_of("patients", patients, 1),
            scanners=imitated,
            slices=number_of("slices", slices, 1),
            kinds=drawn,
            seed=number_of("seed", seed, 0),
            progress=lambda done, total: shown("phantom patients", done, total, ""),
        )


@in_words_of_python
def run_demo(*, settings: Settings | None = None, progress: Showing = True) -> list[str]:
    """Shows on synthetic scans what transfer gains; takes minutes on two CPU cores.

    Args:
        settings: Keys of the configuration for all trainings, such as `{"seed": 1}`.
        progress: Whether progress is shown; or the function that shows it.

    Returns:
        Lines for a person: a table of the runs, and what transfer gained.
    """
    from medtl import demo

    with showing(progress) as shown:
        return demo.run_demo(APPLICATION.root, words_of(settings), shown)


@in_words_of_python
def listen(
    *,
    port: int = 11112,
    host: str = "127.0.0.1",
    ae_title: str = "MEDTL",
    forward: str | None = None,
    spool: AnyPath = "spool",
    series_timeout: float = 10.0,
    keep_days: float | None = None,
    tls_certificate: AnyPath | None = None,
    tls_key: AnyPath | None = None,
    tls_authority: AnyPath | None = None,
    check_called_title: bool = False,
    dicomweb: int | None = None,
    model: AnyPath | None = None,
    say: Callable[[str], None] = print,
) -> None:
    """Runs a DICOM node that classifies series, until the process is stopped.

    Args:
        port: TCP port.
        host: Address to listen on; 0.0.0.0 is every network of this machine.
        ae_title: AE title of this node.
        forward: Node to send results to, `AE@HOST:PORT`; None: they stay in the spool.
        spool: Folder for received instances and for results.
        series_timeout: Seconds without a new instance after which a series is complete.
        keep_days: Days after forwarding until instances and results are deleted; None: 1. Needs `forward`.
        tls_certificate: PEM file with the certificate of this node; its ports and `forward` then speak TLS.
        tls_key: PEM file with its private key.
        tls_authority: PEM file with the certificates that those of senders and of the target are signed by.
        check_called_title: Whether senders are rejected that call another title than `ae_title`.
        dicomweb: TCP port for DICOMweb, by which images come in too and results are found; None: none.
        model: A run, by folder or name; None: the default that a person chose.
        say: Called with each line for the person who started it.

    Raises:
        UsageError: A package is missing, or a value is not allowed.
    """
    check_extra("`listen`", "listen")
    if dicomweb is not None:
        check_extra("`listen --dicomweb`", "serve")
    from medtl.node.listener import ListenerSettings
    from shared.io.tls import TlsFiles

    place = path_of("spool", spool)
    names = ("tls_certificate", tls_certificate), ("tls_key", tls_key), ("tls_authority", tls_authority)
    tls = TlsFiles.checked(*(None if path is None else path_of(name, path) for name, path in names))
    settings = ListenerSettings.checked(
        port, host, ae_title, forward, series_timeout, keep_days, tls=tls, called_title_only=check_called_title
    )
    web = None
    if dicomweb is not None:
        from medtl.node.dicomweb.server import WebSettings

        web = WebSettings.checked(host, dicomweb, tls)
    from medtl.node.judge import SeriesJudge
    from medtl.node.listener import listen as listen_until_stopped
    from medtl.node.spool import Spool

    # results go on to archives, with nobody between: a person must have chosen the model that comes with the package
    run = APPLICATION.load_run(model, explicit=True, released=False)
    for line in run.introduction:
        say(line)
    judge = SeriesJudge(run.folder.resolve(), run.chosen_among)
    with closing(Spool(place)) as opened:
        doors = [] if web is None else [web.server(opened)]
        lines = [f"listening: {settings}, spool {place}", *([] if web is None else web.lines)]
        listen_until_stopped(opened, judge, settings, lambda: say("\n".join(lines)), doors)


@in_words_of_python
def fetched(address: str, *, credentials: AnyPath | None = None, authority: AnyPath | None = None) -> Fetched:
    """Fetches the images of a study or series from an archive by DICOMweb; leaving the `with` block deletes them.

    Args:
        address: `dicomweb://HOST:PORT/PATH/studies/UID` or `.../series/UID`; `dicomwebs` stands for TLS.
        credentials: File with USER:PASSWORD or a token; None: those of MEDTL_DICOMWEB_CREDENTIALS, where it is set.
        authority: PEM file with the certificates that the archive must be signed by; None: those that this machine
            trusts.

    Returns:
        The folder `images`, the folder `results` for `predict(..., dicom=...)`, and `store`, which sends files back.

    Raises:
        MedtlError: An argument cannot be used; or the archive cannot be reached, has no images there, or sends
            something else.
    """
    check_extra("`--from`", "serve")
    from medtl.archive.fetched import Fetched

    return Fetched(address, optional_path("credentials", credentials), optional_path("authority", authority))


def extension(dicom: Path | None, identifiers: bool, written: list[Path] | None = None) -> Extend | None:
    """Makes the function that adds DICOM objects and identifiers to answers.

    Args:
        dicom: Folder for DICOM objects; None: none are written.
        identifiers: Whether the UIDs of study, series and images are added.
        written: Gets each file of an object, in place of lines that name it.

    Returns:
        The function; None where there is nothing to add.
    """
    extras = list["Extend"]()
    if dicom is not None:
        from medtl.results.writer import writer

        extras.append(writer(dicom, written))
    if identifiers:
        extras.append(_identifiers)

    def extend(*arguments: Any) -> tuple[dict[str, Any], list[str]]:
        tree, lines = dict[str, Any](), list[str]()
        for extra in extras:
            more, said = extra(*arguments)
            tree, lines = tree | more, lines + said
        return tree, lines

    return extend if extras else None


def _identifiers(item: Item, answer: Answer, *_: object) -> tuple[dict[str, Any], list[str]]:
    """The UIDs of an item, for its JSON."""
    from medtl.identifiers import read_identifiers

    return {"identifiers": read_identifiers(item)}, []


def find_text(dataset: Dataset, out: Path | None, progress: Progress) -> Iterator[str]:
    """Searches images for text in their pixels; gives lines, and writes `burned_in.csv` where a folder is named.

    Args:
        dataset: The audited samples.
        out: Folder for results, or None.
        progress: Called with (what, done, total, note).
    """
    from medtl.burned_in import find_suspects, in_words, write_suspects

    suspects = find_suspects(
        dataset.samples, lambda done, total: progress("looking for burned-in text", done, total, "")
    )
    yield from in_words(suspects, len(dataset.samples))
    if out is not None:
        write_suspects(suspects, out)
