"""What several of the rendering's tests begin with."""

from tests.unit.templates_folder import folder  # noqa: F401
