"""Fill the database with tenants: ``load_tenants --tenants 100000 --origins 10``."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from benchmarks.size import load_tenants


class Command(BaseCommand):
    help = "Add so many tenants of so many origins each, for measuring; existing ones are removed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--tenants", type=int, default=100_000)
        parser.add_argument("--origins", type=int, default=10)
        parser.add_argument("--database", default="default")

    def handle(self, *_: object, **options: Any) -> None:
        load_tenants(options["tenants"], options["origins"], options["database"])
