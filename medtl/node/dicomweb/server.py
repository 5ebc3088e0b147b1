"""The web service of a node, in a thread of its own: routes, bounds, and who is let in."""

from __future__ import annotations

import logging
import os
import ssl
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from medtl.node.dicomweb.catalog import Catalog, Result, check_uid
from medtl.node.dicomweb.query import Level, Query, matches
from medtl.node.dicomweb.retrieve import JSON, is_accepted, metadata, multipart
from medtl.node.dicomweb.stow import DICOM, MAX_BYTES, MAX_PARTS, UNAVAILABLE, Stow, response
from medtl.node.intake import Intake
from medtl.node.spool import Spool
from medtl.node.transport import MAX_ASSOCIATIONS, MAX_OF_PEER
from shared.errors import UsageError
from shared.io.addresses import check_port
from shared.io.multipart import MultipartFault, Parts, TooManyParts, content_type
from shared.io.tls import TlsFiles
from shared.web.connections import BUSY_S
from shared.web.guard import TOKEN_VARIABLE, Access, Guard
from shared.web.receiving import RequestRefused, feed
from shared.web.serving import listening, make_server

LOGGER = logging.getLogger(__name__)
ROOT = "/dicom-web"
"""Path of the service, the same as Orthanc's."""
STUDY, SERIES, INSTANCE = "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"
COOKIE = "medtl_dicomweb"
RETRY = {"retry-after": BUSY_S}


@dataclass(frozen=True)
class WebSettings:
    """Settings of the web service of a node.

    Attributes:
        host: Address to listen on.
        port: TCP port.
        access: The rules by which requests are admitted.
        tls: Certificate of the node; None: nothing is encrypted.
    """

    host: str
    port: int
    access: Access
    tls: TlsFiles | None

    @classmethod
    def checked(cls, host: str, port: int, tls: TlsFiles | None) -> WebSettings:
        """Checks the values of the command line, and returns the settings made of them.

        Args:
            host: Value of `--host`.
            port: Value of `--dicomweb`.
            tls: Values of `--tls-certificate`, `--tls-key` and `--tls-authority`.

        Raises:
            UsageError: The port is not allowed.
            ConfigError: The token in the environment is too short.
        """
        return cls(host, check_port(port, "--dicomweb"), Access.for_host(host), tls)

    @property
    def lines(self) -> list[str]:
        """Lines that say how the service is reached; the token only where it was made now."""
        shown = f"[{self.host}]" if ":" in self.host else self.host
        token = f"of {TOKEN_VARIABLE}" if TOKEN_VARIABLE in os.environ else self.access.token
        return [
            f"DICOMweb: {'http' if self.tls is None else 'https'}://{shown}:{self.port}{ROOT}",
            f"  clients send `Authorization: Bearer TOKEN`, with the token {token}",
        ]

    def server(self, spool: Spool) -> DicomwebServer:
        """Makes the server; it listens when it is started.

        Args:
            spool: The store of instances and results.
        """
        tls = None if self.tls is None else self.tls.for_server()
        return DicomwebServer(spool, self.host, self.port, self.access, tls)


class DicomwebServer:
    """A web server with the DICOMweb services of a spool.

    Args:
        spool: The store of instances and results.
        host: Address to listen on.
        port: TCP port.
        access: The rules by which requests are admitted.
        tls: Settings of TLS; None: nothing is encrypted.
    """

    def __init__(self, spool: Spool, host: str, port: int, access: Access, tls: ssl.SSLContext | None = None) -> None:
        self._place = host, port
        self._server = make_server(build_app(spool, access), tls)
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Starts to listen, in a thread of its own, and returns at once.

        Raises:
            UsageError: The port is in use, or the address does not belong to this machine.
        """
        opened = listening(*self._place, option="--dicomweb")
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [opened]}, name="dicomweb", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stops to listen, once the open requests had some seconds."""
        self._server.should_exit = True
        if self._thread is not None:
            self._thread.join()


def build_app(spool: Spool, access: Access) -> Guard:
    """Builds the web application, guarded by a token.

    Args:
        spool: The store of instances and results.
        access: The rules by which requests are admitted.
    """
    service = _Service(spool)
    study, series, instance = f"/studies/{{{STUDY}}}", f"/series/{{{SERIES}}}", f"/instances/{{{INSTANCE}}}"
    routes = [Route(ROOT + place, service.store, methods=["POST"]) for place in ("/studies", study)]
    searches: Mapping[str, Level] = {
        "/studies": "studies",
        "/series": "series",
        "/instances": "instances",
        f"{study}/series": "series",
        f"{study}/instances": "instances",
        f"{study}{series}/instances": "instances",
    }
    routes += [Route(ROOT + place, partial(service.search, level=level)) for place, level in searches.items()]
    for place in (study, study + series, study + series + instance):
        routes += [Route(ROOT + place, service.retrieve), Route(f"{ROOT}{place}/metadata", service.metadata)]
    handlers = {RequestRefused: _not_taken, UsageError: _not_taken, 404: _nothing_there}
    return Guard(Starlette(routes=routes, exception_handlers=handlers), access, COOKIE)


