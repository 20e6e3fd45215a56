"""Airflow's connection to a cluster."""

from __future__ import annotations

import dataclasses
import json
import os

import pytest
from airflow_slurm import get_provider_info
from airflow_slurm.array import JobState
from airflow_slurm.connection import SlurmSettings
from airflow_slurm.hook import SlurmHook
from airflow_slurm.slurm import SlurmBackend
from airflow_slurm.ssh import SshTransport
from slurm_backends import shell_array, to_the_end


def read(**parts) -> SlurmSettings:
    """Read a connection that has nothing but these parts."""
    return SlurmSettings.read(**({"host": None, "port": None, "login": None, "password": None, "extra": {}} | parts))


def test_airflow_lists_the_connection_type_with_its_form():
    from airflow.providers_manager import ProvidersManager

    manager = ProvidersManager()
    hook = manager.hooks["slurm"]
    assert (hook.hook_name, hook.connection_testable) == ("SLURM", True)
    assert hook.hook_class_name == f"{SlurmHook.__module__}.{SlurmHook.__qualname__}"
    fields = {name.removeprefix("extra__slurm__") for name in manager.connection_form_widgets if "__slurm__" in name}
    settings = {field.name for field in dataclasses.fields(SlurmSettings)}
    assert fields == settings - {"host", "port", "login", "password"}
    assert "extra" in manager.field_behaviours["slurm"]["hidden_fields"]


def test_every_default_in_the_form_is_what_happens_without_the_form():
    fields = get_provider_info()["connection-types"][0]["conn-fields"]
    for name, field in fields.items():
        assert field["schema"].get("default") == getattr(read(), name)


def test_an_array_through_a_connection(cluster, tmp_path, monkeypatch):
    extra = {
        "slurm_conf": str(cluster.conf),
        "poll_interval_s": 0.3,
        "state_folder": str(tmp_path),
        "partition": "long",
    }
    extra |= {"job_url": "https://cluster.example/jobs/{job_id}", "account": "", "qos": None}
    monkeypatch.setenv("AIRFLOW_CONN_OUR_CLUSTER", json.dumps({"conn_type": "slurm", "extra": extra}))
    backend = SlurmBackend.from_connection("our_cluster")
    assert backend.view.interval_s == 0.3
    handle = backend.submit(shell_array(tmp_path, "exit 0"))
    assert to_the_end(backend, handle)[0].state == JobState.COMPLETED
    assert "Partition=long" in cluster.run("scontrol", "show", "job", handle.id)
    assert backend.trigger_arguments() == {"slurm_conn_id": "our_cluster"}
    assert backend.job_url("12_3") == "https://cluster.example/jobs/12_3"
    hook = SlurmHook("our_cluster")
    assert hook.installation == "airflow"
    ok, text = hook.test_connection()
    assert ok
    assert "SLURM 22" in text
    assert "without accounting, through this machine" in text


def test_a_connection_that_does_not_work_says_why(tmp_path, monkeypatch):
    monkeypatch.setenv(
        "AIRFLOW_CONN_BAD", json.dumps({"conn_type": "slurm", "extra": {"slurm_conf": str(tmp_path / "x")}})
    )
    ok, text = SlurmHook("bad").test_connection()
    assert not ok
    assert str(tmp_path / "x") in text


def test_a_host_means_ssh_and_the_key_check_cannot_be_switched_off():
    settings = read(host="login.example", port=2222, login="me", extra={"known_hosts": "", "private_key": "text"})
    transport = settings.transport()
    assert isinstance(transport, SshTransport)
    assert transport.where == "me@login.example:2222"
    for field in ("no_host_key_check", "allow_host_key_change"):
        with pytest.raises(ValueError, match=f"nobody reads: {field}; there are account,"):
            read(extra={field: True})


@pytest.mark.parametrize(
    "extra", [{"poll_interval_s": "often"}, {"poll_interval_s": 0}, {"installation": "a|b"}, {"partitions": "long"}]
)
def test_values_that_cannot_be(extra):
    with pytest.raises(ValueError, match="the connection"):
        read(extra=extra)


def test_each_cluster_and_user_has_a_view_of_its_own(tmp_path, monkeypatch):
    monkeypatch.delenv("SLURM_CONF", raising=False)
    extra = {"state_folder": str(tmp_path)}
    folders = {
        settings.view_folder()
        for settings in (
            read(extra=extra),
            read(extra=extra | {"slurm_conf": "/a"}),
            read(extra=extra | {"installation": "b"}),
            read(extra=extra, host="a"),
            read(extra=extra, host="a", login="me"),
            read(extra=extra, host="a", port=23),
        )
    }
    assert len(folders) == 6
    assert {folder.parent for folder in folders} == {tmp_path}
    assert str(os.getuid()) in read().view_folder().parent.name
