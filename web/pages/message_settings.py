"""How this user wants to be told: channels with addresses, quiet hours, the digest."""

from starlette.responses import Response

from api import message_settings as room
from api.problems import BadForm
from schemas.messages import MessageSettingsBody, MessageSettingsView
from store.database import reading, session
from web.frame import Guest, Visit, page, posted, sentence
from web.routes import router as make_router

router = make_router()
LONGEST = 200
MOST = 20


@router.get("/messages/settings")
async def settings(visit: Guest) -> Response:
    """The form as it was saved last."""
    async with reading() as s:
        return await _show(visit, await room.mine(s, visit.viewer))


@router.post("/messages/settings")
async def save(visit: Guest) -> Response:
    """Keeps the choice, or shows what was typed with what is wrong."""
    form = await posted(visit)
    async with reading() as s:
        there = await room.mine(s, visit.viewer)
    typed = {name: str(form.get(name) or "").strip()[:LONGEST] for name in form}
    chosen = [str(v) for v in form.getlist("channels")][:MOST]
    addresses = {w.channel: typed.get(f"address.{w.channel}", "") for w in there.channels}
    body = MessageSettingsBody.model_construct(
        channels=chosen,
        addresses=addresses,
        quiet_from=typed.get("quiet_from") or None,
        quiet_to=typed.get("quiet_to") or None,
        digest=typed.get("digest") == "true",
    )
    try:
        async with session() as s:
            await room.change(s, visit.viewer, body)
    except BadForm as problem:
        channels = [
            w.model_copy(update={"chosen": w.channel in chosen, "address": addresses[w.channel]})
            for w in there.channels
        ]
        again = there.model_copy(
            update={
                "channels": channels, "quiet_from": body.quiet_from, "quiet_to": body.quiet_to, "digest": body.digest
            }
        )  # fmt: skip
        return await _show(visit, again, problem)
    return visit.go("/messages/settings", "message_settings")


async def _show(visit: Visit, found: MessageSettingsView, refused: BadForm | None = None) -> Response:
    faults = {pointer: sentence(visit, text) for pointer, _, text in refused.faults} if refused else {}
    return await page(
        visit,
        "message_settings.html",
        refused.status if refused else 200,
        found=found,
        looks=room.LOOKS,
        faults=faults,
        sentence=sentence(visit, refused.text) if refused else "",
        other=[said for pointer, said in faults.items() if pointer.startswith("/channels/")],
    )
