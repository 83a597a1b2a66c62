"""The sandbox: what stands in place of the providers until real ones are set.

    server      starts and stops it: one process, one event loop, 127.0.0.1 only
    smtp        an SMTP server that takes every e-mail
    twilio      a look-alike of Twilio's Messages API
    behaviours  the addresses that misbehave on purpose, both channels
    inbox       what arrived, the latest of it kept in memory
    app         the HTTP side put together; `api` is the JSON the page reads, `page/` the page itself

`python -m worker.sandbox` runs it; `http://127.0.0.1:8025/sandbox` shows what arrived.
"""

#: The credentials of the Twilio look-alike when TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN are not set.
#: They open nothing but this sandbox.
SANDBOX_ACCOUNT_SID = "AC" + "5a" * 16
SANDBOX_AUTH_TOKEN = "sandbox"  # noqa: S105 (no secret: see above)
