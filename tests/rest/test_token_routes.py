"""Tokens over HTTP: made, listed and taken back."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from fake_service import SECRETS, Api, FakeService, tokens_of

from lwm2m_fast.config import Config
from lwm2m_fast.fleet.tokens import KEY_BYTES, NAMESPACE, Role, Tokens
from lwm2m_fast.rest.app import create_app
from lwm2m_fast.store.memory import MemoryFleet

TOKENS = "/api/v1/tokens"


def test_a_new_token_opens_what_its_role_opens_and_no_more(api: Api) -> None:
    made = api.ask("POST", TOKENS, json={"name": "dash/board", "role": "read"})
    assert made.status_code == 201
    bearer = {"Authorization": f"Bearer {made.json()['token']}"}
    assert api.get("/api/v1/devices", None, headers=bearer).status_code == 200
    refused = api.ask("DELETE", "/api/v1/devices/dev-1", None, headers=bearer)
    assert refused.status_code == 403


def test_a_removed_token_opens_nothing(api: Api) -> None:
    made = api.ask("POST", TOKENS, json={"name": "dash/board"}).json()
    assert api.ask("DELETE", f"{TOKENS}/dash%2Fboard").status_code == 204
    bearer = {"Authorization": f"Bearer {made['token']}"}
    assert api.get("/api/v1/devices", None, headers=bearer).status_code == 401
    assert api.ask("DELETE", f"{TOKENS}/dash%2Fboard").status_code == 404


def test_a_token_that_cannot_be_read_is_counted_and_forgotten_by_who_runs_the_server() -> None:
    fleet = MemoryFleet()
    tokens_of(fleet)
    fleet.put(NAMESPACE, [(b"the-read", b"?")])
    tokens = Tokens(fleet, bytes(KEY_BYTES))
    tokens.add("theirs", Role.ADMIN, "of-acme", now=0.0, tenant="acme")
    app = create_app(FakeService(), tokens, Config())
    theirs, ours = ({"Authorization": f"Bearer {each}"} for each in ("of-acme", SECRETS["admin"]))

    async def asking() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            reads = {"Authorization": f"Bearer {SECRETS['read']}"}
            return [
                await client.get("/api/v1/devices", headers=reads),
                await client.get("/metrics", headers=ours),
                await client.delete(f"{TOKENS}/the-read", headers=theirs),
                await client.delete(f"{TOKENS}/the-read", headers=ours),
                await client.delete(f"{TOKENS}/the-read", headers=ours),
            ]

    answers = asyncio.run(asking())
    assert [each.status_code for each in answers] == [401, 200, 404, 204, 404]
    assert "lwm2m_fast_access_tokens_unusable_total 1.0" in answers[1].text
    assert fleet.get(NAMESPACE, b"the-read") is None


def test_the_list_shows_no_secret_and_no_hash(api: Api) -> None:
    answer = api.ask("GET", TOKENS)
    assert {one["name"] for one in answer.json()["tokens"]} == {
        "the-read",
        "the-operate",
        "the-admin",
    }
    assert all(
        set(one) == {"name", "role", "tenant", "created_at"} for one in answer.json()["tokens"]
    )
    assert not any(secret in answer.text for secret in SECRETS.values())


def test_the_last_admin_token_stays(api: Api) -> None:
    answer = api.ask("DELETE", f"{TOKENS}/the-admin")
    assert answer.status_code == 409
    assert api.ask("GET", TOKENS).status_code == 200


def test_a_name_is_taken_once(api: Api) -> None:
    assert api.ask("POST", TOKENS, json={"name": "x"}).status_code == 201
    again = api.ask("POST", TOKENS, json={"name": "x"})
    assert again.status_code == 400
    assert "exists already" in again.json()["detail"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"name": "x" * 64}, 201),
        ({"name": "x" * 65}, 400),
        ({"name": ""}, 400),
        ({"name": "a\nb"}, 400),
        ({"name": "x", "role": "root"}, 400),
    ],
)
def test_the_limits_of_a_token(api: Api, body: dict[str, str], status: int) -> None:
    assert api.ask("POST", TOKENS, json=body).status_code == status
