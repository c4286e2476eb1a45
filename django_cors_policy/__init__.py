"""CORS for Django: from the settings, and from each tenant's own policy in the database."""
