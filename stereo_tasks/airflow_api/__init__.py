"""Airflow and the catalog from outside, as on any site: the REST interface, backfills, where the database is."""
