import os

from hypothesis import HealthCheck, settings

# A shared machine's pace is no property of the code. Where CI is set, every run tries the same examples.
settings.register_profile(
    "cors",
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("cors")
