from messages.rendering.context import NAMES, context_of, inline_objects

LEAD = {"id": "l1", "firstName": "Maya"}
REP = {"id": "r1", "firstName": "Dana"}


def test_the_context_has_the_message_its_text_and_what_is_related():
    message = {"id": "m1", "text": "hi", "lead": "l1", "vehicle": {"year": 2022}}
    context = context_of(message, {"lead": LEAD, "salesRep": REP, "agent": None}, dealership="Rivertown")
    assert context == {
        "message": message,
        "text": "hi",
        "dealership": "Rivertown",
        "lead": LEAD,
        "salesRep": REP,
        "sales_rep": REP,
    }
    assert context["salesRep"] is context["sales_rep"]


def test_a_message_without_text_has_empty_text():
    assert context_of({}, {}, dealership="d")["text"] == ""
    assert context_of({"text": None}, {}, dealership="d")["text"] == ""


def test_what_is_not_known_is_not_in_the_context():
    assert set(context_of({}, {"lead": None}, dealership="d")) == {"message", "text", "dealership"}


def test_no_extra_field_can_pass_for_a_name_of_the_context():
    message = {"dealership": "Other", "lead": "l1", "range": 1, "sales_rep": {}}
    context = context_of(message, {}, dealership="d")
    assert context["dealership"] == "d"
    assert set(context) <= NAMES


def test_the_message_given_is_not_changed_nor_shared():
    message = {"text": "hi"}
    context_of(message, {}, dealership="d")["message"]["text"] = "changed"
    assert message == {"text": "hi"}


def test_objects_held_inline_are_found_and_ids_are_not():
    assert inline_objects({"lead": LEAD, "salesRep": "r1"}) == {"lead": LEAD, "salesRep": None, "agent": None}
