"""Sign-in, CSRF, bearer tokens, lock-out."""

from datetime import timedelta

from runtime.clock import real_now
from store.database import session
from store.users import create_token
from tests.api.conftest import PASSWORD, Office


async def test_wrong_password_and_unknown_user_look_alike_then_the_login_locks(office: Office) -> None:
    client = office.anonymous()
    for username in ("clerk", "nobody"):
        answer = await client.post("/api/v1/session", json={"username": username, "password": "x"})
        assert (answer.status_code, answer.json()["code"]) == (401, "bad_credentials")
    for _ in range(4):
        await client.post("/api/v1/session", json={"username": "clerk", "password": "x"})
    locked = await client.post("/api/v1/session", json={"username": "clerk", "password": PASSWORD})
    assert (locked.status_code, locked.json()["code"]) == (429, "locked_out")
    assert int(locked.headers["retry-after"]) > 800


async def test_session_cookie_and_csrf(office: Office) -> None:
    clerk = await office.sign_in("clerk")
    me = (await clerk.get("/api/v1/session")).json()
    assert me["user"]["roles"] == ["clerk"]
    cookie = next(iter(clerk.cookies.jar))
    assert cookie.has_nonstandard_attr("HttpOnly")
    token = clerk.headers.pop("X-CSRF-Token")
    refused = await clerk.post("/api/v1/messages/read")
    assert (refused.status_code, refused.json()["code"]) == (403, "csrf_missing")
    clerk.headers["X-CSRF-Token"] = token
    assert (await clerk.delete("/api/v1/session")).status_code == 204
    clerk.cookies.set("baoqi_session", cookie.value or "")
    assert (await clerk.get("/api/v1/session")).status_code == 401


async def test_bearer_token_needs_no_csrf_and_expires(office: Office) -> None:
    async with session() as s:
        good = await create_token(s, "clerk", "payroll system", real_now(), timedelta(days=1))
        old = await create_token(s, "clerk", "old", real_now() - timedelta(days=2), timedelta(days=1))
    client = office.anonymous()
    assert (await client.post("/api/v1/messages/read", headers={"Authorization": f"Bearer {good}"})).status_code == 204
    assert (await client.get("/api/v1/tasks", headers={"Authorization": f"Bearer {old}"})).status_code == 401
    assert (await client.get("/api/v1/tasks")).headers["www-authenticate"] == "Bearer"
