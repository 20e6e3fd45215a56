"""What a shifter sees of the nights inside Airflow's interface."""
