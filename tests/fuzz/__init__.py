"""Bad input at scale: malformed requests and queue entries for real processes, good Messages among them.

    values      what stands where it should not
    messages    Messages with such values, and JSON that is none
    requests    HTTP requests, as bytes
    entries     queue entries, as bytes
    wire        sends one request, reads one answer
    processes   intake and worker, and how much memory they take
    run         all of it, and what must hold afterwards

`make fuzz SEED=7 COUNT=10000`
"""
