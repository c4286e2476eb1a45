"""The middleware's cost, beside django-cors-headers and a middleware that does nothing.

pip install .[benchmarks] && python -m benchmarks
"""
