"""The fault suite: real processes, broken on purpose while messages flow, and an audit of what came of them.

    python -m tests.chaos --seed 7 --messages 2000 --faults 60 --store sqlite

The runner (`run`) holds the producers (`load`), the providers (`smtp`, `twilio`) and the faults (`faults`).
What it breaks runs beside it: a broker, a store, intakes and workers, all started by one `launcher`.
"""
