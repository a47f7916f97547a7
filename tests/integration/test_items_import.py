"""`items import` and `items export`: a folder is compared with the database, and written as a whole."""

import asyncio
import random
import shutil
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from sqlmodel import col, select

from store_app.catalogue import pictures
from store_app.catalogue.exporting import export
from store_app.catalogue.folder import FolderItem, to_csv
from store_app.catalogue.importing import apply, preview
from store_app.catalogue.queries import CATALOGUE_CHANGED
from store_app.catalogue.sample_items import load
from store_app.db import outbox_queue, private_files
from store_app.db.outbox import EVERYBODY, Message
from store_app.db.unit_of_work import read_session
from store_app.errors import Refusal
from store_app.live.bus import Bus, notify
from store_app.live.hub import hub
from store_app.models import Item
from tests.integration.shop import Shop
from tests.support.commands import run_command
from tests.support.processes import ROOT

HEADER = "sku,name,price,kind,currency,tagline,tags,facts,description,picture,pictures"
FILE = f"""{HEADER}
dragon-sword,Dragon Sword,899.99,non_consumable,USD,Hot.,Gear|Fire,Weight: 4 kg|Hands: 2,Sharp.,sword.png,more.svg
new-item,سيف <script>,12.50,consumable,,,,,,,
"""
SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 4 {}"/>'


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep pictures in a folder of the test's own."""
    monkeypatch.setattr(private_files, "DATA", tmp_path / "data")
    return tmp_path / "data"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a catalogue folder with two items."""
    made = tmp_path / "catalogue"
    made.mkdir()
    (made / "items.csv").write_text(FILE, encoding="utf-8")
    (made / "more.svg").write_text(SVG.format(1), encoding="utf-8")
    Image.linear_gradient("L").resize((1000, 400)).convert("RGB").save(made / "sword.png")
    return made


def _items() -> list[dict[str, Any]]:
    with read_session() as session:
        items = session.exec(select(Item).order_by(col(Item.id))).all()
    return [item.model_dump(exclude={"created_at"}) for item in items]


def _edit(folder: Path, old: str, new: str) -> None:
    path = folder / "items.csv"
    text = path.read_text(encoding="utf-8-sig")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def _printed(*arguments: str | Path) -> list[str]:
    done = run_command("items", *map(str, arguments))
    assert (done.exit_code, done.stderr) == (0, "")
    return done.stdout.splitlines()


@pytest.fixture
def sold(shop: Shop) -> Item:
    """Put a sword and a potion on sale."""
    shop.item(499, sku="old-item", consumable=True)
    return shop.item(99_999, sku="dragon-sword", name="Dragon Sword", description="Sharp.")


@pytest.mark.usefixtures("sold")
def test_a_preview_shows_every_change_and_writes_nothing(folder: Path, data: Path) -> None:
    before = _items()
    lines = _printed("import", folder, "--withdraw-missing")
    assert lines[0] == "dragon-sword  price  999.99 -> 899.99"
    assert lines[1:4] == [
        'dragon-sword  tagline  "" -> Hot.',
        'dragon-sword  tags  "" -> Gear|Fire',
        'dragon-sword  facts  "" -> Weight: 4 kg|Hands: 2',
    ]
    assert lines[4].startswith('dragon-sword  picture  "" -> /pictures/')
    assert lines[6:] == [
        "+ new-item",
        "- old-item (withdrawn)",
        "1 new, 1 changed, 1 withdrawn, 0 unchanged. Nothing is written yet: repeat with --apply.",
    ]
    assert _items() == before
    assert not data.exists()


@pytest.mark.usefixtures("shop")
def test_a_preview_of_long_texts_shows_where_they_differ(folder: Path) -> None:
    _edit(folder, "Sharp.", "It is sharp. " * 50 + "It glows at night.")
    apply(folder)
    _edit(folder, "glows at night", "hums at night")
    old, new = (f"...rp. It is sharp. It {verb} at night." for verb in ("glows", "hums"))
    assert _printed("import", folder)[0] == f"dragon-sword  description  {old} -> {new}"


def test_an_applied_import_updates_by_sku_and_a_repeat_changes_nothing(folder: Path, sold: Item) -> None:
    assert _printed("import", folder, "--apply")[-1] == "1 new, 1 changed, 0 withdrawn, 0 unchanged. Written."
    _old, sword, new = _items()
    assert (sword["id"], sword["price"], sword["status"]) == (sold.id, 89_999, "active")
    assert (sword["tags"], sword["facts"]) == (["Gear", "Fire"], [["Weight", "4 kg"], ["Hands", "2"]])
    assert (new["name"], new["price"], new["currency"], new["image"]) == ("سيف <script>", 1250, "USD", "")
    addresses = [sword["image"], *sword["pictures"]]
    assert [Path(address).suffix for address in addresses] == [".webp", ".svg"]
    assert sword["image"].endswith("-920.webp")
    assert all(pictures.picture_file(address.removeprefix("/pictures/")) for address in addresses)
    for options in ([], ["--apply"], ["--apply"]):
        assert _printed("import", folder, *options) == ["Nothing to change: 2 items are as in the folder."]


@pytest.mark.usefixtures("sold")
def test_missing_items_are_withdrawn_only_on_request_and_active_when_they_are_back(
    folder: Path, shop: Shop
) -> None:
    apply(folder)
    assert {item["status"] for item in _items()} == {"active"}
    assert apply(folder, withdraw_missing=True).withdrawn == ["old-item"]
    assert preview(folder, withdraw_missing=True).is_empty
    assert [item["status"] for item in _items()] == ["withdrawn", "active", "active"]
    shop.change("UPDATE items SET status = 'withdrawn'")
    assert "new-item  status  withdrawn -> active" in _printed("import", folder, "--apply")
    assert [item["status"] for item in _items()] == ["withdrawn", "active", "active"]


@pytest.mark.usefixtures("sold")
def test_with_problems_all_are_printed_and_nothing_changes(folder: Path, data: Path) -> None:
    _edit(folder, "899.99", "abc")
    _edit(folder, "12.50,consumable", "1.234,weapon")
    before = _items()
    done = run_command("items", "import", str(folder), "--apply", "--withdraw-missing")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        'items.csv line 2, column price: "abc" is not an amount in USD',
        'items.csv line 3, column price: "1.234" is not an amount in USD, which has at most 2 decimal places',
        'items.csv line 3, column kind: "weapon" is not one of non_consumable, consumable',
    ]
    assert _items() == before
    assert not data.exists()


@pytest.mark.usefixtures("sold")
def test_columns_that_the_file_lacks_stay_as_they_are(folder: Path) -> None:
    apply(folder)
    before = _items()
    (folder / "items.csv").write_text("sku,name,price,kind\ndragon-sword,Dragon Sword,1,non_consumable\n")
    apply(folder)
    assert _items() == [before[0], before[1] | {"price": 100}, before[2]]


@pytest.mark.usefixtures("sold")
def test_a_file_without_currencies_changes_none(folder: Path, shop: Shop) -> None:
    shop.change("UPDATE items SET currency = 'EUR'")
    before = _items()
    (folder / "items.csv").write_text(
        "sku,name,price,kind\ndragon-sword,Dragon Sword,899.99,non_consumable\nold-item,Old,1,consumable\n"
    )
    for withdraw_missing in (False, True):
        with pytest.raises(Refusal, match=r"items\.csv has no column currency, .* dragon-sword is sold in EUR"):
            apply(folder, withdraw_missing=withdraw_missing)
    assert _items() == before


@pytest.mark.usefixtures("sold")
def test_items_of_another_currency_must_not_stay_on_sale(folder: Path) -> None:
    (folder / "items.csv").write_text("sku,name,price,kind,currency\nx,X,1,consumable,EUR\n")
    with pytest.raises(
        Refusal, match=r"items\.csv are in EUR, but old-item is on sale in USD: all items have one"
    ):
        apply(folder)
    apply(folder, withdraw_missing=True)


@pytest.mark.usefixtures("sold")
def test_a_file_without_items_withdraws_nothing(folder: Path) -> None:
    (folder / "items.csv").write_text(HEADER)
    with pytest.raises(Refusal, match="has no items"):
        apply(folder, withdraw_missing=True)
    assert preview(folder).is_empty


@pytest.mark.usefixtures("shop")
def test_a_picture_that_was_lost_is_stored_again(folder: Path, data: Path) -> None:
    apply(folder)
    shutil.rmtree(data)
    assert apply(folder).is_empty
    assert len(list((data / "pictures").iterdir())) == 3


@pytest.mark.usefixtures("shop")
def test_pictures_that_cannot_be_written_leave_everything_as_it_was(folder: Path, data: Path) -> None:
    data.write_text("a file in the place of the folder")
    done = run_command("items", "import", str(folder), "--apply")
    assert done.exit_code == 1
    assert done.stderr.startswith("more.svg cannot be stored: ")
    assert _items() == []


def test_imports_at_the_same_time_add_each_item_once(folder: Path, shop: Shop) -> None:
    with ThreadPoolExecutor(4) as threads:
        done = list(threads.map(lambda _: apply(folder), range(4)))
    assert sorted(len(plan.new) for plan in done) == [0, 0, 0, 2]
    assert shop.rows("SELECT count(*) FROM items") == [(2,)]


# --- open pages


def test_everybody_is_told_once_of_what_changed(folder: Path, shop: Shop, sent: list[Message]) -> None:
    preview(folder)
    apply(folder)
    apply(folder)
    assert [(message.user_id, message.payload) for message in sent] == [(EVERYBODY, {"event": CATALOGUE_CHANGED})]
    assert shop.rows("SELECT user_id FROM outbox") == [(None,)]


@pytest.mark.usefixtures("shop")
def test_the_message_of_a_command_is_sent_by_the_store_without_waiting(folder: Path) -> None:
    run_command("items", "import", str(folder), "--apply")
    assert [(message.user_id, message.payload["event"]) for message in outbox_queue.lease_overdue()] == [
        (EVERYBODY, CATALOGUE_CHANGED)
    ]


@dataclass(eq=False)
class _Listener:
    user_id: str
    session_hash: str = ""
    received: list[str] = field(default_factory=list)
    has_received: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, message: Message) -> None:
        self.received.append(message.payload["event"])
        self.has_received.set()

    def close(self) -> None:
        """Do nothing."""


def test_a_message_to_everybody_reaches_all_listeners() -> None:
    listeners = [_Listener(user_id) for user_id in ("ada", "ada", "bob", "")]
    for listener in listeners:
        hub.add(listener)
    try:
        asyncio.run(notify(Message(1, EVERYBODY, {"event": CATALOGUE_CHANGED})))
        asyncio.run(notify(Message(2, "bob", {"event": "purchase_success"})))
    finally:
        for listener in listeners:
            hub.remove(listener)
    others, bob = [CATALOGUE_CHANGED], [CATALOGUE_CHANGED, "purchase_success"]
    assert [listener.received for listener in listeners] == [others, others, bob, others]


async def _wait_while_importing(folder: Path, listener: _Listener) -> float:
    """Run the bus of a store, and the import in a process of its own; return when the message came after it."""
    command = [sys.executable, "-m", "store_app", "items", "import", str(folder), "--apply"]
    async with asyncio.timeout(30):
        bus = asyncio.create_task(Bus("").run())
        process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.DEVNULL)
        assert await process.wait() == 0
        committed = time.monotonic()
        await listener.has_received.wait()
    bus.cancel()
    return time.monotonic() - committed


@pytest.mark.usefixtures("shop")
def test_an_import_by_another_process_reaches_open_pages_soon(folder: Path) -> None:
    for picture in ("sword.png", "more.svg"):
        _edit(folder, picture, "")
    listener = _Listener("")
    hub.add(listener)
    try:
        # The outbox is read once a second.
        assert asyncio.run(_wait_while_importing(folder, listener)) < 2
    finally:
        hub.remove(listener)
    assert listener.received == [CATALOGUE_CHANGED]


# --- export


@pytest.mark.usefixtures("shop")
def test_the_samples_are_exported_with_their_covers_and_come_back_unchanged(tmp_path: Path) -> None:
    load()
    before = _items()
    assert _printed("export", tmp_path / "out") == [f"{len(before)} items written to {tmp_path / 'out'}"]
    assert (tmp_path / "out" / "dragon-sword.svg").read_bytes() == (
        pictures.COVERS / "dragon-sword.svg"
    ).read_bytes()
    assert preview(tmp_path / "out", withdraw_missing=True).is_empty
    assert apply(tmp_path / "out").is_empty
    assert _items() == before


@pytest.mark.usefixtures("sold")
def test_withdrawn_items_are_not_exported(folder: Path, tmp_path: Path) -> None:
    apply(folder, withdraw_missing=True)
    export(tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "dragon-sword-2.svg",
        "dragon-sword.webp",
        "items.csv",
    ]
    assert preview(tmp_path / "out", withdraw_missing=True).is_empty


def test_an_export_overwrites_nothing_and_says_what_it_leaves_out(shop: Shop, tmp_path: Path) -> None:
    shop.item(1, sku="x", image="https://x.example/y.png")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "items.csv").write_text("mine")
    done = run_command("items", "export", str(tmp_path / "out"))
    assert done.exit_code == 1
    assert done.stderr == f"{tmp_path / 'out' / 'items.csv'} exists already; export into another folder.\n"
    assert (tmp_path / "out" / "items.csv").read_text() == "mine"
    done = run_command("items", "export", str(tmp_path / "other"))
    assert (done.exit_code, done.stderr) == (0, "Left out: x: https://x.example/y.png is no file of this store\n")


@pytest.mark.usefixtures("shop")
def test_an_export_moves_to_an_empty_store(folder: Path, tmp_path: Path, data: Path, shop: Shop) -> None:
    apply(folder)
    export(tmp_path / "out")
    shop.change("DELETE FROM items")
    shutil.rmtree(data)
    assert len(apply(tmp_path / "out").new) == 2
    assert apply(tmp_path / "out").is_empty


_line = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="|"), min_size=1, max_size=20)
_words = _line.map(str.strip).filter(bool)
_label = _words.filter(lambda text: ":" not in text)
_several_words = st.lists(_words, max_size=6, unique=True).map(tuple)
# Numbers of pictures, so that items share some, and a SKU can be the name of another item's second picture.
_pictures = st.lists(st.integers(0, 5), max_size=4, unique=True)
_skus = st.sampled_from(["a", "a-2", "a-3", "b", "b_2", "0", "x" * 64])


@st.composite
def _catalogues(draw: st.DrawFn) -> list[FolderItem]:
    """Return items as they can be written into a folder."""
    currency = draw(st.sampled_from(["USD", "JPY", "KWD"]))
    return [
        FolderItem(
            sku=sku,
            name=draw(_words),
            price=draw(st.integers(0, 10**10)),
            currency=currency,
            kind=draw(st.sampled_from(["consumable", "non_consumable"])),
            tagline=draw(st.just("") | _words),
            tags=draw(_several_words),
            description=draw(
                st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.just("\n")).map(str.strip)
            ),
            facts=tuple(draw(st.lists(st.tuples(_label, _words), max_size=4, unique=True))),
            picture=draw(st.sampled_from(["", "0.svg", "1.png"])),
            pictures=tuple(f"{number}.{'png' if number % 2 else 'svg'}" for number in draw(_pictures)),
        )
        for sku in draw(st.lists(_skus, unique=True))
    ]


@pytest.fixture
def drawer(tmp_path: Path) -> Path:
    """Return a folder with six pictures."""
    made = tmp_path / "drawer"
    made.mkdir()
    for number in range(6):
        Image.new("RGB", (8, 8), (number * 40, 0, 0)).save(made / f"{number}.png")
        (made / f"{number}.svg").write_text(SVG.format(number + 1), encoding="utf-8")
    return made


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(items=_catalogues(), seed=st.integers())
def test_an_export_is_imported_without_a_change(
    items: Sequence[FolderItem], seed: int, shop: Shop, drawer: Path, tmp_path: Path
) -> None:
    shop.change("DELETE FROM items")
    (drawer / "items.csv").write_bytes(to_csv(items))
    assert apply(drawer).new == [item.sku for item in items]
    before = _items()
    out = tmp_path / f"out-{random.Random(seed).randbytes(8).hex()}"
    shutil.rmtree(out, ignore_errors=True)
    export(out)
    assert preview(out).is_empty
    assert apply(out).is_empty
    assert _items() == before
