"""One renderer for many: files that change are read again, and threads can share it."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest


@pytest.mark.parametrize("changed", ["t/x/sms.txt", "_base/layout.txt"])
@pytest.mark.parametrize("reload", [True, False])
def test_changed_files_are_read_again_only_with_reload(folder, changed, reload):
    folder.write("_base/layout.txt", "layout {% block b %}{% endblock %}")
    folder.write("t/x/sms.txt", '{% extends "_base/layout.txt" %}{% block b %}body{% endblock %}')
    renderer = folder.renderer(reload=reload)
    template = renderer.catalogue.find("t", "x")
    before = renderer.render_sms(template, {}).body
    file = folder.write(
        changed, (folder.path / changed).read_text().replace("body", "new").replace("out ", "new ")
    )
    os.utime(file, (1, 1))
    after = renderer.render_sms(template, {}).body
    assert (before, after != before) == ("layout body", reload)


def test_threads_can_share_a_renderer(folder):
    folder.write("t/x/sms.txt", "{% for i in range(50) %}{{ text }}{% endfor %}")
    renderer = folder.renderer()
    template = renderer.catalogue.find("t", "x")
    barrier = threading.Barrier(8)

    def render(n):
        barrier.wait(timeout=10)
        return renderer.render_sms(template, folder.context({"text": str(n)})).body

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(render, range(8))) == [str(n) * 50 for n in range(8)]