class _Service:
    """Answers requests; searches and retrievals run in threads, as the framework does for plain functions."""

    def __init__(self, spool: Spool) -> None:
        self._intake, self._catalog = Intake(spool), Catalog(spool.root)
        self._drafts = spool.root / "partial"
        self._one_at_a_time = threading.Lock()
        self._open = Counter[str]()

    async def store(self, request: Request) -> Response:
        study = request.path_params.get(STUDY, "")
        if study:
            check_uid(STUDY, study)
        boundary = _boundary(request)
        peer = request.client.host if request.client else ""
        if self._open.total() >= MAX_ASSOCIATIONS or self._open[peer] >= MAX_OF_PEER:
            return JSONResponse({"detail": "the node is busy; try again soon"}, UNAVAILABLE, RETRY)
        taker = Stow(self._intake, self._drafts, study, self._one_at_a_time)
        self._open[peer] += 1
        try:
            await _feed(request, boundary, taker)
        except ClientDisconnect:
            LOGGER.warning("a sender went away; of what it sent, %d objects had come", len(taker.taken))
            return Response(status_code=400)
        finally:
            self._open -= Counter([peer])  # which forgets peers without requests
            taker.close()
        if not taker.taken:
            raise RequestRefused("the request has no instance; send at least one")
        status, dataset = response(taker.taken)
        return JSONResponse(dataset, status, RETRY if status == UNAVAILABLE else None, media_type=JSON)

    def search(self, request: Request, level: Level) -> Response:
        query = Query.parse(request.query_params.multi_items(), _uids(request))
        found = matches(level, self._catalog.find(query.wanted), _root(request))
        shown = found[query.offset : query.offset + query.limit]
        headers = {}
        if query.is_fuzzy:
            headers["warning"] = _warning(
                "The fuzzymatching parameter is not supported. Only literal matching is done."
            )
        elif left := max(0, len(found) - query.offset - len(shown)):
            headers["warning"] = _warning(f"There are {left} additional results that can be requested")
        return JSONResponse(shown, headers=headers, media_type=JSON)

    def retrieve(self, request: Request) -> Response:
        found = self._found(request)
        if not is_accepted(request.headers.get("accept", "")):
            raise RequestRefused(
                f'results are given as multipart/related; type="{DICOM}", in explicit little endian', 406
            )
        kind, body = multipart([one.path for one in found])
        # not as `media_type`, to which a character set would be added
        return StreamingResponse(body, headers={"content-type": kind})

    def metadata(self, request: Request) -> Response:
        try:
            return JSONResponse([metadata(one.path) for one in self._found(request)], media_type=JSON)
        except FileNotFoundError:
            return _absent()

    def _found(self, request: Request) -> list[Result]:
        found = self._catalog.find(_uids(request))
        if not found:
            raise RequestRefused("there is no such result", 404)
        return found


async def _feed(request: Request, boundary: str, taker: Stow) -> None:
    """Hands the body of a request to a taker."""
    too_large = f"the request is larger than {MAX_BYTES >> 30} GiB; send it in parts"
    try:
        await feed(request.stream(), Parts(boundary, taker, MAX_PARTS), MAX_BYTES, too_large)
    except TooManyParts:
        raise RequestRefused(f"the request has more than {MAX_PARTS} instances; send them in several", 413) from None
    except MultipartFault as fault:
        raise RequestRefused(f"{fault}; send it again: what came whole is kept") from None


def _boundary(request: Request) -> str:
    """Returns the boundary that a request to store states.

    Raises:
        RequestRefused: It states that it holds something else than DICOM files.
    """
    kind, options = content_type(request.headers.get("content-type", ""))
    if kind != "multipart/related" or options.get("type", DICOM).lower() != DICOM or not options.get("boundary"):
        raise RequestRefused(f'send instances as multipart/related; type="{DICOM}" with a boundary', 415)
    if request.headers.get("content-encoding", "identity") != "identity":
        raise RequestRefused("send instances without a content encoding", 415)
    return options["boundary"]


def _uids(request: Request) -> dict[str, str]:
    """Returns the UIDs in the path of a request, by keyword.

    Raises:
        UsageError: One is none.
    """
    return {keyword: check_uid(keyword, uid) for keyword, uid in request.path_params.items()}


def _root(request: Request) -> str:
    return f"{request.url.scheme}://{request.url.netloc}{ROOT}"


def _warning(text: str) -> str:
    """Makes the value of the header Warning. Source: DICOM PS3.18, 8.3.4."""
    return f'299 medtl "{text}"'


def _not_taken(_request: Request, error: Exception) -> Response:
    status = getattr(error, "status", 400)
    # what is left of a body that is not read on must not be taken for the next request
    return JSONResponse({"detail": str(error)}, status, {"connection": "close"})


def _absent() -> Response:
    return JSONResponse({"detail": "there is no such result"}, 404)


def _nothing_there(_request: Request, _error: Exception) -> Response:
    return JSONResponse({"detail": f"there is nothing at this address; the service is at {ROOT}/studies"}, 404)
