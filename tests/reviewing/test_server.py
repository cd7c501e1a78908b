"""The server: who may ask, what is answered, what is stored, and what is said of data that are not as they were."""

import gc
import io
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from threading import Event

import numpy as np
import pytest
from PIL import Image

from tests.report.scan_sample import hostile
from whitesquare._base.strictjson import parse_named
from whitesquare.data import open_dataset
from whitesquare.deciding import findings
from whitesquare.deciding.log import DecisionLog
from whitesquare.errors import DataError, UsageError
from whitesquare.jobs import review_page
from whitesquare.reviewing.app import review_app
from whitesquare.reviewing.board import Board
from whitesquare.reviewing.guard import Guard
from whitesquare.reviewing.review import open_review
from whitesquare.scanning.album import album_path, read_album
from whitesquare.scanning.files import scan_json

from .asked import HOST, PORT, TOKEN, asked, post, raw
from .made import OF_REVIEW, SUSPECTS, Made, made, pictures


def opened(found: Made, by="ann", **options):
    desk = open_review(found.scan, options.pop("decisions", None), by, **options)
    return desk, Guard(review_app(desk, lambda: None), TOKEN, PORT)


@pytest.fixture(scope="module")
def kept(tmp_path_factory) -> Made:
    return made(tmp_path_factory.mktemp("kept"))


@pytest.fixture
def own(kept, tmp_path):
    """A review with a file of decisions of its own."""
    return opened(kept, decisions=tmp_path / "decisions.jsonl")


@pytest.fixture(scope="module")
def shared(kept, tmp_path_factory):
    """A review in which nothing is decided."""
    return opened(kept, decisions=tmp_path_factory.mktemp("shared") / "decisions.jsonl")


def shape(answer):
    assert answer.status == 200, answer.body
    return Image.open(io.BytesIO(answer.body)).size


def test_the_page_says_the_verdict_first_and_weighs_little(shared):
    _, app = shared
    page = asked(app, "/")
    text = page.body.decode()
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert text.index("A planted trigger was confirmed in class “0”") < text.index("Remove all 24")
    assert "See it act: 3 of 4 images of other classes turn" in text
    weight = len(page.body)
    for name in ("page.css", "review.css", "main.js", "api.js", "state.js", "grid.js", "sample.js"):
        weight += len(asked(app, f"/asset/{name}").body)
    assert weight < 150_000
    assert "http" not in text.replace("http-equiv", "")


@pytest.mark.parametrize(
    ("path", "change", "status"),
    [
        ("/", {"host": "evil.example"}, 421),
        ("/", {"host": f"evil.example:{PORT}"}, 421),
        ("/", {"host": "127.0.0.1"}, 421),
        ("/", {"host": f"127.0.0.1:{PORT + 1}"}, 421),
        ("/", {"host": None}, 421),
        ("/", {"host": f"localhost:{PORT}"}, 200),
        ("/asset/../../guard.py", {}, 404),
        ("/asset/review.html.j2", {}, 404),
        ("/nothing", {}, 404),
    ],
)
def test_only_this_machine_s_names_are_answered(shared, path, change, status):
    answer = asked(shared[1], path, headers=change)
    assert answer.status == status
    assert answer.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("token", ["", "secret", "secret-tokem", TOKEN + "x", TOKEN.upper(), "\udcff", "é" * 12])
@pytest.mark.parametrize("path", ["/", "/rows", "/picture/0/suspect", "/asset/main.js"])
def test_nothing_is_answered_without_the_token(shared, token, path):
    answer = asked(shared[1], path, token=token)
    assert (answer.status, answer.body) == (404, b"Not found.")


