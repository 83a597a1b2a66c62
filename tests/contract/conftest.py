"""What several of the store's contract tests begin with."""

from tests.contract.in_doubt import begin, delivery, lose  # noqa: F401
