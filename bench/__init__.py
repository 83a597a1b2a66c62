"""The benchmarks: Roundsman beside its peers, on one machine, audited.

    python -m bench --only drain --runs 1 --store sqlite --scale 0.1        (make bench ONLY=drain RUNS=1 …)

    targets     what is measured against what, and what is to come of it
    scenarios/  the measurements of Roundsman: drain, sms, entrance, intake, latency, growth, memory, backlog
    peers/      what it is measured against, each as its own documentation would have it
    providers/  an SMTP server and a Twilio look-alike, in processes of their own, that are not the bottleneck
    stage       all that runs: broker, stores, providers; `ours` is Roundsman on that stage
    rounds      every measurement once, then again: what is compared is always of the same round
    results     medians, spreads, verdicts; `report` writes them as JSON, Markdown and a plot

A run that loses or doubles anything is a failure, however fast it was.
"""
