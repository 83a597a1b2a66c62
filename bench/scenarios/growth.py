"""Does it stay as fast when a million Messages are stored? The same work with few and with many, in turn."""

from statistics import median

from bench.client import ask
from bench.copies import copy
from bench.corpus import addresses, emails
from bench.figures import Figures, percentile, rate
from bench.ours import Ours
from bench.stage import Stage

_FEW, _MANY = 10_000, 1_000_000
_ROUNDS = 7
_POSTS, _SHOWS, _LISTS = 6_000, 1_000, 300


def growth(stage: Stage, store: str) -> Figures:
    """Each figure with many, divided by that with few just before or after: the median of seven.

    Both take the same posts: what came lately costs a list, however much is older. So the few become some
    more with each pair.
    """
    few, many = stage.sizes.of(_FEW), stage.sizes.of(_MANY, least=2_000)
    urls = {count: _stored(stage, store, count) for count in (few, many)}
    pairs: list[dict[int, Figures]] = []
    for number in range(_ROUNDS):
        pairs.append({})
        for count in (few, many) if number % 2 == 0 else (many, few):
            stage.clear()
            pairs[-1][count] = _work(stage, store, urls[count], count, f"growth{number}")
    names = pairs[0][few]
    ratios = {name: median(pair[many][name] / pair[few][name] for pair in pairs) for name in names}
    return ratios | {f"{name}_with_many": median(pair[many][name] for pair in pairs) for name in names}


def _stored(stage: Stage, store: str, count: int) -> str:
    """A store with so many Messages, all sent; its URL."""
    url = stage.stores[store].fresh(f"with_{count}")
    with Ours(stage, store, url) as ours:
        ours.fill(emails("pattern", 1))
        with ours.workers(1) as running:
            ours.until_sent(running, stage.smtp, 1)
    copy(url, "pattern-0", count - 1)
    stage.clear()
    return url


def _work(stage: Stage, store: str, url: str, stored: int, name: str) -> Figures:
    with Ours(stage, store, url) as ours:
        with ours.intake():
            posts = ask(ours.port, "--post", name, "--count", str(stage.sizes.of(_POSTS)))
            one = ("--get", "/api/messages/old-{number}", "--of", str(stored - 1))
            shows = ask(ours.port, *one, "--count", str(stage.sizes.of(_SHOWS)), connections=1)
            some = ("--get", "/api/messages?limit=10&page=1{number}", "--of", "10")
            lists = ask(ours.port, *some, "--count", str(stage.sizes.of(_LISTS, least=100)), connections=1)
        with ours.workers() as running:
            end = ours.until_sent(running, stage.smtp, len(posts.sent))
        times = ours.check(stage.smtp, addresses(name, len(posts.sent)))
    return {
        "drain": rate(times, end),
        "accept": posts.per_second,
        "show": percentile(shows.waits, 0.99),
        "list": percentile(lists.waits, 0.99),
    }
