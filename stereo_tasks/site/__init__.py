"""A site on this machine: the embedded database, the four Airflow components, and the demo that uses them."""
