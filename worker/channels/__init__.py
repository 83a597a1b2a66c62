"""The channels: how an SMS reaches Twilio, an e-mail its SMTP server, and an attachment this machine.

A channel never raises for what a provider does: it answers with an Outcome. Everything here is async,
lives on one event loop per process and is closed with `close()`.
"""
