from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest
from docker_files import DOCKER

FIRST = re.compile(r"^[\w./-]+:\d+\.\d+[\w.-]*$")  # name, and a tag with at least a minor version


def test_the_components_are_there(compose):
    assert set(compose["services"]) == {
        "api-server", "compute1", "compute2", "dag-processor", "init", "mariadb", "munge", "postgres", "scheduler",
        "slurmctld", "slurmdbd", "triggerer",
    }  # fmt: skip


def test_every_image_has_a_version(compose):
    images = {service["image"] for service in compose["services"].values()}
    assert [image for image in images if not FIRST.match(image)] == []
    bases = re.findall(r"^FROM (\S+)", (DOCKER / "Dockerfile").read_text(), re.MULTILINE)
    stages = re.findall(r" AS (\S+)$", (DOCKER / "Dockerfile").read_text(), re.MULTILINE)
    assert [base for base in bases if base not in stages and not FIRST.match(base)] == []


def test_our_image_version_is_the_package_version(compose):
    from importlib.metadata import version

    ours = {service["image"] for service in compose["services"].values() if "build" in service}
    assert {image.rpartition(":")[2] for image in ours} == {version("stereo-nights")}


def test_every_built_target_is_a_stage(compose):
    stages = set(re.findall(r" AS (\S+)$", (DOCKER / "Dockerfile").read_text(), re.MULTILINE))
    targets = {service["build"]["target"] for service in compose["services"].values() if "build" in service}
    assert targets == stages - {"base", "build", "science"}


def test_services_have_no_power_over_the_host(compose):
    for name, service in compose["services"].items():
        assert service["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert not service.get("privileged"), name
        if name != "mariadb":  # starts as root, and changes to its own user
            assert not service["user"].startswith("0"), name
            assert "cap_add" not in service, name


def test_services_come_back_and_say_how_they_are(compose):
    for name, service in compose["services"].items():
        if name == "init":
            assert service["restart"] == "on-failure:5"
            continue
        assert service["restart"] == "unless-stopped", name
        assert service["healthcheck"]["test"], name


def test_only_the_interface_is_open_and_only_to_this_host(compose):
    open_ports = {name: service["ports"] for name, service in compose["services"].items() if service.get("ports")}
    assert set(open_ports) == {"api-server"}
    assert [port["host_ip"] for port in open_ports["api-server"]] == ["127.0.0.1"]
    assert compose["networks"]["inside"]["internal"] is True
    assert set(compose["services"]["postgres"]["networks"]) == {"inside"}


def test_waiting_for_services_that_tell_how_they_are(compose):
    for name, service in compose["services"].items():
        for other, wait in service.get("depends_on", {}).items():
            expected = "service_completed_successfully" if other == "init" else "service_healthy"
            assert wait["condition"] == expected, (name, other)


def test_files_of_this_folder_are_mounted_read_only_and_exist(compose):
    mounted = set()
    for name, service in compose["services"].items():
        for volume in service.get("volumes", []):
            if volume["type"] == "bind":
                assert volume["read_only"] is True, name
                assert Path(volume["source"]).exists(), volume["source"]
                mounted.add(Path(volume["source"]).relative_to(DOCKER).as_posix())
    assert mounted == {"postgres/roles.sh", "site", "slurm"}


def test_scripts_in_commands_exist(compose):
    scripts = set()
    for service in compose["services"].values():
        words = [*(service.get("command") or []), *service.get("healthcheck", {}).get("test", [])]
        scripts |= {word for word in words if word.startswith("docker/")}
    assert scripts == {"docker/control/init.sh", "docker/control/healthy.py"}
    assert all((DOCKER.parent / script).exists() for script in scripts)


def test_shared_files_are_at_the_same_place_everywhere(compose):
    places = {
        volume["target"]
        for service in compose["services"].values()
        for volume in service.get("volumes", [])
        if volume.get("source") == "data"
    }
    assert places == {"/srv/stereo"}


def test_every_secret_is_made_and_every_made_secret_is_used(compose, secrets):
    named = {Path(secret["file"]).name for secret in compose["secrets"].values()}
    used = {secret["source"] for service in compose["services"].values() for secret in service.get("secrets", [])}
    made = {path.name for path in secrets.iterdir()}
    assert named == used == made


def test_files_that_are_read_from_secrets_are_given_to_the_service(compose):
    found = 0
    for name, service in compose["services"].items():
        given = {secret["source"] for secret in service.get("secrets", [])}
        words = [*map(str, service.get("environment", {}).values()), *(service.get("command") or [])]
        for wanted in re.findall(r"/run/secrets/(\w+)", " ".join(words)):
            assert wanted in given, (name, wanted)
            found += 1
    assert found > 20


def test_no_secret_in_the_environment(compose, compose_text, secrets):
    for path in secrets.iterdir():
        if path.name != "munge_key":
            values = [line.rpartition(":")[2] for line in path.read_text().split()]
            assert values
            assert all(len(value) >= 16 and value not in compose_text for value in values), path.name
    for name, service in compose["services"].items():
        for key in service.get("environment", {}):
            if re.search(r"PASSWORD|SECRET|KEY|TOKEN", key):
                assert key.endswith(("_FILE", "_CMD")), (name, key)


def test_secrets_are_for_their_owner_only_and_are_kept(secrets):
    assert secrets.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in secrets.iterdir()} == {0o600}
    before = {path.name: path.read_bytes() for path in secrets.iterdir()}
    (secrets / "op_password").unlink()
    command = [DOCKER / "make-secrets.sh", secrets, secrets.parent / ".env"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    after = {path.name: path.read_bytes() for path in secrets.iterdir()}
    assert [name for name in before if before[name] != after[name]] == ["op_password"]
    assert after["op_password"].decode() not in done.stdout


def test_secrets_are_not_under_version_control():
    listed = subprocess.run(
        ["git", "-C", DOCKER, "check-ignore", "secrets/pgpass", ".env"], capture_output=True, text=True
    )
    assert shlex.split(listed.stdout) == ["secrets/pgpass", ".env"]


@pytest.mark.parametrize("name", ["api-server", "scheduler", "dag-processor", "triggerer"])
def test_airflow_starts_after_databases_users_and_cluster(compose, name):
    assert set(compose["services"][name]["depends_on"]) == {"init", "slurmctld"}
