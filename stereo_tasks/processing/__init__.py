"""One night, from its plans to the publication: what the tasks of a DAG call. No Airflow in here."""
