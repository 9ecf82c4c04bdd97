"""Promises of blind studies: nothing gives the methods away, every answer is counted once."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from analogen.relsim.evaluation.human_study import Study, build_study, read_answers, read_key, tally

METHODS = ("ours-secret", "theirs-secret")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Twelve pairs: what ours made is light, what theirs made is dark; files and metadata say whose they are."""
    lines = ["reference,a,b,a_method,b_method"]
    for number in range(12):
        cells = []
        for name, value in (("reference", 128), *zip(METHODS, (230, 20), strict=True)):
            path = tmp_path / f"{name}-{number}.png"
            note = PngImagePlugin.PngInfo()
            note.add_text("method", name)
            Image.new("RGB", (60, 700), (value, value, number)).save(path, pnginfo=note)
            cells.append(path.name)
        lines.append(",".join([*cells, *METHODS]))
    (tmp_path / "pairs.csv").write_text("\n".join(lines))
    return tmp_path / "pairs.csv"


def pairs_of(study: Study) -> list[dict[str, str]]:
    found = re.search(r'<script type="application/json" id="study">(.*?)</script>', study.page, re.DOTALL)
    assert found is not None
    pairs: list[dict[str, str]] = json.loads(found[1])["pairs"]
    return pairs


def picture(url: str) -> Image.Image:
    assert url.startswith("data:image/jpeg;base64,")
    return Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))


def answers_of(study: Study, choose: dict[str, str], session: str = "s1") -> dict[str, Any]:
    given = [{"pair": pair, "choice": choice, "seconds": 1.5} for pair, choice in choose.items()]
    return {"study": study.key["study"], "session": session, "participant": "", "answers": given}


def save(folder: Path, name: str, found: dict[str, Any]) -> Path:
    path = folder / name
    path.write_text(json.dumps(found))
    return path


