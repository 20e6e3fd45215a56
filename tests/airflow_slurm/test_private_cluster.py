import getpass
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest
from airflow_slurm.private_cluster import PrivateCluster, PrivateClusterError, daemons, packages
from airflow_slurm.private_cluster.configuration import own_address

COMMAND = [sys.executable, "-m", "airflow_slurm.private_cluster"]
# A job that does not want to end, with a child in a session of its own.
STUBBORN = "trap '' TERM; setsid sleep 600 & sleep 600; sleep 600"


@pytest.fixture
def folder(tmp_path):
    """Where a test has a cluster of its own; afterwards nothing of it may be left."""
    yield tmp_path / "own"
    short = links_to(tmp_path)
    left = processes_of(tmp_path)
    for root, _, _ in os.walk(tmp_path):
        if (Path(root) / "cluster.json").exists():
            PrivateCluster(Path(root)).stop()
    assert not left
    assert not short


@pytest.fixture
def open_folder():
    """A folder that other users reach, as they do not reach those of pytest."""
    with tempfile.TemporaryDirectory(prefix="private-", dir="/tmp") as name:
        yield Path(name)
        assert not processes_of(Path(name))


def processes_of(folder):
    """Command lines of all processes that have something of a folder open, or its name in their environment."""
    commands = []
    for process in psutil.process_iter():
        try:
            files = [file.path for file in process.open_files()]
            values = [process.cwd(), *files, *process.environ().values()]
            if process.pid != os.getpid() and any(value.startswith(f"{folder}/") for value in values):
                commands.append(process.cmdline())
        except psutil.Error:
            continue
    return commands


def links_to(folder):
    """The short folders of clusters below a folder."""
    homes = [home for home in Path("/tmp").glob("slurm-*/home") if home.is_symlink()]
    return [home for home in homes if str(home.readlink()).startswith(str(folder))]


def submit(cluster, script, *arguments):
    text = f"#!/bin/bash\n{script}\n"
    return cluster.run("sbatch", "--parsable", "--output=/dev/null", "--chdir=/tmp", *arguments, text=text).strip()


def wait_for(cluster, job, state, limit_s=15):
    deadline = time.monotonic() + limit_s
    while (now := cluster.run("squeue", "-h", "-t", "all", "-j", job, "-o", "%T").strip()) != state:
        assert time.monotonic() < deadline, (
            f"job {job} is {now}, not {state}\n{cluster.run('squeue', '-a')}\n{cluster.run('sinfo', '-lN')}"
        )
        time.sleep(0.05)


def command(*arguments):
    return subprocess.run([*COMMAND, *map(str, arguments)], capture_output=True, text=True, check=False)


def test_jobs_run_on_all_its_nodes(cluster, tmp_path):
    assert cluster.node_names == ("n1", "n2")
    job = submit(cluster, f"srun bash -c 'echo $SLURMD_NODENAME >> {tmp_path}/nodes'", "--nodes=2")
    wait_for(cluster, job, "COMPLETED")
    assert sorted((tmp_path / "nodes").read_text().split()) == ["n1", "n2"]
    assert cluster.run("sinfo", "-h", "-o", "%P %l").split() == ["short*", "1:00:00", "long", "infinite"]


def test_it_waits_for_no_scheduler(cluster):
    begin = time.monotonic()
    wait_for(cluster, submit(cluster, "exit 0"), "COMPLETED")
    assert time.monotonic() - begin < 10  # SLURM's own rhythm is 30 s and more


@pytest.mark.skipif(own_address() is None, reason="the name of this machine leads to a network")
def test_nothing_of_it_is_reached_from_elsewhere(accounted_cluster):
    addresses = {}
    for name, pid in accounted_cluster.pids.items():
        listening = [socket for socket in psutil.Process(pid).net_connections("tcp") if socket.status == "LISTEN"]
        addresses[name] = [socket.laddr.ip for socket in listening]
    assert addresses["slurmctld"]
    assert addresses["slurmd.n2"]
    assert addresses["mariadbd"] == []
    assert addresses["slurmdbd"]
    assert all(ip.startswith("127.") for ips in addresses.values() for ip in ips)


