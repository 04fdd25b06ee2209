"""What the disk refuses, of an upload and of a download, is said with whom to ask, and what was typed stays."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from cli import doctor
from runtime.settings import Settings
from tests.web.office import open_case, task_id

PDF = b"%PDF-1.7\n"


def parts(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.suffix == ".part"]


async def test_a_folder_that_takes_nothing_is_named_and_nothing_typed_is_lost(
    door: Any, database: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = await open_case(1, ["social_bureau"], 5, done=["materials", "verification"])
    task = task_id(case, "social_bureau")
    clerk = await door("clerk")
    dates = (await clerk.get(f"/api/v1/processes/{case}")).json()["deadlines"]
    date = next(d for d in dates if d["legal_kind"] == "statutory")
    file = {"file": ("a.pdf", PDF, "application/pdf")}
    place = f"/tasks/{task}/attachments"
    csrf = (await clerk.get("/api/v1/session")).json()["csrf_token"]
    writes = {"X-CSRF-Token": csrf}
    kept = await clerk.post(f"/api/v1{place}", data={"text": "回执"}, files=file, headers=writes)
    assert kept.status_code == 201, kept.text
    stored = kept.json()["attachments"][0]["id"]
    on_disk = next(database.documents_dir.rglob("*.bin"))
    assert (await doctor.stored_documents(database)).level == "ok"

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    async def refused(why: str) -> None:
        answer = await clerk.post(f"/api/v1{place}", data={"text": "回执"}, files=file, headers=writes)
        assert (answer.status_code, answer.json()["code"]) == (503, "documents_unwritable")
        assert why in answer.json()["detail"] and "管理员" in answer.json()["detail"]
        token = {"csrf": csrf}
        page = await clerk.post(f"/tasks/{task}/comment", data={**token, "text": "这句话要留着"}, files=file)
        assert page.status_code == 503 and why in page.text and "这句话要留着" in page.text
        typed = {"reason": "受理顺延", "deadline": date["id"], "number": "函88号", "due": "2199-01-01", **token}
        paper = {"file": ("决定.pdf", PDF, "application/pdf")}
        page = await clerk.post(f"/cases/{case}/deadlines/decision", data=typed, files=paper)
        assert page.status_code == 503 and why in page.text and "函88号" in page.text

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        await refused("磁盘已满")
    assert parts(database.documents_dir) == [], "half a file takes the room that is missing"
    aside = database.documents_dir.rename(database.data_dir / "aside")
    database.documents_dir.write_text("in the way")
    await refused("无法写入")
    unread = await clerk.get(f"/api/v1/documents/{stored}")
    assert (unread.status_code, unread.json()["code"]) == (503, "documents_unreadable")
    assert doctor.write_access(database).level == "fault"
    database.documents_dir.unlink()
    aside.rename(database.documents_dir)

    assert (await clerk.get(f"/documents/{stored}")).content == PDF
    on_disk.write_bytes(on_disk.read_bytes()[:-1] + b"!")
    for what in ("damaged", "gone"):
        answer = await clerk.get(f"/api/v1/documents/{stored}")
        assert (answer.status_code, answer.json()["code"]) == (404, "document_damaged"), what
        page = await clerk.get(f"/documents/{stored}")
        assert page.status_code == 404 and "从备份恢复" in page.text and "<html" in page.text
        on_disk.unlink(missing_ok=True)
    found = await doctor.stored_documents(database)
    assert found.level == "fault" and str(on_disk) in found.detail
