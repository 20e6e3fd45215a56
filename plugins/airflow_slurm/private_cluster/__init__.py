"""A real SLURM of one's own on this machine, for tests and demonstrations.

``python -m airflow_slurm.private_cluster start DIR`` starts it, ``stop DIR`` ends it with everything it has started.
Nothing of it is visible from other machines, and no other SLURM on this machine is touched.
"""

from airflow_slurm.private_cluster.cluster import ClusterStatus, PrivateCluster
from airflow_slurm.private_cluster.errors import PrivateClusterError

__all__ = ["ClusterStatus", "PrivateCluster", "PrivateClusterError"]