def test_accounting_remembers_jobs(accounted_cluster):
    job = submit(accounted_cluster, "exit 7")
    sacct = ("sacct", "-X", "-n", "-P", "-j", job, "-o", "state,exitcode,user")
    expected = f"FAILED|7:0|{getpass.getuser()}\n"
    assert daemons.wait_until(lambda: accounted_cluster.run(*sacct) == expected, 15)


def test_the_database_daemon_can_be_killed_and_started(accounted_cluster):
    accounted_cluster.kill("slurmdbd")
    assert "slurmdbd" not in accounted_cluster.pids
    with pytest.raises(PrivateClusterError, match="sacct"):
        accounted_cluster.run("sacct")
    wait_for(accounted_cluster, submit(accounted_cluster, "exit 0"), "COMPLETED")
    accounted_cluster.start_daemon("slurmdbd")
    accounted_cluster.run("sacct")


def test_another_program_can_look_at_it_and_stop_it_with_its_jobs(folder):
    assert (stopped := command("status", folder)).returncode == 3
    assert stopped.stdout == "stopped\n"
    started = command("start", folder, "--nodes", 3, "--cpus-per-node", 2, "--option", "MaxArraySize=50")
    assert started.returncode == 0, started.stderr
    cluster = PrivateCluster(folder)
    assert f"SLURM_CONF={cluster.conf}" in started.stdout
    assert (running := command("status", folder)).returncode == 0
    assert "slurmd.n3    running" in running.stdout
    assert "idle n[1-3]" in running.stdout
    assert "MaxArraySize            = 50" in cluster.run("scontrol", "show", "config")

    jobs = [submit(cluster, STUBBORN, "--array=0-20"), submit(cluster, "sleep 600", "--hold")]
    wait_for(cluster, f"{jobs[0]}_1", "RUNNING")
    assert command("stop", folder).returncode == 0
    assert not processes_of(folder)
    assert not cluster.status().running
    cluster.stop()  # of one that is stopped does nothing

    cluster.start()
    assert cluster.node_names == ("n1", "n2")
    assert cluster.run("squeue", "-h") == ""
    assert int(submit(cluster, "true")) > int(jobs[1])
    cluster.stop()


def test_starting_twice_starts_what_is_missing(folder):
    with PrivateCluster(folder) as cluster:
        before = cluster.pids
        cluster.start()
        assert cluster.pids == before
        cluster.kill("slurmd", "n2")
        assert set(before) - set(cluster.pids) == {"slurmd.n2"}
        assert not cluster.status().running
        cluster.start()
        after = cluster.pids
        assert after.pop("slurmd.n2") != before.pop("slurmd.n2")
        assert after == before


def test_a_job_outlives_its_daemons(folder):
    with PrivateCluster(folder, nodes=1) as cluster:
        job = submit(cluster, "sleep 3")
        wait_for(cluster, job, "RUNNING")
        time.sleep(1)  # slurmctld writes its state lazily
        cluster.kill("slurmctld")
        cluster.kill("slurmd")
        with pytest.raises(PrivateClusterError, match="slurmctld does not run"):
            cluster.kill("slurmctld")
        cluster.start_daemon("slurmctld")
        cluster.start_daemon("slurmd")
        with pytest.raises(PrivateClusterError, match=r"slurmd\.n1 runs already"):
            cluster.start_daemon("slurmd")
        wait_for(cluster, job, "COMPLETED")


def test_jobs_of_killed_daemons_end_too(folder):
    with PrivateCluster(folder, nodes=1) as cluster:
        wait_for(cluster, submit(cluster, STUBBORN), "RUNNING")
        for name in ("slurmd", "slurmctld", "munged"):
            cluster.kill(name)
    assert not processes_of(folder)
    with cluster:
        assert cluster.run("squeue", "-h") == ""


def test_a_daemon_that_hangs_is_ended(folder):
    cluster = PrivateCluster(folder, nodes=1)
    cluster.start()
    cluster.kill("slurmctld", signal=signal.SIGSTOP)
    cluster.stop()
    assert not processes_of(folder)


def test_a_kept_queue_goes_on_after_the_next_start(folder, tmp_path):
    cluster = PrivateCluster(folder, nodes=1, cpus=1)
    cluster.start()
    running = submit(cluster, STUBBORN, "--no-requeue")
    waiting = submit(cluster, f"touch {tmp_path}/ran")
    wait_for(cluster, running, "RUNNING")
    cluster.stop(keep_queue=True)
    assert not processes_of(folder)
    assert not (tmp_path / "ran").exists()
    with cluster:
        wait_for(cluster, running, "NODE_FAIL")
        wait_for(cluster, waiting, "COMPLETED")