def test_page_holds_everything_and_asks_nobody(table: Path) -> None:
    page = build_study(table).page

    class Links(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            assert tag not in ("link", "iframe", "object", "form")
            assert not {"src", "href", "action"} & {name for name, _ in attrs}

    Links().feed(page)
    assert "default-src 'none'" in page
    assert not re.search(r"https?://|fetch\(|XMLHttpRequest|import\(", page)


def test_page_does_not_reveal_the_methods(table: Path) -> None:
    study = build_study(table)
    assert "secret" not in study.page
    for pair in pairs_of(study):
        for url in (pair["reference"], pair["left"], pair["right"]):
            shown = picture(url)
            assert max(shown.size) == 512
            assert b"secret" not in base64.b64decode(url.partition(",")[2])


def test_key_says_what_was_on_which_side(table: Path) -> None:
    study = build_study(table)
    pairs = pairs_of(study)
    assert {pair["pair"] for pair in pairs} == set(study.key["pairs"])
    for pair in pairs:
        sides = study.key["pairs"][pair["pair"]]
        for side in ("left", "right"):
            light = np.asarray(picture(pair[side])).mean() > 100
            assert light == (sides[side] == METHODS[0])


def test_seed_draws_order_and_sides(table: Path) -> None:
    first, again, other = (build_study(table, seed=seed).key for seed in (1, 1, 2))
    assert first == again
    assert [p["row"] for p in first["pairs"].values()] != [p["row"] for p in other["pairs"].values()]
    assert {p["left"] for p in first["pairs"].values()} == set(METHODS)


def test_text_of_the_question_cannot_end_the_script(table: Path) -> None:
    study = build_study(table, question="</script><b>which?")
    assert pairs_of(study)
    assert "</script><b>" not in study.page


def test_unreadable_pairs_are_left_out_and_listed(table: Path) -> None:
    (table.parent / f"{METHODS[0]}-3.png").write_bytes(b"broken")
    study = build_study(table)
    assert len(pairs_of(study)) == len(study.key["pairs"]) == 11
    assert [Path(row["path"]).name for row in study.refused] == [f"{METHODS[0]}-3.png"]


def test_tally_counts_by_method_whatever_the_side(table: Path, tmp_path: Path) -> None:
    study = build_study(table)
    sides = {pair: {told["left"]: "left", told["right"]: "right"} for pair, told in study.key["pairs"].items()}
    names = list(sides)
    choose = {n: sides[n][METHODS[0]] for n in names[:6]} | dict.fromkeys(names[6:9], "tie")
    choose |= {n: sides[n][METHODS[1]] for n in names[9:]}
    (row,) = tally(study.key, [answers_of(study, choose)])
    assert (row["first"], row["second"], row["answers"], row["people"]) == (*METHODS, 12, 1)
    assert (row["prefer_first"], row["tie"], row["prefer_second"]) == (0.5, 0.25, 0.25)
    assert row["low"] < 0.5 < row["high"]


def test_session_saved_twice_counts_once(table: Path, tmp_path: Path) -> None:
    study = build_study(table)
    names = list(study.key["pairs"])
    early = save(tmp_path, "1.json", answers_of(study, {names[0]: "left"}))
    late = save(tmp_path, "2.json", answers_of(study, {names[0]: "right", names[1]: "tie"}))
    other = save(tmp_path, "3.json", answers_of(study, {names[0]: "tie"}, session="s2"))
    key = read_key(save(tmp_path, "key.json", study.key))
    (row,) = tally(key, read_answers([late, early, other], key))
    assert (row["answers"], row["people"]) == (3, 2)
    assert row["tie"] == round(2 / 3, 4)


def test_files_of_something_else_are_refused(table: Path, tmp_path: Path) -> None:
    study = build_study(table)
    key = study.key
    name = next(iter(key["pairs"]))
    bad = [
        ({**answers_of(study, {name: "left"}), "study": "x"}, "is of study 'x'"),
        (answers_of(study, {name: "both"}), "cannot have given"),
        (answers_of(study, {"unknown": "left"}), "cannot have given"),
        ({"study": key["study"]}, "holds no answers"),
    ]
    for number, (found, text) in enumerate(bad):
        with pytest.raises(ValueError, match=text):
            read_answers([save(tmp_path, f"{number}.json", found)], key)
    with pytest.raises(ValueError, match="is no key of a study"):
        read_key(save(tmp_path, "other.json", answers_of(study, {name: "left"})))
    with pytest.raises(ValueError, match="no answers to count"):
        list(tally(key, []))


def test_pairs_of_one_method_are_refused(table: Path) -> None:
    table.write_text("reference,a,b,a_method,b_method\nx.png,y.png,z.png,ours,ours\n")
    with pytest.raises(ValueError, match="are both 'ours'"):
        build_study(table)


# A document just large enough for the page's own script.
BROWSER = r"""
const page = require("fs").readFileSync(process.argv[2], "utf8");
const json = page.match(/id="study">(.*?)<\/script>/s)[1];
const code = page.match(/<script>\n(.*?)<\/script>/s)[1];
const elements = {}, keys = [], stored = {};
let saved = "";
const element = id => elements[id] ??= {
  textContent: id === "study" ? json : "", value: "", on: {},
  addEventListener(what, does) { this.on[what] = does; }, click() { this.on.click && this.on.click(); },
};
const browser = {
  document: {
    getElementById: element, addEventListener: (_, does) => keys.push(does), createElement: () => ({ click() {} }),
  },
  localStorage: { setItem: (key, value) => { stored[key] = value; }, getItem: key => stored[key] ?? null },
  Blob: class { constructor(parts) { saved = parts.join(""); } },
  URL: { createObjectURL: () => "blob:", revokeObjectURL() {} },
  crypto: require("crypto").webcrypto, setTimeout() {},
};
const open = () => new Function(...Object.keys(browser), code)(...Object.values(browser));
const press = key => keys.at(-1)({ key, target: null, preventDefault() {} });
open();
press("ArrowLeft"); press("ArrowDown"); press("Backspace"); press("ArrowRight"); press("x");
open();  // the page is closed and opened again
element("right").click(); element("tie").click();
element("participant").value = " Ann ";
element("save").click();
console.log(JSON.stringify({ progress: element("progress").textContent, saved: JSON.parse(saved) }));
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node to run the page's script")
def test_keys_and_buttons_answer_and_a_closed_page_goes_on(table: Path, tmp_path: Path) -> None:
    study = build_study(table)
    (tmp_path / "study.html").write_text(study.page)
    (tmp_path / "browser.js").write_text(BROWSER)
    done = subprocess.run(
        ["node", str(tmp_path / "browser.js"), str(tmp_path / "study.html")],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["progress"] == "5 of 12"
    answers = told["saved"]["answers"]
    assert [a["choice"] for a in answers] == ["left", "right", "right", "tie"]
    assert [a["pair"] for a in answers] == [p["pair"] for p in pairs_of(study)[:4]]
    assert told["saved"]["participant"] == "Ann"
    saved = save(tmp_path, "answers.json", told["saved"])
    assert sum(row["answers"] for row in tally(study.key, read_answers([saved], study.key))) == 4
