import os

from hypothesis import HealthCheck, settings

# A shared machine's pace is no property of the code. Where CI is set, every run tries the same examples.
for name, max_examples in (("quick", 30), ("thorough", 200)):
    settings.register_profile(
        name,
        max_examples=max_examples,
        deadline=None,
        derandomize=bool(os.environ.get("CI")),
        suppress_health_check=[HealthCheck.too_slow],
    )
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))
