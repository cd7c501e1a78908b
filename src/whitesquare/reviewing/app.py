"""What the page asks and is answered: pages and pictures by GET, decisions by POST, all as the guard lets through."""

from collections.abc import Callable
from importlib import resources
from typing import Any, TypeGuard

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from whitesquare._base.strictjson import parse
from whitesquare.errors import DataError, UsageError, WhitesquareError
from whitesquare.report.common.formats import short, visible
from whitesquare.reviewing.board import Stored
from whitesquare.reviewing.page import render_page
from whitesquare.reviewing.review import PICTURES, ReviewDesk
from whitesquare.reviewing.rows import RowFilter, Run, unrolled

_ASSETS = {"css": "text/css", "js": "text/javascript"}
_MOST_ROWS = 600
"""Rows that are told at once."""
_LONGEST = 2000
"""Signs of a reason."""


def review_app(review: ReviewDesk, finish: Callable[[], None]) -> Starlette:
    """Return what answers.

    Args:
        review: what is reviewed.
        finish: ends the server.
    """
    page = render_page(review)
    assets = _assets()

    async def index(_: Request) -> Response:
        return Response(page, media_type="text/html")

    async def asset(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in assets:
            return Response("Not found.", 404, media_type="text/plain")
        return Response(assets[name], media_type=_ASSETS[name.rpartition(".")[2]])

    async def done(_: Request) -> Response:
        finish()
        return JSONResponse({"ended": True})

    answers = _Answers(review)
    get = {
        "/news": answers.news,
        "/rows": answers.rows,
        "/view": answers.view,
        "/beside/{row:int}": answers.beside,
        "/picture/{row:int}/{kind}": answers.picture,
        "/trigger/{label:int}": answers.trigger,
        "/example/{label:int}/{number:int}/{kind}": answers.example,
    }
    post = {"/decide": answers.decide, "/undo": answers.undo}
    routes = [Route("/", index), Route("/asset/{name}", asset), Route("/finish", done, methods=["POST"])]
    routes += [Route(path, _threaded(answer)) for path, answer in get.items()]
    routes += [Route(path, _posted(answer), methods=["POST"]) for path, answer in post.items()]
    return Starlette(routes=routes)


def _assets() -> dict[str, bytes]:
    """Read the style sheets and scripts: this package's own files."""
    found = {"page.css": resources.files("whitesquare.report.common").joinpath("page.css").read_bytes()}
    for file in resources.files("whitesquare.reviewing").joinpath("assets").iterdir():
        if file.name.rpartition(".")[2] in _ASSETS:
            found[file.name] = file.read_bytes()
    return found


def _threaded(answer: Callable[[Request], Response]) -> Callable[[Request], Any]:
    async def asked(request: Request) -> Response:
        return await run_in_threadpool(_told, answer, request)

    return asked


def _posted(answer: Callable[[dict[str, Any]], Response]) -> Callable[[Request], Any]:
    async def asked(request: Request) -> Response:
        body = await request.body()
        return await run_in_threadpool(_told, lambda _: answer(_object(body)), request)

    return asked


def _told(answer: Callable[[Request], Response], request: Request) -> Response:
    """Answer, or say in a sentence why not."""
    try:
        return answer(request)
    except UsageError as error:
        return JSONResponse({"error": str(error)}, 400)
    except DataError as error:
        return JSONResponse({"error": str(error)}, 409)
    except WhitesquareError as error:
        return JSONResponse({"error": str(error)}, 500)


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = parse(body.decode("utf-8"))
    except (ValueError, RecursionError, WhitesquareError) as error:
        raise UsageError(f"The request is no JSON: {error!s:.200}.") from error
    if not isinstance(found, dict):
        raise UsageError("The request is no JSON object.")
    return found


class _Answers:
    """What is asked of a review, each by what its path says."""

    def __init__(self, review: ReviewDesk) -> None:
        self._review = review

    def news(self, request: Request) -> Response:
        """Tell what changed since, by anybody."""
        board = self._review.board
        board.refresh()
        news = board.news(_number(request, "since") or 0)
        changed = self._review.changed
        return JSONResponse(
            {
                "changed": news.changed,
                "next": news.next,
                "counts": board.counts(),
                "foreign": board.foreign,
                "unlike": len(changed),
                "unlike_ids": [short(self._review.rows.flags[row].id, 60) for row in list(changed)[:20]],
            }
        )

    def rows(self, request: Request) -> Response:
        """Tell all about some rows: ``at=0-40,52``."""
        given = [part.partition("-") for part in request.query_params.get("at", "").split(",") if part]
        try:
            found = unrolled([(int(a), int(b) if dash else int(a) + 1) for a, dash, b in given], self._size)
        except ValueError as error:
            raise UsageError("Expected rows as at=0-40,52.") from error
        return JSONResponse([self._row(row) for row in found[:_MOST_ROWS]])

    def _row(self, row: int) -> dict[str, Any]:
        flag = self._review.rows.flags[row]
        standing = self._review.board.standing(row)
        return {
            "row": row,
            "id": visible(flag.id),
            "class": visible(self._names.get(flag.label, str(flag.label))),
            "label": flag.label,
            "tier": flag.tier,
            "rule": visible(flag.rule_id),
            "score": flag.fused,
            "p": flag.p_value,
            "trouble": self._review.changed.get(row, ""),
            "stranger": flag.label in self._review.samples.without_normal,
            "marks": [
                {
                    "by": visible(mark.by),
                    "role": visible(mark.role) if mark.role else "",
                    "choice": mark.choice,
                    "label": visible(mark.label) if mark.label else "",
                    "why": visible(mark.why) if mark.why else "",
                    "at": mark.at,
                }
                for mark in (standing.by_person.values() if standing else ())
            ],
        }

    @property
    def _names(self) -> dict[int, str]:
        return {row.label: row.name for row in self._review.result.classes}

    @property
    def _size(self) -> int:
        return len(self._review.rows.flags)

    def view(self, request: Request) -> Response:
        """Tell which rows a filter lets through."""
        asked = request.query_params
        try:
            least = float(asked["least"]) if asked.get("least") else None
        except ValueError as error:
            raise UsageError(f"The score {asked['least']!r:.40} is no number.") from error
        seen = RowFilter(
            label=_number(request, "label"),
            tier=asked.get("tier", ""),
            rule=asked.get("rule", ""),
            least=least,
            text=asked.get("text", ""),
        )
        standing = asked.get("standing", "")
        mask = self._review.board.standing_as(standing) if standing else None
        return JSONResponse({"runs": self._review.rows.seen(seen, mask)})

    def picture(self, request: Request) -> Response:
        """Draw a suspect."""
        row, kind = request.path_params["row"], request.path_params["kind"]
        if kind not in PICTURES or not 0 <= row < self._size:
            raise UsageError("There is no such picture.")
        return Response(self._review.picture(row, kind), media_type="image/png")

    def beside(self, request: Request) -> Response:
        """Tell which normal sample is shown beside a suspect."""
        row = request.path_params["row"]
        if not 0 <= row < self._size:
            raise UsageError("There is no such suspect.")
        found = self._review.samples.neighbour(row)
        name = "" if found.label is None else self._names.get(found.label, str(found.label))
        return JSONResponse(
            {"id": visible(found.id), "class": visible(name) if name else "", "stranger": found.stranger}
        )

    def example(self, request: Request) -> Response:
        """Draw an image of another class, with the trigger or without."""
        asked = request.path_params
        drawn = self._review.example(asked["label"], asked["number"], pasted=asked["kind"] == "pasted")
        return Response(drawn, media_type="image/png")

    def trigger(self, request: Request) -> Response:
        """Draw a rebuilt trigger."""
        return Response(self._review.trigger(request.path_params["label"]), media_type="image/png")

    def decide(self, asked: dict[str, Any]) -> Response:
        """Store a decision."""
        label, why = asked.get("label"), asked.get("why", "")
        choice, given = asked.get("choice", ""), asked.get("rows")
        if not (label is None or type(label) is int) or not (
            isinstance(why, str) and isinstance(choice, str) and _are_runs(given)
        ):
            raise UsageError("Expected choice, rows (runs of them), and perhaps why and label (its number).")
        if label is not None and label not in self._names:
            raise UsageError(f"There is no class {label}.")
        name = self._names[label] if label is not None else ""
        rows = unrolled(given, self._size)
        if not rows:
            raise UsageError("There are no such rows.")
        stored = self._review.board.decide(rows, choice, why=why[:_LONGEST], label=name)
        self._review.changed.update(stored.refused)
        return _stored(stored)

    def undo(self, _: dict[str, Any]) -> Response:
        """Take the last decision back."""
        return _stored(self._review.board.undo())


def _stored(stored: Stored) -> Response:
    return JSONResponse(
        {
            "count": stored.count,
            "choice": stored.choice,
            "refused": len(stored.refused),
            "why": next(iter(stored.refused.values()), ""),
        }
    )


def _are_runs(given: object) -> TypeGuard[list[Run]]:
    return isinstance(given, list) and all(
        isinstance(one, list) and len(one) == 2 and all(type(place) is int and abs(place) < 2**31 for place in one)
        for one in given
    )


def _number(request: Request, name: str) -> int | None:
    given = request.query_params.get(name, "")
    if not given:
        return None
    try:
        return int(given)
    except ValueError as error:
        raise UsageError(f"{name} is {given!r:.40}; expected a whole number.") from error