def test_two_hosts_are_none(shared):
    answer = raw(shared[1], f"/{TOKEN}/", "GET", "", [(b"host", HOST.encode()), (b"host", HOST.encode())])
    assert answer.status == 421


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"origin": None}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": f"https://{HOST}"}, 403),
        ({"origin": f"http://localhost:{PORT}"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "application/x-www-form-urlencoded"}, 415),
        ({"content-length": None}, 413),
        ({"content-length": str(10**9)}, 413),
        ({"content-length": "-1"}, 413),
    ],
)
def test_what_another_page_sends_changes_nothing(shared, change, status):
    desk, app = shared
    body = json.dumps({"choice": "remove", "rows": [[0, 1]]}).encode()
    assert asked(app, "/decide", method="POST", headers=change, body=body).status == status
    assert asked(app, "/decide", method="PUT", body=body).status == 405
    assert desk.board.counts()["remove"] == 0


def test_pictures_are_the_sample_s_own_pixels(kept, shared):
    desk, app = shared
    dataset = open_dataset(kept.data)
    flag = desk.rows.flags[0]
    answer = asked(app, "/picture/0/suspect")
    assert answer.headers["content-type"] == "image/png"
    shown = np.array(Image.open(io.BytesIO(answer.body)))[..., 0]
    assert np.array_equal(shown, dataset.images(np.array([list(dataset.ids).index(flag.id)]))[0, 0])
    assert {shape(asked(app, f"/picture/0/{kind}")) for kind in ("evidence", "residual", "normal")} == {(28, 28)}
    heat = np.array(Image.open(io.BytesIO(asked(app, "/picture/0/evidence").body))).astype(int)
    orange = heat[..., 0] - heat[..., 2] > 60
    assert orange[22:26, 22:26].all()
    assert orange.sum() == 16
    beside = asked(app, "/beside/0").json()
    assert beside["id"] not in desk.rows.places
    assert dataset.labels[list(dataset.ids).index(beside["id"])] == flag.label
    assert (beside["class"], beside["stranger"]) == ("0", False)
    assert not asked(app, "/rows", query="at=0").json()[0]["stranger"]
    assert shape(asked(app, "/trigger/0"))[0] > 100
    plain, pasted = (asked(app, f"/example/0/1/{kind}") for kind in ("plain", "pasted"))
    assert shape(plain) == shape(pasted) == (28, 28)
    assert plain.body != pasted.body
    for path in ("/picture/99/suspect", "/picture/0/other", "/example/0/9/plain", "/example/7/0/plain", "/trigger/7"):
        assert asked(app, path).status in (400, 409), path


def test_beside_a_class_that_is_flagged_as_a_whole_stands_the_nearest_of_another_class_and_is_said_to(tmp_path):
    found = made(tmp_path, dataset=pictures(3 * SUSPECTS))
    desk, app = opened(found)
    dataset = open_dataset(found.data)
    labels = dict(zip(dataset.ids, dataset.labels.tolist(), strict=True))
    assert "Of class <bdi>0</bdi>, every sample is flagged: there, in a dashed frame" in asked(app, "/").body.decode()
    for row in (0, SUSPECTS - 1):
        beside = asked(app, f"/beside/{row}").json()
        assert beside["stranger"]
        assert beside["class"] == str(labels[beside["id"]]) != "0"
        assert beside["id"] not in desk.rows.places
        assert {shape(asked(app, f"/picture/{row}/{kind}")) for kind in ("normal", "evidence")} == {(28, 28)}
    told = asked(app, "/rows", query=f"at=0,{SUSPECTS}").json()
    assert [one["stranger"] for one in told] == [True, False]
    assert asked(app, "/beside/99").status == 400
    shutil.rmtree(found.data)
    assert asked(opened(found)[1], "/beside/0").json() | {"id": ""} == {"id": "", "class": "", "stranger": True}


def test_a_scan_is_parsed_once_for_its_review(kept, tmp_path, monkeypatch):
    read = []
    monkeypatch.setattr(findings, "parse_named", lambda data: read.append(len(data)) or parse_named(data))
    opened(kept, decisions=tmp_path / "decisions.jsonl")
    assert read == [kept.scan.stat().st_size]


