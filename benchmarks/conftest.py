"""The fixtures of the tests that benchmarks use too."""

from tests.conftest import as_a_user_would, instant, quiet_servers, reference_data

__all__ = ["as_a_user_would", "instant", "quiet_servers", "reference_data"]