def test_a_deep_folder_with_blanks(folder):
    deep = folder / ("x" * 90) / "a b%n#" / ("y" * 90)
    with PrivateCluster(deep, nodes=1, accounting=True) as cluster:
        wait_for(cluster, submit(cluster, "exit 3"), "FAILED")
        assert (deep / "log" / "slurmctld.log").stat().st_size


def test_options_and_partitions_replace_the_usual_ones(folder):
    options = {"killwait": "5", "TaskPlugin": "task/cgroup"}
    with PrivateCluster(folder, nodes=2, options=options, partitions={"night": "Nodes=n2 Default=YES"}) as cluster:
        assert cluster.run("sinfo", "-h", "-o", "%P %N").split() == ["night*", "n2"]
        text = cluster.conf.read_text()
        assert "KillWait=5" in text
        assert text.lower().count("killwait") == 1
        assert "ConstrainRAMSpace=yes" in (folder / "cgroup.conf").read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_start_leaves_nothing_behind(folder, number):
    with subprocess.Popen([*COMMAND, "start", str(folder)], stderr=subprocess.PIPE, text=True) as child:
        # No pause that grows: the rest of a start takes less than half a second.
        deadline = time.monotonic() + 20
        while "slurmctld" not in PrivateCluster(folder).pids and time.monotonic() < deadline:
            time.sleep(0.001)
        child.send_signal(number)
        said = child.stderr.read()
    assert (child.returncode, said) == (130, "interrupted\n")
    assert not processes_of(folder)


def test_what_a_killed_start_has_left_is_found(folder):
    with subprocess.Popen([*COMMAND, "start", str(folder)]) as child:
        assert daemons.wait_until(lambda: "munged" in PrivateCluster(folder).pids, 10, pause_s=0.001)
        child.kill()
    assert command("stop", folder).returncode == 0
    assert not processes_of(folder)


def test_a_daemon_that_does_not_start_is_named_with_its_log(folder):
    with pytest.raises(PrivateClusterError, match=r"slurmctld (did not start|ended at once)[\s\S]*NoSuchOption"):
        PrivateCluster(folder, options={"NoSuchOption": "1"}).start()


def test_missing_packages_are_named(folder, monkeypatch):
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(packages, "_FOLDERS", ())
    with pytest.raises(PrivateClusterError, match=r"apt-get install mariadb-client-core .* munge slurm-wlm slurmdbd"):
        PrivateCluster(folder, accounting=True).start()
    assert packages.missing_packages(accounting=False) == ["munge", "slurm-wlm"]


def test_no_variable_of_another_cluster_comes_in(cluster, monkeypatch):
    monkeypatch.setenv("SLURM_CONF", "/etc/slurm/slurm.conf")
    monkeypatch.setenv("SQUEUE_FORMAT", "%q")
    monkeypatch.setenv("SBATCH_PARTITION", "nowhere")
    job = submit(cluster, "exit 0")
    wait_for(cluster, job, "COMPLETED")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_an_ordinary_user_can_have_one(open_folder):
    os.chown(open_folder, 65534, 65534)
    # The right to read everything is for the programs of this checkout, which may lie in a closed folder.
    become = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    become += ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search", "--"]
    own = str(open_folder / "cluster")
    started = subprocess.run([*become, *COMMAND, "start", own], capture_output=True, text=True, check=False)
    try:
        assert started.returncode == 0, started.stderr
        cluster = PrivateCluster(own)
        assert {psutil.Process(pid).uids().real for pid in cluster.pids.values()} == {65534}
        script = "#!/bin/bash\nexit 9\n"
        sbatch = [*become, "sbatch", "--parsable", "--output=/dev/null", "--chdir=/tmp"]
        job = subprocess.run(sbatch, env=cluster.environment, input=script, capture_output=True, text=True, check=True)
        wait_for(cluster, job.stdout.strip(), "FAILED")
    finally:
        subprocess.run([*become, *COMMAND, "stop", own], check=True)
