"""A local site, as a laptop needs it: embedded PostgreSQL, private SLURM cluster, Airflow's processes, and the demo."""
