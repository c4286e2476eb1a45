"""The middleware's cost, beside django-cors-headers and a middleware that does nothing, in one process.

pip install .[benchmarks] && python -m benchmarks
"""