@pytest.mark.long
def test_what_the_page_does_not_need_is_not_loaded():
    code = "import sys, whitesquare.jobs.review_page; assert not {'sklearn', 'torch', 'pandas'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_while_a_review_is_open_its_records_are_left_out_of_the_search_for_garbage(monkeypatch):
    frozen = []
    desk = type(
        "Desk", (), {"board": type("Board", (), {"refresh": lambda _: None, "counts": lambda _: {"open": 1}})()}
    )
    monkeypatch.setattr(review_page, "open_review", lambda *_, **__: desk)
    monkeypatch.setattr(review_page, "serve", lambda *_, **__: frozen.append((gc.get_freeze_count(), gc.isenabled())))
    assert review_page.review_page(Path("scan.json"), by="ann", on_ready=print) == {"open": 1}
    ((count, is_on),) = frozen
    assert count > 1000
    assert is_on
    assert gc.get_freeze_count() == 0


def test_where_all_samples_are_flagged_there_is_none_to_compare_with_and_that_is_said(tmp_path):
    found = made(tmp_path)
    flagged = {flag.id for flag in found.result.flagged}
    for name in set(open_dataset(found.data).ids) - flagged:
        (found.data / name).unlink()
    shutil.rmtree(found.data / "train" / "2")
    _, app = opened(found)
    assert asked(app, "/picture/0/suspect").status == 200
    answer = asked(app, "/picture/0/normal")
    assert answer.status == 409
    assert answer.json()["error"].startswith("There is no normal sample to show beside it: every sample that has this")


def test_rows_are_told_and_filtered(shared):
    desk, app = shared
    told = asked(app, "/rows", query="at=0-3,25").json()
    assert [one["row"] for one in told] == [0, 1, 2, 25]
    assert (told[0]["class"], told[0]["tier"], told[0]["rule"], told[0]["p"]) == ("0", "confirmed", "PX01", 0.001)
    assert told[3]["p"] is None

    def seen(query):
        return asked(app, "/view", query=query).json()["runs"]

    whole = [[0, SUSPECTS + OF_REVIEW]]
    assert seen("") == whole
    assert seen("label=1") == [[SUSPECTS, SUSPECTS + OF_REVIEW]]
    assert seen("tier=review") == seen("rule=SS01") == [[SUSPECTS, SUSPECTS + OF_REVIEW]]
    assert seen("least=8.95") == [[0, int((desk.rows.scores >= 8.95).sum())]]
    assert seen(f"text={desk.rows.flags[2].id.upper()}") == [[2, 3]]
    assert seen("text=nowhere") == seen("rule=none") == seen("tier=none") == seen("label=9") == []
    for query in ("label=x", "least=y", "standing=z"):
        assert asked(app, "/view", query=query).status == 400
    assert asked(app, "/rows", query="at=a").status == 400


