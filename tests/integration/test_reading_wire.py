"""What intake shows over HTTP: lists, its pages, its metrics, and attachments by a signed URL."""

from messages.clock import system_clock
from messages.signing import signed_path
from messages.store import Store
from tests.integration.conftest import HELLO
from tests.servers.http import is_error


def test_lists_have_the_whole_envelope(client):
    for number in range(5):
        client.post("/api/messages", json={**HELLO, "id": f"order-{number}"})
    first = client.get("/api/messages", params={"limit": 2}).json()
    assert [m["id"] for m in first["data"]] == ["order-4", "order-3"]
    del first["data"]
    assert first == {
        "success": True,
        "page": 1,
        "nextPage": 2,
        "prevPage": None,
        "totalPages": 3,
        "totalCount": 5,
        "limit": 2,
        "pagingCounter": 1,
        "hasPrevPage": False,
        "hasNextPage": True,
    }
    last = client.get("/api/messages", params={"limit": 2, "page": 3}).json()
    assert [m["id"] for m in last["data"]] == ["order-0"]
    assert (last["prevPage"], last["nextPage"], last["pagingCounter"]) == (2, None, 5)


def test_lists_filter_by_status(client):
    client.post("/api/messages", json=HELLO)
    assert client.get("/api/messages?where[status][equals]=queued").json()["totalCount"] == 1
    assert client.get("/api/messages?where[status][equals]=sent").json()["totalCount"] == 0


def test_the_openapi_page_describes_every_field_without_a_foreign_host(client):
    schema = client.get("/openapi.json").json()
    fields = schema["components"]["schemas"]["NewMessage"]["properties"]
    assert {"id", "agent", "lead", "salesRep", "text", "template", "attachments"} <= set(fields)
    assert fields["externalPhoneNumber"]["anyOf"][0]["pattern"].startswith("^")
    for operations in schema["paths"].values():
        for operation in operations.values():
            assert "422" not in operation["responses"]
    page = client.get("/docs").text
    assert "https://" not in page.replace("https://fastapi.tiangolo.com/img/favicon.png", "")


def test_metrics_count_what_was_accepted(client):
    client.post("/api/messages", json=HELLO)
    text = client.get("/metrics").text
    assert 'roundsman_deliveries{state="queued"} 1.0' in text
    assert "roundsman_messages_accepted_total" in text


def test_a_probe_may_ask_for_the_head_only(client):
    assert client.head("/healthz").status_code == 200


def test_a_signed_url_serves_an_attachments_content_and_no_other_url_does(client, sqlite_url):
    attachment = {
        "id": "sticker",
        "filename": "Preis für ünten.txt",
        "mimeType": "text/html",
        "content": "SGVsbG8=",
    }
    client.post("/api/messages", json={**HELLO, "attachments": [attachment]})
    store = Store(sqlite_url)
    key = store.signing_key()
    store.close()
    good = signed_path(key, "sticker", attachment["filename"], system_clock() + 60_000)
    response = client.get(good)
    assert response.content == b"Hello"
    assert response.headers["content-type"].startswith("text/html")
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in response.headers["content-security-policy"]
    expired = signed_path(key, "sticker", "x", system_clock() - 1)
    forged = signed_path(b"another key", "sticker", "x", system_clock() + 60_000)
    other = good.replace("sticker", "other", 1)
    for wrong in (expired, forged, other, "/media/a/b/c/d"):
        is_error(client.get(wrong), 404)