def test_decisions_are_stored_told_and_taken_back(own):
    desk, app = own
    assert post(app, "/decide", {"choice": "remove", "rows": [[0, SUSPECTS]], "why": "a square"}).json()["count"] == 24
    stored = post(app, "/decide", {"choice": "relabel", "rows": [[3, 4]], "label": 2}).json()
    assert stored == {"count": 1, "choice": "relabel", "refused": 0, "why": ""}
    news = asked(app, "/news", query="since=0").json()
    assert sorted(news["changed"]) == [[0, 3, 2], [3, 4, 3], [4, 24, 2]]
    assert news["counts"] == {"open": 4, "keep": 0, "remove": 23, "relabel": 1, "unsure": 0, "disagreed": 0}
    assert asked(app, "/news", query=f"since={news['next']}").json()["changed"] == []
    assert asked(app, "/view", query="standing=relabel").json()["runs"] == [[3, 4]]
    mark = asked(app, "/rows", query="at=3").json()[0]["marks"][0]
    assert (mark["by"], mark["choice"], mark["label"]) == ("ann", "relabel", "2")
    assert post(app, "/undo", {}).json()["count"] == 1
    assert desk.board.counts()["remove"] == SUSPECTS
    assert asked(app, "/rows", query="at=3").json()[0]["marks"][0]["why"] == "a square"
    assert post(app, "/undo", {}).json()["count"] == SUSPECTS
    assert desk.board.counts()["open"] == SUSPECTS + OF_REVIEW
    nothing = post(app, "/undo", {})
    assert (nothing.status, nothing.json()["error"]) == (400, "There is nothing to take back.")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b"\xff",
        b'{"choice": "remove", "choice": "keep", "rows": [[0, 1]]}',
        b'{"choice": "burn", "rows": [[0, 1]]}',
        b'{"choice": "remove"}',
        b'{"choice": "remove", "rows": []}',
        b'{"choice": "remove", "rows": [[5, 2]]}',
        b'{"choice": "remove", "rows": [[0, 1e400]]}',
        b'{"choice": "remove", "rows": [[true, 4]]}',
        b'{"choice": "remove", "rows": [[100, 200]]}',
        b'{"choice": "remove", "rows": [[0, 99999999999999999999]]}',
        b'{"choice": "relabel", "rows": [[0, 1]]}',
        b'{"choice": "relabel", "rows": [[0, 1]], "label": 3}',
        b'{"choice": "relabel", "rows": [[0, 1]], "label": "2"}',
        b'{"choice": "relabel", "rows": [[0, 1]], "label": true}',
        b'{"choice": "keep", "rows": [[0, 1]], "why": 3}',
        b"[" * 100_000,
    ],
)
def test_a_request_that_says_nothing_is_refused_in_a_sentence(shared, body):
    desk, app = shared
    answer = asked(app, "/decide", method="POST", body=body)
    assert answer.status == 400
    assert answer.json()["error"].endswith(".")
    assert desk.board.counts()["open"] == SUSPECTS + OF_REVIEW


def test_two_people_see_each_other_and_a_disagreement_as_one(kept, tmp_path):
    ours, app = opened(kept, decisions=tmp_path / "d.jsonl")
    theirs, other = opened(kept, by="bob", decisions=tmp_path / "d.jsonl")
    post(app, "/decide", {"choice": "remove", "rows": [[0, 2]]})
    post(other, "/decide", {"choice": "keep", "rows": [[1, 3]]})
    for one in (app, other):
        assert sorted(asked(one, "/news").json()["changed"]) == [[0, 1, 2], [1, 2, 5], [2, 3, 1]]
        assert {mark["by"] for mark in asked(one, "/rows", query="at=1").json()[0]["marks"]} == {"ann", "bob"}
    post(app, "/undo", {})
    assert [theirs.board.refresh(), theirs.board.counts()["keep"]] == [None, 2]
    assert ours.board.counts()["disagreed"] == 0


def test_a_killed_server_loses_nothing_and_can_take_back(kept, tmp_path):
    _, app = opened(kept, decisions=tmp_path / "d.jsonl")
    post(app, "/decide", {"choice": "remove", "rows": [[0, 5]]})
    post(app, "/decide", {"choice": "keep", "rows": [[5, 6]]})
    with (tmp_path / "d.jsonl").open("ab") as file:
        file.write(b'{"id": "half a li')
    desk, again = opened(kept, decisions=tmp_path / "d.jsonl")
    assert desk.board.counts()["remove"] == 5
    assert post(again, "/undo", {}).json()["count"] == 1
    assert post(again, "/undo", {}).json()["count"] == 5
    assert desk.board.counts()["open"] == SUSPECTS + OF_REVIEW


def test_a_clock_that_stands_still_or_goes_back_does_no_harm(kept, tmp_path):
    desk, _ = opened(kept, decisions=tmp_path / "d.jsonl")
    times = iter(["2026-01-02T00:00:00Z", "2026-01-02T00:00:00Z", "1999-01-01T00:00:00Z", "2026-01-02T00:00:00Z"])
    board = Board(desk.board.log, desk.samples, "ann", now=lambda: next(times))
    board.decide([0], "remove")
    board.decide([0], "keep")
    board.decide([0, 1], "unsure")
    assert board.counts()["unsure"] == 2
    assert board.undo().count == 2
    assert board.counts() == {"open": 27, "keep": 1, "remove": 0, "relabel": 0, "unsure": 0, "disagreed": 0}


@pytest.fixture
def loose(tmp_path):
    """Data that a test may damage."""
    return made(tmp_path)


def path_of(found: Made, row_id: str) -> Path:
    return found.data / row_id


def test_samples_that_changed_since_are_named_and_not_decided(loose):
    desk, app = opened(loose)
    first, second = (desk.rows.flags[row].id for row in (0, 11))
    Image.fromarray(np.zeros((28, 28), np.uint8)).save(path_of(loose, first))
    path_of(loose, second).unlink()
    desk, app = opened(loose)
    watching = desk.watch(Event())
    watching.join()
    news = asked(app, "/news").json()
    assert news["unlike"] == 2
    assert news["unlike_ids"] == [first, second]
    assert asked(app, "/rows", query="at=0-2").json()[0]["trouble"].startswith("It was changed since it was scanned")
    stored = post(app, "/decide", {"choice": "remove", "rows": [[0, 1], [10, 12]]}).json()
    assert (stored["count"], stored["refused"]) == (1, 2)
    assert len(loose.marks()) == 1
    assert asked(app, "/picture/0/suspect").status == 200
    gone = asked(app, "/picture/11/suspect")
    assert gone.status == 409
    assert "taken out since" in gone.json()["error"]


def test_what_cannot_be_decoded_is_said_in_its_place(loose):
    desk, app = opened(loose)
    path_of(loose, desk.rows.flags[0].id).write_bytes(b"no picture")
    desk, app = opened(loose)
    for kind in ("suspect", "evidence", "residual", "normal"):
        answer = asked(app, f"/picture/0/{kind}")
        assert answer.status == 409
        assert answer.json()["error"].endswith(".")
    assert asked(app, "/picture/1/suspect").status == 200


def test_a_scan_without_its_data_opens_with_what_it_kept(loose):
    shutil.rmtree(loose.data)
    desk, app = opened(loose)
    page = asked(app, "/").body.decode()
    assert "The data are not here: " in page
    assert "See it act" in page
    assert asked(app, "/picture/0/suspect").status == asked(app, "/picture/0/normal").status == 200
    assert asked(app, "/picture/9/suspect").json()["error"].startswith("The data are not here")
    assert post(app, "/decide", {"choice": "remove", "rows": [[0, 24]]}).json()["count"] == 24
    contents = {one.id: digest for one, digest in zip(desk.rows.flags, desk.rows.contents, strict=True)}
    assert all(contents[mark["id"]] == mark["content"] for mark in loose.marks())


def test_data_that_moved_are_found_again_where_they_are(loose, tmp_path):
    moved = tmp_path / "elsewhere"
    loose.data.rename(moved)
    desk, app = opened(loose, data=str(moved))
    assert desk.notes == ()
    assert asked(app, "/picture/20/suspect").status == 200
    assert f"whitesquare cleanse {moved} --scan" in asked(app, "/").body.decode()


def test_an_older_scan_opens_and_says_what_it_lacks(tmp_path):
    found = made(tmp_path, kept=False)
    desk, app = opened(found)
    assert "There is no scan.pictures.npz beside the scan" in desk.notes[0]
    assert "older version" in desk.notes[1]
    assert post(app, "/decide", {"choice": "keep", "rows": [[0, 1]]}).json()["count"] == 1
    shutil.rmtree(found.data)
    desk, app = opened(found)
    assert (
        "nothing says what would be decided about"
        in post(app, "/decide", {"choice": "keep", "rows": [[1, 2]]}).json()["why"]
    )


def test_pictures_of_another_scan_are_not_shown(loose):
    loose.scan.write_text(loose.scan.read_text() + "\n")
    desk, app = opened(loose)
    assert desk.notes[0].startswith("scan.pictures.npz belongs to another scan")
    assert "See it act" not in asked(app, "/").body.decode()
    album_path(loose.scan).write_bytes(b"PK\x03\x04 nonsense")
    assert "cannot be read" in opened(loose, decisions=loose.scan.with_name("other.jsonl"))[0].notes[0]


def test_a_file_of_decisions_of_another_scan_is_refused(kept, loose):
    opened(loose)
    with pytest.raises(DataError, match="holds decisions about the scan"):
        open_review(kept.scan, loose.decisions, "ann")


def test_decisions_about_other_contents_do_not_count(loose):
    desk, app = opened(loose)
    post(app, "/decide", {"choice": "remove", "rows": [[0, 1]]})
    text = loose.decisions.read_text()
    loose.decisions.write_text(text.replace(loose.marks()[0]["content"], "0" * 64))
    desk, app = opened(loose)
    assert desk.board.counts()["remove"] == 0
    assert "1 samples are about other contents" in desk.notes[0]


def test_a_disk_that_refuses_is_told_on_the_page(own, monkeypatch):
    desk, app = own

    def full(*_):
        raise DataError("decisions.jsonl cannot be written: No space left on device; make room.")

    monkeypatch.setattr(DecisionLog, "append", full)
    answer = post(app, "/decide", {"choice": "remove", "rows": [[0, 1]]})
    assert (answer.status, desk.board.counts()["remove"]) == (409, 0)
    assert "No space left" in answer.json()["error"]


def test_hostile_names_stay_text(tmp_path):
    attack = '<img src=x onerror=alert(1)>"\u202e'
    base_runs = tuple(replace(run, seconds=1.0) for run in hostile().runs)
    base = replace(hostile(), alarms=(replace(hostile().alarms[0], p_value=0.01),), seconds={}, runs=base_runs)
    flags = tuple(replace(one, id=attack + str(i)) for i, one in enumerate(base.flagged * 2))
    file = tmp_path / "scan.json"
    file.write_text(scan_json(replace(base, flagged=flags)), encoding="utf-8")
    desk = open_review(file, None, attack, role=attack)
    app = Guard(review_app(desk, lambda: None), TOKEN, PORT)
    page = asked(app, "/").body.decode()
    assert "<img src=x" not in page
    assert "<script>alert" not in page
    assert "\u202e" not in page + asked(app, "/rows", query="at=0-5").body.decode()
    assert page.count("<script") == 1


def test_an_album_comes_back_as_it_was_written(kept):
    album = read_album(album_path(kept.scan))
    assert [len(one.ids) for one in album.examples] == [4]
    assert album.sheets[0].suspects.shape == (4, 1, 28, 28)
    assert album.examples[0].after.tolist()[:3] == [0, 0, 0]


def test_an_album_that_is_cut_short_is_refused_at_every_length(kept, tmp_path):
    data = album_path(kept.scan).read_bytes()
    file = tmp_path / "cut.npz"
    for length in range(0, len(data), max(1, len(data) // 40)):
        file.write_bytes(data[:length])
        with pytest.raises(DataError):
            read_album(file)


def test_a_role_is_part_of_every_mark(kept, tmp_path):
    _, app = opened(kept, decisions=tmp_path / "d.jsonl", role="review")
    post(app, "/decide", {"choice": "unsure", "rows": [[0, 1]]})
    assert json.loads((tmp_path / "d.jsonl").read_text().splitlines()[1])["role"] == "review"
    with pytest.raises(UsageError):
        opened(kept, decisions=tmp_path / "e.jsonl")[0].board.decide([0], "burn")


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_told(kept, tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(DataError, match="--decisions"):
        open_review(kept.scan, tmp_path / "d.jsonl", "ann")
